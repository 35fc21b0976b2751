"""What the journal's entries add up to: a fold that a restart repeats.

Kinds of entries: ``tender`` (intent, before it is sent), ``answer``, ``cancel``, ``cancelled``,
``transaction``, ``metered``, ``delivered`` (reported to the exchange), ``settlement``, ``note``
(alarms and user commands, for people).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.domain.intervals import Interval, iso, parse_utc
from gateway.domain.trade import (
    Metered,
    MeterQuality,
    Run,
    Settlement,
    Side,
    Tender,
    Transaction,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the account."""

    seq: int
    time: datetime
    kind: str
    body: Mapping[str, Any]


@dataclass
class TenderState:
    """A tender and what became of it. ``answered`` is False while its fate is unknown."""

    tender: Tender
    answered: bool = False
    accepted: bool = False
    market_order_id: str | None = None
    cancelling: bool = False
    closed: bool = False
    filled_wh: int = 0

    @property
    def open_wh(self) -> int:
        """What may still be filled: all of an unanswered tender, nothing of a refused one."""
        if self.closed or (self.answered and not self.accepted):
            return 0
        return self.tender.quantity_wh - self.filled_wh


@dataclass
class Book:
    """The account's state; `add` is the only way in."""

    tenders: dict[str, TenderState] = field(default_factory=dict)
    transactions: dict[str, Transaction] = field(default_factory=dict)
    metered: dict[datetime, Metered] = field(default_factory=dict)
    delivered: set[datetime] = field(default_factory=set)
    settlements: dict[str, Settlement] = field(default_factory=dict)
    last_sequence: int = 0
    _net: dict[datetime, int] = field(default_factory=dict)
    _by_interval: dict[datetime, list[TenderState]] = field(default_factory=dict)

    def position_wh(self, interval: Interval) -> int:
        """Net quantity sold (+) or bought (-) in fills."""
        return self._net.get(interval.start, 0)

    def open_sell_wh(self, interval: Interval) -> int:
        """Energy that open or unanswered sell tenders may still commit."""
        states = self._by_interval.get(interval.start, ())
        return sum(s.open_wh for s in states if s.tender.side is Side.SELL)

    def commitment(self, interval: Interval) -> int:
        """What control must deliver at the meter, Wh net (export +)."""
        return self.position_wh(interval)

    def tenders_of(self, interval: Interval) -> list[TenderState]:
        return self._by_interval.get(interval.start, [])

    def add(self, entry: Entry) -> None:
        """Fold one entry in; unknown kinds are for people and change nothing."""
        fold = _FOLDS.get(entry.kind)
        if fold:
            fold(self, entry.body)

    def _tender(self, body: Mapping[str, Any]) -> None:
        tender = tender_of(body)
        state = TenderState(tender)
        self.tenders[tender.tender_id] = state
        self._by_interval.setdefault(tender.interval.start, []).append(state)

    def _answer(self, body: Mapping[str, Any]) -> None:
        state = self.tenders[body["tender_id"]]
        state.answered, state.accepted = True, bool(body["accepted"])
        state.market_order_id = body["market_order_id"]

    def _cancel(self, body: Mapping[str, Any]) -> None:
        self.tenders[body["tender_id"]].cancelling = True

    def _cancelled(self, body: Mapping[str, Any]) -> None:
        state = self.tenders[body["tender_id"]]
        state.cancelling, state.closed = False, state.closed or bool(body["success"])

    def _transaction(self, body: Mapping[str, Any]) -> None:
        fill = transaction_of(body)
        if fill.transaction_id in self.transactions:
            return
        self.transactions[fill.transaction_id] = fill
        self.last_sequence = max(self.last_sequence, fill.sequence)
        start = fill.interval.start
        self._net[start] = self._net.get(start, 0) + fill.net_wh
        state = self.tenders.get(fill.tender_id)
        if state:
            state.filled_wh += fill.quantity_wh

    def _metered(self, body: Mapping[str, Any]) -> None:
        metered = metered_of(body)
        self.metered[metered.interval.start] = metered

    def _delivered(self, body: Mapping[str, Any]) -> None:
        self.delivered.add(parse_utc(body["start"]))

    def _settlement(self, body: Mapping[str, Any]) -> None:
        settlement = settlement_of(body)
        self.settlements[settlement.settlement_id] = settlement


