"""The past of the home for people and for the forecast: minutes and quarter-hours in SQLite.

It is no account: it may lose the last quarter of an hour in a crash, and it is kind to an SD card
(rows are written in batches, without waiting for the disk). What cannot be stored is kept for a
while and tried again; nobody who measures or steers ever waits for it or fails by it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from gateway.domain.intervals import QUARTER, Interval, floor_to
from gateway.domain.plan import Observed
from gateway.domain.readings import Snapshot
from gateway.errors import StorageError
from gateway.supervise import Availability

log = logging.getLogger(__name__)

_MINUTE = timedelta(minutes=1)
_BATCH = 15  # minutes in one transaction
_MOST_PENDING = 24 * 60  # minutes kept in memory while the disk is full; then the oldest go
_SCHEMA = """
CREATE TABLE IF NOT EXISTS minute (
  time INTEGER PRIMARY KEY, pv_w REAL, load_w REAL, grid_w REAL, battery_w REAL,
  battery_soc_pct REAL, charger_w REAL, import_price_per_kwh REAL, export_price_per_kwh REAL,
  stored_value_per_kwh REAL) STRICT;
CREATE TABLE IF NOT EXISTS quarter (
  time INTEGER PRIMARY KEY, load_wh REAL, pv_wh REAL, rt_price REAL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Prices:
    """What a kWh cost and was worth, in currency units; None = not known."""

    import_price_per_kwh: float | None = None
    export_price_per_kwh: float | None = None
    stored_value_per_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class Minute:
    """Means over the minute that begins at ``time``; powers W by the sign convention."""

    time: datetime
    pv_w: float | None = None
    load_w: float | None = None
    grid_w: float | None = None
    battery_w: float | None = None
    battery_soc_pct: float | None = None
    charger_w: float | None = None
    import_price_per_kwh: float | None = None
    export_price_per_kwh: float | None = None
    stored_value_per_kwh: float | None = None


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.2)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.executescript(_SCHEMA)
    except BaseException:
        db.close()
        raise
    return db


