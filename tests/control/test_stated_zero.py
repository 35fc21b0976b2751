"""A limit of 0 W is a limit, today; and no size for tomorrow's plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.control.batteries import combined, planned, rated, sized, steerable
from gateway.domain.control import BatteryAssumptions
from gateway.domain.readings import BatteryState
from tests.control.homes import CONTROL, ask, battery, flat, order, snapshot

CHEAP = order(import_price=10.0, export_price=5.0, value=flat(300))
DEAR = order(import_price=600.0, export_price=500.0, value=flat(100))


def stating(charge_w: float | None, discharge_w: float | None, name: str = "b") -> BatteryState:
    return replace(battery(name), max_charge_w=charge_w, max_discharge_w=discharge_w)


def test_a_full_battery_that_takes_nothing_is_asked_for_nothing() -> None:
    full = snapshot(500, 0, (stating(0.0, 5_000.0),))
    assert not ask(full, CHEAP).battery_w
    assert ask(full, DEAR).battery_w == 5_000, "what it can give it gives"


def test_a_cold_battery_that_gives_nothing_is_asked_for_nothing() -> None:
    cold = snapshot(500, 0, (stating(5_000.0, 0.0),))
    assert not ask(cold, DEAR).battery_w
    assert ask(cold, CHEAP).battery_w == -5_000


def test_of_two_the_one_that_can_takes_all() -> None:
    both = snapshot(500, 0, (stating(0.0, 5_000.0, "full"), stating(5_000.0, 5_000.0, "empty")))
    assert ask(both, CHEAP).batteries_w == {"full": 0, "empty": -5_000}


def test_zero_holds_against_a_configured_size() -> None:
    assumed = BatteryAssumptions(max_charge_w=4_000, max_discharge_w=4_000)
    control = replace(CONTROL, battery=assumed)
    assert not ask(snapshot(500, 0, (stating(0.0, 5_000.0),)), CHEAP, control=control).battery_w


@pytest.mark.parametrize(
    ("case", "stated", "planned_w"),
    [
        ("as before", [(5_000.0, 4_000.0)], (5_000, 4_000)),
        ("full now", [(5_000.0, 4_000.0), (0.0, 4_000.0)], (5_000, 4_000)),
        ("cold since long", [(5_000.0, 4_000.0), (0.0, 0.0), (0.0, 0.0)], (5_000, 4_000)),
        ("full from the start: as it gives", [(0.0, 4_000.0)], (4_000, 4_000)),
        ("throttled, not shut: as it says", [(5_000.0, 4_000.0), (900.0, 4_000.0)], (900, 4_000)),
    ],
)
def test_the_plan_counts_on_what_comes_back(
    case: str, stated: list[tuple[float, float]], planned_w: tuple[float, float]
) -> None:
    known: dict[str, BatteryState] = {}
    for charge_w, discharge_w in stated:
        now = (stating(charge_w, discharge_w),)
        known = rated(known, now)
    assumed = BatteryAssumptions()
    spec = combined(sized(planned(now, known), assumed), assumed, 20)
    assert spec is not None, case
    assert (spec.max_charge_w, spec.max_discharge_w) == planned_w, case


def test_one_that_has_never_stated_a_power_is_not_planned_and_not_guessed() -> None:
    now = (stating(0.0, 0.0),)
    assumed = BatteryAssumptions()
    assert combined(sized(planned(now, rated({}, now)), assumed), assumed, 20) is None
    told = BatteryAssumptions(max_charge_w=4_000)
    spec = combined(sized(planned(now, rated({}, now)), told), told, 20)
    assert spec is not None
    assert spec.max_charge_w == 4_000


def test_energy_that_cannot_be_steered_is_in_no_plan() -> None:
    ours, other = battery("ours"), battery("other", steerable=False)
    assert steerable((ours, other)) == (ours,)
    seen = snapshot(500, 0, (ours, other))
    told = ask(seen, order(import_price=600.0, export_price=500.0, value=flat(100)))
    assert told.batteries_w == {"ours": 5_000}
