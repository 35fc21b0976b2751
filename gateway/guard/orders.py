"""Takes orders in: what is out of range is refused and said once; what has run out no longer holds.

An order is a lease. How long it holds is counted from its arrival on the monotonic clock, so that a
clock that is set makes no order live longer. The standing settings in it outlive it: they are kept in
the guard's own file.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import datetime, timedelta
from itertools import pairwise

from gateway.clock import Clock
from gateway.domain.control import GridLimits
from gateway.domain.grid_operator import OperatorWord
from gateway.domain.order import EVERY_DAY, IntervalTerms, Order, StandingSettings
from gateway.domain.plan import ValueCurve
from gateway.domain.readings import Snapshot
from gateway.errors import StorageError
from gateway.guard.intents import GuardFile
from gateway.guard.operator import GridOperator

log = logging.getLogger(__name__)

LONGEST_LEASE = timedelta(minutes=10)
LONGEST_INTERVAL = timedelta(hours=1)
MOST_TERMS = 16
MOST_DEPARTURES = 64
MOST_POINTS = 4096  # of a value curve
MOST_PRICE = 1e9  # per MWh; no currency's electricity costs more
MOST_W = 1e7
MOST_WH = 1e8
MOST_COUNTED_WH = 1e12  # a lifetime counter; no home's meter ever gets there


class OrderIntake:
    """The order in force, if any, and the settings that hold without one."""

    def __init__(
        self,
        file: GuardFile,
        configured: StandingSettings,
        clock: Clock,
        operator: GridOperator | None = None,
    ) -> None:
        """``configured`` holds until somebody has said otherwise; its limits are never exceeded.

        ``operator`` keeps what the grid operator said; None: nobody listens to one.
        """
        self.operator = operator
        self._file, self._configured, self._clock = file, configured, clock
        self._order: Order | None = None
        self._until = -math.inf
        self._refused = ""
        self._unstored = False
        self._told = self._remembered()
        self.settings = self._tightened(self._told or configured)
        self._word: OperatorWord | None = None

    def take(self, order: Order) -> bool:
        """Let ``order`` replace the one before; False if it is refused."""
        why = fault(order)
        if why:
            if why != self._refused:
                log.warning("an order of the agent is refused: %s", why)
            self._refused = why
            return False
        self._refused = ""
        left_s = (order.valid_until - order.made_at).total_seconds()
        self._order, self._until = order, self._clock.monotonic() + left_s
        self._told = order.settings
        self._word = order.operator or self._word
        self.settings = self._tightened(order.settings)
        return True

    @property
    def memory(self) -> GuardFile:
        """Where a few words outlive a restart."""
        return self._file

    def current(self) -> Order | None:
        """The order in force; None when it has run out or none has come.

        It is asked for once a tick, before the tick's report: then the settings are kept, so that a
        thousand orders that change them cost no more than one write to the disk.
        """
        self._keep()
        if self._order is not None and self._clock.monotonic() >= self._until:
            self._order = None
        return self._order

    def allowed(self, snapshot: Snapshot, now: datetime, at: float) -> GridLimits:
        """What the grid operator allows at the connection now; asked for once a tick."""
        if self.operator is None:
            return GridLimits()
        return self.operator.look(snapshot, self._word, now, at)

    def drop(self, why: Exception) -> None:
        """The order in force is one that no decision can be made by; nobody obeys it again."""
        log.error("the order in force is dropped, nothing can be decided by it: %r", why)
        self._order = None

    def _remembered(self) -> StandingSettings | None:
        """What the file says, unless it is out of range: it may have been edited or damaged."""
        told = self._file.settings
        why = "" if told is None else next(_faults_of_settings(told), "")
        if why:
            log.error("the settings in the guard's file are not used: %s", why)
        return None if why else told

    def _keep(self) -> None:
        try:
            self._file.put_back()
            if self._told is not None:
                self._file.keep_settings(self._told)
            self._unstored = False
        except StorageError as error:
            if not self._unstored:
                log.error("the settings hold, but a restart would not know them: %s", error)
            self._unstored = True

    def _tightened(self, settings: StandingSettings) -> StandingSettings:
        """No order widens what the connection allows."""
        own = self._configured
        return replace(
            settings,
            export_limit_w=_smaller(settings.export_limit_w, own.export_limit_w),
            import_limit_w=_smaller(settings.import_limit_w, own.import_limit_w),
        )


def fault(order: Order) -> str:
    """Why this order can't be obeyed, in a few words; empty if it can."""
    return next(_faults(order), "")


