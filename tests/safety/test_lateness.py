"""How late control is, is said as it is: a tick that was missed is a whole period late."""

from __future__ import annotations

import asyncio
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.clock import SimClock
from gateway.domain.control import Control, ControlSettings, Setpoints
from gateway.domain.order import StandingSettings
from gateway.guard.intents import GuardFile
from gateway.guard.loop import GuardLoop
from gateway.guard.orders import OrderIntake
from gateway.ipc.messages import GuardReport
from gateway.site.site import Site
from tests.safety.test_isolated import START, Plain

PERIOD_S = 2.0


class SlowSite(Site):
    """Its devices take so long that a tick is over after its successor's time: once, at the third."""

    takes_s = 5.0
    applied = 0

    async def apply(self, wanted: Setpoints) -> None:
        self.applied += 1
        if self.applied == 3:
            await self._clock.sleep(self.takes_s)


@pytest.mark.parametrize(("takes_s", "late_s"), [(0.5, 0.0), (2.5, 2.0), (5.0, 4.0)])
async def test_ticks_that_were_missed_count(tmp_path: Path, takes_s: float, late_s: float) -> None:
    clock = SimClock(START)
    site = SlowSite([Plain("one", clock)], clock, PERIOD_S)
    site.takes_s = takes_s
    seen: list[GuardReport] = []
    done = asyncio.Event()

    def hear(report: GuardReport) -> None:
        seen.append(report)
        if len(seen) == 6:
            done.set()

    settings = ControlSettings(zone=ZoneInfo("UTC"))
    intake = OrderIntake(GuardFile(tmp_path / "guard.json"), StandingSettings(20), clock)
    loop = GuardLoop(site, intake, settings, clock, PERIOD_S, hear)
    assert Control.BATTERY_POWER in site.devices[0].controls
    async with asyncio.TaskGroup() as group:
        running = clock.spawn(group, loop.run(), "control")
        await done.wait()
        running.cancel()
    late = [report.late_s for report in seen]
    assert max(late) == pytest.approx(late_s)
    assert late[3] == pytest.approx(late_s), "it is said of the tick that came late"
    assert late[5] == 0, "and the grid is kept"
