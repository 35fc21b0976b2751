"""Prices: exact where money is made of them, and the same number in every unit."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.price import Price, kwh_price, mwh_price

TICKS = st.integers(-(10**9), 10**9)


@given(TICKS)
def test_every_tick_survives_the_way_through_floats_and_decimals(ticks: int) -> None:
    price = Price(ticks)
    assert Price.of_mwh(price.per_mwh) == price
    assert Price.of_mwh(Decimal(ticks) / 100) == price
    assert Price.of_kwh(Decimal(ticks) / 100_000) == price
    assert Price.at_least(price.per_mwh) == Price.at_most(price.per_mwh) == price


@given(st.decimals(-100, 100, allow_nan=False, places=9))
def test_kwh_prices_go_to_the_nearest_tick(per_kwh: Decimal) -> None:
    exact = per_kwh * 100_000
    assert abs(Price.of_kwh(per_kwh).ticks - exact) <= Decimal("0.5")


@given(st.floats(-5000, 5000))
def test_rounding_to_a_side_is_never_to_our_loss_by_more_than_a_floats_error(value: float) -> None:
    assert Price.at_least(value).per_mwh >= value - 2e-8
    assert Price.at_most(value).per_mwh <= value + 2e-8
    assert 0 <= Price.at_least(value).ticks - Price.at_most(value).ticks <= 1


@given(st.floats(-5000, 5000))
def test_there_and_back(per_mwh: float) -> None:
    assert abs(mwh_price(kwh_price(per_mwh)) - per_mwh) <= 1e-9


def test_as_people_write_it() -> None:
    assert Price.of_kwh(Decimal("0.14")).ticks == 14_000
    assert Price(14_000).per_mwh == 140.0
    assert Price(14_000).per_kwh == 0.14
    assert mwh_price(Decimal("0.02")) == 20.0
