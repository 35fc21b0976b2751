"""One sealed call over several shards: fill by fill what `simulators.exchange.clearing.clear` gives.

A shard tells three things of its book, and none of them is an order: the Wh at each price; for the
price that was found, how many orders of which size stand at it; and where not all equal remainders get
a lot, the lowest draws among them. The answer is a `Rule` for each side, by which every shard fills
its own orders. Pure.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from simulators.exchange.clearing import Book, Curves, Ints, cross, curves, draw

Sizes = dict[int, int]  # how many orders (value) have so many Wh (key)


def summed(book: Book) -> Curves:
    """A shard's curves; only the levels at which something stands."""
    if not len(book.ids):
        nothing = np.zeros(0, dtype=np.int64)
        return Curves(nothing, nothing, nothing)
    found = curves(book)
    used = (found.bid > 0) | (found.ask > 0)
    return Curves(found.prices[used], found.bid[used], found.ask[used])


def merged(shards: Sequence[Curves]) -> Curves:
    """The curves of the whole book."""
    prices = np.unique(np.concatenate([shard.prices for shard in shards]))
    bid, ask = np.zeros_like(prices), np.zeros_like(prices)
    for shard in shards:
        at = np.searchsorted(prices, shard.prices)
        bid[at] += shard.bid
        ask[at] += shard.ask
    return Curves(prices, bid, ask)


@dataclass(frozen=True, slots=True)
class Found:
    """What the curves say: price and volume, and the Wh that each side's orders better than the price
    get, which is all of them."""

    price: int
    volume: int
    better_bid: int
    better_ask: int


def found(whole: Curves) -> Found | None:
    """None where nothing crosses."""
    if not len(whole.prices):
        return None
    volume, price = cross(whole)
    if price is None:
        return None
    return Found(price, volume, whole.bid_over(price), whole.ask_under(price))


def sizes_at(book: Book, price: int) -> tuple[Sizes, Sizes]:
    """The sizes of the orders to buy and to sell that stand just at the price."""
    at_price = book.price == price
    return _sizes(book.quantity[at_price & book.buy]), _sizes(book.quantity[at_price & ~book.buy])


def _sizes(quantity: Ints) -> Sizes:
    sizes, counts = np.unique(quantity, return_counts=True)
    return dict(zip(sizes.tolist(), counts.tolist(), strict=True))


def added(shards: Iterable[Sizes]) -> Sizes:
    total: Counter[int] = Counter()
    for sizes in shards:
        total.update(sizes)
    return dict(total)


@dataclass(frozen=True, slots=True)
class Rule:
    """How the orders of one side at the price share: ``lots`` by size over ``total`` Wh; one lot more
    for a remainder above ``edge``, and at the edge for draws up to ``last`` (None = all of them).
    ``edge`` None: nobody gets one more."""

    lots: int = 0
    total: int = 0
    edge: int | None = None
    last: bytes | None = None


@dataclass(frozen=True, slots=True)
class Contest:
    """Only ``lots`` of the orders whose remainder is the edge get one more: the lowest draws."""

    lots: int


def rule(sizes: Sizes, lots: int) -> tuple[Rule, Contest | None]:
    """The rule of one side, and where draws must decide, for how many lots."""
    total = sum(size * count for size, count in sizes.items())
    if not total or not lots:
        return Rule(), None
    left, remainders = lots, Counter[int]()
    for size, count in sizes.items():
        share, remainder = divmod(size * lots, total)
        left -= share * count
        remainders[remainder] += count
    if not left:
        return Rule(lots, total), None
    above = 0
    for edge in sorted(remainders, reverse=True):
        if above + remainders[edge] >= left:
            contest = Contest(left - above) if above + remainders[edge] > left else None
            return Rule(lots, total, edge), contest
        above += remainders[edge]
    raise AssertionError("fewer lots are left than there are orders")


def decided(rule: Rule, contest: Contest, shards: Iterable[Sequence[bytes]]) -> Rule:
    """The rule with the last draw that gets a lot."""
    lowest = heapq.nsmallest(contest.lots, (one for shard in shards for one in shard))
    return Rule(rule.lots, rule.total, rule.edge, lowest[-1])


@dataclass(frozen=True, slots=True)
class Result:
    """What every shard needs to fill its own orders; price None where nothing crossed."""

    price: int | None
    volume: int
    bids: Rule = Rule()
    asks: Rule = Rule()


def filled(call_id: str, book: Book, result: Result, lot: int) -> Ints:
    """The Wh that each order of a shard's book gets."""
    price = result.price
    if price is None or not len(book.ids):
        return np.zeros(len(book.ids), dtype=np.int64)
    better = (book.price > price) & book.buy | (book.price < price) & ~book.buy
    wh = book.quantity * better
    for n in np.flatnonzero(book.price == price).tolist():
        of_side = result.bids if book.buy[n] else result.asks
        wh[n] = lot * _lots(call_id, book.ids[n], int(book.quantity[n]), of_side)
    return wh


def _lots(call_id: str, order_id: str, size: int, rule: Rule) -> int:
    if not rule.lots:
        return 0
    share, remainder = divmod(size * rule.lots, rule.total)
    if rule.edge is None or remainder < rule.edge:
        return share
    if remainder > rule.edge or rule.last is None:
        return share + 1
    return share + (draw(call_id, order_id) <= rule.last)


class Part(Protocol):
    """A part of the book of one call, here or in another process."""

    async def curves(self) -> Curves: ...

    async def sizes(self, price: int) -> tuple[Sizes, Sizes]: ...

    async def draws(self, price: int, buy: bool, rule: Rule, most: int) -> list[bytes]:
        """The lowest draws, at most ``most``, of the orders whose remainder is the rule's edge."""


@dataclass(frozen=True, slots=True)
class HeldPart:
    """A part that is held here, unchanged until the call is over."""

    call_id: str
    book: Book

    async def curves(self) -> Curves:
        return summed(self.book)

    async def sizes(self, price: int) -> tuple[Sizes, Sizes]:
        return sizes_at(self.book, price)

    async def draws(self, price: int, buy: bool, rule: Rule, most: int) -> list[bytes]:
        book = self.book
        equal = np.flatnonzero((book.price == price) & (book.buy == buy))
        return heapq.nsmallest(
            most,
            (
                draw(self.call_id, book.ids[n])
                for n in equal.tolist()
                if int(book.quantity[n]) * rule.lots % rule.total == rule.edge
            ),
        )


async def clear_over(shards: Sequence[Part], backstop: Part, lot: int) -> Result:
    """Clear one call over all its parts; the backstop is there where somebody else is."""
    told = await asyncio.gather(*(shard.curves() for shard in shards))
    if not any(len(curves.prices) for curves in told):
        return Result(None, 0)
    parts = [*shards, backstop]
    whole = found(merged([*told, await backstop.curves()]))
    if whole is None:
        return Result(None, 0)
    sizes = await asyncio.gather(*(part.sizes(whole.price) for part in parts))
    rules = []
    for buy, better in ((True, whole.better_bid), (False, whole.better_ask)):
        of_side = added(bids if buy else asks for bids, asks in sizes)
        shared, contest = rule(of_side, (whole.volume - better) // lot)
        if contest is not None:
            drawn = await asyncio.gather(
                *(part.draws(whole.price, buy, shared, contest.lots) for part in parts)
            )
            shared = decided(shared, contest, drawn)
        rules.append(shared)
    return Result(whole.price, whole.volume, *rules)
