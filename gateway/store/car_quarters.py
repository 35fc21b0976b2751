"""The quarter-hours in which a car charged, with the prices of then: what charging sessions are made of."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.store.energies import Energies

LEAST_WH = 5.0  # less is what a charger itself takes
_SQL = """
SELECT e.time, e.pv_wh, e.load_wh, e.import_wh, e.export_wh, e.charge_wh, e.discharge_wh, e.charger_wh, p.buying, p.selling
FROM energy e LEFT JOIN (
  SELECT time / 900 * 900 AS start, avg(import_price_per_kwh) AS buying, avg(export_price_per_kwh) AS selling
  FROM minute WHERE time >= ?1 AND time < ?2 AND charger_w > 20 GROUP BY 1
) p ON p.start = e.time
WHERE e.time >= ?1 AND e.time < ?2 AND e.charger_wh > ?3 ORDER BY e.time
"""
_GONE = "SELECT time FROM flow WHERE time >= ?1 AND time < ?2 AND plugged = 0 ORDER BY time"


@dataclass(frozen=True, slots=True)
class CarQuarter:
    """Energies of the home while the car charged, and prices per kWh; None = not known."""

    start: datetime
    energies: Energies
    import_price_per_kwh: float | None = None
    export_price_per_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class CarPast:
    """``charged`` in order; ``gone`` are the quarter-hours in which no car stood there, as far as the charger tells."""

    charged: tuple[CarQuarter, ...] = ()
    gone: tuple[datetime, ...] = ()


def read_car_past(path: Path, since: datetime, until: datetime) -> CarPast:
    """Of the half-open span, read beside the running gateway; empty where there is no file that can be read."""
    span = int(since.timestamp()), int(until.timestamp())
    try:
        uri = path.absolute().as_uri() + "?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=0.5)) as db:
            rows = db.execute(_SQL, (*span, LEAST_WH)).fetchall()
            gone = db.execute(_GONE, span).fetchall()
    except sqlite3.Error:
        return CarPast()
    charged = (CarQuarter(_time(row[0]), Energies(*row[1:8]), row[8], row[9]) for row in rows)
    return CarPast(tuple(charged), tuple(_time(stamp) for (stamp,) in gone))


def _time(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
