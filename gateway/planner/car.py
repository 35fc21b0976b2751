"""Cars as stores: what another Wh in each is worth before departure, and when it charges.

The same induction as for the battery, over the energy charged so far; a car only takes. What is
missing at departure is worth more than any price, so readiness needs no rule of its own: where time
gets short the value rises by itself. Cars are planned first (several: `several_cars`), the battery on what is left then;
against one joint programme that lost at most 0.1 % of the savings (docs/planning.md). At each moment control weighs car
and battery by both values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile

import numpy as np

from gateway.domain.plan import (
    NO_LIMIT_W,
    BatterySpec,
    CarNeed,
    CarValues,
    Outlook,
    PriceValues,
    ValueCurve,
)
from gateway.domain.sentences import Sentence, sentence
from gateway.forecasts.history import Array
from gateway.planner.dispatch import (
    DispatchInterval,
    DispatchIntervals,
    ValueIntegral,
    best_discharge,
    towards,
)
from gateway.planner.horizon import Horizon
from gateway.planner.induction import marginal_values
from gateway.planner.problem import QUARTER_H, Problem, coarsened, first_of, graded

# AC Wh that others take, and the import limits, by interval
Beside = tuple[Array, Sequence[float | None]]
MISSED = 1e5  # per MWh not charged at departure: above any market's cap
_POINTS = 49
_GRADES = ((0.0, 0.25), (4.0, 0.5))  # begin and length, h
# A later Wh is taken as so much dearer for each quarter-hour of waiting. It decides ties: at a flat price
# the car charges at once and in one go, so that it is rather early than late and the contactor rests.
EARLIER = 0.05  # per MWh


@dataclass(frozen=True, slots=True)
class CarPlan:
    """AC Wh by interval, the values over energy charged from now on, and what cannot be met."""

    energy_wh: list[float]
    values: CarValues | None = None
    notes: tuple[Sentence, ...] = ()
    missing_wh: float = 0.0
    hours: Array = field(
        default_factory=lambda: np.zeros(0)
    )  # plugged, of each interval until departure


def car_plan(
    outlook: Outlook, car: CarNeed, problem: Problem, chances: Array, taken: Array
) -> CarPlan:
    """When one car charges; ``taken`` is what others do, AC Wh by interval, and part of ``problem``.

    While it is not known from how many phases it draws it is planned with one: it may begin too early, and
    a minute later that is known.
    """
    count = len(outlook.forecasts)
    if car.energy_wh <= 0:
        return CarPlan([0.0] * count)
    power_w, least_w = car.planned_power_w, car.min_power_w
    car = replace(car, max_power_w=power_w, min_power_w=min(least_w, power_w))
    hours = hours_until_departure(outlook, car)
    steps = int(np.count_nonzero(hours))
    if steps == 0:
        missing_wh = missing(car, 0.0, outlook)
        return CarPlan([0.0] * count, None, _note(car, 0.0, outlook), missing_wh)
    grid = np.linspace(0.0, car.energy_wh, _POINTS)
    mine = _car_problem(problem, hours[:steps], car, outlook, taken)
    detailed = min(outlook.offer_intervals + 1, steps)
    merged = coarsened(mine, graded(steps, _GRADES, detailed, problem.step_h))
    store = _as_battery(car, car.max_power_w)
    found = marginal_values(merged, store, grid, chances[:steps], detailed)
    means = found.expected
    limits_w = _limits_w(problem, count)
    energy = _charges(outlook, car, hours[:steps], grid, means, (taken, limits_w))
    charged = sum(energy)
    energy += [0.0] * (count - steps)
    points = tuple(grid.tolist())
    coming = Horizon.of(outlook.forecasts)
    values = tuple(
        ValueCurve(interval, points, tuple(row))
        for interval, row in zip(coming.intervals, means.tolist(), strict=False)
    )
    given = price_values(coming, grid, coming.market_scenarios[:detailed], found.by_scenario)
    missing_wh = missing(car, charged, outlook)
    notes = _note(car, charged, outlook) or _no_room_note(
        least_w, hours, outlook, (taken, limits_w)
    )
    return CarPlan(energy, CarValues(values, given), notes, missing_wh, hours)


def _limits_w(problem: Problem, count: int) -> list[float | None]:
    """Most that may be drawn, by interval."""
    limit_w = problem.import_limit_w
    if not isinstance(limit_w, np.ndarray):
        return [limit_w] * count
    return [None if w >= NO_LIMIT_W else w for w in limit_w[:, 0].tolist()]


def _charges(
    outlook: Outlook, car: CarNeed, hours: Array, grid: Array, rows: Array, beside: Beside
) -> list[float]:
    """What the car takes in each interval if everything comes as expected; ``rows`` [T, S] are its values."""
    taken, limits_w = beside
    coming, count = Horizon.of(outlook.forecasts), len(rows)
    late = EARLIER * np.arange(count) * float(coming.hours[0]) / QUARTER_H
    net = coming.load_wh[:count, 1] - coming.pv_wh[:count, 1] + taken[:count]
    steps = DispatchIntervals(
        hours,
        net,
        coming.bought.expected[:count] + late,
        coming.sold.expected[:count] + late,
        [None] * count,
        limits_w[:count],
        np.zeros(count),
    )
    store, charged, made = _as_battery(car, car.max_power_w), 0.0, []
    levels, points = steps.levels(grid, rows, store), grid.tolist()
    for step, level, row in zip(steps.each(), levels, rows.tolist(), strict=True):
        wished = None if level is None else -towards(level, charged, step.net_wh, store)
        made.append(_best(ValueIntegral(points, row), wished, charged, step, car))
        charged += made[-1]
    return made


def price_values(
    coming: Horizon, grid: Array, prices: Array, by_price: Array
) -> tuple[PriceValues, ...]:
    """The values [D, K, S] of the first intervals, given the price [D, K] that clears each."""
    if coming.market_scenarios.shape[1] == 1:  # whatever clears, the value is the expected one
        return ()
    points = tuple(grid.tolist())
    made = []
    for interval, candidates, rows in zip(
        coming.intervals, prices.tolist(), by_price.tolist(), strict=False
    ):
        curves = tuple(ValueCurve(interval, points, tuple(row)) for row in rows)
        made.append(PriceValues(interval, tuple(candidates), curves))
    return tuple(made)


def best_charge(
    integral: ValueIntegral, charged_wh: float, step: DispatchInterval, car: CarNeed
) -> float:
    """The car's best AC energy in the interval, Wh: nothing, or between its least and most power."""
    return _best(integral, None, charged_wh, step, car)