class History:
    """Opens (or makes) the history in ``path``; raises StorageError if that is not possible.

    Minutes older than ``keep_days`` are dropped; quarter-hours stay (a megabyte a year).
    """

    def __init__(self, path: Path, keep_days: int = 400) -> None:
        self._keep = timedelta(days=keep_days)
        self._store = Availability(f"history {path}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._db = _opened(path)
            except sqlite3.OperationalError:
                raise  # no room, no right: a new file would fare no better
            except sqlite3.DatabaseError as error:
                aside = path.with_name(path.name + ".damaged")
                log.error(
                    "%s is damaged (%s); kept as %s, a new one begins", path, error, aside.name
                )
                path.rename(aside)
                self._db = _opened(path)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"{path}: the history cannot be opened: {error}") from error
        self._sums = _Sums()
        self._minutes: list[Minute] = []
        self._quarters: list[Observed] = []
        self._dropped: datetime | None = None  # up to when old minutes have been dropped

    def add(self, snapshot: Snapshot, prices: Prices = Prices()) -> None:
        """Count one observation into its minute."""
        minute = floor_to(snapshot.time, _MINUTE)
        if self._sums.time != minute:
            self._close_minute()
            self._sums = _Sums(minute)
        self._sums.add(snapshot, prices)

    def add_quarter(self, quarter: Observed) -> None:
        """Store what a quarter-hour was; a second word on the same quarter replaces the first."""
        self._quarters.append(quarter)
        self.flush()

    def minutes(self, since: datetime, until: datetime) -> list[Minute]:
        """The minutes of the half-open span in order, those not yet written among them."""
        sql = "SELECT * FROM minute WHERE time >= ? AND time < ? ORDER BY time"
        rows = self._ask(sql, _stamp(since), _stamp(until))
        stored = [Minute(_time(row[0]), *row[1:]) for row in rows]
        return stored + [m for m in self._minutes if since <= m.time < until]

    def quarters(self, since: datetime) -> list[Observed]:
        """The quarter-hours that start at ``since`` or later, in order."""
        rows = self._ask("SELECT * FROM quarter WHERE time >= ? ORDER BY time", _stamp(since))
        stored = [_observed(*row) for row in rows]
        waiting = [q for q in self._quarters if q.interval.start >= since]
        known = {q.interval.start: q for q in chain(stored, waiting)}
        return [known[start] for start in sorted(known)]

    def _ask(self, sql: str, *values: int) -> list[tuple[Any, ...]]:
        """Rows of the file; none while it cannot be read: the past is a help, not a need."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            self._store.lost(error)
            return []

    def flush(self) -> None:
        """Write what waits; never raises (see the module)."""
        try:
            with self._db:
                self._db.execute("BEGIN")
                self._db.executemany(
                    f"INSERT OR REPLACE INTO minute VALUES ({_marks(10)})",  # noqa: S608 - only marks
                    [(_stamp(m.time), *astuple(m)[1:]) for m in self._minutes],
                )
                self._db.executemany(
                    "INSERT OR REPLACE INTO quarter VALUES (?, ?, ?, ?)",
                    [(_stamp(q.interval.start), q.load_wh, q.pv_wh, q.rt_price)
                     for q in self._quarters],
                )  # fmt: skip
                self._drop_old()
        except sqlite3.Error as error:
            self._store.lost(error)
            del self._minutes[:-_MOST_PENDING], self._quarters[:-_MOST_PENDING]
            return
        self._store.back()
        self._minutes.clear()
        self._quarters.clear()

    def close(self) -> None:
        """Write what waits, the running minute too, and let go of the file."""
        self._close_minute()
        self.flush()
        with suppress(sqlite3.Error):
            self._db.close()

    def _close_minute(self) -> None:
        done = self._sums.mean()
        if done is None:
            return
        self._minutes.append(done)
        if len(self._minutes) % _BATCH == 0:
            self.flush()

    def _drop_old(self) -> None:
        """Once a day is enough."""
        if not self._minutes:
            return
        newest = self._minutes[-1].time
        if self._dropped is None or newest - self._dropped >= timedelta(days=1):
            self._db.execute("DELETE FROM minute WHERE time < ?", (_stamp(newest - self._keep),))
            self._dropped = newest


_MEASURED = ("pv_w", "load_w", "grid_w", "battery_w", "battery_soc_pct", "charger_w")
_PRICES = ("import_price_per_kwh", "export_price_per_kwh", "stored_value_per_kwh")


class _Sums:
    """The running minute: sums and counts of what was known."""

    def __init__(self, time: datetime | None = None) -> None:
        self.time = time
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, snapshot: Snapshot, prices: Prices) -> None:
        for source, names in ((snapshot, _MEASURED), (prices, _PRICES)):
            for name in names:
                value = getattr(source, name)
                if value is not None:
                    total, count = self._sums.get(name, (0.0, 0))
                    self._sums[name] = (total + value, count + 1)

    def mean(self) -> Minute | None:
        if self.time is None:
            return None
        means = {name: round(total / count, 6) for name, (total, count) in self._sums.items()}
        return Minute(self.time, **means)


def write_csv(minutes: Iterable[Minute], write: Callable[[str], object]) -> int:
    """Write minutes as CSV with a header; a value that is not known is an empty field."""
    names = ["time", *_MEASURED, *_PRICES]
    write(",".join(names) + "\n")
    count = 0
    for minute in minutes:
        values = astuple(minute)[1:]
        texts = ["" if value is None else f"{value:.6g}" for value in values]
        write(",".join([minute.time.strftime("%Y-%m-%dT%H:%M:%SZ"), *texts]) + "\n")
        count += 1
    return count


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _stamp(time: datetime) -> int:
    return int(time.timestamp())


def _time(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)


def _observed(
    stamp: int, load_wh: float | None, pv_wh: float | None, rt_price: float | None
) -> Observed:
    start = _time(stamp)
    return Observed(Interval(start, start + QUARTER), load_wh, pv_wh, rt_price)
