"""Several cars in turn: each on what those before it leave of the net load and of the import limit, and with the battery's
help beyond that where it may feed them and one would leave short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, permutations

import numpy as np

from gateway.domain.plan import CarNeed, CarValues, Outlook
from gateway.domain.sentences import Sentence
from gateway.forecasts.history import Array
from gateway.planner.car import CarPlan, car_plan
from gateway.planner.problem import Problem

_TURNS = 6  # that are tried: all of three cars
_HELPS = 3  # times that the battery is asked for what is still missing
_INSTANT_H = 1e-6  # of an interval that is all but over


@dataclass(frozen=True, slots=True)
class CarPlans:
    """All cars together: AC Wh by interval; the values of each by its name.

    ``helped``: beyond the import limit they count on the battery."""

    energy_wh: list[float]
    values: Mapping[str, CarValues]
    notes: tuple[Sentence, ...] = ()
    short: tuple[tuple[CarNeed, CarPlan], ...] = ()  # those that will not have all when they leave
    helped: bool = False

    @property
    def missing_wh(self) -> float:
        """What will not be in them when they leave."""
        return sum(plan.missing_wh for _, plan in self.short)


def car_plans(outlook: Outlook, problem: Problem, chances: Array) -> CarPlans:
    """When the cars charge; ``problem`` is the home's without them.

    Where the import limit leaves one short and the battery may feed it, the battery's energy gets it more: first on what is
    planned without, then on what is still missing.
    """
    best = _in_turns(outlook, problem, chances)
    spec, limit_w = outlook.battery, problem.import_limit_w
    if best.missing_wh <= 0 or spec is None or limit_w is None or not outlook.car_from_battery:
        return best
    hours = problem.hours
    beyond_wh = np.maximum(problem.net_wh.max(axis=1, keepdims=True) - limit_w * hours[:, None], 0)
    left_wh = max(outlook.stored_wh - spec.reserve_wh, 0.0) * spec.discharge_efficiency
    left_wh -= float(beyond_wh.sum())  # that the house itself needs
    help_wh = np.zeros(hours.size)
    for _ in range(_HELPS):
        if best.missing_wh <= 0 or left_wh <= 0:
            break
        more_wh = _help(best, left_wh, spec.max_discharge_w * hours - help_wh, hours)
        help_wh = help_wh + more_wh
        left_wh -= float(more_wh.sum())
        eased = replace(
            problem, import_limit_w=limit_w + (help_wh / np.maximum(hours, _INSTANT_H))[:, None]
        )
        other = _in_turns(outlook, eased, chances)
        if other.missing_wh < best.missing_wh:
            best = replace(other, helped=True)
    return best


def _help(plans: CarPlans, left_wh: float, most_wh: Array, hours: Array) -> Array:
    """What the battery adds in each interval for the cars that are short, of at most ``left_wh``: who leaves first, first,
    and as early as it can draw it."""
    made = np.zeros(hours.size)
    for car, plan in sorted(plans.short, key=lambda pair: pair[0].departure):
        count = len(plan.hours)
        unused = car.planned_power_w * plan.hours - np.array(plan.energy_wh[:count])
        free = np.clip(np.minimum(unused, most_wh[:count] - made[:count]), 0.0, None)
        wanted = min(plan.missing_wh, left_wh - float(made.sum()))
        until = np.minimum(np.cumsum(free), wanted)
        made[:count] += np.diff(until, prepend=0.0)
    return made


def _in_turns(outlook: Outlook, problem: Problem, chances: Array) -> CarPlans:
    """Each in its turn, the one first that must begin first. Where the fuse leaves one short so, also by departure (who has
    the most to charge by tomorrow must not keep from the fuse who leaves tonight), then in other turns.
    """
    best = _in_turn(outlook.cars, outlook, problem, chances)
    by_departure = tuple(sorted(outlook.cars, key=lambda car: car.departure))
    for turn in dict.fromkeys((by_departure, *islice(permutations(outlook.cars), _TURNS))):
        if best.missing_wh <= 0:
            break
        if turn != outlook.cars:
            other = _in_turn(turn, outlook, problem, chances)
            best = min(best, other, key=lambda plans: plans.missing_wh)
    return best


def _in_turn(
    cars: Sequence[CarNeed], outlook: Outlook, problem: Problem, chances: Array
) -> CarPlans:
    """Each car on what those before it leave."""
    taken = np.zeros(len(outlook.forecasts))
    short: list[tuple[CarNeed, CarPlan]] = []
    values: dict[str, CarValues] = {}
    notes: list[Sentence] = []
    for car in cars:
        beside = replace(problem, net_wh=problem.net_wh + taken[:, None])
        plan = car_plan(outlook, car, beside, chances, taken)
        taken = taken + np.array(plan.energy_wh)
        notes += plan.notes
        if plan.missing_wh > 0:
            short.append((car, plan))
        if plan.values is not None:
            values[car.name] = plan.values
    return CarPlans(taken.tolist(), values, tuple(notes), tuple(short))
