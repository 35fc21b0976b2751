"""Runs a strategy, or a yardstick, through the past and counts energy and money.

At each interval the strategy knows the load, PV and real-time prices of earlier intervals and the
day-ahead prices published so far. Its answer to every possible price is fixed before the price is
known (the values given the clearing price); the price then clears it, and control meets the load and
PV that come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gateway.backtest.case import Case
from gateway.backtest.data import Series
from gateway.backtest.sessions import HOURS, Session, at_once, sessions_of
from gateway.domain.intervals import QUARTER, Interval
from gateway.domain.plan import CarNeed, Outlook, Plan, ValueCurve
from gateway.forecasts.history import Array, History, quarter_at, quarter_index
from gateway.forecasts.load_pv import EnergyForecaster
from gateway.forecasts.prices import PriceForecaster
from gateway.forecasts.pv_provider import Judge, even, with_provider
from gateway.forecasts.weather import Temperatures
from gateway.planner import Strategy
from gateway.planner.car import best_charge
from gateway.planner.dispatch import (
    DispatchInterval,
    ValueIntegral,
    after_interval,
    best_discharge,
    discharge_bounds,
)
from gateway.planner.outlook import Home, KnownPrices, Options, outlook_from
from gateway.tariff import Terms

_PUBLISHED = time(13, 30)  # local; then the next day's day-ahead prices are known
Progress = Callable[[int, int], None]


class Prices(NamedTuple):
    """What a MWh cost and earned in each interval."""

    imports: Array
    exports: Array


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run by interval: AC Wh (``discharge`` is signed, charge -), stored Wh at the end, and what
    an ending interval's stored energy was worth to the strategy (per MWh, NaN for yardsticks)."""

    name: str
    discharge: Array
    car: Array
    stored: Array
    grid: Array
    cash: Array  # currency units: export - import - wear
    value: Array
    note: str = ""  # what this outcome is not: a yardstick may be a bound that no schedule reaches

    @property
    def total(self) -> float:
        return float(self.cash.sum())


def retail_prices(series: Series, case: Case) -> Prices:
    """The tariff over the series, at the real-time prices; 0 where a published price is a part of it."""
    intervals = [quarter_at(series.first + i) for i in range(len(series))]

    def at_market(terms: list[Terms]) -> Array:
        base, on_market, on_published = np.array(terms).T
        priced: Array = np.where(on_published == 0, base + on_market * series.rt, 0.0)
        return priced

    rules = case.tariff
    return Prices(
        at_market(rules.import_terms_of(intervals)), at_market(rules.export_terms_of(intervals))
    )


@dataclass(frozen=True, slots=True)
class Schedule:
    """What battery and car did in each interval (AC Wh; stored Wh at the end)."""

    discharge: Array
    car: Array
    stored: Array


def outcome(
    name: str, series: Series, case: Case, schedule: Schedule, value: Array | None = None
) -> Outcome:
    """Counts the money of a schedule."""
    prices = retail_prices(series, case)
    discharge = schedule.discharge
    grid = series.load + schedule.car - series.pv - discharge
    if case.export_limit_w is not None:  # what may not leave is lost
        grid = np.maximum(grid, -case.export_limit_w * HOURS)
    cash = -np.where(grid > 0, grid * prices.imports, grid * prices.exports)
    cash -= case.battery.wear_per_mwh * np.maximum(discharge, 0)
    cash -= 1e6 * _demand_charge(series, case, grid)
    value = np.full(len(series), np.nan) if value is None else value
    return Outcome(name, discharge, schedule.car, schedule.stored, grid, cash / 1e6, value)


def months_of(series: Series, case: Case) -> Array:
    """A number for the local month of each interval."""
    local = (series.start(i).astimezone(case.zone) for i in range(len(series)))
    return np.array([12 * t.year + t.month for t in local])


def _demand_charge(series: Series, case: Case, grid: Array) -> Array:
    """What each interval adds to its month's peak, in money; fixed fees are left out: all pay them."""
    charge = float(case.tariff.tariff.demand_charge_per_kw)
    added = np.zeros(len(series))
    if charge <= 0:
        return added
    months = months_of(series, case)
    for month in np.unique(months):
        rows = np.flatnonzero(months == month)
        peaks = np.maximum.accumulate(np.maximum(grid[rows], 0) / HOURS / 1000)
        added[rows] = charge * np.diff(peaks, prepend=0.0)
    return added


def no_battery(series: Series, case: Case) -> Outcome:
    """The home without storage; a car charges when it arrives."""
    zero = np.zeros(len(series))
    car = at_once(sessions_of(series, case), len(series))
    return outcome("none", series, case, Schedule(zero, car, zero))


