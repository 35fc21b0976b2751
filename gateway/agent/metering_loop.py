"""What the agent does with each report of the guard: meter, keep the past, publish, and order anew."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from gateway.agent.clearing import Clearing
from gateway.agent.night import NightOrigin
from gateway.agent.reporting import Reporting
from gateway.agent.state import StateKeeper
from gateway.agent.user_settings import SettingsKeeper
from gateway.clock import Clock
from gateway.domain.intervals import iso, quarter_of
from gateway.domain.plan import Observed
from gateway.domain.readings import Snapshot
from gateway.domain.trade import Metered, MeterQuality
from gateway.errors import StorageError
from gateway.ipc.messages import GuardReport
from gateway.metering.counters import Metering
from gateway.metering.energy import QuarterEnergy
from gateway.store.codec import metered_body
from gateway.store.journal import Journal
from gateway.supervise import Availability

log = logging.getLogger(__name__)

JUMP_S = 30.0  # between wall time and monotonic time; network time moves a running clock by less


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
        self._keeper, self._journal, self._clearing = keeper, journal, clearing
        self._origin, self._user, self._clock = origin, user, clock
        self._write_report, self._write_cleared = keeper.writer("report"), keeper.writer("cleared")
        self._write_start = keeper.writer("interval_start")
        self._write_resellable = keeper.writer("resellable")
        last = journal.book.last_metered()
        if last is not None and last.interval.end > clock.now():
            last = None  # of a clock that ran ahead
        self._metering, self._energy = Metering(last), QuarterEnergy()
        self._started = (clock.now(), clock.monotonic())
        self._storage = Availability("journal storage")
        self._unstored: list[Metered] = []

    def hear(
        self,
        report: GuardReport,
        reporting: Reporting,
        order: Callable[[], None],
        on_quarter: Callable[[Observed], None],
    ) -> None:
        """One report; never raises for a full disk."""
        now = self._clock.now()
        self._notice_jump(now)
        self._write_report(report)
        self._meter(report.snapshot, on_quarter)
        self._end_charge_now(report.snapshot)
        interval = quarter_of(now)
        cleared = self._clearing.price(interval)
        self._write_cleared(None if cleared is None else (interval, cleared))
        start = self._metering.at_start_of(interval)
        self._write_start(None if start is None else (interval, start))
        stored_wh = self._keeper.state.stored_wh()
        if stored_wh is not None:
            self._write_resellable(self._origin.resellable_wh(stored_wh) > 0)
        reporting.tick(report)
        order()

    def _notice_jump(self, now: datetime) -> None:
        """A machine's clock that was set makes nonsense of a quarter in progress: begin a new one."""
        passed_s = self._clock.monotonic() - self._started[1]
        ahead_s = (now - self._started[0]).total_seconds() - passed_s
        if abs(ahead_s) > JUMP_S:
            log.warning("the clock was set by %+.0f s; this quarter-hour is not metered", ahead_s)
            self._metering = Metering()
            self._started = (now, self._clock.monotonic())

    def _end_charge_now(self, snapshot: Snapshot) -> None:
        """'Charge now' is for the car that stands there; the next one starts with the usual settings."""
        user = self._keeper.state.user
        if user.charge_now and snapshot.car_plugged is False:
            self._user.change(user.changed({"charge_now": False}), must_store=False)

    def _meter(self, snapshot: Snapshot, on_quarter: Callable[[Observed], None]) -> None:
        """Quarters that have ended go to the journal; what cannot be stored now is kept and tried again."""
        done = self._energy.add(snapshot)
        if done is not None:
            on_quarter(done.observed)
        if snapshot.grid_import_wh is not None and snapshot.grid_export_wh is not None:
            counted = newest(snapshot, "grid_import_wh")
            known = self._journal.book.metered
            closed = self._metering.add(counted, snapshot.grid_import_wh, snapshot.grid_export_wh)
            self._unstored += [m for m in closed if m.interval.start not in known]
        self._store_metered(snapshot.time)
        if done is not None:
            self._origin.follow(done, self._keeper.state.stored_wh())

    def _store_metered(self, now: datetime) -> None:
        while self._unstored:
            metered = self._unstored[0]
            try:
                self._journal.append("metered", metered_body(metered), now)
            except StorageError as error:
                self._storage.lost(error)
                return
            self._storage.back()
            del self._unstored[0]
            if metered.quality is MeterQuality.ESTIMATED:
                log.warning("meter: the quarter from %s is estimated", iso(metered.interval.start))


def newest(snapshot: Snapshot, metric: str) -> datetime:
    """When ``metric`` was last measured."""
    times = [d.readings[metric].time for d in snapshot.devices.values() if metric in d.readings]
    return max(times, default=snapshot.time)
