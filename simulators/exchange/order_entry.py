"""Tenders: what is accepted, refused, cancelled. Every method is one short store transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.intervals import iso, parse_utc
from simulators.exchange import problems
from simulators.exchange.parties import Parties
from simulators.exchange.store import Store
from simulators.exchange.terms import Terms, epoch_ms, market_order_id

OPEN = ("NEW", "PARTIALLY_FILLED")
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class TenderRequest:
    """A tender as a party asks for it: ticks, Wh."""

    tender_id: str
    start: datetime
    side: str
    price: int
    quantity: int
    expires: datetime
    all_or_none: bool = False


class OrderEntry:
    """Takes tenders in and back; ``now`` always is the exchange's own receive time."""

    def __init__(self, store: Store, terms: Terms, parties: Parties) -> None:
        self._store = store
        self._parties = parties
        self._terms = terms

    def accept(
        self, party_id: str, asked: TenderRequest, now: datetime, evidence: str | None
    ) -> str:
        """Check and store one tender; its marketOrderId, or a Problem."""
        capacity_w = self._trader(party_id)
        order_id = market_order_id(party_id, asked.tender_id)
        if self._store.one("SELECT 1 FROM tender WHERE market_order_id = ?", order_id):
            raise problems.duplicate_tender(asked.tender_id)
        self._check_time(asked, now)
        self._check_terms(asked)
        self._check_against_own(party_id, asked, capacity_w // 4, now)
        self._store.insert(
            "tender",
            {
                "market_order_id": order_id,
                "party_id": party_id,
                "tender_id": asked.tender_id,
                "start": iso(asked.start),
                "side": asked.side,
                "price": asked.price,
                "quantity": asked.quantity,
                "remaining": asked.quantity,
                "expires_ms": epoch_ms(asked.expires),
                "status": "NEW",
                "accepted": iso(now),
                "evidence": evidence,
            },
        )
        return order_id

    def cancel(self, party_id: str, tender_id: str, now: datetime) -> tuple[str, int, bool]:
        """Take the rest back: marketOrderId, the Wh taken back, whether there was a rest."""
        row = self.find(party_id, tender_id)
        if row is None:
            raise problems.unknown_tender(f"no tender {tender_id!r} of this party")
        order_id, remaining = str(row["market_order_id"]), int(row["remaining"])
        if row["status"] not in OPEN:
            return order_id, 0, False
        if now >= parse_utc(row["start"]) - self._terms.cancel_gate:
            raise problems.gate_closed(f"cancels ended {self._terms.cancel_gate} before delivery")
        self._store.run(
            "UPDATE tender SET status = 'CANCELED', remaining = 0, cancel_reason = 'REQUESTED'"
            " WHERE market_order_id = ?",
            order_id,
        )
        return order_id, remaining, True

    def revoke(self, party_id: str) -> int:
        """End a party's trading: no new tenders, resting ones taken back. Fills stand."""
        self._parties.revoke(party_id)
        return self._store.run(
            "UPDATE tender SET status = 'CANCELED', remaining = 0, cancel_reason = 'SUPERVISORY'"
            " WHERE party_id = ? AND status IN ('NEW', 'PARTIALLY_FILLED')",
            party_id,
        )

    def find(self, party_id: str, tender_id: str) -> sqlite3.Row | None:
        return self._store.one(
            "SELECT * FROM tender WHERE market_order_id = ?", market_order_id(party_id, tender_id)
        )

    def _trader(self, party_id: str) -> int:
        if self._store.mark("halted") is not None:
            raise problems.halted()
        party = self._parties.get(party_id)
        if party is None or party.revoked:
            raise problems.party_revoked(party_id)
        return party.capacity_w

    def _check_time(self, asked: TenderRequest, now: datetime) -> None:
        terms = self._terms
        if not terms.is_instrument(asked.start):
            raise problems.unknown_instrument(f"{iso(asked.start)} is not on the quarter-hour grid")
        last_closed = self._store.mark("gate")
        closed = last_closed is not None and asked.start <= parse_utc(last_closed)
        if closed or now >= asked.start - terms.gate:
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
        self, party_id: str, asked: TenderRequest, most_wh: int, now: datetime
    ) -> None:
        own = self._store.all(
            "SELECT side, price, remaining FROM tender WHERE party_id = ? AND start = ?"
            " AND status IN ('NEW', 'PARTIALLY_FILLED') AND expires_ms > ?",
            party_id,
            iso(asked.start),
            epoch_ms(now),
        )
        sign = 1 if asked.side == "SELL" else -1
        for row in own:
            # Crossing means that the buy is at or above the sell, whichever of them is new.
            if row["side"] != asked.side and (row["price"] - asked.price) * sign >= 0:
                raise problems.self_cross("the tender crosses an own resting tender")
        resting = sum(row["remaining"] for row in own if row["side"] == asked.side)
        held = max(0, sign * self.position(party_id, asked.start))
        if asked.quantity + resting + held > most_wh:
            raise problems.exceeds_capacity(
                f"{asked.quantity} Wh on {resting + held} Wh is above the registered {most_wh} Wh"
            )

    def position(self, party_id: str, start: datetime) -> int:
        """Net Wh traded in one interval, sell +."""
        row = self._store.one(
            "SELECT SUM(CASE side WHEN 'SELL' THEN quantity ELSE -quantity END) AS net"
            " FROM fill WHERE party_id = ? AND start = ?",
            party_id,
            iso(start),
        )
        return int(row["net"] or 0) if row is not None else 0
