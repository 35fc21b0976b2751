"""A meter that stands still is noticed by what it should have seen; one that is regulated is not suspected."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from gateway.control.decide import decide
from gateway.control.inputs import ControlMemory
from gateway.domain.intervals import Interval
from gateway.domain.order import IntervalTerms, Order
from gateway.domain.readings import BatteryState, ChargerState, InverterState, Snapshot
from gateway.site.meter_watch import MeterWatch
from simulators.physics.house import step
from simulators.physics.values import Battery, Commands, House, Inputs, State, soc_pct
from tests.control.homes import CONTROL, NOON, SETTINGS, charger, inputs, snapshot

TICK_S = 2.0


END = NOON + timedelta(minutes=40)
SOLD = Order(NOON, END, SETTINGS, (IntervalTerms(Interval(NOON, END), position_wh=800),))


@dataclass
class Delivering:
    """800 Wh are sold; the meter stands still from ``stuck_s`` on."""

    stuck_s: float = 1e9
    sees: bool = True
    house: House = field(default_factory=lambda: House(Battery(standby_w=0.0)))
    state: State = field(default_factory=lambda: State(11_000.0))
    watch: MeterWatch = field(default_factory=MeterWatch)
    known: int = 0
    regulated_w: tuple[float, ...] = (0.0,)

    def run(self, seconds: float = 2_400.0) -> float:
        """Wh that really went out."""
        memory, commands, still = ControlMemory(), Commands(), None
        for tick in range(int(seconds / TICK_S)):
            at = tick * TICK_S
            load_w = 400.0 + 300.0 * ((tick // 10) % 3)
            self.state = step(self.house, self.state, commands, Inputs(0.0, load_w), TICK_S)
            seen = self._seen()
            if at >= self.stuck_s:
                still = still or seen
                seen = replace(
                    seen, grid_w=still.grid_w, grid_import_wh=still.grid_import_wh,
                    grid_export_wh=still.grid_export_wh,
                )  # fmt: skip
            if self.sees:
                seen = self.watch.look(seen, self.regulated_w, at)
            self.known += seen.grid_w is not None
            gone = (seen.grid_export_wh, seen.grid_import_wh)
            delivered = None if gone[0] is None or gone[1] is None else gone[0] - gone[1]
            now = NOON + timedelta(seconds=at)
            told = decide(
                inputs(seen, SOLD, delivered, CONTROL, memory=memory, monotonic_s=at, now=now)
            )
            memory, battery_w = told.memory, told.setpoints.battery_w
            self.regulated_w = (0.0,) if battery_w is None else ()
            commands = Commands(
                discharge_limit_w=battery_w,
                charge_limit_w=None if battery_w is None else -battery_w,
                grid_charge=battery_w is not None,
            )
        return self.state.totals.grid_export - self.state.totals.grid_import

    def _seen(self) -> Snapshot:
        now, counted = self.state.powers, self.state.totals
        one = InverterState("hybrid", now.pv, now.inverter_ac, tells_ac=True)
        own = BatteryState(
            "hybrid", now.battery, soc_pct(self.house, self.state), 13_500, 5_000, 5_000
        )
        seen = snapshot(now.grid, now.pv, (own,), inverters=(one,))
        return replace(seen, grid_import_wh=counted.grid_import, grid_export_wh=counted.grid_export)


def test_a_meter_that_measures_is_never_suspected() -> None:
    home = Delivering()
    assert home.run() == pytest.approx(800, abs=15)
    assert home.known == 1_200
    assert home.watch.alarm is None


def test_no_home_sells_on_against_a_meter_that_stands_still(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """2,717 Wh went out in 40 minutes instead of 800."""
    blind = Delivering(stuck_s=20, sees=False).run()
    assert blind > 2_500, "without the watch the loop chases a number that does not move"
    with caplog.at_level(logging.INFO):
        home = Delivering(stuck_s=20)
        assert home.run() < 400, "sold energy is short rather than given away"
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert "the grid meter has said" in str(home.watch.alarm)


def test_it_is_trusted_again_with_its_next_other_number() -> None:
    watch = MeterWatch()
    for tick in range(60):
        watch.look(snapshot(700.0, pv=100.0 * tick), (), tick * TICK_S)
    assert watch.alarm
    assert watch.look(snapshot(700.0, pv=50.0), (), 120.0).grid_w is None
    assert watch.look(snapshot(701.0, pv=50.0), (), 122.0).grid_w == 701
    assert not watch.alarm


@pytest.mark.parametrize(
    ("case", "grid_w", "regulated_w"),
    [
        ("a self-consuming inverter keeps it at zero", 12.0, (0.0,)),
        ("a device keeps the export limit", -1_000.0, (0.0, -1_000.0)),
    ],
)
def test_a_regulated_meter_may_stand_still(
    case: str, grid_w: float, regulated_w: tuple[float, ...]
) -> None:
    watch = MeterWatch()
    for tick in range(300):
        seen = watch.look(snapshot(grid_w, pv=30.0 * tick), regulated_w, tick * TICK_S)
        assert seen.grid_w == grid_w, case
    seen = watch.look(snapshot(grid_w, pv=30.0), (), 600.0)
    assert seen.grid_w == grid_w, "a battery that is held from now on has not been seen yet"
    for tick in range(301, 340):
        seen = watch.look(snapshot(grid_w, pv=30.0 * tick), (), tick * TICK_S)
    assert seen.grid_w is None


def test_a_quiet_home_is_not_suspected_nor_one_whose_counters_run() -> None:
    watch = MeterWatch()
    for tick in range(300):
        assert watch.look(snapshot(700.0, pv=100.0), (), tick * TICK_S).grid_w == 700
    for tick in range(300, 600):
        moving = replace(snapshot(700.0, pv=20.0 * (tick - 300)), grid_import_wh=float(tick // 20))
        assert watch.look(moving, (), tick * TICK_S).grid_w == 700


def test_a_car_that_draws_shows_a_meter_that_does_not_see_it() -> None:
    watch = MeterWatch()
    for tick in range(60):
        box: tuple[ChargerState, ...] = (charger(power_w=7_000.0 if tick > 5 else 0.0),)
        seen = watch.look(snapshot(700.0, 0.0, chargers=box), (), tick * TICK_S)
    assert seen.grid_w is None
    assert seen.time == NOON
