"""Clearing against an oracle that tries every price."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from simulators.exchange.clearing import NOTHING, Order, clear

LOT = 10
PRICES = st.integers(-5, 8)


def orders(buy: bool) -> st.SearchStrategy[list[Order]]:
    return st.lists(st.tuples(PRICES, st.integers(1, 6)), max_size=6).map(
        lambda rows: [
            Order(f"{'b' if buy else 's'}{i}", buy, price, lots * LOT)
            for i, (price, lots) in enumerate(rows)
        ]
    )


def oracle(book: list[Order]) -> tuple[int | None, int]:
    """Price and volume by trying all prices: a price clears when nobody better is left over."""

    def wanted(buy: bool, low: int, high: int) -> int:
        return sum(o.quantity for o in book if o.buy is buy and low <= o.price <= high)

    supporting, volume = [], 0
    for p in range(-7, 11):
        demand, supply = wanted(True, p, 99), wanted(False, -99, p)
        volume = max(volume, min(demand, supply))
        if wanted(True, p + 1, 99) <= supply and wanted(False, -99, p - 1) <= demand:
            supporting.append(p)
    return (None, 0) if volume == 0 else ((supporting[0] + supporting[-1]) // 2, volume)


@given(orders(True), orders(False))
def test_agrees_with_the_oracle(bids: list[Order], asks: list[Order]) -> None:
    book = bids + asks
    result = clear("call", book, LOT)
    assert (result.price, result.volume) == oracle(book)
    fills = dict(result.fills)
    bought = sum(fills.get(o.market_order_id, 0) for o in bids)
    sold = sum(fills.get(o.market_order_id, 0) for o in asks)
    assert bought == sold == result.volume
    for order in book:
        filled = fills.get(order.market_order_id, 0)
        assert 0 <= filled <= order.quantity
        assert filled % LOT == 0
        if result.price is not None:
            gain = (order.price - result.price) * (1 if order.buy else -1)
            assert gain >= 0 or not filled
            assert gain <= 0 or filled == order.quantity


@given(orders(True), orders(False), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(
    bids: list[Order], asks: list[Order], random: Random
) -> None:
    book = bids + asks
    shuffled = book.copy()
    random.shuffle(shuffled)
    assert clear("call", shuffled, LOT) == clear("call", book, LOT)


def test_nothing_crosses() -> None:
    book = [Order("b", True, 3, 100), Order("s", False, 4, 100)]
    assert clear("call", book, LOT) == NOTHING


def test_a_negative_midpoint_rounds_down() -> None:
    book = [Order("b", True, -2, 100), Order("s", False, -3, 100)]
    assert clear("call", book, LOT).price == -3


def test_margin_is_shared_pro_rata_within_a_lot() -> None:
    """Ten lots among 70, 70 and 60 Wh at one price: 3.5, 3.5 and 3 lots; a hash gives the half."""
    book = [Order(i, True, 5, q) for i, q in (("x", 70), ("y", 70), ("z", 60))]
    fills = dict(clear("call", [*book, Order("s", False, 5, 100)], LOT).fills)
    assert fills["z"] == 30
    assert sorted((fills["x"], fills["y"])) == [30, 40]
