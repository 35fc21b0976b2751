"""What the journal's entries add up to: a fold that a restart repeats.

Kinds of entries: ``tender`` (intent, before it is sent), ``answer``, ``cancel``, ``cancelled``,
``transaction``, ``metered``, ``gap`` (metered energy of no single interval), ``delivered`` (reported to
the exchange), ``settlement``, ``price`` (what the market published for a settled interval: ``import_ticks``, ``export_ticks``,
``imbalance_ticks``), ``retail_price`` (what a price feed published for a metered interval, exact per kWh: ``import_per_kwh``,
``export_per_kwh``, ``market_per_kwh``), ``credit`` (what a programme pays for a dispatched interval: ``event``, ``asked_wh``, ``net_wh``,
``baseline_wh``, ``paid_wh``, ``money``), ``origin`` (what of the stored energy is of the flat-rate night), ``disputed`` (what the exchange said
and we do not believe: evidence that moves nothing), ``note`` (alarms and user commands, for people) and ``checkpoint`` (see
`gateway.store.checkpoint`).

The book holds the intervals of the last `KEPT` time and the tenders of the last `TENDERS_KEPT`; what
is older stays in the journal's file. So a home that has traded for ten years needs no more memory
than one that began last month. Of the rows of an interval that ended before `TENDERS_KEPT` only the values are held (`Rows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import nlargest
from typing import Any, Protocol, TypeVar

from gateway.domain.intervals import QUARTER, Interval, parse_utc
from gateway.domain.trade import Dispute, Metered, MeterGap, Settlement, Tender, Transaction
from gateway.store.codec import (
    dispute_of,
    gap_of,
    metered_body,
    metered_of,
    settlement_body,
    settlement_of,
    start_of,
    tender_of,
    transaction_body,
    transaction_of,
)
from gateway.store.quarters import Quarters
from gateway.store.rows import Rows


class _OfInterval(Protocol):
    """A row that tells its interval."""

    @property
    def interval(self) -> Interval:
        """The delivery interval that it is of."""


K = TypeVar("K")
R = TypeVar("R", bound=_OfInterval)


def _same(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return body


KEPT = timedelta(days=40)  # the last correction of an interval may come 35 days after it
_COUNTED = 960  # metered quarter-hours, ten days, that tell the account's own time
_AGAIN = 3  # fills that are asked for once more
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
TENDERS_KEPT = timedelta(days=2)  # no fill comes after delivery; there are many tenders


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
    taken_back_wh: int = 0

    @property
    def open_wh(self) -> int:
        """What may still be filled: all of an unanswered tender, nothing of a refused one."""
        if self.closed or (self.answered and not self.accepted):
            return 0
        return self.tender.quantity_wh - self.filled_wh


def _ended(_key: object, row: Transaction | Metered | Settlement) -> datetime:
    return row.interval.end


def _begun(start: datetime, _body: object) -> datetime:
    """The moment after: a price goes when its interval had begun long ago."""
    return start + timedelta(microseconds=1)


@dataclass
class Book:
    """The account's state; `add` is the only way in."""

    tenders: dict[str, TenderState] = field(default_factory=dict)
    transactions: Rows[str, Transaction] = field(
        default_factory=lambda: Rows(transaction_body, transaction_of, _ended)
    )
    metered: Rows[datetime, Metered] = field(
        default_factory=lambda: Rows(metered_body, metered_of, _ended)
    )
    gaps: tuple[MeterGap, ...] = ()
    counted: tuple[datetime, int, int] | None = None  # where metering stands: time, registers (Wh)
    delivered: Quarters = field(default_factory=Quarters)
    settlements: Rows[str, Settlement] = field(
        default_factory=lambda: Rows(settlement_body, settlement_of, _ended)
    )
    prices: Rows[datetime, Mapping[str, Any]] = field(
        default_factory=lambda: Rows(_same, _same, _begun)
    )  # bodies of ``price``
    retail: Rows[datetime, Mapping[str, Any]] = field(
        default_factory=lambda: Rows(_same, _same, _begun)
    )  # of ``retail_price``
    credits: Rows[datetime, Mapping[str, Any]] = field(
        default_factory=lambda: Rows(_same, _same, _begun)
    )  # bodies of ``credit``
    last_sequence: int = 0
    tender_count: int = 0  # of all times: the next tender's number
    settled_money: int = 0  # of all times, 1e-8 units to the home
    disputes: dict[str, Dispute] = field(default_factory=dict)  # by the hash of what was said
    withdrawn: dict[str, datetime] = field(default_factory=dict)  # disputed settlements, taken back
    last_contact: datetime = _NEVER  # when the exchange last told us all its fills
    night_wh: int | None = None  # stored energy of the flat-rate night; None = nobody has counted
    forgotten: tuple[datetime, datetime] = field(default=(_NEVER, _NEVER), compare=False)  # `_drop`
    settled: Quarters = field(default_factory=Quarters)  # starts of the intervals of `settlements`
    _packed_until: datetime = field(default=_NEVER, compare=False)  # all packed rows began before
    _net: dict[datetime, int] = field(default_factory=dict)
    _by_interval: dict[datetime, list[TenderState]] = field(default_factory=dict)

    def cursor(self) -> int:
        """The sequence after which to ask for fills. Some known ones come again: a wild number among
        them must not hide what follows."""
        fills = list(self.transactions.fresh())
        if len(fills) < _AGAIN:
            fills = list(self.transactions.values())
        newest = nlargest(_AGAIN, fills, key=lambda t: t.interval.start)
        return min((t.sequence - 1 for t in newest), default=self.last_sequence)

    def position_wh(self, interval: Interval) -> int:
        """Net quantity sold (+) or bought (-) in fills."""
        return self._net.get(interval.start, 0)

    def commitment(self, interval: Interval) -> int:
        """What control must deliver at the meter, Wh net (export +)."""
        return self.position_wh(interval)

    def tenders_of(self, interval: Interval) -> list[TenderState]:
        return self._by_interval.get(interval.start, [])

    def unanswered(self) -> list[TenderState]:
        """Tenders whose fate at the exchange is unknown, oldest first."""
        return [s for s in self.tenders.values() if not s.answered]

    def cancelling(self) -> list[TenderState]:
        """Tenders with a cancel that has no answer yet, oldest first."""
        return [s for s in self.tenders.values() if s.cancelling]

    def open_tenders(self, now: datetime) -> int:
        """Tenders that may still be filled."""
        states = self.tenders.values()
        return sum(1 for s in states if s.open_wh > 0 and s.tender.expires > now)

    def last_metered(self) -> Metered | None:
        """The newest metered interval."""
        return self.metered[max(self.metered)] if self.metered else None

    def settled_since(self, start: datetime) -> int:
        """Money settled for the intervals from ``start`` on (within the last `KEPT` days)."""
        return sum(s.total_money for s in self.since(self.settlements, start))

    def since(self, rows: Rows[Any, R], start: datetime) -> Iterator[R]:
        """Those of the intervals that begin at ``start`` or later, in the order in which they came."""
        found = rows.fresh() if start > self._packed_until else iter(rows.values())
        return (row for row in found if row.interval.start >= start)

    def of_interval(self, rows: Rows[Any, R], interval: Interval) -> list[R]:
        """Those of one interval, in the order in which they came."""
        return [row for row in self.since(rows, interval.start) if row.interval == interval]

    def undelivered(self) -> list[Metered]:
        """Metered intervals that the exchange has not yet confirmed, oldest first."""
        return [self.metered[start] for start in sorted(self.metered.keys() - self.delivered)]

    def add(self, entry: Entry) -> None:
        """Fold one entry in; unknown kinds are for people and change nothing."""
        fold = _FOLDS.get(entry.kind)
        if fold:
            fold(self, entry.body)
        if entry.kind == "disputed":
            self.note_dispute(dispute_of(entry.body, entry.time))
        if entry.kind == "withdrawn":
            self.note_withdrawn(str(entry.body["id"]), str(entry.body["by"]), entry.time)
        if entry.kind in _CONTACTS:
            self.last_contact = entry.time
        if entry.kind == "checkpoint":
            said = entry.body.get("forgotten")
            self.forget(entry.time) if said is None else self._drop(*map(parse_utc, said))

    def forget(self, now: datetime) -> None:
        """Drop what ended long before ``now``; the file keeps it.

        A tender without an answer is never dropped. Every container is replaced, not changed, so a
        shallow copy of the book keeps what it has. The account's own time counts: a clock that jumps
        ahead must not make us forget what was sold or counted.
        """
        known = self._own_time()
        if known is not None:
            now = min(now, known + TENDERS_KEPT).replace(microsecond=0)
            old, old_tender = self.forgotten
            self._drop(max(old, now - KEPT), max(old_tender, now - TENDERS_KEPT))

    def _own_time(self) -> datetime | None:
        """Up to when something is settled, or so many quarter-hours are metered as there should be: a few that a wrong
        clock has put years ahead count for no more than their number."""
        counted = nlargest(_COUNTED, self.metered)
        times = [counted[-1] + len(counted) * QUARTER] if counted else []
        if self.settled:
            times.append(max(self.settled) + QUARTER)
        return max(times, default=None)

    def _drop(self, old: datetime, old_tender: datetime) -> None:
        """What ended by ``old``, and the tenders of what ended by ``old_tender``."""
        self.forgotten = old, old_tender
        self.tenders = {
            k: s
            for k, s in self.tenders.items()
            if s.tender.interval.end > old_tender or not s.answered or s.cancelling
        }
        self._by_interval = {}
        for state in self.tenders.values():
            self._by_interval.setdefault(state.tender.interval.start, []).append(state)
        self._age(old, old_tender)
        self.gaps = tuple(g for g in self.gaps if max(g.since, g.until) > old)
        self.delivered = Quarters(start for start in self.delivered if start in self.metered)
        self.disputes = {k: d for k, d in self.disputes.items() if d.time > old}
        self.withdrawn = {k: t for k, t in self.withdrawn.items() if t > old}
        self._net = {k: v for k, v in self._net.items() if k + QUARTER > old}
        self.settled = Quarters(start for start in self.settled if start + QUARTER > old)

    def pack(self, now: datetime) -> None:
        """Hold less of what ended long before ``now``; nothing is dropped."""
        self._age(_NEVER, now - TENDERS_KEPT)

    def _age(self, old: datetime, settled: datetime) -> None:
        """Without the rows of intervals that ended by ``old``, and with those that ended by ``settled`` packed."""
        self.transactions = self.transactions.aged(old, settled)
        self.settlements = self.settlements.aged(old, settled)
        self.metered = self.metered.aged(old, settled)
        self.prices = self.prices.aged(old, settled)
        self.retail = self.retail.aged(old, settled)
        self.credits = self.credits.aged(old, settled)
        self._packed_until = max(self._packed_until, settled)

    def _tender(self, body: Mapping[str, Any]) -> None:
        self.restore(TenderState(tender_of(body)))
        self.tender_count += 1

    def restore(self, state: TenderState) -> None:
        """Put a tender with its state in (from an entry or a checkpoint)."""
        self.tenders[state.tender.tender_id] = state
        self._by_interval.setdefault(state.tender.interval.start, []).append(state)

    def _answer(self, body: Mapping[str, Any]) -> None:
        state = self.tenders.get(body["tender_id"])
        if state and not state.answered:  # the first answer holds
            state.answered, state.accepted = True, bool(body["accepted"])
            state.market_order_id = body["market_order_id"]

    def _cancel(self, body: Mapping[str, Any]) -> None:
        if state := self.tenders.get(body["tender_id"]):
            state.cancelling = True

    def _cancelled(self, body: Mapping[str, Any]) -> None:
        if state := self.tenders.get(body["tender_id"]):
            state.cancelling, state.closed = False, state.closed or bool(body["success"])
            if body["success"]:
                state.taken_back_wh = max(state.taken_back_wh, int(body.get("remaining_wh", 0)))

    def _transaction(self, body: Mapping[str, Any]) -> None:
        fill = transaction_of(body)
        if fill.transaction_id in self.transactions:
            return
        self.note_fill(fill)
        if state := self.tenders.get(fill.tender_id):
            state.filled_wh += fill.quantity_wh

    def note_fill(self, fill: Transaction) -> None:
        """Count a fill in the position (not in its tender's state)."""
        self.transactions[fill.transaction_id] = fill
        self.last_sequence = max(self.last_sequence, fill.sequence)
        start = fill.interval.start
        self._net[start] = self._net.get(start, 0) + fill.net_wh

    def _metered(self, body: Mapping[str, Any]) -> None:
        metered = metered_of(body)
        self.metered[metered.interval.start] = metered
        end, registers = (
            metered.interval.end,
            (metered.import_register_wh, metered.export_register_wh),
        )
        self.counted = (end, *registers)

    def _gap(self, body: Mapping[str, Any]) -> None:
        gap = gap_of(body)
        self.gaps += (gap,)
        self.counted = (gap.until, gap.import_register_wh, gap.export_register_wh)

    def _delivered(self, body: Mapping[str, Any]) -> None:
        self.delivered.add(start_of(body))

    def _settlement(self, body: Mapping[str, Any]) -> None:
        settlement = settlement_of(body)
        if settlement.settlement_id not in self.settlements:
            self.settled_money += settlement.total_money
        self.note_settlement(settlement)

    def note_settlement(self, settlement: Settlement) -> None:
        """Keep it (its money is counted apart)."""
        self.settlements[settlement.settlement_id] = settlement
        self.settled.add(settlement.interval.start)

    def _retail_price(self, body: Mapping[str, Any]) -> None:
        self.retail[start_of(body)] = body

    def _credit(self, body: Mapping[str, Any]) -> None:
        self.credits.setdefault(start_of(body), body)

    def _price(self, body: Mapping[str, Any]) -> None:
        self.prices[start_of(body)] = body

    def note_dispute(self, dispute: Dispute) -> None:
        self.disputes.setdefault(dispute.claim_sha256, dispute)

    def note_withdrawn(self, name: str, by: str, time: datetime) -> None:
        """A disputed settlement was taken back by the row ``by``: neither is news any more."""
        self.disputes = {
            k: d for k, d in self.disputes.items() if (d.what, d.id) != ("settlement", name)
        }
        self.withdrawn |= {name: time, by: time}

    def _origin(self, body: Mapping[str, Any]) -> None:
        self.night_wh = int(body["night_wh"])


# Kinds that are stored right after all fills were fetched: what was filled before is known then.
_CONTACTS = frozenset({"transaction", "delivered", "settlement"})

_FOLDS = {
    "tender": Book._tender,
    "answer": Book._answer,
    "cancel": Book._cancel,
    "cancelled": Book._cancelled,
    "transaction": Book._transaction,
    "metered": Book._metered,
    "gap": Book._gap,
    "delivered": Book._delivered,
    "settlement": Book._settlement,
    "price": Book._price,
    "retail_price": Book._retail_price,
    "credit": Book._credit,
    "origin": Book._origin,
}