def self_consumption(series: Series, case: Case) -> Outcome:
    """Surplus into the battery, the battery into house and car, whatever the prices."""
    stored, spec = case.start_wh, case.battery
    car = at_once(sessions_of(series, case), len(series))
    moved, held = np.empty(len(series)), np.empty(len(series))
    for i, net in enumerate((series.load + car - series.pv).tolist()):
        room = (spec.capacity_wh - stored) / spec.charge_efficiency
        left = max(stored - spec.reserve_wh, 0.0) * spec.discharge_efficiency
        if net < 0:
            x = -min(-net, spec.max_charge_w * HOURS, room)
        else:
            x = min(net, spec.max_discharge_w * HOURS, left)
        stored = after_interval(stored, x, HOURS, spec)
        moved[i], held[i] = x, stored
    return outcome("greedy", series, case, Schedule(moved, car, held))


def simulate(
    series: Series,
    case: Case,
    planner: Strategy,
    progress: Progress | None = None,
    lead: int = 0,
    market: PriceForecaster | None = None,
) -> Outcome:
    """The strategy's run over the series, after the first ``lead`` intervals, which it only learns from.

    ``market`` takes the place of the case's way to forecast market prices.
    """
    run = Replay(series, case, lead, market)
    coming = series.part(lead, len(series))
    moved, taken, held, valued = (np.empty(len(coming)) for _ in range(4))
    plan: Plan | None = None
    for k in range(len(coming)):
        i = lead + k
        if plan is None or i % case.replan_quarters == 0 or run.arrives(i):
            plan = planner.plan(replace(run.outlook(i), values_only=True))
        curve = plan.value(series.start(i), float(series.rt[i]))
        if curve is None:
            raise ValueError("the plan ends before the next plan is made")
        taken[k] = run.charge_car(i, plan)
        moved[k] = run.step(i, curve, taken[k])
        held[k], valued[k] = run.stored, curve.at(run.stored)
        if progress and (k % 96 == 95 or k + 1 == len(coming)):
            progress(k + 1, len(coming))
    return outcome(planner.name, coming, case, Schedule(moved, taken, held), valued)


