"""The control loop: observe, meter, decide, apply, publish; every period, a moment after the polls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.agent.car import (
    Contactor,
    car_need,
    car_power_w,
    charger_spec,
    is_urgent,
    sessions_wh,
    shares_a,
    whole_amperes,
)
from gateway.agent.clearing import Clearing
from gateway.agent.night import NightOrigin
from gateway.agent.state import Present
from gateway.agent.user_settings import PREFIX
from gateway.clock import Clock, every
from gateway.control import ChargerSpec, Pace, Wish, decide, mode, steady
from gateway.domain.control import Commitment, Reason, Setpoints
from gateway.domain.intervals import iso, quarter_of
from gateway.domain.plan import BatterySpec, Observed
from gateway.domain.readings import Snapshot
from gateway.domain.trade import Metered, MeterQuality
from gateway.errors import StorageError
from gateway.metering.counters import Metering
from gateway.metering.energy import QuarterEnergy
from gateway.planner.dispatch import DispatchInputs, battery_power_w
from gateway.site.balance import Balance
from gateway.site.site import Site
from gateway.store.codec import metered_body
from gateway.store.journal import Journal
from gateway.supervise import Availability

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
        self._contactor = Contactor(self._settings.control.car_dwell_s)
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
        snapshot = self._site.steered(snapshot)
        battery, wishes = self._present.battery(), self._present.wishes
        interval = quarter_of(now)
        cleared = self._clearing.price(interval)
        self._present.cleared = None if cleared is None else (interval, cleared)
        charger = charger_spec(self._settings.car, len(sessions_wh(snapshot)))
        wish = self._wish(snapshot, battery, now, self._car_w(snapshot, now, charger))
        wish = replace(wish, car_rises=self._contactor.rises(self._clock.monotonic()))
        position_wh = self._journal.book.commitment(interval)
        if wishes.battery == "hold":  # the owner's hand on the battery comes before what was sold
            wish = replace(wish, battery_w=0.0, reason=Reason.HOLD)
            position_wh = 0
        commitment = Commitment(
            position_wh=position_wh,
            delivered_wh=self._metering.net_wh(now),
            left_s=(interval.end - now).total_seconds(),
        )
        limits = self._present.limits(battery)
        keeps_export = self._site.keeps_export()
        new = decide(snapshot, commitment, wish, limits, charger, keeps_export)
        shares = shares_a(new.charge_current_a, self._settings.car, wishes, snapshot)
        new = replace(new, charge_shares_a=shares)
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
                self._journal.setting(PREFIX + "charge_now", "false")

    def _car_w(self, snapshot: Snapshot, now: datetime, charger: ChargerSpec) -> float | None:
        """What the car should take; None = there is none. One that has its wish is paused (0)."""
        if not snapshot.car_plugged:
            return None
        at = self._clock.monotonic()
        if self._present.wishes.charge_now:
            return self._contactor.calm(charger.power_w, None, urgent=True, at=at)
        need = car_need(self._settings.car, self._present.wishes, snapshot, self._zone)
        if need is None:
            return self._contactor.calm(0.0, None, urgent=False, at=at)
        parts = (snapshot.grid_w, snapshot.battery_w or 0.0, snapshot.charger_w)
        net_w = None if parts[0] is None or parts[2] is None else parts[0] + parts[1] - parts[2]
        moment = self._moment(net_w or 0.0, now, None)
        power_w = car_power_w(self._present.plan, need, moment, now)
        if moment is not None and moment.import_limit_w is not None:
            power_w = whole_amperes(power_w, charger)
        return self._contactor.calm(power_w, need, urgent=is_urgent(need, now), at=at)

    def _moment(
        self, net_w: float, now: datetime, exportable_w: float | None
    ) -> DispatchInputs | None:
        """The home at this moment for the plan's values; None while a price is not known."""
        plan, limits = self._present.plan, self._present.limits(None)
        import_price, export_price = self._present.retail(quarter_of(now))
        if import_price is None or export_price is None:
            return None
        peak_w = plan.import_limit_w if plan else None
        bounds = [w for w in (limits.import_limit_w, peak_w) if w is not None]
        return DispatchInputs(
            import_price,
            export_price,
            net_w,
            limits.export_limit_w,
            min(bounds, default=None),
            exportable_w,
        )

    def _wish(
        self, snapshot: Snapshot, battery: BatterySpec | None, now: datetime, car_w: float | None
    ) -> Wish:
        """What the plan's value of stored energy asks for at the present prices."""
        stored_wh, curve = self._present.stored_wh(), self._present.value(now)
        export_price = self._present.retail(quarter_of(now))[1]
        curtail = export_price is not None and export_price < 0
        if curve is None or battery is None or stored_wh is None:
            return Wish(car_w=car_w, curtail=curtail)
        if snapshot.grid_w is None or snapshot.battery_w is None:
            return Wish(car_w=car_w, curtail=curtail)
        net_w = snapshot.grid_w + snapshot.battery_w
        sellable = self._origin.resellable_wh(stored_wh) > 0
        moment = self._moment(net_w, now, None if sellable else 0.0)
        if moment is None:
            return Wish(car_w=car_w)
        target_w = battery_power_w(curve, stored_wh, moment, battery)
        own_w = min(battery.max_discharge_w, max(-battery.max_charge_w, net_w))
        if abs(target_w - own_w) <= self._settings.control.deadband_w:
            return Wish(car_w=car_w, curtail=curtail)  # the inverter does that by itself, faster
        reason = (
            Reason.PRICE_DISCHARGE
            if target_w > 0
            else Reason.PRICE_CHARGE
            if target_w < 0
            else Reason.PRICE_REST
        )
        return Wish(target_w, car_w, curtail, reason)

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
