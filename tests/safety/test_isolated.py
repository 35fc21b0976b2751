"""A fault of the program in one device's code costs the home that device, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime

import pytest

from gateway.clock import SimClock
from gateway.devices import ReleaseReport
from gateway.domain.control import Control, Setpoints
from gateway.domain.readings import Quality, Reading
from gateway.site.site import Site

START = datetime(2026, 6, 1, tzinfo=UTC)


class Plain:
    """A device of somebody's own, as a plug-in may bring one."""

    sleeps_at_night = False
    notes = ()
    made_by = ("", "")
    versions = ("", "")
    controls = frozenset({Control.BATTERY_POWER})

    def __init__(self, name: str, clock: SimClock) -> None:
        self.name, self._clock = name, clock
        self.released = 0

    async def poll(self) -> tuple[Reading, ...]:
        return (Reading("battery_power_w", 100.0, Quality.GOOD, self._clock.now()),)

    async def hold(self, control: Control, value: float) -> None:
        """Takes what it is told."""

    async def release(self, controls: Collection[Control] = ()) -> ReleaseReport:
        self.released += 1
        return ReleaseReport(self.name, neutral=True)

    def lets_go_after_s(self, control: Control) -> float | None:
        return None

    async def steered_by_another(self) -> None:
        return None

    async def close(self) -> None:
        """Holds nothing open."""


class Faulty(Plain):
    """Its code stumbles over what its device says."""

    async def poll(self) -> tuple[Reading, ...]:
        raise ZeroDivisionError("a scale of 0")

    async def hold(self, control: Control, value: float) -> None:
        raise KeyError("mode")

    async def release(self, controls: Collection[Control] = ()) -> ReleaseReport:
        raise RuntimeError("no such register")


async def test_the_others_are_read_steered_and_released(caplog: pytest.LogCaptureFixture) -> None:
    clock = SimClock(START)
    good, bad = Plain("good", clock), Faulty("bad", clock)
    site = Site([bad, good], clock, 2.0)

    async def play() -> None:
        for _ in range(10):
            await clock.sleep(2.0)
            await site.apply(Setpoints(batteries_w={"good": 500, "bad": 500}))
        seen = site.observe()
        assert seen.devices["good"].online
        assert not seen.devices["bad"].online
        assert seen.devices["bad"].fault, "why, for the page"
        assert not seen.devices["good"].fault
        reports = {report.device: report for report in await site.release_all()}
        assert reports["good"].neutral
        assert not reports["bad"].neutral

    async with asyncio.TaskGroup() as group, asyncio.TaskGroup() as loops:
        site.start(loops)
        task = clock.spawn(group, play(), "play")
        await task
        for running in asyncio.all_tasks():
            if running.get_name().startswith(("poll ", "good ", "bad ")):
                running.cancel()
    traces = [r for r in caplog.records if r.exc_info]
    assert 1 <= len(traces) <= 3, "each kind of fault is traced once"
