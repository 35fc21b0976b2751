"""A charger that dials in and says that it changes its phases: one phase where the sun is weak, never under a car that draws."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.bridge.ocpp import session as sessions
from gateway.control.decide import decide
from gateway.control.inputs import ControlMemory
from gateway.domain.control import Control, Fuse
from gateway.domain.order import StandingSettings
from gateway.domain.readings import Phase, Snapshot
from gateway.errors import DeviceError
from gateway.site.car_watch import CarWatch
from tests.bridge.ocpp_charger import Plug, dialling
from tests.bridge.ocpp_home import BOTH, SAFE_A, Home, home
from tests.control.homes import CONTROL, charger, inputs, order, snapshot
from tests.waiting import HANG_S, eventually

PHASES, CURRENT = Control.CHARGE_PHASES, Control.CHARGE_CURRENT
FUSE_A = 20.0
TICK_S = 10.0
PERIODS = pytest.mark.parametrize("most", [0, 1])  # of a schedule; 0: the charger does not say
MORE = StandingSettings(reserve_pct=20, car_more_per_kwh=0.28)  # what is cheaper the car takes


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LOOK_S", 0.01)


@asynccontextmanager
async def charging(here: Home, version: str, plug: Plug) -> AsyncIterator[Any]:
    """Greeted, in a transaction, and looked at by the guard after that."""
    assert here.bridge.dialled is not None
    box = here.bridge.dialled.chargers["car"]
    async with dialling(here.port, version, plug) as car:
        await car.boot()
        await eventually(lambda: box.greeted)
        await here.look_again()
        await car.begin()
        yield car


async def measured(here: Home, car: Any, plug: Plug) -> float:
    """W, as the charger tells of each phase and the guard reads it."""
    watts = plug.draw()
    await car.meter(watts)
    power = (await here.read())["charger_power_w"]
    assert power == pytest.approx(sum(watts))
    return float(power)


async def offered(plug: Plug, amps: float, phases: int) -> None:
    await eventually(lambda: plug.offered == (amps, phases))


@BOTH
@PERIODS
async def test_one_phase_and_all_again_each_in_a_pause(
    tmp_path: Path, version: str, most: int
) -> None:
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now, switches=True, most_periods=most)
        async with charging(here, version, plug) as car:
            assert PHASES in here.guard.controls
            await here.guard.hold(CURRENT, 6)
            await offered(plug, 6, 3)
            assert await measured(here, car, plug) == 3 * 6 * 230
            with pytest.raises(DeviceError, match="in a pause"):
                await here.guard.hold(PHASES, 1)
            await here.guard.hold(CURRENT, 0)
            await offered(plug, 0, 3)
            assert await measured(here, car, plug) == 0
            await here.guard.hold(PHASES, 1)
            await here.guard.hold(CURRENT, 6)
            await offered(plug, 6, 1)
            assert await measured(here, car, plug) == 6 * 230

            giving = asyncio.create_task(here.guard.release((PHASES,)))  # paused first, by itself
            await offered(plug, 0, 1)
            await measured(here, car, plug)
            report = await giving
            assert report.neutral, report
            await offered(plug, 6, 3)
            assert await measured(here, car, plug) == 3 * 6 * 230
            assert not plug.under_load


@BOTH
@PERIODS
async def test_who_dies_on_one_phase_leaves_all_of_them_after_a_pause(
    tmp_path: Path, version: str, most: int
) -> None:
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now, switches=True, most_periods=most)
        async with charging(here, version, plug):
            await here.guard.hold(CURRENT, 0)
            await here.guard.hold(PHASES, 1)
            await here.guard.hold(CURRENT, 10)
            await offered(plug, 10, 1)
            for seconds, amps, phases in ((49, 10, 1), (2, 0, 1), (10, SAFE_A, 3)):
                here.clock.seconds += seconds  # the guard is dead: nobody renews
                plug.draw()
                assert plug.offered == (amps, phases)
            assert not plug.under_load


@BOTH
async def test_a_charger_that_does_not_say_that_it_can_is_never_asked(
    tmp_path: Path, version: str
) -> None:
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now)  # it refuses to be asked, by an assertion of its own
        async with charging(here, version, plug):
            assert PHASES not in here.guard.controls
            with pytest.raises(DeviceError, match="cannot set"):
                await here.guard.hold(PHASES, 1)
            await here.guard.hold(CURRENT, 9)
            await offered(plug, 9, 3)


@BOTH
async def test_a_charger_that_says_it_can_and_refuses_charges_on(
    tmp_path: Path, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now, switches=True, takes_one=False)
        async with charging(here, version, plug):
            await here.guard.hold(CURRENT, 0)
            await offered(plug, 0, 3)
            await here.guard.hold(PHASES, 1)
            await here.guard.hold(CURRENT, 12)
            await offered(plug, 12, 3)
            here.clock.seconds += 21
            with pytest.raises(DeviceError, match="did not take it"):
                await here.guard.hold(PHASES, 1)
    said = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert sum("does not charge from one phase" in r.getMessage() for r in said) == 1


class Day:
    """Ticks of the guard's decision over the real wire: sun and house by hand, the car as its charger tells it."""

    def __init__(self, here: Home, car: Any, plug: Plug) -> None:
        self._here, self._car, self._plug = here, car, plug
        self.control = replace(CONTROL, fuse=Fuse(FUSE_A), phase_dwell_s=300.0)
        self._memory, self._watch = ControlMemory(), CarWatch(self.control)
        self.switched = 0

    async def tick(
        self, sun_w: float, house_a: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ) -> None:
        """``house_a`` of each phase, import +."""
        here, told = self._here, self._memory.setpoints
        here.clock.seconds += TICK_S
        await measured(here, self._car, self._plug)
        car_w = self._plug.draw()
        at = here.clock.monotonic()
        seen = self._watch.look(
            self._home(sun_w, house_a, car_w), told.chargers_a, at, told.charger_phases
        )
        asked = order(import_price=900.0, export_price=80.0)
        now = inputs(
            seen, asked, control=self.control, settings=MORE, monotonic_s=at, memory=self._memory
        )
        self._memory = decide(now).memory
        await self._apply(bool(told.charger_phases))

    def _home(
        self, sun_w: float, house_a: tuple[float, float, float], car_w: list[float]
    ) -> Snapshot:
        draws = [230 * a + w - sun_w / 3 for a, w in zip(house_a, car_w, strict=True)]
        box = replace(charger("car", power_w=sum(car_w)), switchable=True)
        home = snapshot(grid=sum(draws), pv=sun_w, batteries=(), chargers=(box,))
        return replace(home, phases=tuple(Phase(w, abs(w) / 230) for w in draws))

    async def _apply(self, before: bool) -> None:
        guard, wanted = self._here.guard, self._memory.setpoints
        one = bool(wanted.charger_phases)
        self.switched += one != before
        if one:
            await guard.hold(PHASES, 1)
        elif before:
            report = await guard.release((PHASES,))
            assert report.neutral, report
        amps = wanted.chargers_a["car"]
        await guard.hold(CURRENT, amps)
        async with asyncio.timeout(HANG_S):
            while self._plug.offered != (amps, 1 if one else 3):
                await asyncio.sleep(0.005)


