"""What each local day has cost, kept for good: a row a day, beside the past that it is made from.

The journal has every quarter-hour, but not the tariff of then, and the account in memory only the last forty days. So a year is the
sum of its rows. Both are JSON of `gateway.bill.days`; a tariff is stored once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime

TABLES = """
CREATE TABLE IF NOT EXISTS billed_tariff (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS billed_day (start INTEGER PRIMARY KEY, tariff INTEGER NOT NULL, body TEXT
  NOT NULL) STRICT
"""
_ALL = "SELECT d.start, t.body, d.body FROM billed_day d JOIN billed_tariff t ON t.id = d.tariff ORDER BY d.start"
_TARIFF = "INSERT OR IGNORE INTO billed_tariff (body) VALUES (?)"
_DAY = "INSERT OR REPLACE INTO billed_day SELECT ?, id, ? FROM billed_tariff WHERE body = ?"


# When the day (or the part of it that was metered) began, its tariff, its bill.
Row = tuple[datetime, str, str]


def read(db: sqlite3.Connection) -> list[Row]:
    """All of them in order; none in a file of before."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'billed_day'").fetchall():
        return []
    return [
        (datetime.fromtimestamp(at, UTC), tariff, body) for at, tariff, body in db.execute(_ALL)
    ]


def write(db: sqlite3.Connection, days: Iterable[Row]) -> None:
    """Put each in the place of that which began with it. Inside a transaction."""
    for start, tariff, body in days:
        db.execute(_TARIFF, (tariff,))
        db.execute(_DAY, (int(start.timestamp()), body, tariff))
