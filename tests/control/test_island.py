"""The grid goes away: what is stored keeps the lights on, and nothing else is done with it."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config.guard import GuardSettings
from gateway.control.decide import decide
from gateway.domain.control import GridLimits, Reason
from gateway.domain.order import StandingSettings
from gateway.domain.readings import Snapshot
from gateway.site.island import BACK_S, IslandWatch
from simulators.devices.serve import Choice
from simulators.scenario import Scenario
from tests.control.homes import SETTINGS, after, charger, flat, inputs, order, snapshot
from tests.devices.guard_bench import Bench, at, on_bench, state

NIGHT = datetime(2026, 6, 1, 4, tzinfo=UTC)  # 23 h in Texas


def island() -> Snapshot:
    return replace(snapshot(grid=0.0), off_grid=True)


@pytest.mark.parametrize(
    ("case", "settings", "asked"),
    [
        ("held by the user", StandingSettings(20, battery="hold"), None),
        ("sold and not delivered yet", SETTINGS, order(position_wh=2_000)),
        ("later is better", SETTINGS, order(import_price=10, export_price=5, value=flat(300))),
        ("energy is dear now", SETTINGS, order(import_price=900, export_price=800, value=flat(1))),
    ],
)  # fmt: skip
def test_no_setpoint_takes_the_reserve_from_the_house(case, settings, asked) -> None:  # type: ignore[no-untyped-def]
    held = after({"battery": 0}, Reason.HOLD)
    decided = decide(inputs(island(), asked, settings=settings, memory=held))
    assert decided.setpoints.battery_w is None, case
    assert decided.setpoints.pv_limits_w == {}
    assert decided.setpoints.reason is Reason.OFF_GRID
    assert decided.grid_limits == GridLimits()


def test_no_car_empties_the_battery_of_an_island() -> None:
    seen = replace(snapshot(0.0, chargers=(charger(),)), off_grid=True)
    asked = decide(inputs(seen, settings=replace(SETTINGS, charge_now=True))).setpoints
    assert asked.chargers_a == {"box": 0.0}


def test_it_is_said_once_and_the_grid_is_believed_when_it_has_stayed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    watch, back = IslandWatch(), replace(snapshot(400.0), off_grid=False)
    for tick in range(30):
        assert watch.look(island(), 2.0 * tick).off_grid
    silent = replace(snapshot(None), off_grid=None)
    assert watch.look(silent, 70.0).off_grid, "an inverter that fell silent says nothing"
    assert watch.look(back, 80.0).off_grid
    assert watch.look(island(), 90.0).off_grid, "it tried once"
    assert watch.look(back, 100.0).off_grid
    assert watch.look(back, 100.0 + BACK_S - 1).off_grid
    assert watch.alarm
    assert not watch.look(back, 100.0 + BACK_S).off_grid
    assert not watch.alarm
    said = [r.getMessage() for r in caplog.records]
    assert ["grid is away" in said[0], "grid is back" in said[1], len(said)] == [True, True, 2]


def test_the_house_stays_lit_though_its_battery_was_held(tmp_path: Path) -> None:
    """The user's hold is 0 W at the inverter; a grid that goes away must not leave the house dark."""

    def settings(servers) -> GuardSettings:  # type: ignore[no-untyped-def]
        return GuardSettings(
            (at(servers, servers.ports.inverter, "inverter", "goodwe-et"),), state(tmp_path)
        )

    async def play(bench: Bench) -> None:
        bench.guard.intake.settings = StandingSettings(20, battery="hold")
        await bench.clock.sleep(60)
        assert abs(bench.home.powers().battery) < 20
        assert bench.home.powers().grid > 100
        bench.home.outage(True)
        await bench.clock.sleep(12)
        assert bench.last.setpoints.reason is Reason.OFF_GRID
        assert bench.home.powers().load > 100, "lit"
        assert bench.home.powers().battery > 100
        assert sum("grid is away" in a for a in bench.last.alarms) == 1
        bench.home.outage(False)
        await bench.clock.sleep(BACK_S / 2)
        assert bench.home.powers().grid < 50, "it goes on by itself for a while"
        await bench.clock.sleep(BACK_S)
        assert abs(bench.home.powers().battery) < 20, "and the hold holds again"
        assert bench.last.alarms == ()

    on_bench(
        Scenario(NIGHT, seed=1, soc_pct=60.0, car=None), Choice(inverter="goodwe"), settings, play
    )
