"""The SQLite file of the journal: opened, locked against other writers, written in transactions."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.errors import JournalBroken, StorageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
  seq INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
  hash TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY REFERENCES entry(seq)) STRICT;
CREATE TABLE IF NOT EXISTS checkpoint (seq INTEGER PRIMARY KEY, state TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS intent (
  device TEXT, control TEXT, restore TEXT NOT NULL, time TEXT NOT NULL,
  PRIMARY KEY (device, control)) STRICT;
CREATE TABLE IF NOT EXISTS flash_write (
  device TEXT, register INTEGER, day TEXT, count INTEGER NOT NULL,
  PRIMARY KEY (device, register, day)) STRICT;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


class JournalFile:
    """Raises StorageError when the file cannot be opened or written, JournalBroken when damaged.

    The file's errors while reading pass through `reading`.
    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._lock = None if read_only else _locked(path)
        try:
            with self.reading():
                self.db = _look(path) if read_only else _open(path)
        except BaseException:
            self._unlock()
            raise

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """A transaction that may be lost with the power, not with the process: no wait for the disk.

        For what is harmless to forget twice. The next `transaction` makes it durable too.
        """
        try:
            self.db.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error as error:
            raise StorageError(f"{self.path}: cannot store: {error}") from error
        try:
            with self.transaction():
                yield
        finally:
            with suppress(sqlite3.Error):  # of a file that was closed meanwhile
                self.db.execute("PRAGMA synchronous=FULL")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable at the end."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")
        except sqlite3.Error as error:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise StorageError(f"{self.path}: cannot store: {error}") from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Translate what SQLite says of a file that is out of reach or damaged."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise StorageError(f"{self.path}: the journal cannot be opened: {error}") from error
        except sqlite3.DatabaseError as error:
            raise JournalBroken(f"{self.path}: is damaged: {error}") from error

    def close(self) -> None:
        """Let go of the file; harmless when repeated."""
        self.db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(path: Path) -> int:
    """Keep other processes from writing; the lock goes with the process, however it ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(f"{path}: the journal cannot be opened: {error}") from error
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StorageError(f"{path}: another process writes this journal") from error
    return lock


def held(path: Path) -> bool:
    """Whether a running gateway writes the journal at ``path``."""
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.executescript(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _look(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise StorageError(f"{path}: there is no journal here")
    uri = path.absolute().as_uri() + "?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
