"""The cars: what each still needs, what its value asks for now, and whole amperes for every charger.

A car whose need no plan knows waits until its latest start; from then on it charges at full power,
rather ready than short. All functions are pure; what a contactor needs to rest is its `ContactorMemory`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.control.batteries import at_reserve
from gateway.control.cars import CarChoice
from gateway.control.economics import DispatchInputs
from gateway.control.inputs import ContactorMemory
from gateway.control.limits import SteeredHome
from gateway.domain.control import ChargerAssumptions, ControlSettings
from gateway.domain.order import Departure, StandingSettings
from gateway.domain.plan import CarNeed
from gateway.domain.readings import ChargerState

RISE_S = 30.0  # a car follows a raised current within some seconds (IEC 61851: 5 s, some need more)
SLACK = 1.25  # a car that needs more than 1 / SLACK of the time that is left no longer waits
SLACK_S = 900.0  # ... nor one with less than a quarter-hour to spare
NOTHING_WH = 10.0  # not worth a start
STEADY_S = 20.0  # inverters, cars and meters need so long to follow a current: no faster by the sun
MOST_MORE_WH = 200_000.0  # no car takes more in a stay
_EPSILON = 1e-9  # of an ampere
_LONGEST_TICK_S = 60.0


def spec_of(charger: ChargerState, control: ControlSettings) -> ChargerAssumptions:
    """What is assumed of a charger with the car that stands there, as far as it was seen to draw."""
    spec = control.charger_named(charger.name)
    if charger.phases is None:
        return spec
    if charger.switchable and charger.other_phases is not None:
        return _on(spec, charger.phases, control)
    return replace(spec, phases=charger.phases)


def other_spec(charger: ChargerState, control: ControlSettings) -> ChargerAssumptions | None:
    """The same if the charger switched to one phase, or back; None where that changes nothing."""
    if charger.other_phases is None:
        return None
    return _on(control.charger_named(charger.name), charger.other_phases, control)


def _on(spec: ChargerAssumptions, phases: int, control: ControlSettings) -> ChargerAssumptions:
    """A charger of several phases that uses ``phases`` of them."""
    if phases > 1:
        return replace(spec, phases=phases)
    return replace(spec, phases=1, max_a=max(spec.min_a, min(spec.max_a, control.one_phase_a)))


def narrowed(need: CarNeed, spec: ChargerAssumptions, most_w: float | None = None) -> CarNeed:
    """The need as the phases in use can meet it; ``most_w`` is what the car was seen to take from them."""
    most = min(spec.max_power_w, max(most_w or math.inf, spec.min_power_w))
    return replace(need, max_power_w=min(need.max_power_w, most), min_power_w=spec.min_power_w)


def needs(
    chargers: Sequence[ChargerState],
    settings: StandingSettings,
    control: ControlSettings,
    now: datetime,
) -> dict[str, CarNeed]:
    """What each car still wants before the next departure, by charger; those that want nothing are not in it.

    A charger that does not count its session is asked for the whole wish: rather ready than short. Of one
    that can switch its phases the powers of both are meant: see `narrowed`.
    """
    leaves = next_departure(now, settings, control.zone)
    found = {}
    for charger in chargers:
        got_wh = charger.session_wh or 0.0
        missing_wh = leaves.energy_wh - got_wh
        missing_wh = missing_wh if missing_wh > NOTHING_WH else 0.0
        more_wh = MOST_MORE_WH if settings.car_limit_wh is None else settings.car_limit_wh - got_wh
        more_wh = max(0.0, more_wh - missing_wh)
        if charger.plugged and (missing_wh > 0 or more_wh > 0):
            spec = spec_of(charger, control)
            most_w = min(spec.max_power_w, max(charger.most_w or math.inf, spec.min_power_w))
            other = other_spec(charger, control) or spec
            most_w = max(most_w, other.max_power_w if other.phases > spec.phases else 0.0)
            unseen = charger.phases is None and charger.most_w is None
            found[charger.name] = CarNeed(
                energy_wh=missing_wh,
                departure=leaves.at,
                max_power_w=most_w,
                min_power_w=min(spec.min_power_w, other.min_power_w),
                name=charger.name,
                more_wh=more_wh,
                more_value=1000 * settings.car_more_per_kwh,
                surplus_w=settings.car_surplus_w,
                sure_power_w=min(most_w, spec.max_a * spec.volts) if unseen else None,
            )
    return found


def wished(each: Mapping[str, CarNeed]) -> tuple[CarNeed, ...]:
    """Those that want energy before they leave, the most urgent first."""
    return tuple(sorted((n for n in each.values() if n.energy_wh > 0), key=latest_start))


def next_departure(now: datetime, settings: StandingSettings, zone: ZoneInfo) -> Departure:
    """When the car leaves next and what it wants by then.

    A departure of a single day takes the place of the usual one on that local day. Where none is known (no
    day of the week has one) it is a week away, and nothing is wanted by then.
    """
    single = {d.at.astimezone(zone).date() for d in settings.departures}
    known = [d for d in settings.departures if d.at > now]
    today = now.astimezone(zone).date()
    for day in (today + timedelta(days=ahead) for ahead in range(8)):
        at = local_moment(day, settings.departure_time, zone).astimezone(now.tzinfo)
        if day.weekday() in settings.departure_days and day not in single and at > now:
            known.append(Departure(at, settings.departure_energy_wh))
            break
    return min(known, key=lambda d: d.at, default=Departure(now + timedelta(days=7), 0.0))


def local_moment(day: date, local: time, zone: ZoneInfo) -> datetime:
    """The moment at which the clock of ``zone`` shows ``local`` on ``day``, UTC.

    Of an hour that autumn repeats it is the first (rather ready early), and one that spring skips is as
    long after midnight as the clock would have shown.
    """
    return datetime.combine(day, local, zone).astimezone(UTC)


def latest_start(need: CarNeed) -> datetime:
    """From then on the car is late if it does not charge at full power."""
    needed_s = 3600 * need.energy_wh / need.planned_power_w
    return need.departure - timedelta(seconds=SLACK * needed_s + SLACK_S)


def late(need: CarNeed, now: datetime) -> bool:
    """Whether it is past its latest start."""
    return need.energy_wh > 0 and now > latest_start(need)


@dataclass(frozen=True, slots=True)
class Share:
    """What one charger should get. ``current_a`` is best now (0: waiting is), ``charging_a`` if it charges.

    ``priced``: only prices ask for it, so that it may wait; ``urgent``: it starts at once. ``gain_per_h``
    is what charging earns against waiting, currency units an hour (None: not by price). ``by_sun``: from the
    grid alone it would not charge; ``done``: it has what was wished.
    """

    current_a: float
    charging_a: float
    priced: bool = False
    urgent: bool = False
    gain_per_h: float | None = None
    by_sun: bool = False
    done: bool = False


def at_full_power(spec: ChargerAssumptions, *, priced: bool, urgent: bool) -> Share:
    """As much as the charger gives."""
    return Share(spec.max_a, spec.max_a, priced=priced, urgent=urgent)


@dataclass(frozen=True, slots=True)
class Steps:
    """How powers become amperes: rounded down where they are ``limited``; ``late`` are the cars past their
    latest start."""

    specs: Mapping[str, ChargerAssumptions]
    limited: bool
    late: Collection[str]


def shares(
    chosen: Sequence[CarChoice], needs: Mapping[str, CarNeed], steps: Steps
) -> dict[str, Share]:
    """Whole amperes as near to the powers as steps allow."""
    found = {}
    for choice in chosen:
        spec, need = steps.specs[choice.name], needs[choice.name]
        exact = choice.charging_w / spec.per_ampere_w
        # By the sun to the nearest: half an ampere of it may be sold, or bought for a moment.
        rounding = 0.0 if steps.limited else 0.5 if choice.by_sun else 1.0 - 2 * _EPSILON
        whole = math.floor(exact + rounding + _EPSILON)
        # Who takes all that it can is told all that there is: so it is seen when that becomes more.
        if not steps.limited and choice.charging_w >= need.max_power_w:
            whole = math.floor(spec.max_a)
        charging_a = min(max(float(whole), spec.min_a), spec.max_a)
        found[choice.name] = Share(
            current_a=charging_a if choice.power_w > 0 else 0.0,
            charging_a=charging_a,
            priced=True,
            urgent=choice.name in steps.late,
            gain_per_h=choice.gain_per_h,
            by_sun=choice.by_sun,
            done=need.energy_wh <= 0,
        )
    return found


def shared_out(
    shares: Mapping[str, Share], steps: Steps, moment: DispatchInputs, help_w: float = 0.0
) -> dict[str, Share]:
    """The same where all together stay within the import limit and ``help_w`` of the battery: each its least first, then alike."""
    some = {name: share.current_a for name, share in shares.items() if share.current_a}
    if moment.import_limit_w is None or len(some) < 2:
        return dict(shares)
    given = filled(some, steps.specs, moment.import_limit_w - moment.net_load_w + help_w)
    return {
        name: replace(share, current_a=given.get(name, 0.0) if share.current_a else 0.0)
        for name, share in shares.items()
    }


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
class SwitchRules:
    """A contactor stays for ``dwell_s``; a start costs ``cost``, currency units. ``sunny``: the sun shines."""

    dwell_s: float
    cost: float
    sunny: bool


def rested(
    memory: ContactorMemory, wanted: Share, spec: ChargerAssumptions, at: float, rules: SwitchRules
) -> tuple[float, ContactorMemory]:
    """Its current, A, or what was going on before where a change is too soon.

    A car that has its energy stops at once, one that is short of time starts at once. Else a stop, and a start
    that the sun alone is worth, are made when not to have made them has cost as much as a start does: a short
    cloud, a short gap or a value that hardly differs from the price is not worth one.
    """
    current_a, regret = wanted.current_a, 0.0
    over = wanted.done and memory.charging and not memory.by_sun
    if wanted.priced and not over and not (wanted.urgent and current_a):
        due = True
        if wanted.gain_per_h is not None and (memory.charging or (wanted.by_sun and rules.sunny)):
            passed_s = min(max(at - memory.at_s, 0.0), _LONGEST_TICK_S)
            lean = -wanted.gain_per_h if memory.charging else wanted.gain_per_h
            regret = max(0.0, memory.regret + lean * passed_s / 3600)
            due = regret >= rules.cost
        changes = bool(current_a) != memory.charging
        if changes and (not due or at - memory.since_s < rules.dwell_s):
            current_a = max(wanted.charging_a, spec.min_a) if memory.charging else 0.0
        if current_a and memory.current_a and wanted.by_sun and at - memory.moved_s < STEADY_S:
            current_a = memory.current_a
    if bool(current_a) != memory.charging:
        memory = replace(memory, charging=bool(current_a), since_s=at)
        regret = 0.0
    if current_a != memory.current_a:
        memory = replace(memory, current_a=current_a, moved_s=at)
    by_sun = wanted.by_sun if current_a else memory.by_sun
    return current_a, replace(memory, regret=regret, at_s=at, by_sun=by_sun)


def fused_a(
    wanted_a: Mapping[str, float],
    home: SteeredHome,
    import_limit_w: float | None,
    control: ControlSettings,
    yielding_w: float = 0.0,
) -> dict[str, float]:
    """The same within the import limit; blind, the least of one car, not the last.

    What a charger that is silent may draw is in what the meter sees. ``yielding_w`` is what the batteries will take less, or (below 0) give less, for the cars: see `yielding_w`.
    """
    some = {name: a for name, a in wanted_a.items() if a > 0}
    if import_limit_w is None or not some:
        return some
    specs = {c.name: spec_of(c, control) for c in home.chargers if c.name in some}
    unseen = any(c.power_w is None for c in home.chargers if c.name in some)
    if home.grid_w is None or unseen:
        return filled(some, specs, min(s.min_power_w for s in specs.values()))
    drawn_w = sum(c.power_w for c in home.chargers if c.power_w is not None)
    return filled(some, specs, import_limit_w - (home.grid_w - drawn_w - yielding_w))


def yielding_w(home: SteeredHome, *, urgent: bool, from_battery: bool, reserve_pct: float) -> float:
    """What of the present power at the meter is no room for cars (below 0), or becomes room for them, W.

    A car is dimmed before the battery's charging, for it stands there for hours; only where one is past its
    latest start or told to charge now (``urgent``) the battery gives way: a departure cannot wait. What a
    battery gives beyond the house's own need is no room, unless it may feed a car (``from_battery``): else it
    would be emptied to keep a limit that the car can keep. What one at its reserve gives, to help the fuse, never is.
    """
    if home.battery_w is None or home.grid_w is None or home.charger_w is None:
        return 0.0
    if home.battery_w <= 0:
        return -home.battery_w if urgent else 0.0
    house_w = home.grid_w - home.charger_w + home.battery_w
    beyond_w = home.battery_w - min(home.battery_w, max(0.0, house_w))
    low = [b for b in home.batteries if at_reserve(b, reserve_pct)]
    reserved_w = min(home.battery_w, sum(max(0.0, b.power_w or 0.0) for b in low))
    return -max(reserved_w, 0.0 if from_battery else beyond_w)


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
    specs = {c.name: spec_of(c, control) for c in home.chargers}
    told_w = sum(a * specs[name].per_ampere_w for name, a in given_a.items())
    return max(told_w - sum(c.power_w or 0.0 for c in home.chargers), 0.0)
