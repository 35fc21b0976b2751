"""Clearing against an oracle that tries every price."""

from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.exchange.clearing import NOTHING, Order, clear
from tests.exchange import oracle

LOT = 10
PRICES = st.integers(-5, 8)


def orders(buy: bool) -> st.SearchStrategy[list[Order]]:
    return st.lists(st.tuples(PRICES, st.integers(1, 6)), max_size=6).map(
        lambda rows: [
            Order(f"{'b' if buy else 's'}{i}", buy, price, lots * LOT)
            for i, (price, lots) in enumerate(rows)
        ]
    )


@given(orders(True), orders(False))
def test_agrees_with_the_oracle(bids: list[Order], asks: list[Order]) -> None:
    book = bids + asks
    result = clear("call", book, LOT)
    assert (result.price, result.volume) == oracle.price_and_volume(book) == oracle.merged(book)
    assert dict(result.fills) == oracle.fills("call", book, LOT)
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


def test_twenty_thousand_random_books() -> None:
    """Volume, price, and every single fill, against the slow way."""
    rng = Random(20_000)
    for number in range(20_000):
        spread = rng.choice((2, 6, 15))
        book = [
            Order(
                f"o{i}", rng.random() < 0.5, rng.randint(-spread, spread), rng.randint(1, 9) * LOT
            )
            for i in range(rng.randint(0, 10))
        ]
        result = clear(f"call{number}", book, LOT)
        assert (result.price, result.volume) == oracle.price_and_volume(book), book
        assert dict(result.fills) == oracle.fills(f"call{number}", book, LOT), book


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


@given(orders(True), orders(False))
def test_very_large_quantities_stay_exact(bids: list[Order], asks: list[Order]) -> None:
    book = [replace(o, quantity=o.quantity * 2**36) for o in bids + asks]
    result = clear("call", book, LOT)
    assert (result.price, result.volume) == oracle.price_and_volume(book)
    assert dict(result.fills) == oracle.fills("call", book, LOT)


SHAPES = {  # price of a bid and of an ask, in ticks
    "close together": ((-20, 20), (-20, 20)),
    "over the whole band": ((-25_000, 500_000), (-25_000, 500_000)),
    "all at cap and floor": ((500_000, 500_000), (-25_000, -25_000)),
    "far apart and never crossing": ((-25_000, -24_000), (499_000, 500_000)),
    "far apart and all crossing": ((499_000, 500_000), (-25_000, -24_000)),
    "asks in a corner": ((-25_000, 500_000), (200_000, 200_400)),
    "bids at one price": ((77_777, 77_777), (-25_000, 500_000)),
}


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.integers(0, 2**32),
    st.integers(1, 99),
    st.sampled_from([5, 10**14]),
)
def test_large_books_agree_with_sorting_and_merging(
    shape: str, seed: int, bids_pct: int, most_lots: int
) -> None:
    """Large enough to be counted in coarse buckets first; a few strays lie anywhere."""
    rng, sides = Random(seed), SHAPES[shape]

    def order(number: int) -> Order:
        buy = rng.random() * 100 < bids_pct
        low, high = sides[not buy] if rng.random() < 0.999 else (-25_000, 500_000)
        return Order(f"{number}", buy, rng.randint(low, high), rng.randint(1, most_lots) * LOT)

    book = [order(number) for number in range(4_200)]
    result = clear("call", book, LOT)
    assert (result.price, result.volume) == oracle.merged(book)
    assert dict(result.fills) == oracle.fills("call", book, LOT)
