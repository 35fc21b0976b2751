"""The SQLite file of the journal: its tables, its one writer, and what its damage means."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import JournalBroken, StorageError
from gateway.store.archive import SCHEMA
from gateway.store.database import Database
from gateway.store.lock import Lock
from gateway.store.settings import FILE, SettingsStore

log = logging.getLogger(__name__)

WORTH_BYTES = 4 * 2**20  # of free pages


def _settings_move_out(db: sqlite3.Connection, path: Path) -> None:
    """The journal held small settings once; they have a file of their own now."""
    rows = db.execute("SELECT name, value FROM setting").fetchall()
    if rows:
        store = SettingsStore(path.with_name(FILE))
        store.adopt(rows)
        store.close()
    db.execute("DROP TABLE setting")


_MIGRATIONS = (
    """
CREATE TABLE IF NOT EXISTS entry (seq INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT
  NULL, body TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY REFERENCES entry(seq)) STRICT;
CREATE TABLE IF NOT EXISTS checkpoint (seq INTEGER PRIMARY KEY, state TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS intent (device TEXT, control TEXT, restore TEXT NOT NULL, time TEXT
  NOT NULL, PRIMARY KEY (device, control)) STRICT;
CREATE TABLE IF NOT EXISTS flash_write (device TEXT, register INTEGER, day TEXT, count INTEGER
  NOT NULL, PRIMARY KEY (device, register, day)) STRICT;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT
""",
    _settings_move_out,
    # What devices must be given back is the guard's own to know (`gateway.guard.intents`).
    "DROP TABLE IF EXISTS intent; DROP TABLE IF EXISTS flash_write",
    SCHEMA,
)


class LedgerFile(Database):
    """Raises StorageError when the file cannot be opened or written, JournalBroken when damaged.

    The file's errors while reading pass through `reading`.
    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        if read_only and not path.exists():
            raise StorageError(f"{path}: there is no journal here")
        self._lock = None if read_only else Lock(path)
        try:
            super().__init__(path, _MIGRATIONS, read_only=read_only)
        except BaseException as error:
            self._unlock()
            if isinstance(error, sqlite3.DatabaseError):
                raise JournalBroken(f"{path}: is damaged: {error}") from error
            raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Translate what SQLite says of a file that is out of reach or damaged."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise StorageError(f"{self.path}: cannot be read: {error}") from error
        except sqlite3.DatabaseError as error:
            raise JournalBroken(f"{self.path}: is damaged: {error}") from error

    def shrink(self) -> None:
        """Give free pages back to the disk where most of a large file is free; some seconds, at a start."""
        pages, free, size = (
            int(self.db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        if 2 * free > pages and free * size > WORTH_BYTES:
            try:
                self.db.execute("VACUUM")
                self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.OperationalError as error:  # a disk with too little room for the copy
                log.info("%s: stays as large as it is: %s", self.path, error)

    def close(self) -> None:
        super().close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
