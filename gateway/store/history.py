"""The past of the home for people and for the forecast: minutes and quarter-hours in SQLite.

It is no account: it may lose the last quarter of an hour in a crash, and it is kind to an SD card
(rows are written in batches, without waiting for the disk). What cannot be stored is kept for a
while and tried again; nobody who measures or steers ever waits for it or fails by it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from gateway.domain.flows import Flow, Heated
from gateway.domain.intervals import QUARTER, Interval, floor_to
from gateway.domain.plan import Observed
from gateway.domain.readings import Snapshot
from gateway.errors import StorageError
from gateway.store import billed_days, energies
from gateway.store.database import replaceable
from gateway.store.minutes import Means, Minute, Prices
from gateway.supervise import Availability

log = logging.getLogger(__name__)

LIVED = timedelta(days=60)  # a home with a quarter-hour of history in so long is no new one
_MINUTE = timedelta(minutes=1)
_MINUTES_A_DAY = 24 * 60
_BATCH = 15  # minutes in one transaction
_MOST_PENDING = _MINUTES_A_DAY  # kept in memory while the disk is full; then the oldest go
_MIGRATIONS = (
    """
CREATE TABLE IF NOT EXISTS minute (time INTEGER PRIMARY KEY, pv_w REAL, load_w REAL, grid_w
  REAL, battery_w REAL, battery_soc_pct REAL, charger_w REAL, import_price_per_kwh REAL,
  export_price_per_kwh REAL, stored_value_per_kwh REAL) STRICT;
CREATE TABLE IF NOT EXISTS quarter (time INTEGER PRIMARY KEY, load_wh REAL, pv_wh REAL, rt_price
  REAL) STRICT
""",
    """
CREATE TABLE IF NOT EXISTS flow (time INTEGER PRIMARY KEY, charge_wh REAL, discharge_wh REAL, pv_wh REAL,
  car_wh REAL, plugged INTEGER, stored_wh REAL, load_wh REAL) STRICT
""",
    lambda db, _: energies.begin(db),
    """
