"""The cars: what each still needs, what its value asks for now, and whole amperes for every charger.

A car whose need no plan knows waits until its latest start; from then on it charges at full power,
rather ready than short. All functions are pure; what a contactor needs to rest is its `ContactorMemory`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.control.economics import DispatchInputs, car_power_w
from gateway.control.inputs import ContactorMemory
from gateway.control.limits import SteeredHome
from gateway.domain.control import ChargerAssumptions, ControlSettings
from gateway.domain.order import StandingSettings
from gateway.domain.plan import CarNeed, ValueCurve
from gateway.domain.readings import ChargerState

# A car cannot charge with less than its least current; a wish above this is worth starting it.
LEAST_CAR_W = 100.0
RISE_S = 30.0  # a car follows a raised current within some seconds (IEC 61851: 5 s, some need more)
SLACK = 1.25  # a car that needs more than 1 / SLACK of the time that is left no longer waits
SLACK_S = 900.0  # ... nor one with less than a quarter-hour to spare
_EPSILON = 1e-9  # of an ampere


def needs(
    chargers: Sequence[ChargerState],
    settings: StandingSettings,
    control: ControlSettings,
    now: datetime,
) -> dict[str, CarNeed]:
    """What each car still wants before the next departure, by charger; those that are done are not in it.

    A charger that does not count its session is asked for the whole wish: rather ready than short.
    """
    departure = next_at(now, settings.departure_time, control.zone)
    found = {}
    for charger in chargers:
        missing_wh = settings.departure_energy_wh - (charger.session_wh or 0.0)
        if charger.plugged and missing_wh > 0:
            spec = control.charger_named(charger.name)
            found[charger.name] = CarNeed(missing_wh, departure, spec.max_power_w, spec.min_power_w)
    return found


def together(each: Mapping[str, CarNeed]) -> CarNeed | None:
    """The cars as the one that is planned; None when none needs anything."""
    if not each:
        return None
    return CarNeed(
        energy_wh=sum(n.energy_wh for n in each.values()),
        departure=min(n.departure for n in each.values()),
        max_power_w=sum(n.max_power_w for n in each.values()),
        min_power_w=min(n.min_power_w for n in each.values()),
    )


def next_at(now: datetime, local: time, zone: ZoneInfo) -> datetime:
    """The next moment at which the local clock shows ``local``."""
    here = now.astimezone(zone)
    when = datetime.combine(here.date(), local, zone)
    if when <= here:
        when = datetime.combine(here.date() + timedelta(days=1), local, zone)
    return when.astimezone(now.tzinfo)


def latest_start(need: CarNeed) -> datetime:
    """From then on the car is late if it does not charge at full power."""
    needed_s = 3600 * need.energy_wh / need.max_power_w
    return need.departure - timedelta(seconds=SLACK * needed_s + SLACK_S)


@dataclass(frozen=True, slots=True)
class CarDispatch:
    """What the cars should get: ``power_w`` for those ``wanting``, in the order of the configuration.

    ``urgent`` are those past their latest start. ``within_w``: a limit is in it, so it is rounded down.
    """

    power_w: float
    wanting: tuple[str, ...]
    urgent: frozenset[str] = frozenset()
    within_w: bool = False


def dispatch(
    each: Mapping[str, CarNeed],
    curve: ValueCurve | None,
    inputs: DispatchInputs | None,
    now: datetime,
) -> CarDispatch:
    """By the value of another Wh in the cars against the present price.

    Without a plan that knows them (none yet, or made before they came) those that are late charge at
    full power, as all do where a price is not known.
    """
    late = frozenset(name for name, need in each.items() if now > latest_start(need))
    if curve is None:
        power_w = sum(each[name].max_power_w for name in late)
        return CarDispatch(power_w, tuple(n for n in each if n in late), late)
    need = together(each)
    if need is None:
        return CarDispatch(0.0, ())
    if inputs is None:
        return CarDispatch(need.max_power_w, tuple(each), late)
    limited = inputs.import_limit_w is not None
    return CarDispatch(car_power_w(curve, inputs, need), tuple(each), late, limited)


def at_full_power(chargers: Sequence[ChargerState], control: ControlSettings) -> CarDispatch:
    """'Charge now': every car that stands there, whatever it has got."""
    names = tuple(c.name for c in chargers if c.plugged)
    power_w = sum(control.charger_named(n).max_power_w for n in names)
    return CarDispatch(power_w, names, frozenset(names))


def shares_a(wanted: CarDispatch, control: ControlSettings) -> dict[str, float]:
    """Whole amperes for each that wants some, as near to the power as steps allow."""
    if wanted.power_w <= LEAST_CAR_W or not wanted.wanting:
        return {}
    specs = {name: control.charger_named(name) for name in wanted.wanting}
    first = specs[wanted.wanting[0]]
    steps = wanted.power_w / first.per_ampere_w
    whole = math.floor(steps + _EPSILON) if wanted.within_w else math.ceil(steps - _EPSILON)
    budget_w = max(whole * first.per_ampere_w, first.min_power_w)
    return filled({name: spec.max_a for name, spec in specs.items()}, specs, budget_w)


def filled(
    most_a: Mapping[str, float], specs: Mapping[str, ChargerAssumptions], budget_w: float
) -> dict[str, float]:
    """Whole amperes within ``budget_w``, alike for all, none above its most.

    Where the least of a car is not left for all, those that stand first go first.
    """
    given: dict[str, float] = {}
    left_w = budget_w
    for name, most in most_a.items():
        spec = specs[name]
        if spec.min_a <= most + _EPSILON and spec.min_power_w <= left_w + _EPSILON:
            given[name] = spec.min_a
            left_w -= spec.min_power_w
    growing = list(given)
    while growing:
        for name in tuple(growing):
            step_a = math.floor(given[name]) + 1 - given[name]
            step_w = step_a * specs[name].per_ampere_w
            if given[name] + step_a > most_a[name] + _EPSILON or step_w > left_w + _EPSILON:
                growing.remove(name)
            else:
                given[name] += step_a
                left_w -= step_w
    return given


@dataclass(frozen=True, slots=True)
class Share:
    """What one charger should get: A, the need of its car (None: it has its energy, or charges now)."""

    current_a: float
    need: CarNeed | None
    urgent: bool


def rested(
    memory: ContactorMemory, wanted: Share, spec: ChargerAssumptions, at: float, dwell_s: float
) -> tuple[float, ContactorMemory]:
    """Its current, A, or what was going on before where prices alone ask for a change too soon.

    A car that has its energy stops at once, one that is short of time starts at once.
    """
    current_a = wanted.current_a
    if wanted.need is not None and at - memory.since_s < dwell_s:
        if memory.charging and not current_a:
            current_a = spec.min_a
        elif not memory.charging and current_a and not wanted.urgent:
            current_a = 0.0
    if bool(current_a) != memory.charging:
        memory = replace(memory, charging=bool(current_a), since_s=at)
    raised_s = at if current_a > memory.current_a else memory.raised_s
    return current_a, replace(memory, raised_s=raised_s, current_a=current_a)


def fused_a(
    wanted_a: Mapping[str, float],
    home: SteeredHome,
    import_limit_w: float | None,
    control: ControlSettings,
    urgent: bool = False,
) -> dict[str, float]:
    """The same within the import limit; blind, the least of one car, not the last.

    A car is dimmed before the battery's charging, for it stands there for hours. Only where one is past its
    latest start or told to charge now (``urgent``) the battery gives way: a departure cannot wait.
    """
    some = {name: a for name, a in wanted_a.items() if a > 0}
    if import_limit_w is None or not some:
        return some
    specs = {name: control.charger_named(name) for name in some}
    if home.grid_w is None or home.charger_w is None:
        return filled(some, specs, min(s.min_power_w for s in specs.values()))
    charging_w = max(0.0, -(home.battery_w or 0.0)) if urgent else 0.0
    return filled(some, specs, import_limit_w - (home.grid_w - home.charger_w - charging_w))


def coming_w(
    given_a: Mapping[str, float],
    home: SteeredHome,
    memories: Mapping[str, ContactorMemory],
    control: ControlSettings,
    at: float,
) -> float:
    """What the cars will draw beyond the present in a moment, where one was just told to take more."""
    if not any(
        given_a.get(c.name) and at - memories[c.name].raised_s < RISE_S for c in home.chargers
    ):
        return 0.0
    told_w = sum(a * control.charger_named(name).per_ampere_w for name, a in given_a.items())
    return max(told_w - sum(c.power_w or 0.0 for c in home.chargers), 0.0)