def _best(
    integral: ValueIntegral,
    wished_wh: float | None,
    charged_wh: float,
    step: DispatchInterval,
    car: CarNeed,
) -> float:
    """`best_charge`; ``wished_wh`` is what it would take if any power would do, where that is known."""
    most = min(car.max_power_w * step.hours, car.energy_wh - charged_wh)
    if step.import_limit_w is not None:
        most = min(most, max(step.import_limit_w * step.hours - step.net_wh, 0.0))
    least = min(car.min_power_w * step.hours, car.energy_wh - charged_wh)
    if most < least or most <= 0:
        return 0.0
    if wished_wh is None:
        store = _as_battery(car, most / step.hours)
        wished_wh = -best_discharge(integral, charged_wh, step, store)
    if wished_wh <= 0:
        return 0.0
    if wished_wh >= least:
        return min(wished_wh, most)

    def gain(x: float) -> float:  # a little is wished for, and it takes its least or nothing
        grid_wh = step.net_wh + x
        price = step.import_price if grid_wh > 0 else step.export_price
        return integral.of(charged_wh + x) - grid_wh * price

    return max((0.0, least), key=gain)


def hours_until_departure(outlook: Outlook, car: CarNeed) -> Array:
    """Of each interval that begins before then, the part that is still to come and before it, h."""
    coming = takewhile(lambda i: i.start < car.departure, Horizon.of(outlook.forecasts).intervals)
    return np.array([plugged_hours(i.start, i.end, outlook.now, car) for i in coming])


def plugged_hours(start: datetime, end: datetime, now: datetime, car: CarNeed) -> float:
    """The part of an interval, h, that is still to come and before departure."""
    seconds = (min(end, car.departure) - max(start, now)).total_seconds()
    return max(seconds, 0.0) / 3600


