"""Uniform-price clearing of one sealed call. Pure, integers only, blind to the order of arrival.

Maximum volume first; the price is the midpoint (rounded towards minus infinity) of the interval
that supports it, so that everybody strictly better than the price is filled whole. At the price
itself the long side shares pro rata, in whole lots, by the largest remainder; what is still equal
is decided by the SHA-256 of call and order, which nobody can choose and everybody can check.

It works on columns, so a million tenders cost little more than sorting them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
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
    filled = np.zeros(len(book.ids), dtype=np.int64)
    bids, asks = np.flatnonzero(book.buy), np.flatnonzero(~book.buy)
    volume, price = _cross(book, bids, asks)
    if price is None:
        return None, 0, filled
    for side, better in ((bids, book.price > price), (asks, book.price < price)):
        whole = side[better[side]]
        filled[whole] = book.quantity[whole]
        equal = side[book.price[side] == price]
        rest = volume - int(filled[whole].sum())
        filled[equal] = _pro_rata(call_id, book, equal, rest // lot) * lot
    return price, volume, filled


def _cross(book: Book, bids: Ints, asks: Ints) -> tuple[int, int | None]:
    """The largest volume, and the midpoint of the prices that support it."""
    if not (len(bids) and len(asks)):
        return 0, None
    bids = bids[np.argsort(-book.price[bids])]
    asks = asks[np.argsort(book.price[asks])]
    bid, bought = book.price[bids], np.cumsum(book.quantity[bids])
    ask, sold = book.price[asks], np.cumsum(book.quantity[asks])
    volume = _volume(bid, bought, ask, sold)
    if volume == 0:
        return 0, None
    i, j = int(np.searchsorted(bought, volume)), int(np.searchsorted(sold, volume))
    low, high = int(ask[j]), int(bid[i])  # the last that are matched
    # The next that are not, be it the rest of the same tender.
    next_i, next_j = i + (bought[i] == volume), j + (sold[j] == volume)
    if next_i < len(bid):
        low = max(low, int(bid[next_i]))
    if next_j < len(ask):
        high = min(high, int(ask[next_j]))
    return volume, (low + high) // 2


def _volume(bid: Ints, bought: Ints, ask: Ints, sold: Ints) -> int:
    """The most that can be traded: supply rises and demand falls along the asks, so bisect."""
    falling = -bid

    def demand(j: int) -> int:
        n = int(np.searchsorted(falling, -ask[j], side="right"))
        return int(bought[n - 1]) if n else 0

    low, high = 0, len(ask)
    while low < high:  # the first ask at which supply reaches demand
        middle = (low + high) // 2
        low, high = (low, middle) if sold[middle] >= demand(middle) else (middle + 1, high)
    before = int(sold[low - 1]) if low else 0
    return max(before, demand(low)) if low < len(ask) else before


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
        equal.sort(key=lambda n: _tie(call_id, book.ids[int(at_price[n])]))
        share[equal[: left - int(above.sum())]] += 1
    return share


def _tie(call_id: str, order_id: str) -> bytes:
    return hashlib.sha256(f"{call_id}|{order_id}".encode()).digest()