_FOLDS = {
    "tender": Book._tender,
    "answer": Book._answer,
    "cancel": Book._cancel,
    "cancelled": Book._cancelled,
    "transaction": Book._transaction,
    "metered": Book._metered,
    "delivered": Book._delivered,
    "settlement": Book._settlement,
}


def _span(interval: Interval) -> dict[str, str]:
    return {"start": iso(interval.start), "end": iso(interval.end)}


def _interval(body: Mapping[str, Any]) -> Interval:
    return Interval(parse_utc(body["start"]), parse_utc(body["end"]))


def tender_body(t: Tender) -> dict[str, Any]:
    return {
        **_span(t.interval),
        "tender_id": t.tender_id,
        "side": t.side.value,
        "quantity_wh": t.quantity_wh,
        "price_ticks": t.price_ticks,
        "expires": iso(t.expires),
    }


def tender_of(body: Mapping[str, Any]) -> Tender:
    return Tender(
        body["tender_id"],
        _interval(body),
        Side(body["side"]),
        int(body["quantity_wh"]),
        int(body["price_ticks"]),
        parse_utc(body["expires"]),
    )


def transaction_body(t: Transaction) -> dict[str, Any]:
    return {
        **_span(t.interval),
        "transaction_id": t.transaction_id,
        "sequence": t.sequence,
        "tender_id": t.tender_id,
        "side": t.side.value,
        "quantity_wh": t.quantity_wh,
        "price_ticks": t.price_ticks,
        "money_e8": t.money,
    }


def transaction_of(body: Mapping[str, Any]) -> Transaction:
    return Transaction(
        body["transaction_id"],
        int(body["sequence"]),
        body["tender_id"],
        _interval(body),
        Side(body["side"]),
        int(body["quantity_wh"]),
        int(body["price_ticks"]),
    )


def metered_body(m: Metered) -> dict[str, Any]:
    return {
        **_span(m.interval),
        "import_wh": m.import_wh,
        "export_wh": m.export_wh,
        "import_register_wh": m.import_register_wh,
        "export_register_wh": m.export_register_wh,
        "quality": m.quality.value,
    }


def metered_of(body: Mapping[str, Any]) -> Metered:
    return Metered(
        _interval(body),
        int(body["import_wh"]),
        int(body["export_wh"]),
        int(body["import_register_wh"]),
        int(body["export_register_wh"]),
        MeterQuality(body["quality"]),
    )


def settlement_body(s: Settlement) -> dict[str, Any]:
    return {
        **_span(s.interval),
        "settlement_id": s.settlement_id,
        "run": s.run.value,
        "position_wh": s.position_wh,
        "metered_wh": s.metered_wh,
        "imbalance_price_ticks": s.imbalance_price_ticks,
        "energy_money_e8": s.energy_money,
        "imbalance_money_e8": s.imbalance_money,
        "uncontracted_money_e8": s.uncontracted_money,
        "fee_money_e8": s.fee_money,
        "reverses": s.reverses,
    }


def settlement_of(body: Mapping[str, Any]) -> Settlement:
    return Settlement(
        body["settlement_id"],
        _interval(body),
        Run(body["run"]),
        int(body["position_wh"]),
        int(body["metered_wh"]),
        int(body["imbalance_price_ticks"]),
        int(body["energy_money_e8"]),
        int(body["imbalance_money_e8"]),
        int(body["uncontracted_money_e8"]),
        int(body["fee_money_e8"]),
        body["reverses"],
    )
