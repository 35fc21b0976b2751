"""Heaters as stores: what another Wh in each tank is worth before its water must be warm, and when it is heated.

The cars' induction, over the energy heated so far, with one thing more: a tank loses heat. Of a Wh heated at t there is
r = exp(-loss (T - t)) left at T, when it is wanted. Counted in what is left, powers and net load are r times as large and
prices 1/r, so that money stays the same: then the store has no losses, and the cars' induction is exact for it.

Heat is planned before the cars and the battery, which find it as load. A home without a heater never comes here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gateway.domain.plan import (
    BatterySpec,
    CarValues,
    HeatNeed,
    Outlook,
    Plan,
    PriceValues,
    ValueCurve,
)
from gateway.domain.sentences import Sentence, sentence
from gateway.forecasts.history import Array
from gateway.planner.car import MISSED, best_charge, hours_until_departure, price_values
from gateway.planner.dispatch import DispatchInterval, ValueIntegral
from gateway.planner.horizon import Horizon
from gateway.planner.induction import marginal_values
from gateway.planner.problem import Problem, coarsened, first_of, graded

_POINTS = 33
_GRADES = ((0.0, 0.25), (4.0, 0.5))  # begin and length, h; as a car


@dataclass(frozen=True, slots=True)
class HeatPlans:
    """AC Wh of all heaters by interval, the values and the energies of each by its name."""

    energy_wh: tuple[float, ...]
    values: Mapping[str, CarValues]
    each_wh: Mapping[str, tuple[float, ...]]
    notes: tuple[Sentence, ...] = ()


def heat_plans(outlook: Outlook, problem: Problem, chances: Array) -> HeatPlans:
    """When the heaters heat; ``problem`` is the home's without them. Each on what those before it leave."""
    taken = np.zeros(len(outlook.forecasts))
    values: dict[str, CarValues] = {}
    each: dict[str, tuple[float, ...]] = {}
    notes: list[Sentence] = []
    for need in outlook.heaters:
        if need.energy_wh <= 0:
            continue
        beside = replace(problem, net_wh=problem.net_wh + taken[:, None])
        energy, worth, note = _one(outlook, need, beside, chances, taken)
        taken, values[need.name] = taken + energy, worth
        each[need.name] = tuple(energy.tolist())
        notes += note
    return HeatPlans(tuple(taken.tolist()), values, each, tuple(notes))


def beside_heat(outlook: Outlook, plans: HeatPlans) -> Outlook:
    """The outlook in which heat is load."""
    forecasts = [
        replace(f, load_wh=(f.load_wh[0] + wh, f.load_wh[1] + wh, f.load_wh[2] + wh)) if wh else f
        for f, wh in zip(outlook.forecasts, plans.energy_wh, strict=True)
    ]
    return replace(outlook, forecasts=forecasts, heaters=())


def with_heat(plan: Plan, plans: HeatPlans) -> Plan:
    """The rest of the plan, and heat beside its load again."""
    schedule = tuple(
        replace(one, load_wh=one.load_wh - wh, heat_wh=wh)
        for one, wh in zip(plan.schedule, plans.energy_wh, strict=bool(plan.schedule))
    )
    notes = (*plan.notes, *plans.notes)
    return replace(
        plan, heaters=plans.values, heat_wh=plans.each_wh, schedule=schedule, notes=notes
    )


