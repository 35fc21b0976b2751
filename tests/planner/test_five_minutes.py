"""A plan in five-minute intervals: what it says follows from time, not from how many intervals there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.backtest.case import Case
from gateway.backtest.simulate import Replay
from gateway.domain.intervals import Interval
from gateway.domain.plan import CarNeed, Forecast, Outlook, Plan
from gateway.planner import strategy
from tests.planner.conftest import made_series

MINUTES = timedelta(minutes=5)


def in_five_minutes(outlook: Outlook) -> Outlook:
    """The same expectations by five minutes; energy is even within a quarter-hour."""

    def third(wh: tuple[float, float, float]) -> tuple[float, float, float]:
        return wh[0] / 3, wh[1] / 3, wh[2] / 3

    def part(one: Forecast, k: int) -> Forecast:
        begin = one.interval.start + k * MINUTES
        return replace(
            one,
            interval=Interval(begin, begin + MINUTES),
            load_wh=third(one.load_wh),
            pv_wh=third(one.pv_wh),
        )

    forecasts = tuple(part(one, k) for one in outlook.forecasts for k in range(3))
    return replace(outlook, forecasts=forecasts, offer_intervals=12)


@pytest.fixture
def outlook(case: Case) -> Outlook:
    """Two days of a home that is known for six."""
    return Replay(made_series(7), replace(case, horizon_h=48.0)).outlook(6 * 96 + 60)


def both_ways(outlook: Outlook) -> tuple[Plan, Plan]:
    """By quarter-hours and by five minutes."""
    planner = strategy("value")
    return planner.plan(outlook), planner.plan(in_five_minutes(outlook))


def test_values_are_those_of_the_quarter_hours(outlook: Outlook) -> None:
    """At the end of each hour: how long a high price lasts is a matter of minutes, not of intervals."""
    quarters, fine = both_ways(outlook)
    apart = []
    for hour in range(1, 36):
        before = outlook.now + timedelta(hours=hour) - timedelta(seconds=1)
        usual, same = quarters.value(before), fine.value(before)
        assert usual is not None
        assert same is not None
        apart += [abs(same.at(wh) / usual.at(wh) - 1) for wh in (4_000, 8_000, 12_000)]
    assert max(apart) < 0.05
    assert sum(apart) / len(apart) < 0.02


def test_three_cars_are_ready_and_the_days_cost_as_much(outlook: Outlook) -> None:
    cars = tuple(
        CarNeed(9_000.0 + 2_000 * k, outlook.now + timedelta(hours=8 + 6 * k), 7_400, 1_400, name=n)
        for k, n in enumerate(("first", "second", "third"))
    )
    wanted = sum(car.energy_wh for car in cars)
    costs = []
    for plan in both_ways(replace(outlook, cars=cars)):
        assert not plan.notes
        assert sum(one.car_wh for one in plan.schedule) == pytest.approx(wanted, abs=5)
        costs.append(
            sum(
                one.grid_wh * (one.import_price if one.grid_wh > 0 else one.export_price)
                for one in plan.schedule
            )
        )
    assert costs[1] == pytest.approx(costs[0], rel=0.02)


def test_offers_are_of_five_minutes(outlook: Outlook) -> None:
    """No more than power gives in five minutes, and as many as the market takes."""
    _, fine = both_ways(outlook)
    assert len(fine.offers) == 12
    battery = outlook.battery
    assert battery is not None
    pv_wh = max(one.pv_wh for one in fine.schedule)
    for offer in fine.offers:
        assert offer.interval.end - offer.interval.start == MINUTES
        assert all(step.net_wh <= battery.max_discharge_w / 12 + pv_wh for step in offer.steps)
