"""Why the battery did what it did, span by span, and what was planned, in SQLite: the newest month or so, and year.

It is no account: it may lose the last quarter of an hour, and what cannot be stored is forgotten. Nobody
who steers waits for it or fails by it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from gateway.domain.control import PhaseReason, Reason
from gateway.domain.decisions import Ahead, Decision, PhaseDecision, PlannedQuarter
from gateway.store.database import replaceable
from gateway.store.sentences import packed, unpacked
from gateway.supervise import Availability

FILE = "decisions.sqlite"  # in the state folder
_MIGRATIONS = (
    """
CREATE TABLE IF NOT EXISTS decision (since INTEGER PRIMARY KEY, until INTEGER NOT NULL,
  reason TEXT NOT NULL, sentence TEXT NOT NULL, battery_w INTEGER) STRICT
""",
    """
CREATE TABLE IF NOT EXISTS planned (kind TEXT NOT NULL, time INTEGER NOT NULL, load_wh REAL NOT NULL, pv_wh REAL NOT NULL,
  battery_wh REAL NOT NULL, car_wh REAL NOT NULL, grid_wh REAL NOT NULL, PRIMARY KEY (kind, time)) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS phases (charger TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, phases INTEGER NOT NULL,
  reason TEXT NOT NULL, sentence TEXT NOT NULL, PRIMARY KEY (charger, since)) STRICT, WITHOUT ROWID
""",
)
_KNOWN = frozenset(r.value for r in Reason)  # a newer gateway may have written others
_KNOWN_PHASES = frozenset(r.value for r in PhaseReason)
# By count, not by age: a clock that was ahead must not make us drop the past. A usual day has 100 to 300
# spans, so this is a month at least, and 10 MB at most.
_MOST = 40_000
_MOST_PLANNED = 80_000  # quarter-hours of both kinds: a year, some 6 MB
_MOST_PHASES = 10_000  # a year of the most that are allowed in a day, some 2 MB
_DROP_PHASES = "DELETE FROM phases WHERE since <= (SELECT since FROM phases ORDER BY since DESC LIMIT 1 OFFSET ?)"
_DROP_PLANNED = "DELETE FROM planned WHERE time <= (SELECT time FROM planned ORDER BY time DESC LIMIT 1 OFFSET ?)"
_DROP = (
    "DELETE FROM decision WHERE since <= (SELECT since FROM decision ORDER BY since DESC LIMIT 1"
    " OFFSET ?)"
)


class DecisionStore:
    """Opens (or makes) the file, or only reads it; raises StorageError if that is not possible."""

    def __init__(self, path: Path, most: int = _MOST, *, read_only: bool = False) -> None:
        self._most = most
        self._availability = Availability(f"decisions {path}")
        self._file = replaceable(
            path, _MIGRATIONS, synchronous="NORMAL", read_only=read_only, busy_s=0.2
        )

    def add(self, decisions: Sequence[Decision]) -> None:
        """Store finished spans; never raises (see the module)."""
        rows = [
            (
                int(d.since.timestamp()),
                int(d.until.timestamp()),
                d.reason,
                packed(d.sentence),
                d.battery_w,
            )
            for d in decisions
        ]
        db = self._file.db
        try:
            with db:
                db.execute("BEGIN")
                db.executemany("INSERT OR REPLACE INTO decision VALUES (?, ?, ?, ?, ?)", rows)
                db.execute(_DROP, (self._most,))
        except sqlite3.Error as error:
            self._availability.lost(error)
            return
        self._availability.back()

    def between(self, since: datetime, until: datetime) -> list[Decision]:
        """All spans that touch the half-open span, in order; none while the file cannot be read."""
        sql = "SELECT * FROM decision WHERE until > ? AND since < ? ORDER BY since"
        try:
            rows = self._file.db.execute(sql, (since.timestamp(), until.timestamp())).fetchall()
        except sqlite3.Error as error:
            self._availability.lost(error)
            return []
        return [_decision(*row) for row in rows if row[2] in _KNOWN]

    def add_phases(self, spans: Sequence[PhaseDecision]) -> None:
        """Store which phases chargers used; a span that is known already is longer now. Never raises (see the module)."""
        rows = [
            (
                s.charger,
                int(s.since.timestamp()),
                int(s.until.timestamp()),
                s.phases,
                s.reason,
                packed(s.sentence),
            )
            for s in spans
        ]
        db = self._file.db
        try:
            with db:
                db.execute("BEGIN")
                db.executemany("INSERT OR REPLACE INTO phases VALUES (?, ?, ?, ?, ?, ?)", rows)
                db.execute(_DROP_PHASES, (_MOST_PHASES,))
        except sqlite3.Error as error:
            self._availability.lost(error)
            return
        self._availability.back()

    def phases_between(self, since: datetime, until: datetime) -> list[PhaseDecision]:
        """All spans that touch the half-open span, in order; none while the file cannot be read."""
        sql = "SELECT * FROM phases WHERE until > ? AND since < ? ORDER BY since"
        try:
            rows = self._file.db.execute(sql, (since.timestamp(), until.timestamp())).fetchall()
        except sqlite3.Error as error:
            self._availability.lost(error)
            return []
        return [
            PhaseDecision(
                charger,
                datetime.fromtimestamp(begin, UTC),
                datetime.fromtimestamp(end, UTC),
                phases,
                PhaseReason(reason),
                unpacked(sentence),
            )
            for charger, begin, end, phases, reason, sentence in rows
            if reason in _KNOWN_PHASES
        ]

    def add_planned(self, ahead: Ahead, quarters: Sequence[PlannedQuarter]) -> None:
        """Store what is planned; of a day the first word stays, of an hour the last. Never raises (see the module)."""
        what = "IGNORE" if ahead == "day" else "REPLACE"
        rows = [
            (ahead, int(q.start.timestamp()), q.load_wh, q.pv_wh, q.battery_wh, q.car_wh, q.grid_wh)
            for q in quarters
        ]
        db = self._file.db
        try:
            with db:
                db.execute("BEGIN")
                db.executemany(f"INSERT OR {what} INTO planned VALUES (?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608 - a word of ours
                db.execute(_DROP_PLANNED, (_MOST_PLANNED,))
        except sqlite3.Error as error:
            self._availability.lost(error)
            return
        self._availability.back()

    def planned(self, ahead: Ahead, since: datetime, until: datetime) -> list[PlannedQuarter]:
        """What was planned so far ahead for the half-open span, in order; none while the file cannot be read."""
        sql = (
            "SELECT time, load_wh, pv_wh, battery_wh, car_wh, grid_wh FROM planned"
            " WHERE kind = ? AND time >= ? AND time < ? ORDER BY time"
        )
        try:
            rows = self._file.db.execute(
                sql, (ahead, int(since.timestamp()), int(until.timestamp()))
            ).fetchall()
        except sqlite3.Error as error:
            self._availability.lost(error)
            return []
        return [PlannedQuarter(datetime.fromtimestamp(row[0], UTC), *row[1:]) for row in rows]

    def close(self) -> None:
        """Let go of the file; harmless when repeated."""
        with suppress(sqlite3.Error):
            self._file.close()


def _decision(
    since: int, until: int, reason: str, sentence: str, battery_w: int | None
) -> Decision:
    return Decision(
        datetime.fromtimestamp(since, UTC),
        datetime.fromtimestamp(until, UTC),
        Reason(reason),
        unpacked(sentence),
        battery_w,
    )