def _one(
    outlook: Outlook, need: HeatNeed, problem: Problem, chances: Array, taken: Array
) -> tuple[Array, CarValues, Sequence[Sentence]]:
    """AC Wh by interval, what another Wh now is worth over what was heated since, and what cannot be met."""
    forecasts, count = outlook.forecasts, len(outlook.forecasts)
    hours = hours_until_departure(outlook, need)
    steps = int(np.count_nonzero(hours))
    energy = np.zeros(count)
    if steps == 0:
        return energy, CarValues(), ()
    kept = _kept(outlook, need, steps)
    grid = np.linspace(0.0, need.energy_wh, _POINTS)
    mine = _problem(problem, hours[:steps] * kept, kept, need, outlook)
    detailed = min(outlook.offer_intervals + 1, steps)
    found = marginal_values(
        coarsened(mine, graded(steps, _GRADES, detailed, problem.step_h)),
        _store(need),
        grid,
        chances[:steps],
        detailed,
    )
    points = grid.tolist()
    integrals = [ValueIntegral(points, row) for row in found.expected.tolist()]
    limits_w = outlook.import_limits_w()
    left = 0.0  # of what was heated so far, at the time
    for t, f in enumerate(forecasts[:steps]):
        net = f.load_wh[1] - f.pv_wh[1] + float(taken[t])
        r = float(kept[t])
        step = DispatchInterval(
            float(hours[t]) * r, net * r, f.import_price / r, f.export_price / r, None,
            limits_w[t],
        )  # fmt: skip
        wh = best_charge(integrals[t], left, step, need)
        left, energy[t] = left + wh, wh / r
    values = CarValues(
        _curves(outlook, grid, found.expected * kept[:, None]),
        _given(outlook, grid, found.by_scenario, kept),
    )
    return energy, values, _note(need, left, outlook)


def _kept(outlook: Outlook, need: HeatNeed, steps: int) -> Array:
    """The part that is left at the time of what is heated in the middle of each interval."""
    middles = [
        f.interval.start + (f.interval.end - f.interval.start) / 2
        for f in outlook.forecasts[:steps]
    ]
    hours = [max(0.0, (need.departure - m).total_seconds() / 3600) for m in middles]
    kept: Array = np.exp(-need.loss_per_h * np.array(hours))
    return kept


def _problem(
    problem: Problem, hours: Array, kept: Array, need: HeatNeed, outlook: Outlook
) -> Problem:
    """The home's problem up to the time, counted in what is left then, with the need as end value."""
    steps, r = hours.size, kept[:, None]
    end = np.full(_POINTS, _missing(problem, need, outlook))
    end[-1] = 0.0
    return replace(
        problem,
        hours=hours,
        net_wh=problem.net_wh[:steps] * r,
        import_price=problem.import_price[:steps] / r,
        export_price=problem.export_price[:steps] / r,
        end_value=end,
        export_limit_w=None,
        import_limit_w=first_of(problem.import_limit_w, steps),
        announced_w=None,
        resell=True,
        impatience=0.0,
    )


def _missing(problem: Problem, need: HeatNeed, outlook: Outlook) -> float:
    """What a MWh is worth that is not there in time; if that lies beyond the horizon, a usual price."""
    left_h = (need.departure - outlook.forecasts[-1].interval.end).total_seconds() / 3600
    beyond = left_h > 0 and left_h * need.max_power_w > need.energy_wh
    return float(np.median(problem.import_price)) if beyond else MISSED


def _curves(outlook: Outlook, grid: Array, rows: Array) -> tuple[ValueCurve, ...]:
    points = tuple(grid.tolist())
    return tuple(
        ValueCurve(f.interval, points, tuple(row))
        for f, row in zip(outlook.forecasts, rows.tolist(), strict=False)
    )


def _given(
    outlook: Outlook, grid: Array, by_scenario: Array, kept: Array
) -> tuple[PriceValues, ...]:
    """The same of the first intervals, given the price that clears each."""
    coming, count = Horizon.of(outlook.forecasts), len(by_scenario)
    prices = coming.market_scenarios[:count]
    return price_values(coming, grid, prices, by_scenario * kept[:count, None, None])


def _store(need: HeatNeed) -> BatterySpec:
    return BatterySpec(
        capacity_wh=need.energy_wh,
        reserve_wh=0.0,
        max_charge_w=need.max_power_w,
        max_discharge_w=0.0,
        charge_efficiency=1.0,
        discharge_efficiency=1.0,
        wear_per_mwh=0.0,
    )


def _note(need: HeatNeed, got_wh: float, outlook: Outlook) -> tuple[Sentence, ...]:
    reaches = outlook.forecasts[-1].interval.end >= need.departure
    if not reaches or got_wh >= need.energy_wh - max(50.0, 0.02 * need.energy_wh):
        return ()
    when = f"{need.departure:%Y-%m-%d %H:%M} UTC"
    least, wanted = f"{got_wh:.0f}", f"{need.energy_wh:.0f}"
    return (sentence("water_late", name=need.name, time=when, least=least, wanted=wanted),)
