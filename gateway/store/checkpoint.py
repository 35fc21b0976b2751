"""The book at one row of the journal as text, so that a start need not read ten years again.

A ``checkpoint`` entry is part of the chain and holds the hash of the book's state; the state itself
(only the newest) lies beside the chain. A start checks the state against the hash, and the chain
from there on. `Journal.verify` folds everything from the first row and compares.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import msgspec

from gateway.domain.intervals import iso, parse_utc
from gateway.store.book import Book, TenderState
from gateway.store.codec import (
    dispute_body,
    dispute_of,
    gap_body,
    gap_of,
    metered_of,
    settlement_of,
    tender_body,
    tender_of,
    transaction_of,
)
from gateway.store.quarters import Quarters

FORMAT = 5  # of the state; a start that finds another number reads everything
EVERY = 5000  # entries between two checkpoints: about four days of trading
# The very text of `gateway.store.chain.canonical` (a test compares), in a tenth of the time: the event loop waits for it.
canonical_bytes = msgspec.json.Encoder(order="deterministic").encode


def dump(book: Book) -> str:
    """The state of ``book`` as canonical JSON; the same state gives the same text.

    Row by row: forty days of rows as JSON objects at once would need four times the book's own memory,
    and the process would keep it.
    """
    out = BytesIO()
    for number, (key, value) in enumerate(sorted(_state(book).items())):
        out.write(b'%b"%b":' % (b"," if number else b"{", key.encode()))
        if isinstance(value, Iterator):
            out.write(b"[")
            for place, row in enumerate(value):
                if place:
                    out.write(b",")
                out.write(canonical_bytes(row))
            out.write(b"]")
        else:
            out.write(canonical_bytes(value))
    out.write(b"}")
    return out.getvalue().decode()


def _state(book: Book) -> dict[str, Any]:
    """What is kept, by name; rows are made when they are asked for."""
    state: dict[str, Any] = {
        "tenders": map(_tender_state, book.tenders.values()),
        "transactions": map(book.transactions.body, book.transactions),
        "metered": map(book.metered.body, sorted(book.metered)),
        "gaps": map(gap_body, book.gaps),
        "counted": None if book.counted is None else [iso(book.counted[0]), *book.counted[1:]],
        "delivered": (iso(start) for start in sorted(book.delivered)),
        "settlements": map(book.settlements.body, book.settlements),
        "prices": map(book.prices.body, sorted(book.prices)),
        "last_sequence": book.last_sequence,
        "tender_count": book.tender_count,
        "settled_money": book.settled_money,
        "night_wh": book.night_wh,
        "withdrawn": {k: iso(t) for k, t in book.withdrawn.items()},
        "last_contact": iso(book.last_contact),
        "disputes": ({**dispute_body(d, {}), "time": iso(d.time)} for d in book.disputes.values()),
    }
    if book.retail:
        state["retail"] = map(book.retail.body, sorted(book.retail))
    if book.credits:
        state["credits"] = map(book.credits.body, sorted(book.credits))
    return state


def load(text: str) -> Book:
    """The inverse of `dump`; raises ValueError, KeyError or TypeError if it is not such a text."""
    state = json.loads(text)
    book = Book()
    for body in state["tenders"]:
        book.restore(_restored(body))
    for body in state["transactions"]:
        book.note_fill(transaction_of(body))
    for body in state["metered"]:
        metered = metered_of(body)
        book.metered[metered.interval.start] = metered
    book.gaps = tuple(gap_of(body) for body in state["gaps"])
    if state["counted"] is not None:
        time, imported, exported = state["counted"]
        book.counted = parse_utc(time), int(imported), int(exported)
    book.delivered = Quarters(parse_utc(start) for start in state["delivered"])
    for body in state["settlements"]:
        book.note_settlement(settlement_of(body))
    book.prices.update((parse_utc(body["start"]), body) for body in state["prices"])
    book.retail.update((parse_utc(body["start"]), body) for body in state.get("retail", ()))
    book.credits.update((parse_utc(body["start"]), body) for body in state.get("credits", ()))
    book.last_sequence = int(state["last_sequence"])
    book.tender_count = int(state["tender_count"])
    book.settled_money = int(state["settled_money"])
    book.withdrawn = {k: parse_utc(t) for k, t in state["withdrawn"].items()}
    book.last_contact = parse_utc(state["last_contact"])
    for body in state["disputes"]:
        book.note_dispute(dispute_of(body, parse_utc(body["time"])))
    book.night_wh = None if state["night_wh"] is None else int(state["night_wh"])
    if newest := max(book.metered, default=None):
        book.pack(newest)
    return book


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _tender_state(state: TenderState) -> dict[str, Any]:
    return {
        **tender_body(state.tender),
        "answered": state.answered,
        "accepted": state.accepted,
        "market_order_id": state.market_order_id,
        "cancelling": state.cancelling,
        "closed": state.closed,
        "filled_wh": state.filled_wh,
        "taken_back_wh": state.taken_back_wh,
    }


def _restored(body: dict[str, Any]) -> TenderState:
    return TenderState(
        tender_of(body),
        answered=bool(body["answered"]),
        accepted=bool(body["accepted"]),
        market_order_id=body["market_order_id"],
        cancelling=bool(body["cancelling"]),
        closed=bool(body["closed"]),
        filled_wh=int(body["filled_wh"]),
        taken_back_wh=int(body["taken_back_wh"]),
    )