ALTER TABLE quarter ADD COLUMN held_back INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarter ADD COLUMN away INTEGER NOT NULL DEFAULT 0
""",
    "ALTER TABLE flow ADD COLUMN heated TEXT",
    billed_days.TABLES,
)
_NO_PRICES = Prices()
# By count, not by age: a clock that was years ahead for a while must not make us drop the past.
_DROP = (
    "DELETE FROM minute WHERE time <= (SELECT time FROM minute ORDER BY time DESC LIMIT 1 OFFSET ?)"
)


class History:
    """Opens (or makes) the history in ``path``, or only reads it; raises StorageError if that is not possible.

    The newest ``keep_days`` of minutes are kept; quarter-hours and their energies stay (some megabytes a year).
    """

    def __init__(self, path: Path, keep_days: int = 400, *, read_only: bool = False) -> None:
        self._keep = keep_days * _MINUTES_A_DAY
        self._availability = Availability(f"history {path}")
        self._file = replaceable(
            path, _MIGRATIONS, synchronous="NORMAL", read_only=read_only, busy_s=0.2
        )
        self._db = self._file.db
        self._means = Means()
        self._minutes: list[Minute] = []
        self._quarters: list[Observed] = []
        self._flows: list[Flow] = []
        self._written = 0  # minutes since old ones were dropped
        self._latest: datetime | None = (
            None  # what the clock says now; rows beyond it are of a wrong clock
        )

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def add(self, snapshot: Snapshot, prices: Prices = _NO_PRICES) -> None:
        """Count one observation into its minute."""
        self._latest = snapshot.time
        minute = floor_to(snapshot.time, _MINUTE)
        if self._means.time != minute:
            self._close_minute()
            self._means = Means(minute)
        self._means.add(snapshot, prices)

    def add_quarter(self, quarter: Observed) -> None:
        """Store what a quarter-hour was; a second word on the same quarter replaces the first."""
        self._quarters.append(quarter)
        self.flush()

    def add_flow(self, flow: Flow) -> None:
        """Store what moved in a quarter-hour, for the bill."""
        self._flows.append(flow)
        self.flush()

    def flows(self, since: datetime, until: datetime) -> list[Flow]:
        """The flows of the quarter-hours that start in the half-open span, in order."""
        return sorted(self.each_flow(since, until), key=lambda flow: flow.interval.start)

    def each_flow(self, since: datetime, until: datetime) -> Iterator[Flow]:
        """The same one by one and in no order, for who looks at months: to be read at once, to its end."""
        waiting = {f.interval.start: f for f in self._flows if since <= f.interval.start < until}
        yield from waiting.values()
        sql = "SELECT * FROM flow WHERE time >= ? AND time < ?"
        try:
            for row in self._db.execute(sql, (_stamp(since), _stamp(until))):
                flow = _flow(*row)
                if flow.interval.start not in waiting:
                    yield flow
        except sqlite3.Error as error:
            self._availability.lost(error)

    def billed(self) -> list[billed_days.Row]:
        """What each day has cost that is over, in order; none where the file has none yet."""
        try:
            return billed_days.read(self._db)
        except sqlite3.Error as error:
            self._availability.lost(error)
            return []

    def keep_billed(self, days: Iterable[billed_days.Row]) -> None:
        """Store what days have cost, each in the place of what was stored of it."""
        try:
            with self._file.transaction():
                billed_days.write(self._db, days)
        except StorageError as error:
            self._availability.lost(error)

    def minutes(self, since: datetime, until: datetime) -> list[Minute]:
        """The minutes of the half-open span in order, those not yet written among them."""
        sql = "SELECT * FROM minute WHERE time >= ? AND time < ? ORDER BY time"
        rows = self._ask(sql, _stamp(since), _stamp(until))
        stored = [Minute(_time(row[0]), *row[1:]) for row in rows]
        return stored + [m for m in self._minutes if since <= m.time < until]

    def newest_minute(self) -> datetime | None:
        """The last minute that is written; None where there is none."""
        ((newest,),) = self._ask("SELECT MAX(time) FROM minute") or ((None,),)
        return None if newest is None else _time(newest)

    def quarters(self, since: datetime) -> list[Observed]:
        """The quarter-hours from ``since`` up to now, in order."""
        rows = self._ask("SELECT * FROM quarter WHERE time >= ? ORDER BY time", _stamp(since))
        stored = [_observed(*row) for row in rows]
        waiting = [q for q in self._quarters if q.interval.start >= since]
        known = {q.interval.start: q for q in chain(stored, waiting)}
        return [known[at] for at in sorted(known) if self._latest is None or at <= self._latest]

    @property
    def begun(self) -> bool:
        """Whether a quarter-hour of any time is known."""
        return bool(self._quarters or self._ask("SELECT 1 FROM quarter LIMIT 1"))

    def lived_before(self, time: datetime) -> bool:
        """Whether a quarter-hour of the `LIVED` before ``time`` is known."""
        return any(quarter.interval.start < time for quarter in self.quarters(time - LIVED))

    def _ask(self, sql: str, *values: int) -> list[tuple[Any, ...]]:
        """Rows of the file; none while it cannot be read: the past is a help, not a need."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            self._availability.lost(error)
            return []

    def flush(self) -> None:
        """Write what waits; never raises (see the module)."""
        if not (self._minutes or self._quarters or self._flows):
            return
        try:
            with self._db:
                self._db.execute("BEGIN")
                self._db.executemany(
                    f"INSERT OR REPLACE INTO minute VALUES ({_marks(10)})",  # noqa: S608 - only marks
                    [(_stamp(m.time), *astuple(m)[1:]) for m in self._minutes],
                )
                self._db.executemany(
                    "INSERT OR REPLACE INTO quarter VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        (
                            _stamp(q.interval.start),
                            q.load_wh,
                            q.pv_wh,
                            q.rt_price,
                            int(q.held_back),
                            int(q.away),
                        )
                        for q in self._quarters
                    ],
                )
                if self._minutes:
                    self._db.execute(energies.SUM, (_quarter(self._minutes[0].time),))
                self._db.executemany(
                    f"INSERT OR REPLACE INTO flow VALUES ({_marks(9)})",  # noqa: S608 - only marks
                    [(_stamp(f.interval.start), *_columns(f)) for f in self._flows],
                )
                self._drop_old()
        except sqlite3.Error as error:
            self._availability.lost(error)
            del self._minutes[:-_MOST_PENDING], self._quarters[:-_MOST_PENDING]
            del self._flows[:-_MOST_PENDING]
            return
        self._availability.back()
        self._minutes.clear()
        self._quarters.clear()
        self._flows.clear()

    def close(self) -> None:
        """Write what waits, the running minute too, and let go of the file."""
        self._close_minute()
        self.flush()
        with suppress(sqlite3.Error):
            self._file.close()

    def _close_minute(self) -> None:
        done = self._means.minute()
        if done is None:
            return
        self._minutes.append(done)
        if len(self._minutes) % _BATCH == 0:
            self.flush()

    def _drop_old(self) -> None:
        """Once a day is enough."""
        if self._written == 0 or self._written >= _MINUTES_A_DAY:
            self._db.execute(_DROP, (self._keep,))
            self._written = 0
        self._written += len(self._minutes)


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _stamp(time: datetime) -> int:
    return int(time.timestamp())


def _quarter(time: datetime) -> int:
    return _stamp(floor_to(time, QUARTER))


def _time(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)


def _observed(
    stamp: int, load_wh: float | None, pv_wh: float | None, rt_price: float | None, *marks: int
) -> Observed:
    start = _time(stamp)
    held_back, away = map(bool, marks)
    interval = Interval(start, start + QUARTER)
    return Observed(interval, load_wh, pv_wh, rt_price, held_back=held_back, away=away)


def _columns(flow: Flow) -> tuple[float | str | None, ...]:
    return (
        flow.charge_wh,
        flow.discharge_wh,
        flow.pv_wh,
        flow.car_wh,
        None if flow.plugged is None else int(flow.plugged),
        flow.stored_wh,
        flow.load_wh,
        None if flow.heated is None else json.dumps([astuple(h) for h in flow.heated]),
    )


def _flow(stamp: int, *columns: Any) -> Flow:
    """A file that is only read may be of before ``heated``."""
    start = _time(stamp)
    charge, discharge, pv, car, plugged, stored, load, *more = columns
    known = None if plugged is None else bool(plugged)
    interval, heated = Interval(start, start + QUARTER), _heated(*more)
    return Flow(interval, charge, discharge, pv, car, known, stored, load, heated)


def _heated(text: str | None = None) -> tuple[Heated, ...] | None:
    """None where nobody wrote down what heated, or it cannot be read."""
    with suppress(ValueError, TypeError):
        return tuple(Heated(*row) for row in json.loads(text or "null"))
    return None
