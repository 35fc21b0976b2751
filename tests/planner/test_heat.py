"""When a tank is heated: in the cheap hours, not too early, and all that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.intervals import Interval
from gateway.domain.plan import CarNeed, Forecast, HeatNeed, Outlook
from gateway.planner import strategy

NOW = datetime(2026, 4, 14, tzinfo=UTC)
VALUE = strategy("value")


def outlook(
    prices: Sequence[float], sun_wh: Sequence[float] | None = None, **more: object
) -> Outlook:
    """Quarter-hours, ``prices`` for each hour."""
    forecasts = [
        Forecast(
            Interval(NOW + i * timedelta(minutes=15), NOW + (i + 1) * timedelta(minutes=15)),
            (90.0, 100.0, 110.0),
            ((s := sun_wh[i // 4] / 4 if sun_wh else 0.0) * 0.9, s, s * 1.1),
            prices[i // 4],
            50.0,
            50.0,
        )
        for i in range(4 * len(prices))
    ]
    return Outlook(NOW, forecasts, None, 0.0, 0.0, **more)  # type: ignore[arg-type]


def need(energy_wh: float, by_h: float, loss_per_h: float = 0.0) -> HeatNeed:
    return HeatNeed(
        energy_wh, NOW + timedelta(hours=by_h), 3_000.0, 100.0, "boiler", loss_per_h=loss_per_h
    )


def heated(plan_of: Outlook) -> list[float]:
    """By the hour."""
    plan = VALUE.plan(plan_of)
    assert [one.load_wh for one in plan.schedule] == pytest.approx([100.0] * len(plan.schedule))
    by_quarter = [one.heat_wh for one in plan.schedule]
    return [sum(by_quarter[4 * h : 4 * h + 4]) for h in range(len(by_quarter) // 4)]


def test_it_is_heated_in_the_cheapest_hours_before_its_time() -> None:
    hours = heated(outlook([300, 300, 100, 120, 300, 300, 50, 50], heaters=(need(5_000, 6),)))
    assert hours[2] == pytest.approx(3_000)
    assert hours[3] == pytest.approx(2_000, abs=160)
    assert sum(hours) == pytest.approx(5_000, abs=160)


def test_the_sun_comes_before_a_cheap_hour() -> None:
    sun = [0.0, 0.0, 0.0, 3_500.0, 3_500.0, 0.0]
    hours = heated(outlook([100, 300, 300, 300, 300, 300], sun, heaters=(need(5_000, 6),)))
    assert hours[3] + hours[4] == pytest.approx(5_000, abs=300)


def test_what_is_heated_early_is_partly_lost_so_late_is_better_at_one_price() -> None:
    hours = heated(outlook([200] * 8, heaters=(need(3_000, 8, loss_per_h=0.02),)))
    assert hours[7] == pytest.approx(3_000, abs=200)
    assert sum(hours[:6]) == 0


def test_a_lossy_tank_waits_where_the_cheap_hour_does_not_pay_for_the_loss() -> None:
    prices = [180, 200, 200, 200, 200, 200, 200, 200]
    lossy = heated(outlook(prices, heaters=(need(3_000, 8, loss_per_h=0.05),)))
    tight = heated(outlook(prices, heaters=(need(3_000, 8, loss_per_h=0.001),)))
    assert lossy[0] == 0
    assert tight[0] == pytest.approx(3_000, abs=100)


def test_what_was_lost_meanwhile_is_heated_too() -> None:
    hours = heated(outlook([100] + [400] * 7, heaters=(need(2_000, 8, loss_per_h=0.02),)))
    left = sum(wh * 0.98 ** (7.5 - h) for h, wh in enumerate(hours))
    assert left == pytest.approx(2_000, rel=0.05)


def test_another_wh_is_worth_more_the_less_time_is_left() -> None:
    plan = VALUE.plan(outlook([300, 300, 100, 300], heaters=(need(9_500, 4),)))
    start, end = (plan.heat_value("boiler", NOW + timedelta(hours=h)) for h in (0.1, 3.1))
    assert start is not None
    assert end is not None
    assert end.at(0.0) > 1_000, "it would be cold"
    assert plan.heat_value("boiler", NOW + timedelta(hours=5)) is None
    assert plan.heat_value("other", NOW) is None


def test_what_cannot_be_warm_in_time_is_said() -> None:
    notes = VALUE.plan(outlook([300, 300], heaters=(need(9_000, 2),))).notes
    assert any("the water of boiler cannot be warm by 2026-04-14 02:00 UTC" in n for n in notes)


def test_a_car_is_planned_beside_it_under_the_fuse() -> None:
    car = CarNeed(9_000, NOW + timedelta(hours=6), 4_000, 1_400)
    plan = VALUE.plan(
        outlook([100] * 3 + [300] * 3, heaters=(need(6_000, 6),), cars=(car,), import_limit_w=5_000)
    )
    assert max(one.grid_wh for one in plan.schedule) <= 1_250 + 1
    assert sum(one.car_wh for one in plan.schedule) == pytest.approx(9_000, abs=100)
    assert sum(one.heat_wh for one in plan.schedule) == pytest.approx(6_000, abs=150)


def test_a_home_without_a_heater_plans_as_before() -> None:
    some = outlook([300, 100, 200, 300])
    warm = replace(some, heaters=(replace(need(0.0, 4), more_wh=1_000.0),))
    assert VALUE.plan(warm).schedule == VALUE.plan(some).schedule
