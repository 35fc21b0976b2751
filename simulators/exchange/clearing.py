"""Uniform-price clearing of one sealed call. Pure, integers only, blind to the order of arrival.

Maximum volume first; the price is the midpoint (rounded towards minus infinity) of the interval
that supports it, so that everybody strictly better than the price is filled whole. At the price
itself the long side shares pro rata, in whole lots, by the largest remainder; what is still equal
is decided by the SHA-256 of call and order, which nobody can choose and everybody can check.

It works on columns and counts by price level, so a million tenders cost about as much as sorting their
prices once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
_FEW = 4_096  # orders that are counted tick by tick at once
_BUCKET_BITS = 10  # coarse buckets, as a power of two
_PIECE = 2**15  # orders that fit the processor's cache with what is made of them
_DENSE = 4  # price levels an order up to which counting beats sorting
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
    if not len(book.ids):
        return None, 0, np.zeros(0, dtype=np.int64)
    found, deciding = edge(book)
    volume, price = cross(found)
    if price is None:
        return None, 0, np.zeros(len(book.ids), dtype=np.int64)
    filled = book.quantity * ((book.price > price) == book.buy)  # those at the price follow
    at_price = deciding[book.price[deciding] == price]
    buy = book.buy[at_price]
    for equal, whole in (
        (at_price[buy], found.bid_over(price)),
        (at_price[~buy], found.ask_under(price)),
    ):
        filled[equal] = _pro_rata(call_id, book, equal, (volume - whole) // lot) * lot
    return price, volume, filled


@dataclass(frozen=True, slots=True)
class Curves:
    """A stretch of a book as sums: the Wh that are bid and asked at each of its price levels.

    ``bid_above`` and ``ask_below`` are the Wh beyond the stretch that trade before it does. Sums of
    shards over the same levels add up.
    """

    prices: Ints  # rising
    bid: Ints
    ask: Ints
    bid_above: int = 0
    ask_below: int = 0

    def bid_over(self, price: int) -> int:
        """Wh bid for more than the price."""
        return self.bid_above + int(self.bid[np.searchsorted(self.prices, price, "right") :].sum())

    def ask_under(self, price: int) -> int:
        """Wh asked for less than the price."""
        return self.ask_below + int(self.ask[: np.searchsorted(self.prices, price)].sum())


def edge(book: Book) -> tuple[Curves, Ints]:
    """The stretch of the book that decides volume and price, and the positions of its orders.

    Prices are whole ticks of a band, so they are counted and not sorted: first in a thousand coarse
    buckets, which stay in the processor's cache. The first bucket whose asks, with all below it, cover
    the bids above it holds the largest volume; the nearest bids and asks on both sides of it are the
    furthest that can bound the price. Only that stretch is counted tick by tick.
    """
    if len(book.price) <= _FEW:
        return curves(book), np.arange(len(book.price))
    lowest, highest = int(book.price.min()), int(book.price.max())
    width = max(0, (highest - lowest).bit_length() - _BUCKET_BITS)  # a bucket's, as a power of two
    bid, ask = _coarse(book, lowest, width, ((highest - lowest) >> width) + 1)
    supply, demand_above = ask.cumsum(), bid.sum() - bid.cumsum()
    crossing = int(np.argmax(supply >= demand_above))
    first, last = _neighbours(crossing, bid, ask)
    least, most = lowest + (first << width), lowest + ((last + 1) << width)
    near = np.flatnonzero((book.price >= least) & (book.price < most))
    return _count(book, near, int(demand_above[last]), int(supply[first] - ask[first])), near


def _neighbours(crossing: int, bid: Ints, ask: Ints) -> tuple[int, int]:
    """From the bucket to the nearest ones with bids and with asks, below and above."""
    first, last = crossing, crossing
    for side in (bid, ask):
        filled = np.flatnonzero(side)
        at = int(np.searchsorted(filled, crossing))
        if at:
            first = min(first, int(filled[at - 1]))
        above = filled[np.searchsorted(filled, crossing, "right") :]
        if len(above):
            last = max(last, int(above[0]))
    return first, last


def _coarse(book: Book, lowest: int, width: int, buckets: int) -> tuple[Ints, Ints]:
    """Wh bid and asked by bucket; a piece of the book at a time, for the cache's sake."""
    summed = np.zeros(2 * buckets, dtype=np.int64)
    exact = _exact(book.quantity)
    for begin in range(0, len(book.price), _PIECE):
        piece = slice(begin, begin + _PIECE)
        level = ((book.price[piece] - lowest) >> width) * 2 + book.buy[piece]
        summed += _sums(level, book.quantity[piece], 2 * buckets, exact)
    return summed[1::2], summed[::2]  # asks and bids in turn


def curves(book: Book) -> Curves:
    """All of a book, tick by tick."""
    return _count(book, np.arange(len(book.price)), 0, 0)


def _count(book: Book, near: Ints, bid_above: int, ask_below: int) -> Curves:
    """Tick by tick where prices lie close together, else by those that there are."""
    price, quantity = book.price[near], book.quantity[near]
    lowest = int(price.min())
    span = int(price.max()) - lowest + 1
    if span <= _DENSE * len(price):
        prices, level = np.arange(lowest, lowest + span), price - lowest
    else:
        prices, level = np.unique(price, return_inverse=True)
    summed = _sums(2 * level + book.buy[near], quantity, 2 * len(prices), _exact(quantity))
    return Curves(prices, summed[1::2], summed[::2], bid_above, ask_below)


def _exact(quantity: Ints) -> bool:
    """Whether any sum of them is exact as a float."""
    return int(quantity.max()) * len(quantity) < _EXACT


def _sums(level: Ints, quantity: Ints, levels: int, exact: bool) -> Ints:
    """Wh by level; counted in floats as long as they are exact."""
    if exact:
        return np.bincount(level, weights=quantity, minlength=levels).astype(np.int64)
    summed = np.zeros(levels, dtype=np.int64)
    np.add.at(summed, level, quantity)
    return summed


def cross(found: Curves) -> tuple[int, int | None]:
    """The largest volume, and the midpoint of the prices that support it."""
    demand = found.bid_above + found.bid[::-1].cumsum()[::-1]  # at this price or above
    supply = found.ask_below + found.ask.cumsum()  # at this price or below
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
