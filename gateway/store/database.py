"""One SQLite file of ours: opened, brought to our version, written in transactions.

The version stands in the file (``PRAGMA user_version``): 0 is a file from before versions were counted,
n one that the first n migrations have made. A file of a newer gateway is refused and left as it is.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from gateway.errors import ConfigError, StorageError

_CACHE_KB = 256  # of pages in memory; SQLite's own 2 MB a file fill up over days and help little
log = logging.getLogger(__name__)

Migration = str | Callable[[sqlite3.Connection, Path], None]


class Database:
    """Raises StorageError when the file cannot be opened or written, `sqlite3.DatabaseError` when it
    is damaged, ConfigError when a newer gateway made it.

    ``synchronous`` FULL survives a power cut, NORMAL may lose the last writes then (never the file).
    """

    def __init__(
        self,
        path: Path,
        migrations: Sequence[Migration],
        *,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        read_only: bool = False,
        busy_s: float = 5.0,
    ) -> None:
        self.path, self._synchronous = path, synchronous
        try:
            self.db = _look(path, busy_s) if read_only else self._opened(busy_s)
        except (sqlite3.OperationalError, OSError) as error:
            raise StorageError(f"{path}: cannot be opened: {error}") from error
        try:
            _refuse_newer(self.db, path, len(migrations))
            if not read_only:
                _upgrade(self.db, path, migrations)
        except BaseException as error:
            self.db.close()
            if isinstance(error, sqlite3.OperationalError):
                raise StorageError(f"{path}: cannot be opened: {error}") from error
            raise

    def _opened(self, busy_s: float) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=busy_s
        )
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(f"PRAGMA synchronous={self._synchronous}")
            db.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
        except sqlite3.Error:
            db.close()
            raise
        return db

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable at the end as far as ``synchronous`` says."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._roll_back()
                raise
            self.db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise StorageError(f"{self.path}: cannot store: {error}") from error

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
                self.db.execute(f"PRAGMA synchronous={self._synchronous}")

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # of a file that was closed meanwhile
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of the file; harmless when repeated."""
        self.db.close()


def replaceable(
    path: Path,
    migrations: Sequence[Migration],
    *,
    synchronous: Literal["FULL", "NORMAL"] = "FULL",
    read_only: bool = False,
    busy_s: float = 5.0,
) -> Database:
    """A file whose loss is no loss of money: a damaged one is kept aside and a new one begins.

    Who only reads, beside a running gateway, changes nothing: for him a damaged one is a StorageError.
    """

    def opened() -> Database:
        return Database(
            path, migrations, synchronous=synchronous, read_only=read_only, busy_s=busy_s
        )

    try:
        return opened()
    except sqlite3.DatabaseError as error:
        if read_only:
            raise StorageError(f"{path}: is damaged: {error}") from error
        aside = path.with_name(path.name + ".damaged")
        log.error("%s is damaged (%s); kept as %s, a new one begins", path, error, aside.name)
        try:
            path.rename(aside)
        except OSError as failure:
            raise StorageError(f"{path}: cannot be opened: {failure}") from failure
        return opened()


def _refuse_newer(db: sqlite3.Connection, path: Path, known: int) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > known:
        raise ConfigError(
            f"{path}: is of a newer gateway (version {version}, this one knows {known}): start that"
            " one, or restore a backup that this one made"
        )


def _upgrade(db: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for number, migration in enumerate(migrations[version:], version + 1):
        db.execute("BEGIN IMMEDIATE")
        try:
            if callable(migration):
                migration(db, path)
            else:
                for statement in migration.split(";"):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def _look(path: Path, busy_s: float) -> sqlite3.Connection:
    if not path.exists():
        raise StorageError(f"{path}: is not there")
    uri = path.absolute().as_uri() + "?mode=ro"
    return sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=busy_s
    )