@BOTH
async def test_weak_sun_charges_on_one_phase_and_strong_sun_on_all(
    tmp_path: Path, version: str
) -> None:
    """2.5 kW never reach the 4.1 kW of three phases; a cloud within the dwell time switches nothing."""
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now, switches=True)
        async with charging(here, version, plug) as car:
            day = Day(here, car, plug)
            for _ in range(60):
                await day.tick(2500.0 + 690)
            assert plug.offered[1] == 1
            assert 6 <= plug.amps <= 2500 / 230
            assert day.switched == 1
            for _ in range(60):
                await day.tick(9000.0 + 690)
            assert plug.offered[1] == 3
            assert 3 * 230 * plug.amps > 8000
            assert day.switched == 2
            for _ in range(20):
                await day.tick(2500.0 + 690)
            assert day.switched == 2
            assert not plug.under_load


async def test_one_phase_keeps_its_fuse(tmp_path: Path) -> None:
    """The house takes 12 A of 20 A from each phase: what the car takes from one leaves that fuse whole."""
    async with home(tmp_path) as here:
        plug = Plug(here.clock.now, switches=True)
        async with charging(here, "1.6", plug) as car:
            day = Day(here, car, plug)
            for _ in range(60):
                await day.tick(2500.0 + 690)
            assert plug.offered[1] == 1
            for loaded in (12.0, 18.0):
                for _ in range(6):
                    await day.tick(2500.0, (loaded, 1.0, 1.0))
                draws_a = loaded + plug.draw()[0] / 230 - 2500 / 3 / 230
                assert draws_a <= FUSE_A + 1e-6
