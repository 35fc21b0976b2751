"""A call over several shards gives, fill by fill, what one book gives."""

import asyncio
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.exchange.clearing import Book, Cleared, Order, clear
from simulators.exchange.cluster.clearing import HeldPart, clear_over, filled

LOT = 10
CALL = "2026-06-01T13:00:00Z|2026-06-01T12:05:00Z"


def book_of(orders: list[Order]) -> Book:
    return Book(
        [o.market_order_id for o in orders],
        np.array([o.buy for o in orders], dtype=np.bool_),
        np.array([o.price for o in orders], dtype=np.int64),
        np.array([o.quantity for o in orders], dtype=np.int64),
    )


def cleared_over(shards: list[list[Order]]) -> Cleared:
    """The first of the shards is the backstop's."""
    parts = [HeldPart(CALL, book_of(orders)) for orders in shards]
    result = asyncio.run(clear_over(parts[1:], parts[0], LOT))
    fills: list[tuple[str, int]] = []
    for part in parts:
        wh = filled(CALL, part.book, result, LOT).tolist()
        fills += [(order, got) for order, got in zip(part.book.ids, wh, strict=True) if got]
    return Cleared(result.price, result.volume, tuple(sorted(fills)))


ORDERS = st.lists(
    st.tuples(st.booleans(), st.integers(-4, 4), st.integers(1, 9), st.integers(1, 4)), max_size=24
)


@given(ORDERS)
def test_many_shards_are_one_book(rows: list[tuple[bool, int, int, int]]) -> None:
    shards: list[list[Order]] = [[], [], [], [], []]
    for number, (buy, price, lots, shard) in enumerate(rows):
        shards[shard].append(Order(f"o{number}", buy, price, lots * LOT))
    whole = clear(CALL, [order for orders in shards for order in orders], LOT)
    assert cleared_over(shards) == whole


@pytest.mark.parametrize("seed", range(6))
def test_books_of_a_town(seed: int) -> None:
    """Hundreds of orders, few prices, large sizes, a backstop on both sides."""
    rng = Random(seed)
    largest = 10 ** rng.randrange(1, 14)  # products beyond 64 bits among them
    shards: list[list[Order]] = [
        [Order("buy", True, -8, 10**8), Order("sell", False, 8, 10**8)],
        *([] for _ in range(8)),
    ]
    for number in range(800):
        order = Order(
            f"o{number}", rng.random() < 0.5, rng.randint(-3, 3), LOT * rng.randint(1, largest)
        )
        rng.choice(shards[1:]).append(order)
    whole = clear(CALL, [order for orders in shards for order in orders], LOT)
    assert whole.volume
    assert cleared_over(shards) == whole


def test_a_backstop_alone_makes_no_call() -> None:
    both = [Order("buy", True, 5, 100), Order("sell", False, 5, 100)]
    assert cleared_over([both, [], []]) == Cleared(None, 0, ())
