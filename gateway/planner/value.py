"""The strategy that values stored energy over uncertain prices and net load (see `induction`)."""

from __future__ import annotations

import numpy as np

from gateway.domain.plan import (
    BatterySpec,
    OfferCurve,
    Outlook,
    Plan,
    PriceValues,
    ValueCurve,
)
from gateway.planner.car import car_course
from gateway.planner.course import Stock, Worth, expected_course, offer_curve
from gateway.planner.history import Array
from gateway.planner.induction import Problem, energy_grid, marginal_values

_POINTS = 64


class ValueStrategy:
    """Backward induction over interval, price scenario and state of charge."""

    name = "value"

    def plan(self, outlook: Outlook) -> Plan:
        """Values, offers and course; pure."""
        car_wh, notes = car_course(outlook)
        spec = outlook.battery or _no_battery()
        grid = energy_grid(spec, _POINTS)
        problem = problem_of(outlook, car_wh, spec, grid)
        ends = marginal_values(problem, spec, grid)
        chances = _chances(problem, _weights(outlook, ends.shape[1]))
        means = np.einsum("tk,tks->ts", chances, ends)
        intervals = [f.interval for f in outlook.forecasts]
        points = tuple(grid.tolist())
        worths = Worth.of_rows(grid, means)
        course = expected_course(outlook, worths, car_wh, outlook.battery)
        return Plan(
            made_at=outlook.now,
            strategy=self.name,
            values=tuple(
                ValueCurve(i, points, tuple(row))
                for i, row in zip(intervals, means.tolist(), strict=True)
            ),
            offers=_offers(outlook, grid, ends, car_wh, course[0].stored_wh),
            course=course,
            notes=notes,
            price_values=_price_values(outlook, grid, ends),
        )


STRATEGY = ValueStrategy()


def problem_of(outlook: Outlook, car_wh: list[float], spec: BatterySpec, grid: Array) -> Problem:
    """The outlook as arrays."""
    forecasts = outlook.forecasts
    count = max(len(forecasts[0].market_scenarios), 1)
    imports = np.array([f.import_scenarios or (f.import_price,) * count for f in forecasts])
    exports = np.array([f.export_scenarios or (f.export_price,) * count for f in forecasts])
    load = np.array([f.load_wh for f in forecasts])
    pv = np.array([f.pv_wh for f in forecasts])
    net = load[:, 1] - pv[:, 1] + np.array(car_wh)
    hours = np.array([f.interval.hours for f in forecasts])
    transitions = np.array(outlook.transitions or [[1 / count] * count] * count)
    night = any(f.flat_night for f in forecasts)
    return Problem(
        hours=hours,
        net_wh=net[:, None],
        net_weights=np.ones(1),
        import_price=imports,
        export_price=exports,
        transitions=transitions,
        end_value=_end_value(imports.mean(axis=1), exports.mean(axis=1), spec, grid),
        export_limit_w=outlook.export_limit_w,
        import_limit_w=outlook.import_limit_w,
        resell=not night,
    )


def _end_value(imports: Array, exports: Array, spec: BatterySpec, grid: Array) -> Array:
    """What is left at the horizon is worth a usual day's prices, the first Wh more than the last."""
    dear = (float(np.quantile(imports, 0.75)) - spec.wear_per_mwh) * spec.discharge_efficiency
    cheap = float(np.quantile(exports, 0.25)) / spec.charge_efficiency
    return np.linspace(max(dear, cheap), min(dear, cheap), grid.size)


def _weights(outlook: Outlook, count: int) -> Array:
    return np.array(outlook.scenario_weights or [1 / count] * count)


def _chances(problem: Problem, weights: Array) -> Array:
    """How likely each scenario is in each interval, given what is known now: [T, K]."""
    rows = [weights]
    for _ in range(problem.import_price.shape[0] - 1):
        rows.append(rows[-1] @ problem.transitions)
    return np.vstack(rows)


def _price_values(outlook: Outlook, grid: Array, ends: Array) -> tuple[PriceValues, ...]:
    points = tuple(grid.tolist())
    made = []
    for t, forecast in enumerate(outlook.forecasts[: outlook.offer_intervals + 1]):
        if not forecast.market_scenarios:
            continue
        curves = tuple(ValueCurve(forecast.interval, points, tuple(r)) for r in ends[t].tolist())
        made.append(PriceValues(forecast.interval, forecast.market_scenarios, curves))
    return tuple(made)


def _offers(
    outlook: Outlook, grid: Array, ends: Array, car_wh: list[float], next_wh: float
) -> tuple[OfferCurve, ...]:
    stock = Stock(outlook.stored_wh, outlook.resellable_wh)
    made: list[OfferCurve] = []
    for t, forecast in enumerate(outlook.forecasts):
        if forecast.interval.start < outlook.now:
            stock.stored_wh = min(stock.stored_wh, next_wh)
            stock.resellable_wh = min(stock.resellable_wh, stock.stored_wh)
            continue
        if len(made) >= outlook.offer_intervals:
            break
        prices = np.array(forecast.market_scenarios or (forecast.market_price,))
        worths = Worth.of_rows(grid, ends[t])
        made.append(offer_curve(forecast, prices, worths, stock, outlook, car_wh[t]))
    return tuple(made)


def _no_battery() -> BatterySpec:
    return BatterySpec(capacity_wh=1, reserve_wh=0, max_charge_w=0, max_discharge_w=0)
