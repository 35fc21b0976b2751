"""Loss and return are each said once; the backoff grows and starts again after health."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import pytest

from gateway.clock import SimClock
from gateway.errors import DeviceError
from gateway.supervise import Availability, Backoff, CalmAvailability, supervise

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


async def test_what_comes_and_goes_is_said_twice_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    clock = SimClock(START)

    async def flaps() -> None:
        broker = CalmAvailability("broker", clock=clock)
        for _ in range(1000):  # two gateways of one name throw each other out, for 50 minutes
            assert broker.lost("Disconnected"), "it counts each time"
            await clock.sleep(1.5)
            assert broker.back()
            await clock.sleep(1.5)
        assert [r.message for r in caplog.records] == [
            "broker is lost: Disconnected",
            "broker is back",
            "broker is lost: Disconnected; for an hour only a loss that lasts is said from now on",
            "broker is back",
        ]
        caplog.clear()
        for _ in range(1000):  # and then it is lost for good
            broker.lost("no answer")
            await clock.sleep(3.0)
        assert [r.message for r in caplog.records] == ["broker is lost: no answer"]
        assert broker.back()
        assert [r.message for r in caplog.records][1:] == ["broker is back"]

    async with asyncio.TaskGroup() as group:
        clock.spawn(group, flaps(), "flaps")


async def test_an_hour_later_it_is_said_again(caplog: pytest.LogCaptureFixture) -> None:
    clock = SimClock(START)

    async def once_an_hour() -> None:
        device = CalmAvailability("meter", clock=clock)
        for _ in range(24):
            device.lost("no answer")
            device.back()
            await clock.sleep(3600)

    async with asyncio.TaskGroup() as group:
        clock.spawn(group, once_an_hour(), "once an hour")
    assert len(caplog.records) == 24, "each loss of a quiet day"
