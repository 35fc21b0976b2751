"""The control loop: observe, meter, decide, apply, publish; every period, a moment after the polls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.agent.clearing import Clearing
from gateway.agent.night import NightOrigin
from gateway.agent.state import Present
from gateway.agent.user_settings import PREFIX
from gateway.clock import Clock, every
from gateway.control.decide import decide
from gateway.control.inputs import ControlMemory, DecisionInputs
from gateway.domain.control import Setpoints
from gateway.domain.intervals import iso, quarter_of
from gateway.domain.order import IntervalTerms, Order
from gateway.domain.plan import Observed
from gateway.domain.readings import Snapshot
from gateway.domain.trade import Metered, MeterQuality
from gateway.errors import StorageError
from gateway.metering.counters import Metering
from gateway.metering.energy import QuarterEnergy
from gateway.site.balance import Balance
from gateway.site.site import Site
from gateway.store.codec import metered_body
from gateway.store.journal import Journal
from gateway.supervise import Availability

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
JUMP_S = 30.0  # between wall time and monotonic time; network time moves a running clock by less


class ControlLoop:
    """Steers the site. ``on_tick`` is told of every tick (publishing, watchdog)."""

    def __init__(
        self,
        site: Site,
        journal: Journal,
        present: Present,
        clock: Clock,
        on_tick: Callable[[Snapshot], None],
        on_quarter: Callable[[Observed], None],
    ) -> None:
        self._site, self._journal, self._present, self._clock = site, journal, present, clock
        self._on_tick, self._on_quarter = on_tick, on_quarter
        self._settings = present.settings
        last = journal.book.last_metered()
        if last is not None and last.interval.end > clock.now():
            last = None  # of a clock that ran ahead
        self._metering = Metering(last)
        self._started = (clock.now(), clock.monotonic())
        self._energy = QuarterEnergy()
        self._balance = Balance()
        self._origin = NightOrigin(journal, present.tariff)
        self._storage = Availability("journal storage")
        self._unstored: list[Metered] = []
        self._clearing = Clearing(journal, present)
        self._control = self._settings.for_guard().control()
        self._memory = ControlMemory()

    async def run(self) -> None:
        """For ever; never raises for a lost device or a full disk."""
        period_s = self._settings.control.period_s
        await self._clock.sleep(min(0.5, period_s / 4))  # the polls of this period come first
        async for now in every(self._clock, period_s):
            self._notice_jump(now)
            snapshot = self._site.observe()
            self._present.snapshot = snapshot
            self._balance.look(snapshot)
            self._meter(snapshot)
            setpoints = self._decide(snapshot, now)
            self._present.setpoints = setpoints
            await self._site.apply(setpoints)
            self._on_tick(snapshot)
            self._present.tick()

    def _notice_jump(self, now: datetime) -> None:
        """A machine's clock that was set makes nonsense of a quarter in progress: begin a new one."""
        passed_s = self._clock.monotonic() - self._started[1]
        ahead_s = (now - self._started[0]).total_seconds() - passed_s
        if abs(ahead_s) > JUMP_S:
            log.warning("the clock was set by %+.0f s; this quarter-hour is not metered", ahead_s)
            self._metering = Metering()
            self._started = (now, self._clock.monotonic())

    def _decide(self, snapshot: Snapshot, now: datetime) -> Setpoints:
        self._end_charge_now(snapshot)
        decision = decide(
            DecisionInputs(
                snapshot=snapshot,
                settings=self._present.wishes.standing(self._settings.site.import_limit_w),
                order=self._order(now),
                delivered_wh=self._metering.net_wh(now),
                control=self._control,
                now=now,
                monotonic_s=self._clock.monotonic(),
                keeps_export=self._site.keeps_export(),
                memory=self._memory,
            )
        )
        self._memory = decision.memory
        return decision.setpoints

    def _order(self, now: datetime) -> Order:
        """What was sold, what prices are and what stored energy is worth, now."""
        present, interval = self._present, quarter_of(now)
        cleared = self._clearing.price(interval)
        present.cleared = None if cleared is None else (interval, cleared)
        bought, sold = present.retail(interval)
        stored_wh = present.stored_wh()
        terms = IntervalTerms(
            interval,
            position_wh=self._journal.book.commitment(interval),
            import_price=bought,
            export_price=sold,
            value=present.value(now),
            car_value=present.plan.car_value(now) if present.plan else None,
        )
        return Order(
            made_at=now,
            valid_until=now + LEASE,
            settings=present.wishes.standing(self._settings.site.import_limit_w),
            terms=(terms,),
            resellable=stored_wh is None or self._origin.resellable_wh(stored_wh) > 0,
            peak_import_w=present.plan.import_limit_w if present.plan else None,
        )

    def _end_charge_now(self, snapshot: Snapshot) -> None:
        """'Charge now' is for the car that stands there; the next one starts with the usual wish."""
        if self._present.wishes.charge_now and snapshot.car_plugged is False:
            self._present.wishes = replace(self._present.wishes, charge_now=False)
            with suppress(StorageError):
                self._journal.setting(PREFIX + "charge_now", "false")

    def _meter(self, snapshot: Snapshot) -> None:
        """Quarters that have ended go to the journal; what cannot be stored now is kept and tried again."""
        done = self._energy.add(snapshot)
        if done is not None:
            self._on_quarter(done.observed)
        if snapshot.grid_import_wh is not None and snapshot.grid_export_wh is not None:
            counted = newest(snapshot, "grid_import_wh")
            known = self._journal.book.metered
            closed = self._metering.add(counted, snapshot.grid_import_wh, snapshot.grid_export_wh)
            self._unstored += [m for m in closed if m.interval.start not in known]
        self._store_metered(snapshot.time)
        if done is not None:
            self._origin.follow(done, self._present.stored_wh())

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
