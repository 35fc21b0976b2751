"""The control loop: observe, meter, decide, apply, publish; every period, a moment after the polls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.clock import Clock, every
from gateway.control import Pace, Wish, decide, mode, steady
from gateway.domain.control import Commitment, Setpoints
from gateway.domain.intervals import iso, quarter_of
from gateway.domain.plan import BatterySpec, Observed
from gateway.domain.readings import Snapshot
from gateway.domain.trade import Metered, MeterQuality
from gateway.errors import StorageError
from gateway.journal import Journal
from gateway.journal.bodies import metered_body
from gateway.planner.dispatch import Now, battery_power_w
from gateway.service.car import car_need, car_power_w, charger_spec
from gateway.service.night import NightOrigin
from gateway.service.present import Present
from gateway.service.wishes import PREFIX
from gateway.site.balance import Balance
from gateway.site.energy import QuarterEnergy
from gateway.site.metering import Metering
from gateway.site.site import Site
from gateway.supervise import Presence

log = logging.getLogger(__name__)

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
        self._zone = ZoneInfo(self._settings.site.time_zone)
        self._charger = charger_spec(self._settings.car)
        last = journal.book.last_metered()
        if last is not None and last.interval.end > clock.now():
            last = None  # of a clock that ran ahead
        self._metering = Metering(last)
        self._started = (clock.now(), clock.monotonic())
        self._energy = QuarterEnergy()
        self._balance = Balance()
        self._origin = NightOrigin(journal, present.tariff)
        self._storage = Presence("journal storage")
        self._unstored: list[Metered] = []
        self._mode_since = float("-inf")

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
        battery, wishes = self._present.battery(), self._present.wishes
        need = car_need(self._settings.car, wishes, snapshot, self._zone)
        car_w = car_power_w(self._present.plan, need, snapshot, now)
        if wishes.charge_now and snapshot.car_plugged:
            car_w = self._charger.power_w
        wish = self._wish(snapshot, battery, now, car_w)
        interval = quarter_of(now)
        position_wh = self._journal.book.commitment(interval)
        if wishes.battery == "hold":  # the owner's hand on the battery comes before what was sold
            wish = replace(wish, battery_w=0.0, reason="held by the user")
            position_wh = 0
        commitment = Commitment(
            position_wh=position_wh,
            delivered_wh=self._metering.net_wh(now),
            left_s=(interval.end - now).total_seconds(),
        )
        limits = self._present.limits(battery)
        new = decide(snapshot, commitment, wish, limits, self._charger)
        control, old = self._settings.control, self._present.setpoints
        stayed_s = self._clock.monotonic() - self._mode_since
        pace = Pace(control.deadband_w, stayed_s, control.dwell_s)
        kept = steady(new, old, pace, snapshot, limits)
        if mode(kept) != mode(old):
            self._mode_since = self._clock.monotonic()
        return kept

    def _end_charge_now(self, snapshot: Snapshot) -> None:
        """'Charge now' is for the car that stands there; the next one starts with the usual wish."""
        if self._present.wishes.charge_now and snapshot.car_plugged is False:
            self._present.wishes = replace(self._present.wishes, charge_now=False)
            with suppress(StorageError):
                self._journal.setting(PREFIX + "charge_now", "False")

    def _wish(
        self, snapshot: Snapshot, battery: BatterySpec | None, now: datetime, car_w: float | None
    ) -> Wish:
        """What the plan's value of stored energy asks for at the present prices."""
        plan, stored_wh = self._present.plan, self._present.stored_wh(battery)
        import_price, export_price = self._present.retail(quarter_of(now))
        curtail = export_price is not None and export_price < 0
        curve = plan.value(now) if plan else None
        if curve is None or battery is None or stored_wh is None:
            return Wish(car_w=car_w, curtail=curtail)
        if import_price is None or export_price is None:
            return Wish(car_w=car_w)
        if snapshot.grid_w is None or snapshot.battery_w is None:
            return Wish(car_w=car_w, curtail=curtail)
        net_w = snapshot.grid_w + snapshot.battery_w
        limits = self._present.limits(battery)
        sellable = self._origin.resellable_wh(stored_wh) > 0
        moment = Now(
            import_price,
            export_price,
            net_w,
            limits.export_limit_w,
            limits.import_limit_w,
            exportable_w=None if sellable else 0.0,
        )
        target_w = battery_power_w(curve, stored_wh, moment, battery)
        own_w = min(battery.max_discharge_w, max(-battery.max_charge_w, net_w))
        if abs(target_w - own_w) <= self._settings.control.deadband_w:
            return Wish(car_w=car_w, curtail=curtail)  # the inverter does that by itself, faster
        why = (
            "price: discharge"
            if target_w > 0
            else "price: charge"
            if target_w < 0
            else "price: rest"
        )
        return Wish(target_w, car_w, curtail, why)

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
            self._origin.follow(done, self._present.stored_wh(self._present.battery()))

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
