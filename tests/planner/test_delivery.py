"""What is sold beforehand is delivered, also by a home that is hardly known yet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backtest.case import Case
from gateway.backtest.data import Series
from gateway.backtest.delivery import Delivery, deliveries, sold_at, weeks
from gateway.backtest.simulate import Replay
from gateway.domain.intervals import Interval
from gateway.domain.plan import OfferCurve, OfferStep
from gateway.forecasts.history import DAY, quarter_at
from gateway.planner import strategy
from tests.planner.conftest import made_series

SOMETIME: Interval = quarter_at(1_900_000)


def _even(days: int, load_wh: float) -> Series:
    """A home that needs the same at all times, and a price that is high each evening."""
    made = made_series(days)
    price = np.tile(np.where(np.arange(DAY) // 4 == 19, 500.0, 20.0), days)
    about = 1 + 0.05 * np.random.default_rng(1).standard_normal(price.size)
    return replace(made, load=np.full(len(made), load_wh), rt=price * about, da=price)


def test_a_home_that_is_as_it_was_delivers_all_that_it_sold(case: Case) -> None:
    series = _even(5, 100.0)
    done = deliveries(series, case, strategy("value"))
    assert done.sold.sum() > 5_000, "the evenings' prices are sold"
    assert done.share() == pytest.approx(1.0)


def test_what_is_not_there_is_not_delivered(case: Case) -> None:
    series = _even(5, 100.0)
    evening = slice(4 * DAY + 76, 4 * DAY + 80)
    load = series.load.copy()
    load[evening] = 1_000.0  # of 1,250 that the battery gives in a quarter-hour
    done = deliveries(replace(series, load=load), case, strategy("value"))
    assert done.sold[evening].sum() > 0
    assert np.all(done.delivered <= done.sold)
    share = done.share(evening)
    assert share is not None
    assert share < 0.6
    assert done.share(slice(0, 4 * DAY)) == pytest.approx(1.0)


def test_a_new_home_counts_with_the_most_that_it_has_drawn(case: Case) -> None:
    """A house that drew 1,000 Wh in a quarter-hour once may do so again while it is not known for a week."""
    calm = _even(9, 100.0)
    load = calm.load.copy()
    load[40] = 1_000.0
    series = replace(calm, load=load)
    most_wh = case.battery.max_discharge_w / 4

    def most_sold(day: int) -> int:
        begin = day * DAY + 75
        run = Replay(series, case)
        run.stored = case.battery.capacity_wh
        run.resellable = run.stored
        plan = strategy("value").plan(run.outlook(begin))
        return max(step.net_wh for step in plan.offers[1].steps)

    assert 0 < most_sold(5) <= most_wh - 1_000
    assert most_sold(8) > most_wh - 500


@given(
    st.lists(st.tuples(st.floats(0, 1_000), st.integers(0, 50)), max_size=5), st.floats(0, 1_000)
)
def test_an_offer_is_taken_up_to_the_price_that_clears(
    rises: list[tuple[float, int]], price: float
) -> None:
    prices = sorted(p for p, _ in rises)
    amounts = np.cumsum([10 * n for _, n in rises]).tolist()
    curve = OfferCurve(SOMETIME, tuple(map(OfferStep, prices, amounts)))
    taken = sold_at(curve, price)
    assert taken == max([0, *(a for p, a in zip(prices, amounts, strict=True) if p <= price)])


@settings(max_examples=50)
@given(st.integers(1, 60 * DAY))
def test_every_interval_is_of_one_week(count: int) -> None:
    covered = [i for w in weeks(count) for i in range(w.start, w.stop)]
    assert covered == list(range(count))
    assert all(w.stop - w.start >= 7 * DAY for w in weeks(count)) or count < 7 * DAY


def test_nothing_sold_is_no_share() -> None:
    none = np.zeros(4)
    assert Delivery(none, none).share() is None
