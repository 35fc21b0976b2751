"""Uniform-price clearing of one sealed call. Pure, integers only, blind to the order of arrival.

Maximum volume first; the price is the midpoint (rounded towards minus infinity) of the interval
that supports it, so that everybody strictly better than the price is filled whole. At the price
itself the long side shares pro rata, in whole lots, by the largest remainder; what is still equal
is decided by the SHA-256 of call and order, which nobody can choose and everybody can check.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter


@dataclass(frozen=True, slots=True)
class Order:
    """The open rest of a tender in a call: ticks and Wh (a whole number of lots)."""

    market_order_id: str
    buy: bool
    price: int
    quantity: int


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
    bids = sorted((o for o in orders if o.buy), key=attrgetter("price"), reverse=True)
    asks = sorted((o for o in orders if not o.buy), key=attrgetter("price"))
    volume, price = _volume_and_price(bids, asks)
    if price is None:
        return NOTHING
    better_bids = [o for o in bids if o.price > price]
    better_asks = [o for o in asks if o.price < price]
    fills = {o.market_order_id: o.quantity for o in (*better_bids, *better_asks)}
    for side, better in ((bids, better_bids), (asks, better_asks)):
        at_price = [o for o in side if o.price == price]
        rest = volume - sum(o.quantity for o in better)
        fills.update(_pro_rata(call_id, at_price, rest, lot))
    return Cleared(price, volume, tuple(sorted((i, q) for i, q in fills.items() if q)))


def _volume_and_price(bids: Sequence[Order], asks: Sequence[Order]) -> tuple[int, int | None]:
    """Walk both sorted sides until they no longer cross."""
    bought = list(accumulate(o.quantity for o in bids))
    sold = list(accumulate(o.quantity for o in asks))
    volume = i = j = 0
    low = high = 0
    while i < len(bids) and j < len(asks) and bids[i].price >= asks[j].price:
        low, high = asks[j].price, bids[i].price
        volume = min(bought[i], sold[j])
        # Both are looked at before either moves: they may end together.
        bid_done, ask_done = bought[i] == volume, sold[j] == volume
        i, j = i + bid_done, j + ask_done
    if volume == 0:
        return 0, None
    if i < len(bids):
        low = max(low, bids[i].price)
    if j < len(asks):
        high = min(high, asks[j].price)
    return volume, (low + high) // 2


def _pro_rata(call_id: str, orders: Sequence[Order], rest: int, lot: int) -> dict[str, int]:
    """Share ``rest`` Wh among orders at one price by their quantity, in whole lots."""
    total = sum(o.quantity for o in orders)
    if rest >= total:
        return {o.market_order_id: o.quantity for o in orders}
    lots = rest // lot
    shares: dict[str, int] = {}
    remainders: list[tuple[int, str, str]] = []
    for order in orders:
        whole, remainder = divmod(order.quantity * lots, total)
        shares[order.market_order_id] = whole
        tie = hashlib.sha256(f"{call_id}|{order.market_order_id}".encode()).hexdigest()
        remainders.append((-remainder, tie, order.market_order_id))
    left = lots - sum(shares.values())
    for _, _, order_id in sorted(remainders)[:left]:
        shares[order_id] += 1
    return {order_id: share * lot for order_id, share in shares.items()}