def _car_problem(
    problem: Problem, hours: Array, car: CarNeed, outlook: Outlook, taken: Array
) -> Problem:
    """The home's problem up to departure, with the need as end value."""
    steps = hours.size
    net = problem.net_wh[:steps, 1:2]
    if problem.import_limit_w is not None:  # leave room under the fuse for more load than expected
        coming = Horizon.of(outlook.forecasts)
        high = coming.load_wh[:steps, 2] - coming.pv_wh[:steps, 0]
        net = (high + taken[:steps])[:, None]
    late = EARLIER * np.arange(steps)[:, None] * problem.step_h / QUARTER_H
    reaches = outlook.forecasts[-1].interval.end >= car.departure
    missing = MISSED if reaches else _beyond(problem, car, outlook)
    end = np.full(_POINTS, missing)
    end[-1] = 0.0
    return replace(
        problem,
        hours=hours,
        net_wh=net,
        net_weights=np.ones(1),
        import_price=problem.import_price[:steps] + late,
        export_price=problem.export_price[:steps] + late,
        end_value=end,
        export_limit_w=None,
        import_limit_w=first_of(problem.import_limit_w, steps),
        announced_w=None,
        resell=True,
        impatience=0.0,
    )


def _beyond(problem: Problem, car: CarNeed, outlook: Outlook) -> float:
    """The departure lies beyond the horizon: what is not charged by then costs a usual price."""
    left = (car.departure - outlook.forecasts[-1].interval.end).total_seconds() / 3600
    enough = left * car.max_power_w > car.energy_wh
    return float(np.median(problem.import_price)) if enough else MISSED


def _as_battery(car: CarNeed, max_charge_w: float) -> BatterySpec:
    return BatterySpec(
        capacity_wh=car.energy_wh,
        reserve_wh=0.0,
        max_charge_w=max_charge_w,
        max_discharge_w=0.0,
        charge_efficiency=1.0,
        discharge_efficiency=1.0,
        wear_per_mwh=0.0,
    )


def _note(car: CarNeed, charged: float, outlook: Outlook) -> tuple[Sentence, ...]:
    """Nothing is said while nobody has seen what the car draws: it is planned with less than it may take."""
    return () if car.sure_power_w is not None else missing_note(car, charged, outlook)


def _no_room_note(
    least_w: float, hours: Array, outlook: Outlook, beside: Beside
) -> tuple[Sentence, ...]:
    """What to tell the person of a car that never gets the least of its charger, so that nobody sees what it draws:
    the import limit leaves less beside what the house is expected to need."""
    coming, (taken, limits_w) = Horizon.of(outlook.forecasts), beside
    net_w = (coming.load_wh[:, 1] - coming.pv_wh[:, 1] + taken) / coming.hours
    rooms_w = [
        math.inf if limit_w is None else limit_w - drawn_w
        for limit_w, drawn_w, there in zip(limits_w, net_w.tolist(), hours.tolist(), strict=False)
        if there > 0
    ]
    if max(rooms_w, default=math.inf) >= least_w:
        return ()
    most = f"{max(0.0, *rooms_w):.0f}"
    return (sentence("car_no_room", least=f"{least_w:.0f}", most=most),)


def missing(car: CarNeed, charged: float, outlook: Outlook) -> float:
    """What of its wish will not be in the car when it leaves, Wh; 0 for next to nothing, and beyond the horizon."""
    short = car.energy_wh - charged
    reaches = outlook.forecasts[-1].interval.end >= car.departure
    return short if reaches and short > max(1.0, 0.001 * car.energy_wh) else 0.0


def missing_note(car: CarNeed, charged: float, outlook: Outlook) -> tuple[Sentence, ...]:
    """What to tell the person when the car cannot be ready in time; nothing otherwise."""
    if missing(car, charged, outlook) <= 0:
        return ()
    when = f"{car.departure:%Y-%m-%d %H:%M} UTC"
    least, wanted = f"{charged:.0f}", f"{car.energy_wh:.0f}"
    return (sentence("car_late", time=when, least=least, wanted=wanted),)
