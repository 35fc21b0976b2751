"""Limits that are announced for tomorrow are in today's plan: charged before, not sold into, not above."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.intervals import Interval
from gateway.domain.plan import NO_LIMIT_W, BatterySpec, CarNeed, Forecast, HeatNeed, Outlook, Plan
from gateway.planner import strategy

NOW = datetime(2026, 4, 14, 15, tzinfo=UTC)
HOURS, LOAD_W = 12, 3_000.0
SPEC = BatterySpec(10_000, 2_000, 5_000, 5_000, 0.95, 0.95, wear_per_mwh=10)
LIMITED = range(2, 4)  # 17 to 19 o'clock


def outlook(
    buy: float = 200.0, sell: float = 50.0, evening: float | None = None, **more: object
) -> Outlook:
    """A house of 3 kW without sun; ``evening`` is what is paid for exports from 17 to 19 o'clock."""
    quarter = timedelta(minutes=15)
    forecasts = [
        Forecast(
            Interval(NOW + i * quarter, NOW + (i + 1) * quarter),
            (0.9 * LOAD_W / 4, LOAD_W / 4, 1.1 * LOAD_W / 4),
            (0.0, 0.0, 0.0),
            buy,
            evening if evening is not None and i // 4 in LIMITED else sell,
            50.0,
        )
        for i in range(4 * HOURS)
    ]
    return Outlook(NOW, forecasts, SPEC, 2_000.0, 2_000.0, **more)  # type: ignore[arg-type]


def announced(
    export_w: float = NO_LIMIT_W, import_w: float = NO_LIMIT_W, hours: range = LIMITED
) -> tuple[tuple[float, float], ...]:
    none = (NO_LIMIT_W, NO_LIMIT_W)
    return tuple((export_w, import_w) if i // 4 in hours else none for i in range(4 * HOURS))


def plan(asked: Outlook) -> Plan:
    return strategy("value").plan(asked)


def powers_w(made: Plan, hours: range = LIMITED) -> list[float]:
    """At the meter, by quarter-hour."""
    return [made.schedule[i].grid_wh * 4 for h in hours for i in range(4 * h, 4 * h + 4)]


def stored_at(made: Plan, hour: int) -> float:
    return made.schedule[4 * hour - 1].stored_wh


def test_before_an_import_limit_the_battery_is_charged_for_what_the_house_needs_beyond_it() -> None:
    """At one price nothing would be bought for later; 2 kW are lacking for two hours."""
    free = plan(outlook())
    assert stored_at(free, 2) == pytest.approx(2_000, abs=1), "nobody stores at a flat price"
    held = plan(outlook(announced_w=announced(import_w=1_000)))
    lacking_wh = 2 * (LOAD_W - 1_000) / SPEC.discharge_efficiency
    assert lacking_wh * 0.99 < stored_at(held, 2) - 2_000 < lacking_wh * 1.4, "and not much more"
    assert max(powers_w(held)) <= 1_000 + 1e-6


def test_one_that_is_hours_away_is_prepared_for_too() -> None:
    hours = range(8, 10)
    made = plan(outlook(announced_w=announced(import_w=1_000, hours=hours)))
    lacking_wh = 2 * (LOAD_W - 1_000) / SPEC.discharge_efficiency
    assert lacking_wh * 0.99 < stored_at(made, 8) - 2_000 < lacking_wh * 1.4
    assert stored_at(made, 4) < 3_000, "and no sooner than it must"


def test_a_limit_is_prepared_for_where_all_is_free() -> None:
    """Ten times nothing is nothing: what lies beyond a limit is dear all the same."""
    held = plan(outlook(buy=0.0, sell=0.0, announced_w=announced(import_w=1_000)))
    lacking_wh = 2 * (LOAD_W - 1_000) / SPEC.discharge_efficiency
    assert stored_at(held, 2) - 2_000 > lacking_wh * 0.99
    assert max(powers_w(held)) <= 1_000 + 1e-6


def test_nothing_is_charged_beyond_an_import_limit_however_cheap_it_is() -> None:
    cheap = replace(outlook(), forecasts=[
        replace(f, import_price=20.0 if i // 4 in LIMITED else 300.0)
        for i, f in enumerate(outlook().forecasts)
    ])  # fmt: skip
    assert max(powers_w(plan(cheap))) > 6_000
    held = plan(replace(cheap, announced_w=announced(import_w=4_000)))
    assert max(powers_w(held)) <= 4_000 + 1e-6


def test_a_limit_that_the_house_does_not_reach_changes_nothing() -> None:
    free = plan(outlook())
    assert plan(outlook(announced_w=announced(import_w=8_000))).schedule == free.schedule


def test_nothing_is_kept_for_hours_in_which_nothing_may_be_sold() -> None:
    """The evening would pay best: without it the battery serves the house at once."""
    asked = replace(outlook(sell=150.0, evening=600.0), stored_wh=9_000.0, resellable_wh=9_000.0)
    free, held = plan(asked), plan(replace(asked, announced_w=announced(export_w=0)))
    assert min(powers_w(free)) < -1_000
    assert stored_at(free, 2) > 8_000
    assert min(powers_w(held)) >= -1e-6
    assert stored_at(held, 2) < 2_700, "the house has had it before"


def test_car_and_heater_are_planned_beside_the_limit() -> None:
    at = NOW + timedelta(hours=6)
    asked = replace(
        outlook(),
        battery=None,
        cars=(CarNeed(6_000, at, 7_000, 1_400, "car"),),
        heaters=(HeatNeed(6_000, at, 3_000.0, 100.0, "boiler"),),
    )
    cheap = [
        replace(f, import_price=20.0 if i // 4 in LIMITED else 300.0)
        for i, f in enumerate(asked.forecasts)
    ]
    asked = replace(asked, forecasts=cheap)
    free, held = plan(asked), plan(replace(asked, announced_w=announced(import_w=5_000)))
    assert max(powers_w(free)) > 9_000
    assert max(powers_w(held)) <= 5_000 + 1e-6
    assert sum(c.car_wh for c in held.schedule) == pytest.approx(6_000, abs=200)
    assert sum(c.heat_wh for c in held.schedule) == pytest.approx(6_000, abs=200)


@settings(max_examples=25, deadline=None)
@given(
    import_w=st.floats(0, 8_000),
    export_w=st.floats(0, 8_000),
    stored_wh=st.floats(2_000, 10_000),
    evening=st.floats(0, 600),
)
def test_values_fall_with_the_charge_and_the_limits_hold_where_they_can(
    import_w: float, export_w: float, stored_wh: float, evening: float
) -> None:
    asked = replace(outlook(evening=evening), stored_wh=stored_wh, resellable_wh=stored_wh)
    made = plan(replace(asked, announced_w=announced(export_w, import_w)))
    for curve in made.values:
        assert all(a >= b - 1e-3 for a, b in pairwise(curve.value_per_mwh))
    assert min(powers_w(made)) >= -export_w - 1e-6
    assert max(powers_w(made)) <= max(import_w, LOAD_W) + 1e-6
