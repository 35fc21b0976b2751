"""The home's own settlement: both signs of the position, both signs of the meter, the deadband."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.intervals import quarter
from gateway.domain.trade import Side, Transaction
from gateway.market.settlement import (
    delivered_wh,
    excess_wh,
    expected,
    retail_import_wh,
    retail_money,
    uncontracted_wh,
)
from tests.market.values import T0


def fill(net: int, price: int, number: int = 1) -> Transaction:
    side = Side.SELL if net > 0 else Side.BUY
    return Transaction(f"x{number}", number, "t", quarter(T0), side, abs(net), price)


CASES = [
    # P, M -> counted deviation, uncontracted, fee energy, retail import, delivered
    (1000, 1000, 0, 0, 0, 0, 1000),
    (1000, 1200, 200, 0, 100, 0, 1000),  # a surplus beyond the position is imbalance too
    (1000, 900, -100, 0, 0, 0, 900),  # 100 Wh: exactly the deadband
    (1000, 899, -101, 0, 1, 0, 899),
    (1000, -300, -1000, 0, 900, 300, 0),  # the import is the retailer's
    (4000, 3800, -200, 0, 0, 0, 3800),  # 5 % of 4000: exactly the deadband
    (4000, 3799, -201, 0, 1, 0, 3799),
    (0, 700, 0, 700, 0, 0, 0),
    (0, -700, 0, 0, 0, 700, 0),
    (-1000, -1000, 0, 0, 0, 0, 0),
    (-1000, -1500, -500, 0, 400, 0, 0),  # all import is settled in the market
    (-1000, 400, 1000, 400, 900, 0, 0),
    (1, 500, 499, 0, 399, 0, 1),  # one Wh is a position, too
    (1, -500, -1, 0, 0, 500, 0),
    (-1, -500, -499, 0, 399, 0, 0),
    (-1, 500, 1, 500, 0, 0, 0),
]


@pytest.mark.parametrize(("p", "m", "deviation", "surplus", "fee", "retail", "delivered"), CASES)
def test_cases(
    p: int, m: int, deviation: int, surplus: int, fee: int, retail: int, delivered: int
) -> None:
    due = expected([fill(p, 5000)] if p else [], m, 7000, 2000, 300)
    assert due.energy_money == p * 5000
    assert due.imbalance_money == deviation * 7000
    assert due.uncontracted_money == surplus * 2000
    assert due.fee_money == -fee * 300
    assert excess_wh(p, m) == fee
    assert uncontracted_wh(p, m) == surplus
    assert retail_import_wh(p, m) == retail
    assert retail_money(p, m, 14_000) == -retail * 14_000
    assert delivered_wh(p, m) == delivered


def test_negative_prices_turn_the_sign() -> None:
    due = expected([fill(1000, -300)], 800, -500, -100, 1000)
    assert (due.energy_money, due.imbalance_money) == (-300_000, 100_000)
    assert due.fee_money == -100 * 1000


@given(
    st.lists(st.tuples(st.integers(-500, 500), st.integers(-25_000, 500_000)), max_size=5),
    st.integers(-9000, 9000),
)
def test_every_metered_watt_hour_is_settled_once(raw: list[tuple[int, int]], m: int) -> None:
    """Market, uncontracted export and retail import together are what the meter counted."""
    fills = [fill(net * 10, price, i) for i, (net, price) in enumerate(raw) if net]
    due = expected(fills, m, 1, 1, 0)
    position = due.position_wh
    in_market = position + due.imbalance_money  # imbalance price 1: money is the deviation
    assert in_market + due.uncontracted_money - retail_import_wh(position, m) == m
    assert due.total_money == due.energy_money + due.imbalance_money + due.uncontracted_money
