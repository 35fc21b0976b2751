"""Night energy is never resold: the ledger is never below the truth of a battery with two tanks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.market.origin import Flow, follow, resellable_wh, unknown_origin


def flow(
    *,
    night: bool = False,
    charge: int | None = 0,
    discharge: int | None = 0,
    bought: int | None = 0,
    sold: int | None = 0,
) -> Flow:
    return Flow(night, charge, discharge, bought, sold)


def test_a_night_and_a_day() -> None:
    night = follow(0, flow(night=True, charge=1000, bought=1500), 950)
    assert night == 950, "no more than there is"
    night = follow(night, flow(charge=2000), 2850)
    assert (night, resellable_wh(2850, night)) == (950, 1900)
    night = follow(night, flow(discharge=600), 2200)
    assert night == 350, "the house uses night energy first"
    night = follow(night, flow(discharge=1000, sold=1000), 1150)
    assert (night, resellable_wh(1150, night)) == (350, 800), "a sale does not touch it"


def test_charging_from_the_panels_in_the_window_is_free() -> None:
    assert follow(0, flow(night=True, charge=500, bought=0), 480) == 0
    assert follow(0, flow(night=True, charge=500, bought=200), 480) == 200


def test_export_is_taken_from_the_battery_first() -> None:
    assert follow(500, flow(discharge=300, sold=200), 500) == 400


def test_what_is_not_measured_counts_as_night() -> None:
    assert follow(100, flow(night=True, charge=None, bought=None), 5000) == 5000
    assert follow(100, flow(night=True, charge=None, bought=300), 5000) == 400
    assert follow(100, flow(night=True, charge=400, bought=None), 5000) == 500
    assert follow(100, flow(discharge=None), 5000) == 100
    assert follow(100, flow(discharge=50, sold=None), 5000) == 100
    assert follow(100, flow(charge=None), 5000) == 100, "by day nothing becomes night energy"
    blind = follow(100, flow(night=True, charge=None, bought=None), None)
    assert resellable_wh(13_500, blind) == 0
    assert follow(blind, flow(), 4000) == 4000
    assert unknown_origin(5000.4, has_flat_night=True) == 5000
    assert unknown_origin(5000.4, has_flat_night=False) == 0


steps = st.lists(
    st.tuples(st.booleans(), st.integers(-1500, 1500), st.integers(0, 1500), st.integers(0, 1500)),
    max_size=60,
)


@given(steps, st.floats(0.8, 1.0), st.floats(0.8, 1.0))
def test_against_two_tanks(raw: list[tuple[bool, int, int, int]], into: float, out: float) -> None:
    """Each step: night?, battery (charge +), PV, house load; the meter gets the difference.

    The truth mixes as the rules say: the house empties the night tank first, a sale the other one;
    losses are shared. A home that never sells more than `resellable_wh` never sells night energy.
    """
    night_tank = other_tank = 0.0
    ledger, sold_other, charged_other = 0, 0.0, 0.0
    for night, battery, pv, load in raw:
        stored = night_tank + other_tank
        charge = max(battery, 0)
        discharge = min(max(-battery, 0), int(stored * out))
        allowed = int(resellable_wh(stored, ledger) * out)
        exported = max(0, discharge + pv - load - charge)
        if min(exported, discharge) > allowed:  # control does not let it happen
            discharge = min(discharge, max(allowed, load))
            exported = max(0, discharge + pv - load - charge)
        sold = min(exported, discharge)
        if sold > allowed:
            continue
        bought = max(0, load + charge - pv - discharge)
        from_grid = min(charge, bought) if night else 0
        night_tank += from_grid * into
        other_tank += (charge - from_grid) * into
        charged_other += charge - from_grid
        home = (discharge - sold) / out
        home_night = min(night_tank, home)
        night_tank -= home_night
        other_tank -= home - home_night
        other_tank -= sold / out
        sold_other += sold
        stored = night_tank + other_tank
        seen = Flow(night, charge, discharge, bought, exported)
        ledger = follow(ledger, seen, round(stored))
        assert ledger >= night_tank - 1 - 1e-6
        assert other_tank >= -1e-6 - 1, "night energy was sold"
    assert sold_other <= charged_other + 1
