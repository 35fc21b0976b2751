"""Offers within what an announced limit leaves: no more either way, and nothing else is changed."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.intervals import quarter
from gateway.domain.plan import OfferCurve, OfferStep
from gateway.planner.offers import within

QUARTER = quarter(datetime(2026, 6, 1, 12, tzinfo=UTC))
CURVES = st.builds(
    lambda prices, nets: OfferCurve(
        QUARTER,
        tuple(map(OfferStep, sorted(prices), sorted(n for n in nets if n))),
    ),
    st.lists(st.floats(-100, 1_000), min_size=12, max_size=12, unique=True),
    st.sets(st.integers(-3_000, 3_000), max_size=12),
)
LIMITS = st.none() | st.floats(0, 4_000)


def offered_wh(curve: OfferCurve, price: float) -> int:
    """What is sold (or bought, -) at a clearing price: the last sell step below it, or the first buy step above."""
    sold = [s.net_wh for s in curve.steps if s.net_wh > 0 and s.price_per_mwh <= price]
    bought = [s.net_wh for s in curve.steps if s.net_wh < 0 and s.price_per_mwh >= price]
    return max(sold, default=0) + min(bought, default=0)


@given(CURVES, LIMITS, LIMITS, st.floats(-200, 1_100))
def test_at_every_price_it_is_what_was_offered_as_far_as_the_limit_goes(
    curve: OfferCurve, sold_wh: float | None, bought_wh: float | None, price: float
) -> None:
    most = 10_000 if sold_wh is None else int(sold_wh)
    least = -10_000 if bought_wh is None else -int(bought_wh)
    was = offered_wh(curve, price)
    assert offered_wh(within(curve, sold_wh, bought_wh), price) == max(min(was, most), least)


@given(CURVES)
def test_without_a_limit_nothing_changes(curve: OfferCurve) -> None:
    assert within(curve, None, None) == curve


@given(CURVES, LIMITS, LIMITS)
def test_steps_still_rise(
    curve: OfferCurve, sold_wh: float | None, bought_wh: float | None
) -> None:
    nets = [s.net_wh for s in within(curve, sold_wh, bought_wh).steps]
    assert nets == sorted(set(nets))
    assert 0 not in nets
