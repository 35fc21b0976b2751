"""The heaters' part of a decision: each by the value of another Wh in its water, after the cars, inside every limit.

Fuse > grid operator > the owner's limits > water too cold > in time > price. What helps the fuse is no room: a
battery that gives more than the house needs is not emptied into a tank, least of all below its reserve. Without
a plan a heater takes what costs next to nothing, and from its latest start on what it must have. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.control.car_decision import stored_now
from gateway.control.cars import CarChoice, CarsNow, choices
from gateway.control.charging import RISE_S, late
from gateway.control.heat import heat_needs, too_cold, too_warm
from gateway.control.heat_limits import room_w
from gateway.control.inputs import HeaterMemory
from gateway.control.tick import Tick
from gateway.domain.heat import Heater, HeatReason, SgReady
from gateway.domain.plan import HeatNeed
from gateway.domain.readings import HeaterState, Snapshot

SWITCH_COST = (
    0.002  # currency units: so much must have been lost before what is only on or off is switched
)
ABOVE_W, IGNORES_S = 200.0, 30.0  # so much more than it was told, for so long: it heats by itself
LITTLE_SUN_W = 200.0  # with less it is the battery's
_LONGEST_TICK_S = 60.0
_MUST = (HeatReason.COLD, HeatReason.DEADLINE)


@dataclass(frozen=True, slots=True)
class HeatTick:
    """What rods and boilers get, W, which heat pumps are told what, why, and what is remembered."""

    heaters_w: dict[str, int] = field(default_factory=dict)
    sg_ready: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, HeatReason] = field(default_factory=dict)
    memories: Mapping[str, HeaterMemory] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one should draw; ``gain_per_h`` is what that earns against waiting (None: it is no matter of price)."""

    power_w: float
    reason: HeatReason
    gain_per_h: float | None = None


def heaters(tick: Tick, coming_w: float, held_back_w: float) -> HeatTick:
    """``coming_w`` is what cars will draw beyond the present, ``held_back_w`` sun that only flows if it is drawn."""
    control, inputs = tick.inputs.control, tick.inputs
    memories = inputs.memory.heaters
    steered = [
        _with_power(h, control.heaters[h.name], memories.get(h.name, HeaterMemory()))
        for h in inputs.snapshot.heaters
        if h.steerable and h.name in control.heaters
    ]
    if not steered:
        return HeatTick()
    needs = heat_needs(steered, control.heaters, inputs.now, control.zone)
    chosen = _chosen(tick, steered, needs, coming_w, held_back_w)
    found = HeatTick(memories={})
    kept: dict[str, HeaterMemory] = {}
    beside_w = 0.0  # what those before it draw more (or less) than they did
    for state in sorted(steered, key=lambda h: not memories.get(h.name, HeaterMemory()).cold):
        spec, before = control.heaters[state.name], memories.get(state.name, HeaterMemory())
        wanted, cold = _wanted(tick, state, needs.get(state.name), chosen, before)
        must = wanted.reason in _MUST
        free_w = room_w(tick, state, coming_w + beside_w, must=must)
        power_w, reason, after = _within(wanted, spec, before, free_w, inputs.monotonic_s)
        kept[state.name] = _watched(replace(after, cold=cold), tick, state)
        found.reasons[state.name] = reason
        beside_w += power_w - (state.power_w or 0.0)
        if not state.pump:
            found.heaters_w[state.name] = round(power_w)
        elif power_w > 0:
            found.sg_ready[state.name] = int(SgReady.ENCOURAGED)
        elif _dimmed(tick, state, free_w):
            found.sg_ready[state.name] = int(SgReady.BLOCKED)
            found.reasons[state.name] = HeatReason.DIMMED
    return replace(found, memories=kept)


def _watched(memory: HeaterMemory, tick: Tick, state: HeaterState) -> HeaterMemory:
    """The same with whether it does what it was told: one with a boost of its own gives no room to a car."""
    at, told_w = tick.inputs.monotonic_s, tick.inputs.memory.setpoints.heaters_w.get(state.name)
    if told_w is None or state.power_w is None or state.power_w <= told_w + ABOVE_W:
        return replace(memory, above_s=math.inf)
    since_s = min(memory.above_s, at)
    ignored_s = at if at - since_s >= IGNORES_S else memory.ignored_s
    return replace(memory, above_s=since_s, ignored_s=ignored_s)


def _with_power(state: HeaterState, spec: Heater, before: HeaterMemory) -> HeaterState:
    """Of a heat pump that does not tell what it draws: all that it can while it is told to, and nothing else."""
    if state.power_w is not None or not state.pump:
        return state
    return replace(state, power_w=spec.most_w if before.on else 0.0)


def rises_w(tick: Tick, heat: HeatTick) -> float:
    """What rods that have just been switched on will draw beyond the present; one whose own thermostat is off draws nothing."""
    at = tick.inputs.monotonic_s
    rises = [
        heat.heaters_w[h.name] - h.power_w
        for h in tick.inputs.snapshot.heaters
        if h.power_w is not None
        and h.name in heat.heaters_w
        and at - heat.memories[h.name].since_s < RISE_S
    ]
    return sum(max(0.0, w) for w in rises)


def falls_w(snapshot: Snapshot, heat: HeatTick) -> float:
    """What heaters draw that they are told to draw no more."""
    drops = [
        h.power_w - heat.heaters_w[h.name]
        for h in snapshot.heaters
        if h.power_w is not None and h.name in heat.heaters_w
    ]
    return sum(max(0.0, w) for w in drops)


