"""The exchange's file: one SQLite database, one writer; what is answered was committed before.

Times are stored as `gateway.domain.intervals.iso` text (what is compared to the ms as integer),
 quantities Wh, prices ticks, money 1e-8 USD.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.errors import StorageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS party (
  party_id TEXT PRIMARY KEY, role TEXT NOT NULL, capacity_w INTEGER NOT NULL,
  revoked INTEGER NOT NULL DEFAULT 0, secret_hash TEXT, public_key TEXT) STRICT;
CREATE TABLE IF NOT EXISTS tender (
  market_order_id TEXT PRIMARY KEY, party_id TEXT NOT NULL, tender_id TEXT NOT NULL,
  start TEXT NOT NULL, side TEXT NOT NULL, price INTEGER NOT NULL, quantity INTEGER NOT NULL,
  remaining INTEGER NOT NULL, expires_ms INTEGER NOT NULL, status TEXT NOT NULL, accepted TEXT NOT NULL,
  cancel_reason TEXT, evidence TEXT) STRICT;
CREATE INDEX IF NOT EXISTS tender_open ON tender (start) WHERE status IN ('NEW', 'PARTIALLY_FILLED');
CREATE INDEX IF NOT EXISTS tender_party ON tender (party_id, start);
CREATE TABLE IF NOT EXISTS call (
  call_id TEXT PRIMARY KEY, start TEXT NOT NULL, time TEXT NOT NULL, price INTEGER,
  volume INTEGER NOT NULL, book TEXT NOT NULL, fills TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS fill (
  seq INTEGER PRIMARY KEY, transaction_id TEXT NOT NULL UNIQUE, call_id TEXT NOT NULL,
  market_order_id TEXT NOT NULL, party_id TEXT NOT NULL, tender_id TEXT NOT NULL,
  start TEXT NOT NULL, side TEXT NOT NULL, price INTEGER NOT NULL, quantity INTEGER NOT NULL,
  time TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS fill_party ON fill (party_id, seq);
CREATE INDEX IF NOT EXISTS fill_start ON fill (start, party_id);
CREATE TABLE IF NOT EXISTS delivery (
  party_id TEXT NOT NULL, start TEXT NOT NULL, point TEXT NOT NULL, import_wh INTEGER NOT NULL,
  export_wh INTEGER NOT NULL, import_register INTEGER NOT NULL, export_register INTEGER NOT NULL,
  quality TEXT NOT NULL, time TEXT NOT NULL, evidence TEXT, PRIMARY KEY (party_id, start)) STRICT;
CREATE TABLE IF NOT EXISTS settlement (
  seq INTEGER PRIMARY KEY, settlement_id TEXT NOT NULL UNIQUE, party_id TEXT NOT NULL,
  start TEXT NOT NULL, run TEXT NOT NULL, position INTEGER NOT NULL, metered INTEGER NOT NULL,
  estimated INTEGER NOT NULL, imbalance_price INTEGER NOT NULL, energy INTEGER NOT NULL,
  imbalance INTEGER NOT NULL, uncontracted INTEGER NOT NULL, fee INTEGER NOT NULL,
  reverses TEXT, time TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS settlement_party ON settlement (party_id, start);
CREATE TABLE IF NOT EXISTS waiver (start TEXT PRIMARY KEY, published TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS token (
  hash TEXT PRIMARY KEY, party_id TEXT NOT NULL, expires_ms INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS event (
  seq INTEGER PRIMARY KEY, party_id TEXT, type TEXT NOT NULL, payload TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS idempotency (
  party_id TEXT NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
  status INTEGER NOT NULL, body TEXT NOT NULL, time TEXT NOT NULL,
  PRIMARY KEY (party_id, operation, key)) STRICT, WITHOUT ROWID;
"""


class Store:
    """Opens or makes the database; raises StorageError where it cannot.

    ``power_safe`` False leaves the flushing to the system: what was answered survives a killed
    process, not a power cut. For simulations whose state nobody keeps.
    """

    def __init__(self, path: Path, *, power_safe: bool = True) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={'FULL' if power_safe else 'OFF'}")
            self._db.executescript(_SCHEMA)
            self._marks = self._read_marks()
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"{path}: the exchange cannot open its store: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable at the end. Inside another one it joins that one."""
        if self._db.in_transaction:
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            raise StorageError(f"the exchange cannot store: {error}") from error
        except BaseException:
            self._undo()
            raise

    def all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        return self._db.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return row

    def run(self, sql: str, *values: Any) -> int:
        """Execute one change; the number of rows it touched."""
        return self._db.execute(sql, values).rowcount

    def insert(self, table: str, row: dict[str, Any]) -> None:
        """Insert one row; the column names are ours, never from outside."""
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        self._db.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608 - own names only
            tuple(row.values()),
        )

    def mark(self, name: str) -> str | None:
        """A named moment or state of the market; read from memory, every request asks for some."""
        return self._marks.get(name)

    def set_mark(self, name: str, value: str | None) -> None:
        """Set a mark, or with None remove it."""
        if value is None:
            self.run("DELETE FROM mark WHERE name = ?", name)
            self._marks.pop(name, None)
        else:
            self.run("INSERT OR REPLACE INTO mark VALUES (?, ?)", name, value)
            self._marks[name] = value

    def _undo(self) -> None:
        if self._db.in_transaction:  # a full disk may have ended it already
            self._db.execute("ROLLBACK")
        self._marks = self._read_marks()

    def _read_marks(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT name, value FROM mark").fetchall())

    def next_seq(self, table: str) -> int:
        row = self.one(f"SELECT COALESCE(MAX(seq), 0) + 1 AS n FROM {table}")  # noqa: S608 - own
        assert row is not None  # noqa: S101 - an aggregate always has a row
        return int(row["n"])

    def close(self) -> None:
        self._db.close()
