"""The rows of the ledger, in every store the same: they are only ever added, in one order.

``seq`` numbers documents, calls, fills, sessions and statements from one rising counter, so that
the order of everything that happened is the order of the numbers. Starts are quarter-hours and
times seconds, both since 1970 in UTC; quantities Wh, prices ticks, money 1e-8 USD, parties by number.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from gateway.domain.intervals import QUARTER

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def to_quarter(start: datetime) -> int:
    """The number of the quarter-hour that starts then."""
    return (start - _EPOCH) // QUARTER


def from_quarter(number: int) -> datetime:
    return _EPOCH + number * QUARTER


def to_s(time: datetime) -> int:
    return (time - _EPOCH) // _SECOND


def from_s(seconds: int) -> datetime:
    return _EPOCH + seconds * _SECOND


class _Row(msgspec.Struct, frozen=True, gc=False):
    """Made in a tenth of the time of a NamedTuple; its columns in the order of the table."""

    def __iter__(self) -> Iterator[Any]:
        return iter(values_of(self))


values_of = msgspec.structs.astuple


def columns_of(kind: type[_Row]) -> tuple[str, ...]:
    """Names of a table's columns."""
    return kind.__struct_fields__


class Document(_Row, frozen=True, gc=False):
    """A request that was carried out. ``key_hash`` of party, operation and Idempotency-Key;
    ``name`` the tenderId of a tender or a cancel, of which a ``stream`` has several intervals, and ``name_hash``
    of party and name."""

    seq: int
    party: int
    key_hash: int
    stream: int
    name_hash: int | None
    name: str | None


class Evidence(_Row, frozen=True, gc=False):
    """What a document said, who signed it, and what was answered (`simulators.exchange.evidence`)."""

    seq: int
    body: bytes


class Tender(_Row, frozen=True, gc=False):
    """One interval that a document offers to buy or to sell."""

    document: int
    uid: int
    party: int
    start: int
    buy: int
    price: int
    quantity: int
    expires_ms: int


class Cancel(_Row, frozen=True, gc=False):
    """The rest of a tender that was taken back, by its party or by the market."""

    document: int
    uid: int
    seq: int
    quantity: int
    supervisory: int


class Call(_Row, frozen=True, gc=False):
    """A call that was held: price None where nothing crossed."""

    seq: int
    start: int
    time: int
    price: int | None
    volume: int


class Fill(_Row, frozen=True, gc=False):
    """What one tender got in a call. The retailer's backstop has document 0, uid 1 (buy) or 0."""

    start: int
    party: int
    seq: int
    call: int
    document: int
    uid: int
    buy: int
    price: int
    quantity: int


class Session(_Row, frozen=True, gc=False):
    """An instrument was opened or closed; ``status`` is the word of the wire."""

    seq: int
    start: int
    time: int
    status: str


class Delivery(_Row, frozen=True, gc=False):
    """A meter reading; of several for an interval the one with the highest quality counts."""

    start: int
    party: int
    document: int
    import_wh: int
    export_wh: int
    quality: int


class Statement(_Row, frozen=True, gc=False):
    """One row of a settlement; ``run`` is the seq of its run, ``reverses`` the seq of the row that it takes back."""

    start: int
    party: int
    seq: int
    run: int
    position: int
    metered: int
    estimated: int
    energy: int
    imbalance: int
    uncontracted: int
    fee: int
    reverses: int | None


class Run(_Row, frozen=True, gc=False):
    """A settlement run of one interval: its name, the real-time price it used, when it was made."""

    seq: int
    start: int
    name: str
    imbalance_price: int
    time: int


class Waiver(_Row, frozen=True, gc=False):
    """No fee for shortfalls in this interval; ``published`` is when the grid operator said so."""

    start: int
    published: int


class Mark(_Row, frozen=True, gc=False):
    """A named moment or state of the market; a later one replaces it, value None removes it."""

    name: str
    value: str | None


Row = (
    Document
    | Evidence
    | Tender
    | Cancel
    | Call
    | Fill
    | Session
    | Delivery
    | Run
    | Statement
    | Waiver
    | Mark
)
TABLES: dict[type[Any], str] = {
    kind: kind.__name__.lower()
    for kind in (
        Document,
        Evidence,
        Tender,
        Cancel,
        Call,
        Fill,
        Session,
        Delivery,
        Run,
        Statement,
        Waiver,
        Mark,
    )
}


class Batch(msgspec.Struct, gc=False):
    """Rows that belong together: all of them are stored or none."""

    rows: list[Row] = []

    def add(self, *rows: Row) -> None:
        self.rows.extend(rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)
