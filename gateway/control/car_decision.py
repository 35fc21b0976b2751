"""The chargers' part of a decision: each car by the value of another Wh in it, under the fuse, and calm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.control import charging
from gateway.control.batteries import can_give_w, combined, stored_wh
from gateway.control.cars import CarsNow, StoredNow, choices
from gateway.control.fuse import FuseMargin, fused_a
from gateway.control.inputs import ContactorMemory, Late, PhaseMemory
from gateway.control.phases import PhaseRules, pausing, switch_gains, switched
from gateway.control.throttled import LEAST_SUN_W, SunMemory, held, held_back_w
from gateway.control.tick import Tick
from gateway.domain.control import ChargerAssumptions
from gateway.domain.plan import CarNeed

_FILLS_H = 0.25  # a battery's last room is not filled faster


@dataclass(frozen=True, slots=True)
class CarTick:
    """What the chargers get, A by name, and what is remembered; ``spent``: 'charge now' is.

    ``held_back_w`` is sun that only flows if it is drawn; ``help_w`` is what they would take beyond the import limit if the
    battery gave it.
    """

    amperes: dict[str, float]
    contactors: Mapping[str, ContactorMemory]
    phases: Mapping[str, PhaseMemory]
    sun: SunMemory
    spent: bool
    held_back_w: float = 0.0
    help_w: float = 0.0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What each car should get, what other phases of its charger would earn more, per hour, which cars are
    past their latest start, and what the battery may give them beyond the import limit, W."""

    shares: dict[str, charging.Share]
    switch_gains: dict[str, float] = field(default_factory=dict)
    late: dict[str, Late] = field(default_factory=dict)
    help_w: float = 0.0


def chargers(tick: Tick) -> CarTick:
    """Amperes for each charger; none where no car stands."""
    inputs, home = tick.inputs, tick.home
    memory, control, at = inputs.memory, inputs.control, inputs.monotonic_s
    spent = inputs.settings.charge_now and (memory.charge_now_spent or _all_left(tick))
    specs = {c.name: charging.spec_of(c, control) for c in home.chargers if c.plugged}
    others = {
        c.name: other
        for c in home.chargers
        if c.plugged and (other := charging.other_spec(c, control)) is not None
    }
    each = (*specs.values(), *others.values())
    warms = [h for h in inputs.snapshot.heaters if h.steerable and h.name in control.heaters]
    leasts = [spec.min_power_w for spec in each] + [control.heaters[h.name].least_w for h in warms]
    least_w = min(leasts, default=0.0)
    held_w, sun = held_back_w(
        memory.sun,
        inputs.snapshot.pv_w,
        at,
        by=held(
            inputs.snapshot,
            tick.limits.feed_in_w,
            memory.setpoints,
            keeps_export=inputs.keeps_export,
        ),
        cars_w=(home.charger_w or 0.0) + (inputs.snapshot.rods_w or 0.0),
        least_w=least_w,
    )
    if not specs:
        return CarTick({}, memory.contactors, {}, sun, spent, held_w)
    if inputs.settings.charge_now and not spent:
        full = {
            name: charging.at_full_power(spec, priced=False, urgent=True)
            for name, spec in specs.items()
        }
        found = _Wanted(full, _more_phases(tick, full))
    else:
        found = _by_value(tick, specs, others, held_w)
    wanted, phases = found.shares, _phases(tick, found.switch_gains)
    rules = charging.SwitchRules(
        control.car_dwell_s,
        control.car_start_cost,
        sunny=(inputs.snapshot.pv_w or 0.0) >= LEAST_SUN_W,
    )
    contactors, rested = dict(memory.contactors), {}
    for name, spec in specs.items():
        before = contactors.get(name, ContactorMemory())
        if name in phases and pausing(phases[name], at):
            contactors[name], rested[name] = before, 0.0  # it goes on after the switch
            continue
        share = wanted.get(name, charging.Share(0.0, 0.0))
        rested[name], after = charging.rested(before, share, spec, at, rules)
        contactors[name] = replace(after, late=found.late.get(name))
    left = {
        name: 0.0 if at - contactors[name].cut_s < control.car_dwell_s else amps
        for name, amps in rested.items()
    }
    amperes = _within_limits(tick, found, left, specs)
    waits_w = sum((left[n] - amperes[n]) * specs[n].per_ampere_w for n in left)
    for name in specs:
        told_a = memory.setpoints.chargers_a.get(name, 0.0)
        if amperes[name] > told_a:  # also one that the fuse gives back what it took
            contactors[name] = replace(contactors[name], raised_s=at)
        elif told_a > 0 and rested.get(name) and not amperes[name]:  # the fuse stopped it
            contactors[name] = replace(contactors[name], cut_s=at)
    help_w = max(0.0, min(found.help_w, waits_w))
    return CarTick(amperes, contactors, phases, sun, spent, held_w, help_w)


