"""The retailer's supply curve: the price answers to what is asked of him."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from simulators.exchange.auction import backstop, supply_steps
from simulators.exchange.clearing import clear_book
from simulators.exchange.order_book import Resting, columns
from simulators.exchange.rows import Tender, to_quarter
from simulators.exchange.terms import Prices, Terms
from simulators.prices import SyntheticPrices

WHEN = datetime(2026, 6, 1, 17, tzinfo=UTC)
START = WHEN + timedelta(minutes=30)


def price_for(wh: int, *, curve: bool) -> int | None:
    """The clearing price when somebody buys so much at any price."""
    terms = Terms(supply_curve=curve)
    orders = backstop(Prices(SyntheticPrices(1), terms), 7, START, WHEN)
    buyer = Tender(1, 0, 8, to_quarter(START), 1, terms.cap, wh, 2**52)
    book = [*orders, Resting.of("zz", "buyer", buyer)]
    book.sort(key=lambda order: order.order_id)
    price, volume, filled = clear_book("call", columns(book), terms.lot_wh)
    assert volume == wh
    assert int(filled.sum()) == 2 * wh
    return price


@given(st.integers(1, 5_000), st.integers(1, 5_000))
def test_more_asked_is_never_cheaper(one: int, other: int) -> None:
    few, many = sorted((one * 10_000, other * 10_000))
    low, high = price_for(few, curve=True), price_for(many, curve=True)
    assert low is not None
    assert high is not None
    assert low <= high


def test_a_data_centre_moves_the_price_only_with_the_curve() -> None:
    homes, cluster = 500_000, 42_000_000  # Wh in a quarter-hour; 168 MW
    assert price_for(homes, curve=False) == price_for(cluster, curve=False)
    dear, cheap = price_for(cluster, curve=True), price_for(homes, curve=True)
    assert dear is not None
    assert cheap is not None
    assert dear > cheap + 500  # ticks: 5 USD/MWh


@given(st.integers(-20_000, 400_000), st.integers(1, 100_000))
def test_the_steps_rise_to_the_retail_price_and_have_no_end(day_ahead: int, margin: int) -> None:
    steps = supply_steps(day_ahead, day_ahead + margin, Terms())
    prices = [price for price, _ in steps]
    assert prices == sorted(prices)
    assert prices[0] == day_ahead
    assert steps[-1] == (day_ahead + margin, Terms().backstop_wh)
