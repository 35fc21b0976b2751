"""Small values that outlive a restart: the user's settings, what a forecast last said, a device's laps.

They are no account: a damaged file is kept aside and the configuration's values hold again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from gateway.errors import StorageError
from gateway.store.database import replaceable

FILE = "settings.sqlite"  # in the state folder
_MIGRATIONS = (
    "CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
)


class SettingsStore:
    """Opens (or makes) the store in ``path``, or only reads it. Every write is durable when it returns."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._file = replaceable(path, _MIGRATIONS, read_only=read_only)

    def setting(self, name: str, value: str | None = None) -> str | None:
        """The value stored as ``name``; given ``value`` it is stored first. Raises StorageError."""
        if value is not None:
            with self._file.transaction():
                self._file.db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))
        rows = self._ask("SELECT value FROM setting WHERE name = ?", name)
        return str(rows[0][0]) if rows else None

    def settings(self, prefix: str) -> dict[str, str]:
        """All stored values whose name begins with ``prefix``, without it."""
        rows = self._ask("SELECT name, value FROM setting ORDER BY name")
        return {n[len(prefix) :]: v for n, v in rows if n.startswith(prefix)}

    def adopt(self, rows: Iterable[tuple[str, str]]) -> None:
        """Take values over from a former store; what is here already stays."""
        with self._file.transaction():
            self._file.db.executemany("INSERT OR IGNORE INTO setting VALUES (?, ?)", rows)

    def close(self) -> None:
        """Let go of the file; harmless when repeated."""
        self._file.close()

    def _ask(self, sql: str, *values: str) -> list[tuple[str, ...]]:
        try:
            return self._file.db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._file.path}: cannot be read: {error}") from error