def _within_limits(
    tick: Tick,
    found: _Wanted,
    left: Mapping[str, float],
    specs: Mapping[str, ChargerAssumptions],
) -> dict[str, float]:
    """Of what each should get (A), what import limit and fuse leave it; the dearest first.

    One that they stopped waits a while, or its contactor would follow each load of the house.
    """
    home, control = tick.home, tick.inputs.control
    wanted = found.shares
    by_value = [name for name in wanted if name in left]
    ordered = {name: left[name] for name in (*by_value, *(n for n in left if n not in wanted))}
    yielding_w = charging.yielding_w(
        home,
        urgent=any(share.urgent for share in wanted.values()),
        from_battery=tick.inputs.settings.car_from_battery,
        reserve_pct=tick.limits.reserve_pct,
    )
    given = charging.fused_a(ordered, home, tick.limits.import_limit_w, control, yielding_w)
    told_a = tick.inputs.memory.setpoints.chargers_a
    given = fused_a(
        {name: given[name] for name in ordered if name in given},
        tick.inputs.snapshot,
        specs,
        {c.name: c.power_w or 0.0 for c in home.chargers},
        control,
        FuseMargin(
            tick.limits.phase_tighter_w,
            yielding_w,
            {c.name: told_a.get(c.name, 0.0) for c in home.chargers if c.phases is None},
        ),
    )
    return {c.name: given.get(c.name, 0.0) for c in home.chargers}


def _phases(tick: Tick, gains: Mapping[str, float]) -> dict[str, PhaseMemory]:
    """What each charger that can switch its phases should be told; without its car it is let go."""
    control, at = tick.inputs.control, tick.inputs.monotonic_s
    rules = PhaseRules(control.phase_dwell_s, control.phase_switch_cost)
    before = tick.inputs.memory.phases
    return {
        c.name: switched(
            before.get(c.name, PhaseMemory()), gains.get(c.name, 0.0), c.power_w, at, rules
        )
        for c in tick.home.chargers
        if c.switchable and c.plugged
    }


def _more_phases(tick: Tick, full: Mapping[str, charging.Share]) -> dict[str, float]:
    """Those that are to charge at full power need all their phases at once."""
    before = tick.inputs.memory.phases
    return {name: math.inf for name in full if name in before and before[name].one}