def falling(snapshot: Snapshot, heat: HeatTick) -> Snapshot:
    """The home as it is once the heaters draw what they are told now: sun that they took is held back at once."""
    less_w = falls_w(snapshot, heat)
    if not less_w or snapshot.load_w is None or snapshot.grid_w is None:
        return snapshot
    left_w = max(0.0, snapshot.load_w - less_w)
    return replace(snapshot, load_w=left_w, grid_w=snapshot.grid_w - (snapshot.load_w - left_w))


def _chosen(
    tick: Tick,
    steered: list[HeaterState],
    needs: Mapping[str, HeatNeed],
    coming_w: float,
    held_back_w: float,
) -> dict[str, CarChoice]:
    """Each by its value against the present price, dearest first; none where a price or power is not known."""
    without_w = tick.home.without_battery_w
    rods_w = _drawn_w(tick, steered)
    if without_w is None or rods_w is None:
        return {}
    moment = tick.dispatch_inputs(without_w - rods_w + coming_w, None)
    if moment is None:
        return {}
    on = frozenset(n for n, m in tick.inputs.memory.heaters.items() if m.on)
    now = CarsNow(
        moment, stored_now(tick), held_back_w, tick.limits.feed_in_w, on, from_battery=True
    )
    curves = tick.terms.heat_values if tick.terms else {}
    return {c.name: c for c in choices(list(needs.values()), curves, now)}


def _drawn_w(tick: Tick, steered: list[HeaterState]) -> float | None:
    """What they draw by our word now: a heat pump in its normal state runs for the house."""
    parts = [
        h.power_w
        for h in steered
        if not h.pump or tick.inputs.memory.heaters.get(h.name, HeaterMemory()).on
    ]
    known = [w for w in parts if w is not None]
    return sum(known) if len(known) == len(parts) else None


def _wanted(
    tick: Tick,
    state: HeaterState,
    need: HeatNeed | None,
    chosen: Mapping[str, CarChoice],
    before: HeaterMemory,
) -> tuple[_Wanted, bool]:
    """What it should draw, before limits; and whether its water is too cold."""
    spec = tick.inputs.control.heaters[state.name]
    cold = too_cold(state, spec, before.cold)
    if too_warm(state, spec, before.on):
        unknown = state.temperature_c is None
        return _Wanted(0.0, HeatReason.UNKNOWN if unknown else HeatReason.WARM), False
    if cold:
        return _Wanted(spec.most_w, HeatReason.COLD), True
    if need is None:
        return _Wanted(0.0, HeatReason.WARM), False
    if late(need, tick.inputs.now):
        return _Wanted(spec.most_w, HeatReason.DEADLINE), False
    choice = chosen.get(state.name)
    if choice is None:
        return _Wanted(0.0, HeatReason.WARM if need.energy_wh <= 0 else HeatReason.LATER), False
    if choice.power_w <= 0:
        why = HeatReason.WARM if need.energy_wh <= 0 else HeatReason.LATER
        return _Wanted(0.0, why, choice.gain_per_h), False
    why = HeatReason.CHEAP
    if choice.by_sun:
        sun_w = tick.inputs.snapshot.pv_w or 0.0
        why = HeatReason.SUN if sun_w >= LITTLE_SUN_W else HeatReason.STORED
    return _Wanted(choice.power_w, why, choice.gain_per_h), False


def _within(
    wanted: _Wanted, spec: Heater, before: HeaterMemory, free_w: float, at: float
) -> tuple[float, HeatReason, HeaterMemory]:
    """``wanted`` in whole steps within ``free_w``, and no more often switched than it may be. A limit waits for nothing."""
    power_w, reason, memory = spec.stepped_w(wanted.power_w), wanted.reason, before
    asked_w = power_w
    if wanted.gain_per_h is not None:
        power_w, memory = _rested(wanted, power_w, spec, before, at)
    elif reason is HeatReason.LATER and before.on and at - before.since_s < spec.min_on_s:
        power_w = spec.least_w
    elif power_w and not before.on and at - before.since_s < spec.min_off_s:
        power_w = 0.0
    if bool(power_w) != bool(asked_w):
        reason = HeatReason.STEADY
    allowed_w = spec.stepped_w(min(power_w, free_w))
    if allowed_w < power_w:
        power_w, reason = allowed_w, HeatReason.LIMIT
    if bool(power_w) != before.on:
        memory = replace(memory, on=bool(power_w), since_s=at, regret=0.0)
    return power_w, reason, replace(memory, at_s=at)


def _rested(
    wanted: _Wanted, power_w: float, spec: Heater, before: HeaterMemory, at: float
) -> tuple[float, HeaterMemory]:
    """A change that only prices ask for is made when not to have made it has cost as much as it does."""
    gain = wanted.gain_per_h or 0.0
    passed_s = min(max(at - before.at_s, 0.0), _LONGEST_TICK_S) if before.at_s > -math.inf else 0.0
    lean = -gain if before.on else gain
    memory = replace(before, regret=max(0.0, before.regret + lean * passed_s / 3600))
    if bool(power_w) == before.on:
        return power_w, memory
    stays_s = spec.min_on_s if before.on else spec.min_off_s
    cost = SWITCH_COST if spec.step_w else 0.0
    if memory.regret >= cost and at - before.since_s >= stays_s:
        return power_w, memory
    return (spec.least_w if before.on else 0.0), memory


def _dimmed(tick: Tick, state: HeaterState, free_w: float) -> bool:
    """Whether the grid operator's limit (§14a) is not kept while it runs for itself: then it is locked."""
    if tick.inputs.operator.import_w is None:
        return False
    locked = tick.inputs.memory.setpoints.sg_ready.get(state.name) == SgReady.BLOCKED
    spec = tick.inputs.control.heaters[state.name]
    needs_w = spec.most_w if locked else max(state.power_w or 0.0, spec.least_w)
    return free_w < needs_w and (locked or (state.power_w or 0.0) > 0)
