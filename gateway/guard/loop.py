"""The guard's loop: observe, decide, apply, report; every period, a moment after the polls.

Nothing in a tick waits for anything but the devices, and for those a period at most.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from gateway.clock import Clock, every
from gateway.control.decide import decide
from gateway.control.fuse import fullest_w
from gateway.control.inputs import ControlMemory, DecisionInputs
from gateway.domain.control import ControlSettings, GridLimits, Setpoints, Tightening
from gateway.domain.intervals import Interval
from gateway.domain.order import IntervalTerms, MeterCounters, Order
from gateway.domain.readings import Poll, Snapshot
from gateway.domain.sentences import Sentence
from gateway.guard.orders import OrderIntake
from gateway.ipc.messages import GuardReport
from gateway.site.balance import Balance
from gateway.site.car_watch import CarWatch
from gateway.site.count_watch import CountWatch
from gateway.site.heat_watch import HeatWatch
from gateway.site.island import IslandWatch
from gateway.site.limit_watch import LimitWatch
from gateway.site.meter_watch import MeterWatch

log = logging.getLogger(__name__)

BEGINNING = timedelta(seconds=15)  # of an interval: so much later its start has been missed


class Delivery:
    """Net energy since a delivery interval began, by the meter's counters.

    The order says what they were at the start. Until one says so, what was seen at the beginning stands
    for it; where the beginning was not seen, what was delivered is not known.
    """

    def __init__(self) -> None:
        self._first: tuple[Interval, MeterCounters | None] | None = None

    def since_start_wh(self, snapshot: Snapshot, terms: IntervalTerms | None) -> float | None:
        """Net export so far, Wh; None while it is not known."""
        if terms is None or snapshot.grid_import_wh is None or snapshot.grid_export_wh is None:
            return None
        counted = MeterCounters(snapshot.grid_import_wh, snapshot.grid_export_wh)
        if self._first is None or self._first[0] != terms.interval:
            seen = snapshot.time - terms.interval.start <= BEGINNING
            self._first = (terms.interval, counted if seen else None)
        start = terms.start_counters or self._first[1]
        if start is None:
            return None
        return counted.export_wh - start.export_wh - (counted.import_wh - start.import_wh)


class SteeredSite(Protocol):
    """What the loop asks of a site (`gateway.site.site.Site` is one)."""

    def observe(self) -> Snapshot:
        """The home now."""

    def keeps_export(self) -> bool:
        """Whether the devices hold the export limit by themselves now."""

    def take_polls(self) -> tuple[Poll, ...]:
        """How the polls since the last call went."""

    async def apply(self, wanted: Setpoints, /) -> None:
        """Hold what is wanted; returns within a period."""

    @property
    def alarms(self) -> tuple[Sentence, ...]:
        """What to tell people of the devices."""


class GuardLoop:
    """Steers the site by the order in force. ``on_report`` is told of every tick and returns at once."""

    def __init__(
        self,
        site: SteeredSite,
        intake: OrderIntake,
        settings: ControlSettings,
        clock: Clock,
        period_s: float,
        on_report: Callable[[GuardReport], None],
    ) -> None:
        self._site, self._intake, self._settings = site, intake, settings
        self._clock, self._period_s, self._on_report = clock, period_s, on_report
        self._memory, self._limits, self._import_spent = ControlMemory(), GridLimits(), False
        self._allowed = GridLimits()
        self._delivery, self._balance = Delivery(), Balance()
        self._meter, self._watch, self._island = MeterWatch(), LimitWatch(), IslandWatch()
        self._counts, self._cars = CountWatch(), CarWatch(settings)
        self._heat = HeatWatch(settings, intake.memory)
        self._ticks = 0

    async def run(self) -> None:
        """For ever; never raises for a lost device or a full disk."""
        try:
            await self._steer()
        finally:
            self._heat.close()

    async def _steer(self) -> None:
        await self._clock.sleep(min(0.5, self._period_s / 4))  # the polls of this period come first
        due = self._clock.monotonic()
        async for now in every(self._clock, self._period_s):
            at = self._clock.monotonic()
            late_s = max(0.0, at - due)
            due += self._period_s * (1 + int(late_s / self._period_s + 1e-9))  # as `every` skips
            snapshot = self._meter.look(self._site.observe(), self._regulated_w(), at)
            self._balance.look(snapshot)
            snapshot = self._island.look(self._counts.look(snapshot, at), at)
            told = self._memory.setpoints
            snapshot = self._cars.look(snapshot, told.chargers_a, at, told.charger_phases)
            snapshot = self._heat.look(snapshot, at, told.sg_ready)
            order = self._intake.current()
            self._allowed = self._intake.allowed(snapshot, now, at)
            await self._site.apply(self._decided(snapshot, order, now))
            self._ticks += 1
            self._on_report(self._report(snapshot, order, late_s, at))

    def _regulated_w(self) -> tuple[float, ...]:
        """Where inverters keep the grid by themselves: at 0 for their own use, at a limit they keep."""
        limit_w = self._limits.feed_in_w if self._site.keeps_export() else None
        own = () if self._memory.setpoints.batteries_w else (0.0,)
        return own if limit_w is None else (*own, -limit_w)

    def _decided(self, snapshot: Snapshot, order: Order | None, now: datetime) -> Setpoints:
        """By the order; without one that nothing can be decided by, whatever slipped through its checks."""
        at = self._clock.monotonic()
        tightening = self._watch.look(
            snapshot.grid_w,
            self._limits,
            at,
            fullest_w(snapshot, self._settings.fuse),
            import_spent=self._import_spent,
        )
        if order is None:
            return self._decide(snapshot, None, now, tightening)
        try:
            return self._decide(snapshot, order, now, tightening)
        except Exception as error:  # noqa: BLE001 - an agent's mistake never ends the guard
            self._intake.drop(error)
            return self._decide(snapshot, None, now, tightening)

    def _decide(
        self, snapshot: Snapshot, order: Order | None, now: datetime, tightening: Tightening
    ) -> Setpoints:
        terms = None if order is None else order.at(now)
        decision = decide(
            DecisionInputs(
                snapshot=snapshot,
                settings=self._intake.settings,
                order=order,
                delivered_wh=self._delivery.since_start_wh(snapshot, terms),
                control=self._settings,
                now=now,
                monotonic_s=self._clock.monotonic(),
                keeps_export=self._site.keeps_export(),
                tightening=tightening,
                memory=self._memory,
                operator=self._allowed,
            )
        )
        self._memory, self._limits = decision.memory, decision.grid_limits
        self._import_spent = decision.import_spent
        return decision.setpoints

    def _alarms(self) -> tuple[Sentence, ...]:
        operator = self._intake.operator.alarms if self._intake.operator else ()
        said = (
            self._island.alarm,
            self._meter.alarm,
            self._counts.alarm,
            *self._balance.alarms,
            *self._watch.alarms,
            *operator,
            *self._site.alarms,
        )
        return tuple(alarm for alarm in said if alarm)

    def _report(
        self, snapshot: Snapshot, order: Order | None, late_s: float, at: float
    ) -> GuardReport:
        return GuardReport(
            tick=self._ticks,
            snapshot=snapshot,
            setpoints=self._memory.setpoints,
            settings=self._intake.settings,
            order_holds=order is not None,
            late_s=late_s,
            polls=self._site.take_polls(),
            alarms=self._alarms(),
            operator=self._intake.operator.reports if self._intake.operator else (),
            monotonic_s=at,
        )
