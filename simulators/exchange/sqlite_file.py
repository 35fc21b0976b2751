"""One SQLite file: one writer that commits many requests at once, one reader.

The event loop hands batches in; a thread stores all that have come since it was last free in one
transaction and waits for the disk (`simulators.exchange.group_commit`).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.errors import StorageError
from simulators.exchange import sqlite_index
from simulators.exchange.group_commit import GroupCommit
from simulators.exchange.rows import TABLES, Batch, Document, Mark, Row, columns_of, values_of
from simulators.exchange.seen import SeenFilter
from simulators.exchange.sqlite_migrations import migrate, schema_of
from simulators.exchange.sqlite_schema import SCHEMA, VERSION

log = logging.getLogger(__name__)

# Rows of one statement: few sizes, so that SQLite keeps them prepared, and a usual batch is one of them.
_TOGETHER = (128, 32, *range(16, 0, -1))
_INSERT = {
    (kind, size): f"INSERT INTO {table} VALUES "  # noqa: S608 - own names
    + ", ".join([f"({', '.join('?' * len(columns_of(kind)))})"] * size)
    for kind, table in TABLES.items()
    for size in _TOGETHER
}


def marks_of(path: Path) -> dict[str, str] | None:
    """The marks of a store that is not opened for it; None where it is of another version."""
    db = sqlite3.connect(f"file:{path}?mode=rw", uri=True)
    try:
        current = schema_of(db) == VERSION
        return dict(db.execute("SELECT name, value FROM mark")) if current else None
    except sqlite3.Error as error:
        raise StorageError(f"{path}: the exchange cannot open its store: {error}") from error
    finally:
        db.close()


class SqliteFile:
    """Raises StorageError where the file is unfit.

    ``power_safe`` False leaves the flushing to the system: what was answered survives a killed
    process, not a power cut. For simulations whose state nobody keeps.
    """

    def __init__(self, path: Path, *, power_safe: bool = True) -> None:
        self.path = path
        self.on_failure: Callable[[], None] = lambda: None
        self._commits = GroupCommit(self._store_apart, self._failed)
        self._lock = threading.Lock()  # around the writer
        self._thread = ThreadPoolExecutor(1, "exchange-store")
        self._open: list[sqlite3.Connection] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect(power_safe)
            self._reader = self._connect(power_safe)
            self._reader.execute("PRAGMA query_only = ON")
            self._fill_filters()
            self._indexed = sqlite_index.indexed(self._reader)
            self._fresh = sqlite_index.waiting(self._reader)  # documents that are not in the index
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise StorageError(f"{path}: the exchange cannot open its store: {error}") from error
        except BaseException:
            self.close()
            raise

    def _connect(self, power_safe: bool) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._open.append(db)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={'FULL' if power_safe else 'OFF'}")
        version = schema_of(db)
        if version > VERSION:
            raise StorageError(
                f"{self.path} was written by a newer version (schema {version}, this one knows up to"
                f" {VERSION}); start that one, or use another folder"
            )
        if version == 0:
            db.executescript(f"{SCHEMA} PRAGMA user_version = {VERSION};")
        elif version < VERSION:
            self._bring_forward(db, version)
        return db

    def _bring_forward(self, db: sqlite3.Connection, version: int) -> None:
        """All or nothing: a start that is killed meanwhile begins again."""
        db.execute("BEGIN IMMEDIATE")
        try:
            migrate(db, version)
            db.execute(f"PRAGMA user_version = {VERSION}")
        except (ValueError, KeyError, TypeError) as error:
            db.execute("ROLLBACK")
            raise StorageError(f"{self.path}: cannot be brought forward: {error!r}") from error
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        log.info("%s: brought from schema %d to %d", self.path, version, VERSION)

    def _fill_filters(self) -> None:
        (count,) = self._reader.execute("SELECT COUNT(*) FROM document").fetchone()
        self._keys, self._names = SeenFilter(count), SeenFilter(count)
        for seen, column in ((self._keys, "key_hash"), (self._names, "name_hash")):
            found = f"SELECT {column} FROM document WHERE {column} IS NOT NULL"  # noqa: S608
            seen.add_all(number for (number,) in self._reader.execute(found))

    def _note(self, key_hash: int, named: int | None) -> None:
        self._keys.add(key_hash)
        if named is not None:
            self._names.add(named)

    async def append(self, batch: Batch) -> None:
        """See the port."""
        for row in batch:
            if type(row) is Document:
                self._note(row.key_hash, row.name_hash)
        await self._commits.append(batch)

    def _failed(self) -> None:
        self.on_failure()

    def _store_apart(self, batches: Sequence[Batch]) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._thread, self._store, batches)

    def _store(self, batches: Sequence[Batch]) -> None:
        """In the thread: all batches in one transaction."""
        rows = [row for batch in batches for row in batch]
        fresh = self._fresh + sum(type(row) is Document for row in rows)
        last = self._indexed
        with self.transaction() as db:
            insert(db, rows)
            if fresh > sqlite_index.FRESH:
                last, fresh = sqlite_index.index(db), 0
        self._indexed, self._fresh = last, fresh

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The writer, alone; all or nothing, durable at the end."""
        with self._lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                if self._writer.in_transaction:  # a full disk may have ended it already
                    self._writer.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise StorageError(f"the exchange cannot store: {error}") from error
                raise

    def all(self, sql: str, *values: Any) -> list[Any]:
        try:
            return self._reader.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"the exchange cannot read its store: {error}") from error

    def _apart(self, sql: str, *values: int) -> list[Any]:
        """In another thread, on a connection of its own: a question that takes a while."""
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            return db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"the exchange cannot read its store: {error}") from error
        finally:
            db.close()

    def checkpoint(self) -> None:
        """Bring the log's pages into the file, so that its size is what is kept."""
        with self._lock:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Everything that was handed in is stored first."""
        self._commits.close()
        self._thread.shutdown(wait=True)
        for db in self._open:
            db.close()


def insert(db: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Rows of one table go in together: the event loop is let run once for many of them, and the
    thread need not wait for it after each."""
    by_table: dict[type[Any], list[Row]] = {}
    for row in rows:
        by_table.setdefault(type(row), []).append(row)
    for kind, found in by_table.items():
        if kind is Mark:
            for mark in found:
                if isinstance(mark, Mark):
                    _set_mark(db, mark)
            continue
        done = 0
        for size in _TOGETHER:
            while len(found) - done >= size:
                part = found[done : done + size]
                db.execute(_INSERT[kind, size], [value for row in part for value in values_of(row)])
                done += size


def _set_mark(db: sqlite3.Connection, mark: Mark) -> None:
    if mark.value is None:
        db.execute("DELETE FROM mark WHERE name = ?", (mark.name,))
    else:
        db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", values_of(mark))
