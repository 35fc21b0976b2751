"""Energy by quarter-hour for charts of days to years: summed from the minutes, kept for good.

A megabyte or three a year, so that a year is read at once. It is no account (that is the journal): a minute in
which something was not known counts for nothing in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from itertools import pairwise
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
# What nobody knows of a span is not known: SQL's sum of nothing is NULL.
_BETWEEN = (
    f"SELECT {', '.join(f'sum({name})' for name in NAMES)} FROM energy WHERE time >= ? AND time < ?"  # noqa: S608 - names of ours
)


def read_energies(path: Path, bounds: Sequence[datetime]) -> list[Energies]:
    """The sums of the spans between one of ``bounds`` and the next, read beside the running gateway.

    SQLite adds up: of a year that is a twentieth of the work that its rows are here. Nothing is known where there is
    no file, or none that can be read: the past is a help, not a need.
    """
    stamps = [int(each.timestamp()) for each in bounds]
    try:
        uri = path.absolute().as_uri() + "?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=0.5)) as db:
            return [Energies(*db.execute(_BETWEEN, span).fetchone()) for span in pairwise(stamps)]
    except sqlite3.Error:
        return [Energies() for _ in pairwise(stamps)]


def total(parts: Iterable[Energies]) -> Energies:
    """The sum; what no part knows is not known."""
    columns = zip(*map(astuple, parts), strict=True)
    sums = [[v for v in column if v is not None] for column in columns]
    return Energies(*(sum(known) if known else None for known in sums))


def self_sufficiency_pct(energies: Energies) -> float | None:
    """The share of what was used that did not come from the grid; None where either is not known, or nothing was used."""
    used, bought = energies.load_wh, energies.import_wh
    return None if not used or bought is None else 100 * max(0.0, 1 - bought / used)
