"""The strategy that values stored energy over uncertain prices and net load (see `induction`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gateway.domain.plan import (
    NO_LIMIT_W,
    BatterySpec,
    Outlook,
    Plan,
    ValueCurve,
)
from gateway.forecasts.history import Array
from gateway.forecasts.prices import scenario_chances
from gateway.forecasts.regression import quantile
from gateway.planner.car import MISSED, price_values
from gateway.planner.careful import bounds, held_by_price, held_means
from gateway.planner.heat import HeatPlans, beside_heat, heat_plans, with_heat
from gateway.planner.horizon import Horizon
from gateway.planner.induction import marginal_values
from gateway.planner.offers import battery_offers
from gateway.planner.problem import LimitW, Problem, by_interval, coarsened, energy_grid, graded
from gateway.planner.schedule import expected_schedule, with_more, without_lost
from gateway.planner.several_cars import car_plans

_POINTS = 48
# Begin and length, h: quarter-hours for four hours, then halves; hours from twelve hours on, and two from a day on.
_GRADES = ((0.0, 0.25), (4.0, 0.5), (12.0, 1.0), (24.0, 2.0))
# Of the 0.1, 0.5 and 0.9 quantiles, and of a day without sun: the past week's errors do not know it, and
# a planner who is sure of the afternoon's sun exports the morning's. With it that can cost something.
_NET_WEIGHTS = np.array([0.25, 0.5, 0.22, 0.03])
_BEYOND = 10.0  # times the dearest price: what a MWh beyond an announced limit is taken to cost
_DULL = 0.1  # of the expected PV, under heavy cloud


class ValueStrategy:
    """Backward induction over interval, price scenario and state of charge."""

    name = "value"

    def plan(self, outlook: Outlook) -> Plan:
        """Values, offers and schedule; pure."""
        if outlook.heaters:
            heat = heat_plans_of(outlook)
            return with_heat(self.plan(beside_heat(outlook, heat)), heat)
        spec = outlook.battery or no_battery()
        coming, grid = Horizon.of(outlook.forecasts), energy_grid(spec, _POINTS)
        problem, weights = home_problem(outlook)
        count = len(coming)
        chances = scenario_chances(weights, problem.transitions, count)
        cars = car_plans(outlook, problem, chances)
        problem = replace(
            problem,
            net_wh=problem.net_wh + np.array(cars.energy_wh)[:, None],
            end_value=_end_value(outlook, spec, grid),
            most_out_wh=_beside_cars(outlook, problem, spec, np.array(cars.energy_wh)),
            # What cars draw beyond the limit is kept for them as for an announced one.
            announced_w=problem.import_limit_w if cars.helped else problem.announced_w,
        )
        detailed = min(outlook.offer_intervals + 1, count)
        merged = coarsened(problem, graded(count, _GRADES, detailed, problem.step_h))
        first = detailed if outlook.values_only else None
        values = marginal_values(merged, spec, grid, chances, detailed, first)
        means, ends = values.expected, values.by_scenario
        given = coming.market_scenarios[:detailed], ends
        if outlook.caution:
            limits = bounds(outlook, spec)
            means = held_means(means, grid, outlook, limits, spec)
            given = held_by_price(given, grid, outlook, limits, spec)
            ends = given[1][:, 1:-1]
        points = tuple(grid.tolist())
        plan = Plan(
            made_at=outlook.now,
            strategy=self.name,
            values=tuple(
                ValueCurve(interval, points, tuple(row))
                for interval, row in zip(coming.intervals, means.tolist(), strict=False)
            ),
            cars=cars.values,
            notes=cars.notes,
            price_values=price_values(coming, grid, *given),
            import_limit_w=outlook.import_limit_w,
        )
        if outlook.values_only:
            return plan
        schedule = expected_schedule(outlook, grid, means, cars.energy_wh, outlook.battery)
        offers = battery_offers(outlook, grid, ends, cars.energy_wh, schedule[0].stored_wh)
        return replace(
            plan, offers=offers, schedule=without_lost(outlook, with_more(outlook, schedule))
        )


STRATEGY = ValueStrategy()


def home_problem(outlook: Outlook) -> tuple[Problem, Array]:
    """The outlook as arrays, without car and end value, and the weights of the first scenarios."""
    coming = Horizon.of(outlook.forecasts)
    exports, count = coming.sold.scenarios, coming.market_scenarios.shape[1]
    if outlook.trading:  # an offer is filled where the market pays more than the retailer
        exports = np.maximum(exports, coming.market_scenarios)
    export_w, import_w, announced_w = _limits(outlook)
    step_h = float(coming.hours[0])
    dearest = max(float(np.abs(side.expected).max()) for side in (coming.bought, coming.sold))
    problem = Problem(
        hours=coming.hours,
        net_wh=_net_cases(coming.load_wh, coming.pv_wh),
        net_weights=_NET_WEIGHTS,
        import_price=coming.bought.scenarios,
        export_price=exports,
        transitions=by_interval(
            np.array(outlook.transitions or [[1 / count] * count] * count), step_h
        ),
        end_value=np.zeros(1),
        export_limit_w=export_w,
        import_limit_w=import_w,
        resell=not any(coming.flat_night),
        announced_w=announced_w,
        beyond_price=_BEYOND * dearest or MISSED,  # where all is free a limit still holds
        step_h=step_h,
    )
    return problem, np.array(outlook.scenario_weights or [1 / count] * count)


def _limits(outlook: Outlook) -> tuple[LimitW, LimitW, LimitW]:
    """Of export and import, and the announced ones of import: by interval where some are announced."""
    export_w, import_w = outlook.export_limit_w, outlook.import_limit_w
    if not outlook.announced_w:
        return export_w, import_w, None
    out, into = (column[:, None] for column in np.array(outlook.announced_w).T)
    announced = into if (into < NO_LIMIT_W).any() else None
    return _both(export_w, out), _both(import_w, into), announced


def _both(always_w: float | None, announced_w: Array) -> Array:
    return announced_w if always_w is None else np.minimum(announced_w, always_w)


def heat_plans_of(outlook: Outlook) -> HeatPlans:
    """When the heaters heat, before all else is planned."""
    problem, weights = home_problem(outlook)
    chances = scenario_chances(weights, problem.transitions, len(outlook.forecasts))
    return heat_plans(outlook, problem, chances)


def _beside_cars(
    outlook: Outlook, problem: Problem, spec: BatterySpec, car_wh: Array
) -> Array | None:
    """What the battery may give while cars charge that it may not feed: what the house needs, as control does."""
    if outlook.car_from_battery or not car_wh.any():
        return None
    house = np.maximum(problem.net_wh, 0.0)
    power = spec.max_discharge_w * problem.hours[:, None]
    return np.where(car_wh[:, None] > 0, np.minimum(house, power), power)


def _net_cases(load: Array, pv: Array) -> Array:
    """Net load low, middle, high and on a dull day [T, 4]; load and PV err independently."""
    middle = load[:, 1] - pv[:, 1]
    below = np.hypot(load[:, 1] - load[:, 0], pv[:, 2] - pv[:, 1])
    above = np.hypot(load[:, 2] - load[:, 1], pv[:, 1] - pv[:, 0])
    dull = np.maximum(load[:, 1] - _DULL * pv[:, 1], middle + above)
    return np.stack([middle - below, middle, middle + above, dull], axis=1)


def _end_value(outlook: Outlook, spec: BatterySpec, grid: Array) -> Array:
    """What is left at the horizon is worth a usual day's prices, the first Wh more than the last."""
    coming = Horizon.of(outlook.forecasts)
    imports, exports = np.sort(coming.bought.expected), np.sort(coming.sold.expected)
    dear = (quantile(imports, 0.75) - spec.wear_per_mwh) * spec.discharge_efficiency
    cheap = quantile(exports, 0.25) / spec.charge_efficiency
    return np.linspace(max(dear, cheap), min(dear, cheap), grid.size)


def no_battery() -> BatterySpec:
    """A battery that can do nothing, where the home has none."""
    return BatterySpec(capacity_wh=1, reserve_wh=0, max_charge_w=0, max_discharge_w=0)
