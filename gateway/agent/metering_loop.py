"""What the agent does with each report of the guard: meter, keep the past, publish, and order anew."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from gateway.agent.clearing import Clearing
from gateway.agent.night import NightOrigin
from gateway.agent.reporting import Reporting
from gateway.agent.state import StateKeeper
from gateway.agent.user_settings import SettingsKeeper
from gateway.clock import Clock
from gateway.control.throttled import at_limit, held
from gateway.domain.intervals import iso, quarter_of
from gateway.domain.readings import Quality, Snapshot
from gateway.domain.trade import Metered, MeterGap, MeterQuality
from gateway.errors import StorageError
from gateway.ipc.messages import GuardReport
from gateway.metering.clock_watch import ClockWatch
from gateway.metering.counters import Count, Metering
from gateway.metering.energy import QuarterEnergy, QuarterFlow
from gateway.store.codec import gap_body, metered_body
from gateway.store.journal import Journal
from gateway.supervise import Availability

log = logging.getLogger(__name__)

LEAST_WH = 50.0  # of resellable energy: less is what two counts of one battery differ by

MOST_AT_ONCE = 8  # rows stored in one tick: on a slow card the next report is not kept waiting
OLDEST_COUNT = timedelta(seconds=120)  # older at its report, or newer: the clock was set in between


class MeteringLoop:
    """Hears every report. ``order`` sends the guard a new order, ``on_quarter`` keeps the past."""

    def __init__(
        self,
        keeper: StateKeeper,
        journal: Journal,
        clearing: Clearing,
        origin: NightOrigin,
        user: SettingsKeeper,
        clock: Clock,
    ) -> None:
        self._keeper, self._journal, self.clearing = keeper, journal, clearing
        self._origin, self._user, self._clock = origin, user, clock
        self._write_report, self._write_cleared = keeper.writer("report"), keeper.writer("cleared")
        self._write_start = keeper.writer("interval_start")
        self._write_resellable = keeper.writer("resellable")
        last, trades = journal.book.last_metered(), keeper.state.settings.market is not None
        self.watch = ClockWatch(last.interval.end if last else None, ask_first=trades)
        self._metering: Metering | None = None  # until the clock is believed for the first time
        self._energy = QuarterEnergy()
        self._storage = Availability("journal storage")
        self._unstored: list[Metered | MeterGap] = []

    def hear(
        self,
        report: GuardReport,
        reporting: Reporting,
        order: Callable[[], None],
        on_quarter: Callable[[QuarterFlow], None],
    ) -> None:
        """One report; never raises for a full disk."""
        now = self._clock.now()
        doubted = self._look_at_clock(report)
        self._write_report(report)
        if not doubted:
            self._meter(report, on_quarter)
        self._end_charge_now(report.snapshot)
        interval = quarter_of(now)
        cleared = self.clearing.price(interval)
        self._write_cleared(None if cleared is None else (interval, cleared))
        start = self._metering.at_start_of(interval) if self._metering else None
        self._write_start(None if start is None else (interval, start))
        stored_wh = self._keeper.state.stored_wh()
        if stored_wh is not None:
            self._write_resellable(self._origin.resellable_wh(stored_wh) > LEAST_WH)
        reporting.tick(report, remember=not doubted)
        order()

    def _look_at_clock(self, report: GuardReport) -> bool:
        """Whether the clock cannot be right; a change is said once, in the log and in the account."""
        said = self.watch.look(report.snapshot.time, report.monotonic_s)
        if said:
            log.warning("%s", said)
            self._energy = QuarterEnergy()
            try:
                self._journal.append("note", {"text": said}, report.snapshot.time)
            except StorageError as error:
                self._storage.lost(error)
        return bool(self.watch.doubt)

    def _end_charge_now(self, snapshot: Snapshot) -> None:
        """'Charge now' is for the car that stands there; the next one starts with the usual settings."""
        user = self._keeper.state.user
        if user.charge_now and snapshot.car_plugged is False:
            self._user.change(user.changed({"charge_now": False}), must_store=False)

    def _meter(self, report: GuardReport, on_quarter: Callable[[QuarterFlow], None]) -> None:
        """What has ended goes to the journal; what cannot be stored now is kept and tried again."""
        snapshot = report.snapshot
        away = self._keeper.state.user.away
        done = self._energy.add(snapshot, held_back=_held_back(report), away=away)
        if done is not None:
            on_quarter(done)
        self._count(report)
        self._store(snapshot.time)
        if done is not None:
            self._origin.follow(done, self._keeper.state.stored_wh())

    def _count(self, report: GuardReport) -> None:
        snapshot = report.snapshot
        imported, exported = snapshot.grid_import_wh, snapshot.grid_export_wh
        if imported is None or exported is None:
            return
        counted = newest(snapshot, "grid_import_wh")
        age = snapshot.time - counted
        if not timedelta(0) <= age <= OLDEST_COUNT:
            return  # read by a clock that has been set since
        if self._metering is None:
            self._metering = Metering(self._account_end(), self._is_metered)
        at = report.monotonic_s - age.total_seconds()
        self._unstored += self._metering.add(counted, imported, exported, at)

    def _account_end(self) -> Count | None:
        """The counters where the account ends, which may be long ago or, by a wrong clock, ahead."""
        counted = self._journal.book.counted
        return None if counted is None else Count(counted[0], counted[1], counted[2])

    def _is_metered(self, start: datetime) -> bool:
        waiting = (m for m in self._unstored if isinstance(m, Metered))
        return start in self._journal.book.metered or any(
            m.interval.start == start for m in waiting
        )

    def _store(self, now: datetime) -> None:
        if not self._unstored:
            return
        rows = self._unstored[:MOST_AT_ONCE]
        try:
            self._journal.append_all([_row(row) for row in rows], now)
        except StorageError as error:
            self._storage.lost(error)
            return
        self._storage.back()
        del self._unstored[: len(rows)]
        _say(rows)


def _row(row: Metered | MeterGap) -> tuple[str, dict[str, object]]:
    return ("gap", gap_body(row)) if isinstance(row, MeterGap) else ("metered", metered_body(row))


def _say(rows: Sequence[Metered | MeterGap]) -> None:
    """One line a gap, and one for all that is estimated."""
    for gap in rows:
        if isinstance(gap, MeterGap):
            log.warning("%s", _gap_text(gap))
    estimated = [
        iso(m.interval.start)
        for m in rows
        if isinstance(m, Metered) and m.quality is MeterQuality.ESTIMATED
    ]
    if len(estimated) == 1:
        log.warning("meter: the quarter from %s is estimated", *estimated)
    elif estimated:
        log.warning(
            "meter: %d quarters are estimated, from %s to that from %s",
            *(len(estimated), estimated[0], estimated[-1]),
        )


def _gap_text(gap: MeterGap) -> str:
    return (
        f"meter: between {iso(gap.since)} and {iso(gap.until)} nobody counted quarter by quarter:"
        f" import {gap.import_wh} Wh, export {gap.export_wh} Wh in all"
    )


def newest(snapshot: Snapshot, metric: str) -> datetime:
    """When ``metric`` was last measured, as far as that is still good."""
    readings = (d.readings.get(metric) for d in snapshot.devices.values())
    times = [r.time for r in readings if r is not None and r.quality is Quality.GOOD]
    return max(times, default=snapshot.time)


def _held_back(report: GuardReport) -> bool:
    """Whether a limit keeps the panels below what they could give: the forecast is not to learn it as weak sun."""
    asked = report.setpoints
    by = held(report.snapshot, asked.export_limit_w, asked, keeps_export=True)
    return by != "no" or at_limit(report.snapshot, asked)
