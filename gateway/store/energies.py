"""Energy by quarter-hour for charts of days to years: summed from the minutes, kept for good.

A megabyte or three a year, so that a year is read at once. It is no account (that is the journal): a minute in
which something was not known counts for nothing in it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

QUARTER_S = 900

TABLE = """
CREATE TABLE IF NOT EXISTS energy (time INTEGER PRIMARY KEY, pv_wh REAL, load_wh REAL, import_wh REAL,
  export_wh REAL, charge_wh REAL, discharge_wh REAL, charger_wh REAL, minutes INTEGER NOT NULL) STRICT
"""
# The quarter-hours of all minutes from a time on, made anew. A minute's mean power is a sixtieth of its energy.
SUM = """
INSERT OR REPLACE INTO energy SELECT time / 900 * 900, sum(pv_w) / 60, sum(load_w) / 60,
  sum(max(grid_w, 0)) / 60, sum(max(-grid_w, 0)) / 60, sum(max(-battery_w, 0)) / 60,
  sum(max(battery_w, 0)) / 60, sum(charger_w) / 60, count(*)
FROM minute WHERE time >= ? GROUP BY time / 900
"""


def begin(db: sqlite3.Connection) -> None:
    """Make the table, from the minutes that are there already."""
    db.execute(TABLE)
    db.execute(SUM, (0,))


@dataclass(frozen=True, slots=True)
class Energies:
    """Wh; None = not known. ``load_wh`` is all that the home used, the car (``charger_wh``) with it."""

    pv_wh: float | None = None
    load_wh: float | None = None
    import_wh: float | None = None
    export_wh: float | None = None
    charge_wh: float | None = None
    discharge_wh: float | None = None
    charger_wh: float | None = None


NAMES = tuple(f.name for f in fields(Energies))


@dataclass(frozen=True, slots=True)
class QuarterEnergies:
    """What flowed in the quarter-hour from ``start``, and how many of its minutes were seen."""

    start: datetime
    energies: Energies
    minutes: int


def read_energies(path: Path, since: datetime, until: datetime) -> list[QuarterEnergies]:
    """The quarter-hours of the half-open span in order, read beside the running gateway.

    Nothing where there is no file, or none that can be read: the past is a help, not a need.
    """
    try:
        uri = path.absolute().as_uri() + "?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=0.5)) as db:
            rows = db.execute(
                "SELECT * FROM energy WHERE time >= ? AND time < ? ORDER BY time",
                (int(since.timestamp()), int(until.timestamp())),
            ).fetchall()
    except sqlite3.Error:
        return []
    return [
        QuarterEnergies(datetime.fromtimestamp(row[0], UTC), Energies(*row[1:-1]), row[-1])
        for row in rows
    ]


def total(parts: list[Energies]) -> Energies:
    """The sum; what no part knows is not known."""
    columns = zip(*map(astuple, parts), strict=True) if parts else ()
    sums = [
        sum(v for v in c if v is not None) if any(v is not None for v in c) else None
        for c in columns
    ]
    return Energies(*sums)
