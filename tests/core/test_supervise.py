"""Loss and return are each said once; the backoff grows and starts again after health."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import pytest

from gateway.clock import SimClock
from gateway.errors import DeviceError
from gateway.supervise import Availability, Backoff, supervise

START = datetime(2026, 6, 1, tzinfo=UTC)


async def test_a_failing_job_is_restarted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    clock, tries = SimClock(START), []

    async def job(availability: Availability) -> None:
        tries.append(clock.monotonic())
        if len(tries) < 5:
            raise DeviceError("meter: no answer")
        availability.back()

    async with asyncio.TaskGroup() as group:
        work = supervise("meter", job, clock, Backoff(first_s=2, longest_s=8, jitter=0))
        clock.spawn(group, work, "meter")
    assert tries == [0, 2, 6, 14, 22]
    assert [r.message for r in caplog.records] == [
        "meter is lost: meter: no answer",
        "meter is back",
    ]


async def test_a_bug_is_not_hidden() -> None:
    clock = SimClock(START)

    async def job(_availability: Availability) -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            clock.spawn(group, supervise("x", job, clock), "x")
    assert caught.group_contains(ZeroDivisionError)


async def test_the_backoff_starts_again_after_a_healthy_time() -> None:
    clock, tries = SimClock(START), []

    async def job(_availability: Availability) -> None:
        tries.append(clock.monotonic())
        if len(tries) == 3:
            await clock.sleep(100)
        if len(tries) == 5:
            return
        raise DeviceError("gone")

    async with asyncio.TaskGroup() as group:
        clock.spawn(group, supervise("x", job, clock, Backoff(first_s=2, jitter=0)), "x")
    assert tries == [0, 2, 6, 108, 112]


def test_jitter_stays_within_its_share() -> None:
    backoff = Backoff(first_s=10, longest_s=10, jitter=0.2, rng=random.Random(7))
    waits = [backoff.next() for _ in range(200)]
    assert min(waits) >= 8
    assert max(waits) <= 12
    assert len(set(waits)) > 100