class Replay:
    """The home while it is simulated: what is stored, of which origin, and what is published."""

    def __init__(
        self, series: Series, case: Case, lead: int = 0, market: PriceForecaster | None = None
    ) -> None:
        """It begins after ``lead`` intervals; until then no car is seen."""
        self._series, self._case = series, case
        self._prices = retail_prices(series, case)
        self._forecaster = EnergyForecaster(
            case.zone, case.place, case.rest_day, case.usual, case.variant.regression
        )
        self._market = market or PriceForecaster(case.variant.alike)
        self._judge = Judge()
        self._published: dict[datetime, float] = {}
        self._known = list(_known_until(series, case))
        self._seen = 0
        stays = sessions_of(series.part(lead, len(series)), case)
        self._sessions = {lead + s.first: s.later(lead) for s in stays}
        self._session: Session | None = None
        self._charged = 0.0  # in this session
        charged = case.tariff.tariff.demand_charge_per_kw > 0
        self._months = months_of(series, case) if charged else np.empty(0)
        self._imported = np.zeros(len(series))
        self._limit: float | None = case.import_limit_w
        self._planned_at = 0.0  # ... when the plan was made
        self.stored = case.start_wh
        self.resellable = case.start_wh

    def arrives(self, i: int) -> bool:
        """Whether the car is plugged in at interval ``i``."""
        return i in self._sessions

    def outlook(self, i: int) -> Outlook:
        """What may be known when interval ``i`` begins."""
        s, case = self._series, self._case
        for k in range(self._seen, self._known[i]):
            self._published[s.start(k)] = float(s.da[k])
        self._seen = self._known[i]
        self._visit(i)
        keep = max(i - 60 * 96, 0)
        past = slice(keep, i)
        history = History(s.first + keep, s.load[past], s.pv[past], s.rt[past], s.da[past])
        home = Home(
            battery=case.battery,
            stored_wh=self.stored,
            resellable_wh=self.resellable,
            cars=self._needs(),
            month_peak_w=self._month_peak(i),
            grid_energy_stays=case.grid_energy_stays,
            car_from_battery=case.car_from_battery,
            export_limit_w=case.export_limit_w,
            import_limit_w=case.import_limit_w,
        )
        outside = s.temperature
        options = Options(
            case.horizon_h,
            quantity_quantile=case.quantity_quantile,
            offer_intervals=case.replan_quarters,
            forecaster=self._forecaster,
            prices=self._market,
            temperatures=None if outside is None else Temperatures(s.first, outside),
            careful=case.careful,
        )
        known = KnownPrices(day_ahead=self._published)
        made = outlook_from(s.start(i), history, known, case.tariff, home, options)
        made = self._provided(made, i)
        self._limit = made.import_limit_w
        return made

    def _provided(self, made: Outlook, i: int) -> Outlook:
        """With the weather service's PV forecast, once it has erred less than the home's own."""
        s = self._series
        if s.pv_forecast is None:
            return made
        coming = slice(i, i + len(made.forecasts))
        given = {
            s.start(i + k): even(float(wh))
            for k, wh in enumerate(s.pv_forecast[coming])
            if not np.isnan(wh)
        }
        self._judge.note(made.forecasts, given, made.now)
        better = self._judge.verdict(lambda t: self._pv_before(t, i), made.now).provider_is_better
        return with_provider(made, given) if better else made

    def _pv_before(self, start: datetime, i: int) -> float | None:
        """The PV of a quarter-hour that is over when interval ``i`` begins."""
        k = quarter_index(start) - self._series.first
        return float(self._series.pv[k]) if 0 <= k < i else None

    def _month_peak(self, i: int) -> float:
        """The month's highest quarter-hour import before interval ``i``, W."""
        if not self._months.size:
            return 0.0
        same = self._months[:i] == self._months[i]
        return float(self._imported[:i][same].max(initial=0.0)) / HOURS

    def _visit(self, i: int) -> None:
        """The car comes and goes."""
        if self._session is not None and i >= self._session.end:
            self._session = None
        if i in self._sessions:
            self._session, self._charged = self._sessions[i], 0.0
        self._planned_at = self._charged

    def _needs(self) -> tuple[CarNeed, ...]:
        if self._session is None:
            return ()
        return (self._session.need(self._charged, self._series.start(self._session.end)),)

    def charge_car(self, i: int, plan: Plan) -> float:
        """The car answers the interval's price and surplus by its value; returns AC Wh."""
        s, session = self._series, self._session
        if session is None or i >= session.end:
            return 0.0
        since = self._charged - self._planned_at
        need = session.need(self._planned_at, s.start(session.end))
        curve = plan.car_value("car", s.start(i), float(s.rt[i]))
        if curve is None:  # it has what it wants
            return 0.0
        net = float(s.load[i] - s.pv[i])
        buy, sell = float(self._prices.imports[i]), float(self._prices.exports[i])
        step = DispatchInterval(HOURS, net, buy, sell, None, self._limit)
        x = best_charge(ValueIntegral.of_curve(curve), since, step, need)
        self._charged += x
        return x

    def step(self, i: int, curve: ValueCurve, car_wh: float, sold_wh: float = 0.0) -> float:
        """Control meets the interval's load, PV and price, and first of all what is sold; returns the discharge."""
        s, case = self._series, self._case
        spec = case.battery
        net = float(s.load[i] - s.pv[i]) + car_wh
        night = case.grid_energy_stays or case.tariff.tariff.flat_night is not None
        step = DispatchInterval(
            hours=HOURS,
            net_wh=net,
            import_price=float(self._prices.imports[i]),
            export_price=float(self._prices.exports[i]),
            export_limit_w=case.export_limit_w,
            import_limit_w=self._limit,
            exportable_wh=self.resellable * spec.discharge_efficiency if night else None,
            car_alone_wh=0.0 if case.car_from_battery else car_wh,
        )
        x = best_discharge(ValueIntegral.of_curve(curve), self.stored, step, spec)
        if sold_wh > 0:
            most = discharge_bounds(self.stored, step, spec)[1]
            x = max(x, min(net + sold_wh, most))
        return self._moved(i, x, net)

    def follow(self, i: int, discharge_wh: float) -> float:
        """A schedule's AC Wh as far as power and stored energy allow; returns what was done."""
        net = float(self._series.load[i] - self._series.pv[i])
        low, high = discharge_bounds(
            self.stored, DispatchInterval(HOURS, net, 0.0, 0.0), self._case.battery
        )
        return self._moved(i, min(max(discharge_wh, low), high), net)

    def _moved(self, i: int, x: float, net: float) -> float:
        """Counts what the battery did: energy, and of which origin the rest is."""
        self._imported[i] = max(net - x, 0.0)
        spec = self._case.battery
        interval = Interval(self._series.start(i), self._series.start(i) + QUARTER)
        self.stored = after_interval(self.stored, x, HOURS, spec)
        stays = self._case.grid_energy_stays or self._case.tariff.is_flat_night(interval)
        if x < 0 and not stays:
            self.resellable += -x * spec.charge_efficiency
        elif x < 0:
            self.resellable += min(-x, max(-net, 0.0)) * spec.charge_efficiency
        else:
            sold = max(x - max(net, 0.0), 0.0)
            self.resellable -= sold / spec.discharge_efficiency
        self.resellable = min(max(self.resellable, 0.0), self.stored)
        return x


def _known_until(series: Series, case: Case) -> Iterator[int]:
    """For each interval, the index up to which day-ahead prices are published when it begins."""
    local = [series.start(i).astimezone(case.zone) for i in range(len(series))]
    days = [t.date() for t in local]
    borders = [i for i, (a, b) in enumerate(pairwise(days), start=1) if a != b]
    ends = {days[i - 1]: i for i in borders}
    for t in local:
        day = t.date() + timedelta(days=1) if t.time() >= _PUBLISHED else t.date()
        yield ends.get(day, len(series))
