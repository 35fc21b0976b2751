"""Uniform-price clearing of one sealed call. Pure, integers only, blind to the order of arrival.

Maximum volume first; the price is the midpoint (rounded towards minus infinity) of the interval
that supports it, so that everybody strictly better than the price is filled whole. At the price
itself the long side shares pro rata, in whole lots, by the largest remainder; what is still equal
is decided by the SHA-256 of call and order, which nobody can choose and everybody can check.

It works on columns and counts by price level, so a million tenders cost less than sorting them twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
_LEVELS = 2**20  # price levels that are counted whatever the size of the book
_EXACT = 2**52  # whole numbers below are exact as floats
_SAFE = 2**62  # products of whole numbers up to here fit a column


@dataclass(frozen=True, slots=True)
class Order:
    """The open rest of a tender in a call: ticks and Wh (a whole number of lots)."""

    market_order_id: str
    buy: bool
    price: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Book:
    """The same as columns of equal length; ``ids`` are unique."""

    ids: Sequence[str]
    buy: NDArray[np.bool_]
    price: Ints
    quantity: Ints


@dataclass(frozen=True, slots=True)
class Cleared:
    """The result of a call: price None and volume 0 where nothing crosses.

    ``fills`` are Wh by order, in the order of the ids, only orders that got something.
    """

    price: int | None
    volume: int
    fills: tuple[tuple[str, int], ...]


NOTHING = Cleared(None, 0, ())


def clear(call_id: str, orders: Sequence[Order], lot: int) -> Cleared:
    """Clear one call. Quantities must be positive whole lots; ids must be unique."""
    book = Book(
        [o.market_order_id for o in orders],
        np.array([o.buy for o in orders], dtype=np.bool_),
        np.array([o.price for o in orders], dtype=np.int64),
        np.array([o.quantity for o in orders], dtype=np.int64),
    )
    price, volume, filled = clear_book(call_id, book, lot)
    got = np.flatnonzero(filled)
    fills = sorted((book.ids[i], int(filled[i])) for i in got.tolist())
    return Cleared(price, volume, tuple(fills))


def clear_book(call_id: str, book: Book, lot: int) -> tuple[int | None, int, Ints]:
    """Price, volume and the Wh that every order gets, as a column beside the book's."""
    nothing = np.zeros(len(book.ids), dtype=np.int64)
    if not len(book.ids):
        return None, 0, nothing
    volume, price = cross(curves(book))
    if price is None:
        return None, 0, nothing
    better = (book.price > price) & book.buy | (book.price < price) & ~book.buy
    filled = book.quantity * better
    bought = int((filled * book.buy).sum())
    at_price = np.flatnonzero(book.price == price)
    for buy, whole in ((True, bought), (False, int(filled.sum()) - bought)):
        equal = at_price[book.buy[at_price] == buy]
        filled[equal] = _pro_rata(call_id, book, equal, (volume - whole) // lot) * lot
    return price, volume, filled


@dataclass(frozen=True, slots=True)
class Curves:
    """A book as sums: the Wh that are bid and asked at each price level. Sums of shards add up."""

    prices: Ints  # rising
    bid: Ints
    ask: Ints


def curves(book: Book) -> Curves:
    """By counting, not by sorting: prices are whole ticks of a band, so a level is an index."""
    lowest = int(book.price.min())
    span = int(book.price.max()) - lowest + 1
    if span <= max(_LEVELS, 2 * len(book.price)):
        prices, level = np.arange(lowest, lowest + span), book.price - lowest
    else:
        prices, level = np.unique(book.price, return_inverse=True)
    summed = _sums(2 * level + book.buy, book.quantity, 2 * len(prices))  # asks and bids in turn
    return Curves(prices, bid=summed[1::2], ask=summed[::2])


def _sums(level: Ints, quantity: Ints, levels: int) -> Ints:
    """Wh by level; counted in floats as long as they are exact."""
    if int(quantity.max()) * len(quantity) < _EXACT:
        return np.bincount(level, weights=quantity, minlength=levels).astype(np.int64)
    summed = np.zeros(levels, dtype=np.int64)
    np.add.at(summed, level, quantity)
    return summed


def cross(found: Curves) -> tuple[int, int | None]:
    """The largest volume, and the midpoint of the prices that support it."""
    demand = found.bid[::-1].cumsum()[::-1]  # at this price or above
    supply = found.ask.cumsum()  # at this price or below
    volume = int(np.minimum(demand, supply).max())
    if volume == 0:
        return 0, None
    last_ask = int(np.searchsorted(supply, volume))
    last_bid = len(demand) - 1 - int(np.searchsorted(demand[::-1], volume))
    low, high = int(found.prices[last_ask]), int(found.prices[last_bid])
    # The next that are not matched, be it the rest at the same price.
    next_bid = _next(found.bid[: last_bid + 1][::-1], demand[last_bid] > volume)
    next_ask = _next(found.ask[last_ask:], supply[last_ask] > volume)
    if next_bid is not None:
        low = max(low, int(found.prices[last_bid - next_bid]))
    if next_ask is not None:
        high = min(high, int(found.prices[last_ask + next_ask]))
    return volume, (low + high) // 2


def _next(levels: Ints, rest: bool) -> int | None:
    """How many levels further there is something; none further where the first has a rest."""
    if rest:
        return 0
    further = int(np.argmax(levels[1:] > 0)) + 1 if len(levels) > 1 else 0
    return further if further and levels[further] else None


def _pro_rata(call_id: str, book: Book, at_price: Ints, lots: int) -> Ints:
    """Share ``lots`` among the orders at the price by their quantity; whole lots by order."""
    quantity = book.quantity[at_price]
    total = int(quantity.sum())
    if not len(at_price) or lots == 0:
        return np.zeros(len(at_price), dtype=np.int64)
    if int(quantity.max()) * lots < _SAFE:
        share, remainder = np.divmod(quantity * lots, total)
    else:  # as Python's own integers
        wide = [divmod(int(q) * lots, total) for q in quantity]
        share, remainder = (np.array(column) for column in zip(*wide, strict=True))
    left = lots - int(share.sum())
    if left:
        edge = np.partition(remainder, len(remainder) - left)[len(remainder) - left]
        above = remainder > edge
        share[above] += 1
        equal = np.flatnonzero(remainder == edge).tolist()
        equal.sort(key=lambda n: draw(call_id, book.ids[int(at_price[n])]))
        share[equal[: left - int(above.sum())]] += 1
    return share


def draw(call_id: str, order_id: str) -> bytes:
    """What nobody can choose and everybody can check: the lower goes first."""
    return hashlib.sha256(f"{call_id}|{order_id}".encode()).digest()