def _by_value(
    tick: Tick,
    specs: Mapping[str, ChargerAssumptions],
    others: Mapping[str, ChargerAssumptions],
    held_w: float,
) -> _Wanted:
    """By the value of another Wh in each car against the present price, dearest first.

    A car whose wish no plan knows (none yet, or made before it came) charges at full power from its latest
    start on; so do all where a price is not known: rather ready than short.
    """
    inputs, terms = tick.inputs, tick.terms
    needs = charging.needs(tick.home.chargers, inputs.settings, inputs.control, inputs.now)
    if tick.position_wh > 0:  # what was sold is not the cars'
        needs = {n: replace(need, more_wh=0.0) for n, need in needs.items() if need.energy_wh > 0}
    curves = terms.car_values if terms else {}
    late = _late(tick, needs)
    moment = tick.dispatch_inputs(tick.home.without_car_w or 0.0, None)
    unplanned = [n for n, need in needs.items() if need.energy_wh > 0 and n not in curves]
    full = {n for n in unplanned if n in late}
    if moment is None:
        full |= {n for n, need in needs.items() if need.energy_wh > 0 and n in curves}
    shares = {
        n: charging.at_full_power(specs[n], priced=True, urgent=n in late)
        for n in needs
        if n in full
    }
    gains = _more_phases(tick, shares)
    if moment is None or not tick.inputs.order:
        return _Wanted(shares, gains, late)
    taken_w = sum(specs[n].max_power_w for n in full)
    moment = replace(moment, net_load_w=moment.net_load_w + taken_w)
    most_w = {c.name: c.most_w for c in tick.home.chargers}
    open_ones = [
        charging.narrowed(need, specs[n], most_w[n]) for n, need in needs.items() if n not in full
    ]
    on = frozenset(n for n, memory in inputs.memory.contactors.items() if memory.charging)
    stored = stored_now(tick)
    cars_now = CarsNow(
        moment,
        stored,
        held_w,
        tick.limits.feed_in_w,
        on,
        inputs.settings.car_from_battery,
        _help_w(tick, stored),
    )
    steps = charging.Steps(specs, moment.import_limit_w is not None, late)
    chosen = choices(open_ones, curves, cars_now)
    elsewise = {
        n: charging.narrowed(needs[n], others[n]) for n in needs if n in others and n not in full
    }
    gains |= switch_gains(elsewise, needs, curves, cars_now, chosen)
    by_value = charging.shares(chosen, needs, steps)
    shared = charging.shared_out(by_value, steps, moment, cars_now.help_w)
    return _Wanted(shares | shared, gains, late, cars_now.help_w)


def _help_w(tick: Tick, stored: StoredNow | None) -> float:
    """What the batteries can give cars beyond the import limit, W; nothing while they deliver what is sold."""
    if stored is None or not tick.inputs.settings.car_from_battery or tick.position_wh > 0:
        return 0.0
    give_w = sum(can_give_w(b, tick.limits.reserve_pct) for b in tick.home.batteries)
    return min(give_w, stored.spec.max_discharge_w)


def _late(tick: Tick, needs: Mapping[str, CarNeed]) -> dict[str, Late]:
    """The cars that are past their latest start, by name.

    Who charges at full power gains on it: looked at anew each time, a car would stop and start each half minute. It is
    looked at anew once more is known: a car reckoned with one phase was seen to draw from three.
    """
    memories = tick.inputs.memory.contactors
    found = {}
    for name, need in needs.items():
        late = Late(need.departure, unseen=need.sure_power_w is not None)
        known = name in memories and memories[name].late == late
        if need.energy_wh > 0 and (known or charging.late(need, tick.inputs.now)):
            found[name] = late
    return found


def stored_now(tick: Tick) -> StoredNow | None:
    """The batteries beside the cars; None without any, or while they are held or not known."""
    control, terms = tick.inputs.control, tick.terms
    batteries = tick.home.batteries
    spec = combined(batteries, control.battery, tick.limits.reserve_pct)
    held_wh = stored_wh(batteries)
    if terms is None or terms.value is None or spec is None or held_wh is None or tick.held:
        return None
    room_w = max(0.0, spec.capacity_wh - held_wh) / _FILLS_H  # near full it takes little
    return StoredNow(
        terms.value, held_wh, replace(spec, max_charge_w=min(spec.max_charge_w, room_w))
    )


def _all_left(tick: Tick) -> bool:
    """Whether the car for which the user said 'charge now' has left: the next has the usual wish."""
    chargers = tick.inputs.snapshot.chargers
    return bool(chargers) and all(c.plugged is False for c in chargers)
