"""Settlement of one interval: every sign and every edge of the deadband."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.intervals import quarter
from gateway.domain.trade import Side, Transaction
from gateway.market.settlement import expected
from simulators.exchange.settlement import Rates, deadband, settle, settle_columns

RATES = Rates(imbalance=4_000, export=2_700, fee=2_000)


@pytest.mark.parametrize(
    ("fills", "metered", "by_hand"),
    [
        # energy, imbalance, uncontracted, fee
        ([(1_000, 5_000)], 1_000, (5_000_000, 0, 0, 0)),
        ([(1_000, 5_000)], 900, (5_000_000, -100 * 4_000, 0, 0)),
        ([(1_000, 5_000)], 890, (5_000_000, -110 * 4_000, 0, -10 * 2_000)),
        ([(1_000, 5_000)], 1_200, (5_000_000, 200 * 4_000, 0, -100 * 2_000)),
        ([(1_000, 5_000)], -300, (5_000_000, -1_000 * 4_000, 0, -900 * 2_000)),
        ([(-1_000, 5_000)], -1_050, (-5_000_000, -50 * 4_000, 0, 0)),
        ([(-1_000, 5_000)], 200, (-5_000_000, 1_000 * 4_000, 200 * 2_700, -900 * 2_000)),
        ([], 400, (0, 0, 400 * 2_700, 0)),
        ([], -400, (0, 0, 0, 0)),
        ([(500, 5_000), (-500, 5_200)], 400, (-100_000, 0, 400 * 2_700, 0)),
        # the deadband of 10 kWh is 500 Wh, at its edge still free
        ([(10_000, 1)], 9_500, (10_000, -500 * 4_000, 0, 0)),
        ([(10_000, 1)], 9_499, (10_000, -501 * 4_000, 0, -2_000)),
    ],
)
def test_by_hand(
    fills: list[tuple[int, int]], metered: int, by_hand: tuple[int, int, int, int]
) -> None:
    cash = settle(fills, metered, RATES)
    assert (cash.energy, cash.imbalance, cash.uncontracted, cash.fee) == by_hand


def test_a_waived_fee_leaves_the_energy_settled() -> None:
    cash = settle([(1_000, 5_000)], 0, RATES, fee_waived=True)
    assert (cash.imbalance, cash.fee) == (-4_000_000, 0)


def test_a_seller_pays_at_a_negative_price() -> None:
    assert settle([(1_000, -300)], 1_000, RATES).total == -300_000


@given(st.integers(-(10**9), 10**9))
def test_deadband_is_five_percent_or_a_hundred_wh(position: int) -> None:
    assert deadband(position) == max(100, abs(position) // 20)


FILLS = st.lists(
    st.tuples(st.integers(-500, 500).filter(bool), st.integers(-25_000, 500_000)), max_size=4
)
RATE = st.integers(-25_000, 500_000)


@given(FILLS, st.integers(-20_000, 20_000), RATE, RATE, st.integers(0, 10_000))
def test_the_gateway_expects_what_the_exchange_settles(
    lots: list[tuple[int, int]], metered: int, imbalance: int, export: int, fee: int
) -> None:
    """Both were written from the same rules and share no code."""
    fills = [(lot * 10, price) for lot, price in lots]
    cash = settle(fills, metered, Rates(imbalance, export, fee))
    interval = quarter(datetime(2026, 6, 1, tzinfo=UTC))
    trades = [
        Transaction(
            f"x{n}",
            n,
            f"t{n}",
            interval,
            Side.SELL if net > 0 else Side.BUY,
            abs(net),
            price,
        )
        for n, (net, price) in enumerate(fills)
    ]
    home = expected(trades, metered, imbalance, export, fee)
    assert (home.position_wh, home.metered_wh) == (cash.position, cash.metered)
    assert (home.energy_money, home.imbalance_money) == (cash.energy, cash.imbalance)
    assert (home.uncontracted_money, home.fee_money) == (cash.uncontracted, cash.fee)


PARTY = st.tuples(FILLS, st.integers(-(2**40), 2**40))


@given(st.lists(PARTY, min_size=1, max_size=8), RATE, RATE, st.integers(0, 10_000), st.booleans())
def test_columns_settle_as_each_party_alone(
    parties: list[tuple[list[tuple[int, int]], int]],
    imbalance: int,
    export: int,
    fee: int,
    waived: bool,
) -> None:
    rates = Rates(imbalance=imbalance, export=export, fee=fee)
    position = np.array([sum(net for net, _ in fills) for fills, _ in parties], dtype=np.int64)
    energy = np.array([sum(n * p for n, p in fills) for fills, _ in parties], dtype=np.int64)
    metered = np.array([counted for _, counted in parties], dtype=np.int64)
    columns = settle_columns(position, energy, metered, rates, fee_waived=waived)
    for n, (fills, counted) in enumerate(parties):
        cash = settle(fills, counted, rates, fee_waived=waived)
        for name in ("position", "metered", "energy", "imbalance", "uncontracted", "fee"):
            assert getattr(columns, name)[n] == getattr(cash, name)
