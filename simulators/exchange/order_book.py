"""What rests in the market now: all open tenders and positions of the instruments that can trade.

The book is the market's memory; the ledger is its durable trace, from which the book is loaded at
the start. Nothing here waits for anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

import msgspec
import numpy as np

from simulators.exchange.clearing import Book
from simulators.exchange.ledger import Loaded
from simulators.exchange.names import market_order_id
from simulators.exchange.rows import Tender


class Resting(msgspec.Struct, gc=False):
    """A tender and its open rest, Wh.

    There are tens of thousands, and none refers to anything that refers back: so the collector
    need not look through them, which would hold up the event loop for tens of milliseconds.
    """

    order_id: str
    tender_id: str
    document: int
    uid: int
    party: int
    start: int
    buy: int
    price: int
    quantity: int
    expires_ms: int
    left: int
    canceled: bool = False

    @classmethod
    def of(cls, order_id: str, tender_id: str, tender: Tender) -> Resting:
        """Nothing of it has been traded yet."""
        return cls(
            order_id,
            tender_id,
            tender.document,
            tender.uid,
            tender.party,
            tender.start,
            tender.buy,
            tender.price,
            tender.quantity,
            tender.expires_ms,
            left=tender.quantity,
        )


@dataclass(slots=True)
class Instrument:
    """One interval: every tender that was accepted for it, by party, open or not."""

    start: int
    parties: dict[int, list[Resting]] = field(default_factory=dict)
    net_wh: dict[int, int] = field(default_factory=dict)  # sold +, by party
    last_call_s: int = -1

    def resting(self, now_ms: int) -> list[Resting]:
        """The open tenders that have not expired, in no order."""
        return [
            order
            for orders in self.parties.values()
            for order in orders
            if order.left and order.expires_ms > now_ms
        ]


by_order_id = attrgetter("order_id")


def columns(orders: Iterable[Resting]) -> Book:
    """The same as columns, for clearing."""
    found = list(orders)
    return Book(
        [order.order_id for order in found],
        np.array([order.buy for order in found], dtype=np.bool_),
        np.array([order.price for order in found], dtype=np.int64),
        np.array([order.left for order in found], dtype=np.int64),
    )


class OrderBook:
    """The instruments whose gate has not closed."""

    def __init__(self) -> None:
        self._instruments: dict[int, Instrument] = {}
        self._known: dict[str, Resting] = {}  # by order id

    @classmethod
    def loaded(cls, loaded: Loaded, names: dict[int, str]) -> OrderBook:
        """The book as it was when the last batch was stored."""
        book = cls()
        for tender, name, stream, canceled, filled in loaded.tenders:
            tender_id = f"{name}.{tender.uid}" if stream else name
            order = book.add(names[tender.party], tender_id, tender)
            order.left -= canceled + filled
            order.canceled = bool(canceled)
        for start, party, net in loaded.positions:
            book.at(start).net_wh[party] = net
        for start, time in loaded.last_calls.items():
            book.at(start).last_call_s = time
        return book

    def at(self, start: int) -> Instrument:
        if start not in self._instruments:
            self._instruments[start] = Instrument(start)
        return self._instruments[start]

    def add(self, party_id: str, tender_id: str, tender: Tender) -> Resting:
        instrument = self.at(tender.start)
        order_id = market_order_id(party_id, tender_id)
        order = Resting.of(order_id, tender_id, tender)
        self._known[order_id] = order
        instrument.parties.setdefault(tender.party, []).append(order)
        return order

    def own(self, party: int, start: int) -> list[Resting]:
        """The party's tenders of one interval that were accepted, open or not."""
        found = self._instruments.get(start)
        return [] if found is None else found.parties.get(party, [])

    def find(self, party_id: str, tender_id: str) -> Resting | None:
        return self._known.get(market_order_id(party_id, tender_id))

    def of(self, party: int) -> Iterator[Resting]:
        """All tenders of a party, by start and order id."""
        for start in sorted(self._instruments):
            yield from sorted(self._instruments[start].parties.get(party, ()), key=by_order_id)

    def open_by_party(self) -> Counter[int]:
        """The number of open tenders of each party that has some, in one pass over all."""
        return Counter(order.party for order in self._known.values() if order.left)

    def close_through(self, start: int) -> None:
        """Forget the instruments up to that one: their gate has closed."""
        for closed in [s for s in self._instruments if s <= start]:
            for orders in self._instruments.pop(closed).parties.values():
                for order in orders:
                    del self._known[order.order_id]