def _faults(order: Order) -> Iterator[str]:
    if None in (order.made_at.tzinfo, order.valid_until.tzinfo):
        yield "it has a time without a zone"
        return  # such times cannot even be compared
    if not timedelta(0) < order.valid_until - order.made_at <= LONGEST_LEASE:
        yield f"it would hold for {order.valid_until - order.made_at}"
    if len(order.terms) > MOST_TERMS:
        yield f"it has terms for {len(order.terms)} intervals"
    yield from _faults_of_settings(order.settings)
    if not _within(order.peak_import_w, 0, MOST_W):
        yield f"peak_import_w = {order.peak_import_w}"
    for terms in order.terms:
        yield from _faults_of(terms)
    for command in order.operator.commands if order.operator else ():
        if not _within(command.limit_w, 0, MOST_W):
            yield f"an {command.direction} limit of the operator of {command.limit_w}"
        if command.until is not None and command.until.tzinfo is None:
            yield "a limit of the operator until a time without a zone"


def _faults_of_settings(settings: StandingSettings) -> Iterator[str]:
    if not 0 <= settings.reserve_pct <= 100:
        yield f"a reserve of {settings.reserve_pct} %"
    for name in ("export_limit_w", "import_limit_w"):
        if not _within(getattr(settings, name), 0, MOST_W):
            yield f"{name} = {getattr(settings, name)}"
    yield from _faults_of_cars(settings)


def _faults_of_cars(settings: StandingSettings) -> Iterator[str]:
    bounds = {
        "departure_energy_wh": (0, MOST_WH),
        "car_limit_wh": (0, MOST_WH),
        "car_more_per_kwh": (-MOST_PRICE, MOST_PRICE),
        "car_surplus_w": (0, MOST_W),
    }
    for name, (least, most) in bounds.items():
        if not _within(getattr(settings, name), least, most):
            yield f"{name} = {getattr(settings, name)}"
    if not set(settings.departure_days) <= set(EVERY_DAY):
        yield f"departure_days = {settings.departure_days}"
    if len(settings.departures) > MOST_DEPARTURES:
        yield f"it has {len(settings.departures)} departures"
    for departure in settings.departures:
        if departure.at.tzinfo is None or not _within(departure.energy_wh, 0, MOST_WH):
            yield f"a departure at {departure.at} with {departure.energy_wh} Wh"


def _faults_of(terms: IntervalTerms) -> Iterator[str]:
    if terms.interval.end - terms.interval.start > LONGEST_INTERVAL:
        yield f"an interval of {terms.interval.end - terms.interval.start}"
    if abs(terms.position_wh) > MOST_WH:
        yield f"position_wh = {terms.position_wh}"
    for name in ("import_price", "export_price"):
        if not _within(getattr(terms, name), -MOST_PRICE, MOST_PRICE):
            yield f"{name} = {getattr(terms, name)}"
    counters = terms.start_counters
    if counters is not None:
        for field in fields(counters):
            counted_wh = getattr(counters, field.name)
            if not _within(counted_wh, -MOST_COUNTED_WH, MOST_COUNTED_WH):
                yield f"{field.name} = {counted_wh} at the interval's start"
    each = (*terms.car_values.values(), *terms.heat_values.values())
    curves = [c for c in (terms.value, *each) if c is not None]
    if max(len(terms.car_values), len(terms.heat_values)) > MOST_TERMS or not all(
        map(_is_curve, curves)
    ):
        yield "a value curve that is none"


def _is_curve(curve: ValueCurve) -> bool:
    grid, values = curve.stored_wh, curve.value_per_mwh
    if not 0 < len(grid) == len(values) <= MOST_POINTS:
        return False
    rises = all(a < b for a, b in pairwise(grid))
    return rises and all(math.isfinite(x) and abs(x) <= MOST_PRICE for x in (*grid, *values))


def _within(value: float | None, least: float, most: float) -> bool:
    return value is None or (math.isfinite(value) and least <= value <= most)


def _smaller(a: float | None, b: float | None) -> float | None:
    known = [x for x in (a, b) if x is not None]
    return min(known, default=None)
