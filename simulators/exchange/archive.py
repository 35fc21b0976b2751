"""What an exchange did, one file a day and kind, in parquet: for DuckDB and whatever else reads that.

A day is the span of the one sequence between the last calls before two midnights (UTC): rows are only
ever added, so a day that is over never changes, and its files are written once. Money, prices and
energy are whole numbers as on the wire. It is done by a process of its own, which only reads the store.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import numpy as np

from gateway.errors import ConfigError
from simulators.exchange import evidence
from simulators.exchange.evidence import Stored
from simulators.exchange.rows import from_s, to_quarter, to_s
from simulators.exchange.sqlite_migrations import schema_of
from simulators.exchange.sqlite_schema import VERSION
from simulators.exchange.sqlite_upkeep import SEQ_BEFORE, text_numbers

_DAY = timedelta(days=1)
_REPORTED = timedelta(days=40)  # so long after its interval a reading or a statement may still come
_TIME = "make_timestamp({} * 1000000)"


class _Kind(NamedTuple):
    """One folder of files: how it is read between two numbers of the sequence, and its columns."""

    name: str
    sql: str
    columns: dict[str, str]  # name: SQL type, or TIMESTAMP of seconds


_SIDE = "CASE {} WHEN 0 THEN 'SELL' ELSE 'BUY' END"
_KINDS = (
    _Kind(
        "call",
        "SELECT seq, start * 900, time, price, volume FROM call WHERE seq > :first AND seq <= :last",
        {
            "seq": "BIGINT",
            "start": "TIMESTAMP",
            "time": "TIMESTAMP",
            "price": "BIGINT",
            "quantity_wh": "BIGINT",
        },
    ),
    _Kind(
        "fill",
        f"SELECT f.seq, f.start * 900, c.time, p.party_id, {_SIDE.format('f.buy')}, f.price, f.quantity,"  # noqa: S608 - own words
        " CASE WHEN d.stream THEN d.name || '.' || f.uid ELSE d.name END"
        " FROM fill f JOIN call c ON c.seq = f.call JOIN party p ON p.number = f.party"
        " LEFT JOIN document d ON d.seq = f.document"
        " WHERE f.start >= :since AND f.seq > :first AND f.seq <= :last ORDER BY f.seq",
        {
            "seq": "BIGINT",
            "start": "TIMESTAMP",
            "time": "TIMESTAMP",
            "party_id": "VARCHAR",
            "side": "VARCHAR",
            "price": "BIGINT",
            "quantity_wh": "BIGINT",
            "tender_id": "VARCHAR",  # null: the retailer's backstop
        },
    ),
    _Kind(
        "reading",
        "SELECT r.document, r.start * 900, p.party_id, r.import_wh, r.export_wh,"
        " CASE r.quality WHEN 0 THEN 'ESTIMATED' WHEN 1 THEN 'MEASURED' ELSE 'REVENUE' END"
        " FROM delivery r JOIN party p ON p.number = r.party"
        " WHERE r.start >= :since AND r.document > :first AND r.document <= :last ORDER BY r.document",
        {
            "seq": "BIGINT",
            "start": "TIMESTAMP",
            "party_id": "VARCHAR",
            "import_wh": "BIGINT",
            "export_wh": "BIGINT",
            "quality": "VARCHAR",
        },
    ),
    _Kind(
        "statement",
        "SELECT s.seq, s.start * 900, r.time, r.name, p.party_id, s.position, s.metered, s.estimated,"
        " r.imbalance_price, s.energy, s.imbalance, s.uncontracted, s.fee, s.reverses"
        " FROM statement s JOIN run r ON r.seq = s.run JOIN party p ON p.number = s.party"
        " WHERE s.start >= :since AND s.seq > :first AND s.seq <= :last ORDER BY s.seq",
        {
            "seq": "BIGINT",
            "start": "TIMESTAMP",
            "time": "TIMESTAMP",
            "run": "VARCHAR",
            "party_id": "VARCHAR",
            "position_wh": "BIGINT",
            "metered_wh": "BIGINT",
            "estimated": "BOOLEAN",
            "imbalance_price": "BIGINT",
            "energy_money": "BIGINT",
            "imbalance_money": "BIGINT",
            "uncontracted_money": "BIGINT",
            "fee_money": "BIGINT",
            "reverses": "BIGINT",  # the seq of the statement that it takes back
        },
    ),
)
_DOCUMENT = {
    "seq": "BIGINT",
    "received": "TIMESTAMP",
    "party_id": "VARCHAR",
    "operation": "VARCHAR",
    "idempotency_key": "VARCHAR",
    "status": "INTEGER",
    "result": "VARCHAR",
    "payload": "VARCHAR",
    "signed": "VARCHAR",  # the compact JWS to the byte; null: it came unsigned
}
KINDS = (*(kind.name for kind in _KINDS), "document")


def archive(state: Path, to: Path) -> Iterator[tuple[date, int]]:
    """Write what is not there yet of every day that is over; gives each such day and its rows.

    ConfigError where ``state`` holds no store of this version.
    """
    path = state / "exchange.db"
    if not path.exists():
        raise ConfigError(f"{path}: no exchange has run there")
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        if schema_of(db) != VERSION:
            raise ConfigError(f"{path}: of another version; start that exchange with this one once")
        for day in _days(db):
            missing = [kind for kind in KINDS if not _file(to, kind, day).exists()]
            if missing:
                yield day, sum(_write(db, to, kind, day) for kind in missing)
    finally:
        db.close()


def _days(db: sqlite3.Connection) -> list[date]:
    """From the first call that is kept to the last day whose every call was held."""
    (first,) = db.execute("SELECT MIN(time) FROM call").fetchone()
    step = db.execute("SELECT value FROM mark WHERE name = 'step'").fetchone()
    if first is None or step is None:
        return []
    begin, end = from_s(first).date(), from_s(int(step[0])).date()
    return [begin + n * _DAY for n in range((end - begin).days)]


def _file(to: Path, kind: str, day: date) -> Path:
    return to / kind / f"{day.isoformat()}.parquet"


def _write(db: sqlite3.Connection, to: Path, kind: str, day: date) -> int:
    """One file, whole or not at all; the number of its rows."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    (first,), (last,) = (
        db.execute(SEQ_BEFORE, (to_s(when),)).fetchone() for when in (begin, begin + _DAY)
    )
    found = next((known for known in _KINDS if known.name == kind), None)
    if found is None:
        columns, rows = _DOCUMENT, list(_documents(db, first, last))
    else:
        bounds = {"first": first, "last": last, "since": to_quarter(begin - _REPORTED)}
        columns, rows = found.columns, db.execute(found.sql, bounds).fetchall()
    path = _file(to, kind, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    _parquet(unfinished, columns, rows)
    os.replace(unfinished, path)
    return len(rows)


def _documents(db: sqlite3.Connection, first: int, last: int) -> Iterator[Sequence[Any]]:
    """What was sent, signed and answered."""
    named = "SELECT d.seq, p.party_id FROM document d JOIN party p ON p.number = d.party WHERE d.seq > ? AND d.seq <= ?"
    senders = dict(db.execute(named, (first, last)))
    for seq, stored in _evidence(db, first, last):
        said = stored.operation, stored.key, stored.status, msgspec.json.encode(stored.result)
        sender = senders.get(seq) or _party(stored.payload)  # a reading's key is not kept for long
        texts = (said[3], stored.payload, stored.signed)
        result, payload, signed = (None if t is None else t.decode() for t in texts)
        yield seq, stored.received_ms // 1000, sender, *said[:3], result, payload, signed


def _evidence(db: sqlite3.Connection, first: int, last: int) -> Iterator[tuple[int, Stored]]:
    packs = "SELECT seqs, body FROM pack WHERE last > ? ORDER BY last"
    for seqs, body in db.execute(packs, (first,)):
        numbers = text_numbers(seqs)
        if numbers[0] > last:
            return
        for seq, stored in zip(numbers, evidence.unpack(body), strict=True):
            if first < seq <= last:
                yield seq, stored
    fresh = "SELECT seq, body FROM evidence WHERE seq > ? AND seq <= ? ORDER BY seq"
    for seq, body in db.execute(fresh, (first, last)):
        yield seq, evidence.decode(body)


class _Sender(msgspec.Struct):
    partyId: str | None = None  # noqa: N815 - the wire's name


def _party(payload: bytes) -> str | None:
    return msgspec.json.decode(payload, type=_Sender).partyId


def _parquet(path: Path, columns: dict[str, str], rows: Sequence[Sequence[Any]]) -> None:
    made = {
        name: np.fromiter((row[n] for row in rows), dtype=object, count=len(rows))
        for n, name in enumerate(columns)
    }
    picked = ", ".join(
        f"{_TIME.format(f'CAST({name} AS BIGINT)') if kind == 'TIMESTAMP' else f'CAST({name} AS {kind})'} AS {name}"
        for name, kind in columns.items()
    )
    with duckdb.connect() as connection:
        connection.register("made", made)
        found = connection.sql(f"SELECT {picked} FROM made")  # noqa: S608 - own names
        found.write_parquet(str(path), compression="zstd")
