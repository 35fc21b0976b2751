"""Order entry: which tenders are accepted, refused, cancelled. Pure over the book in memory.

What is accepted is put into the book at once and into the batch of rows that the caller stores.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.domain.intervals import iso
from simulators.exchange import problems
from simulators.exchange.ledger import Registered
from simulators.exchange.order_book import OrderBook, Resting
from simulators.exchange.rows import Batch, Cancel, Tender, from_quarter, to_quarter
from simulators.exchange.terms import Terms, epoch_ms

_INT64 = 2**63


class TenderRequest(msgspec.Struct, frozen=True, gc=False):
    """A tender as a party asks for it: ticks, Wh. ``uid`` is its number in a stream, else 0."""

    tender_id: str
    start: datetime
    side: str
    price: int
    quantity: int
    expires: datetime
    all_or_none: bool = False
    uid: int = 0


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """Who sent a document, its number, when it was received, and which of its tenders are known."""

    party: Registered
    document: int
    now: datetime
    known: frozenset[int] = frozenset()


class OrderEntry:
    """Takes tenders in and back; ``now`` always is the exchange's own receive time."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.book = OrderBook()
        self.last_closed = -1  # the quarter-hour whose gate closed last

    def accept(self, receipt: Receipt, asked: TenderRequest, batch: Batch) -> Resting:
        """Check one tender and take it in, or a Problem."""
        party, start = receipt.party, to_quarter(asked.start)
        if asked.uid in receipt.known or self.book.find(party.party_id, asked.tender_id):
            raise problems.duplicate_tender(asked.tender_id)
        self._check_time(asked, start, receipt.now)
        self._check_terms(asked)
        self._check_against_own(party, asked, start, receipt.now)
        tender = Tender(
            document=receipt.document,
            uid=asked.uid,
            party=party.number,
            start=start,
            buy=int(asked.side == "BUY"),
            price=asked.price,
            quantity=asked.quantity,
            expires_ms=epoch_ms(asked.expires),
        )
        batch.add(tender)
        return self.book.add(party.party_id, asked.tender_id, tender)

    def cancel(self, order: Resting, seq: int, now: datetime, batch: Batch) -> int:
        """Take the rest back: the Wh that were taken back, 0 where there was no rest."""
        if not order.left or order.expires_ms <= epoch_ms(now):
            return 0
        if now >= from_quarter(order.start) - self._terms.cancel_gate:
            raise problems.gate_closed(f"cancels ended {self._terms.cancel_gate} before delivery")
        return self._take_back(order, seq, batch, supervisory=0)

    def revoke(self, party: Registered, seq: int, batch: Batch) -> int:
        """Take back all that rests of a party that is shut out; the number of tenders."""
        resting = [order for order in self.book.of(party.number) if order.left]
        for order in resting:
            self._take_back(order, seq, batch, supervisory=1)
        return len(resting)

    @staticmethod
    def _take_back(order: Resting, seq: int, batch: Batch, supervisory: int) -> int:
        taken, order.left, order.canceled = order.left, 0, True
        batch.add(Cancel(order.document, order.uid, seq, taken, supervisory))
        return taken

    def _check_time(self, asked: TenderRequest, start: int, now: datetime) -> None:
        terms = self._terms
        if not terms.is_instrument(asked.start):
            raise problems.unknown_instrument(f"{iso(asked.start)} is not on the quarter-hour grid")
        if start <= self.last_closed or now >= asked.start - terms.gate:
            raise problems.gate_closed(f"the gate of {iso(asked.start)} closed {terms.gate} before")
        if now < asked.start - terms.preopen:
            raise problems.unknown_instrument(f"{iso(asked.start)} opens {terms.preopen} before")
        if asked.expires <= now:
            raise problems.Problem("expired", 422, "expirationTime is past", 4)

    def _check_terms(self, asked: TenderRequest) -> None:
        terms = self._terms
        if asked.all_or_none:
            raise problems.unsupported("allOrNone is not supported")
        if asked.quantity % terms.lot_wh or not terms.min_quantity_wh <= asked.quantity < _INT64:
            raise problems.bad_quantity(
                f"quantity is a multiple of {terms.lot_wh} Wh and at least {terms.min_quantity_wh}"
            )
        if not terms.floor <= asked.price <= terms.cap:
            raise problems.price_band(f"price lies in {terms.floor} .. {terms.cap} ticks")

    def _check_against_own(
        self, party: Registered, asked: TenderRequest, start: int, now: datetime
    ) -> None:
        most_wh, now_ms, buy = party.capacity_w // 4, epoch_ms(now), asked.side == "BUY"
        sign, resting = -1 if buy else 1, 0
        for order in self.book.own(party.number, start):
            if not order.left or order.expires_ms <= now_ms:
                continue
            if order.buy == buy:
                resting += order.left
            # Crossing means that the buy is at or above the sell, whichever of them is new.
            elif (order.price - asked.price) * sign >= 0:
                raise problems.self_cross("the tender crosses an own resting tender")
        held = max(0, sign * self.position(party.number, start))
        if asked.quantity + resting + held > most_wh:
            raise problems.exceeds_capacity(
                f"{asked.quantity} Wh on {resting + held} Wh is above the registered {most_wh} Wh"
            )

    def position(self, party: int, start: int) -> int:
        """Net Wh traded in one interval whose gate has not closed, sell +."""
        return self.book.at(start).net_wh.get(party, 0)
