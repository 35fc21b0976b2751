"""A battery at its reserve, and a home that may not feed in: the sun that is held back fills it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.control.inputs import ControlMemory
from gateway.domain.control import Reason, Setpoints, Tightening
from gateway.domain.readings import InverterState
from tests.control.homes import CONTROL, SETTINGS, ask, battery, flat, order, snapshot

NO_EXPORT = replace(CONTROL, export_limit_w=0.0)
TERMS: dict[str, Any] = {"import_price": 300.0, "export_price": 80.0, "value": flat(250.0)}


def rested(reason: Reason, limit_w: int) -> ControlMemory:
    """The battery was held at 0 W while the inverter was told to give no more than that."""
    told = Setpoints(batteries_w={"battery": 0}, pv_limits_w={"battery": limit_w}, reason=reason)
    return ControlMemory(told, mode_since_s=0.0, regret=0.0, decided_s=998.0, held_s=998.0)


def home(pv_w: float, ac_w: float, grid_w: float, soc_pct: float = 20.0) -> Any:
    """One hybrid inverter; the house takes 400 W."""
    hybrid = InverterState("battery", pv_w, ac_w, tells_ac=True)
    seen = snapshot(grid_w, pv_w, (battery(soc_pct=soc_pct),), inverters=(hybrid,))
    return replace(seen, load_w=ac_w + grid_w)


@pytest.mark.parametrize("reason", [Reason.RESERVE, Reason.PRICE_REST])
def test_a_battery_that_rests_is_let_go_while_the_sun_is_held_back(reason: Reason) -> None:
    out = ask(home(420, 400, 0), order(**TERMS), control=NO_EXPORT, memory=rested(reason, 400))
    assert out.batteries_w == {}, "by itself it stores what the house does not take"
    assert out.pv_limits_w == {"battery": 400}


def test_at_its_reserve_it_is_not_emptied_where_a_load_lets_the_limit_rise() -> None:
    """The limit rises with the load; what stands at it is the battery's help, not sun that is held back."""
    told = Setpoints(pv_limits_w={"battery": 2_080}, reason=Reason.SELF_CONSUMPTION)
    memory = ControlMemory(told, mode_since_s=0.0, regret=0.0, decided_s=998.0, held_s=998.0)
    seen = home(1_840, 2_080, 0)
    helping = replace(seen, batteries=(replace(seen.batteries[0], power_w=300.0),), battery_w=300.0)
    out = ask(helping, order(**TERMS), control=NO_EXPORT, memory=memory)
    assert out.batteries_w == {"battery": 0}


def test_at_its_reserve_it_rests_as_soon_as_the_sun_gives_less_than_it_may() -> None:
    out = ask(
        home(350, 200, 200), order(**TERMS), control=NO_EXPORT, memory=rested(Reason.RESERVE, 400)
    )
    assert out.batteries_w == {"battery": 0}


def test_at_its_reserve_it_does_not_cover_a_load_that_has_just_come() -> None:
    """The inverter stands at what it was told before that: left to itself the battery would help until the limit has followed."""
    told = Setpoints(pv_limits_w={"battery": 400}, reason=Reason.SELF_CONSUMPTION)
    memory = ControlMemory(told, mode_since_s=999.0, regret=0.0, decided_s=998.0, held_s=998.0)
    out = ask(home(420, 400, 2_000), order(**TERMS), control=NO_EXPORT, memory=memory)
    assert out.batteries_w == {"battery": 0}
    assert out.pv_limits_w == {"battery": 2_400}
    out = ask(home(420, 400, 40), order(**TERMS), control=NO_EXPORT, memory=memory)
    assert out.batteries_w == {}, "a little is no load"


@pytest.mark.parametrize("store_pct", [20.0, 21.0])
def test_a_second_battery_at_its_reserve_is_not_let_go_for_the_sun_behind_the_first(
    store_pct: float,
) -> None:
    """No sun that is held back elsewhere fills it; alone it would cover whatever the meter shows."""
    seen = home(420, 400, 0)
    both = replace(seen, batteries=(*seen.batteries, battery("store", soc_pct=store_pct)))
    out = ask(both, order(**TERMS), control=NO_EXPORT, memory=rested(Reason.RESERVE, 400))
    assert out.batteries_w == ({"store": 0} if store_pct <= 20 else {})


@pytest.mark.parametrize(
    ("case", "limitable", "tighter_w", "battery_w", "reason"),
    [
        ("the panels give less instead", True, 0.0, 0, Reason.HOLD),
        ("panels that nobody can limit", False, 0.0, -2_450, Reason.EXPORT_LIMIT),
        ("panels that do not yield enough", True, 200.0, -2_450, Reason.EXPORT_LIMIT),
    ],
)
def test_an_owners_hold_is_kept_where_nothing_may_be_fed_in(
    case: str, limitable: bool, tighter_w: float, battery_w: int, reason: Reason
) -> None:
    """A battery that the sun fills is told to hold: it went on, for the sun it takes must not go out, and the command failed."""
    seen = home(3_800, 1_306, 0, soc_pct=60.0)
    stored = replace(seen.batteries[0], power_w=-2_450.0)
    panels = tuple(replace(i, limitable=limitable) for i in seen.inverters)
    seen = replace(seen, batteries=(stored,), battery_w=-2_450.0, inverters=panels)
    told = Setpoints(pv_limits_w={"battery": 1_306}, reason=Reason.SELF_CONSUMPTION)
    memory = ControlMemory(told, mode_since_s=0.0, regret=0.0, decided_s=998.0, held_s=998.0)
    out = ask(
        seen,
        order(**TERMS),
        control=NO_EXPORT,
        settings=replace(SETTINGS, battery="hold"),
        memory=memory,
        tightening=Tightening(export_w=tighter_w),
    )
    assert (out.battery_w, out.reason) == (battery_w, reason), case
    if reason is Reason.HOLD:
        assert out.pv_limits_w == {"battery": 1_306}
