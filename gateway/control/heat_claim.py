"""Cars and heaters under one import limit: who comes first is a matter of need, then of value, not of who began. Pure.

A car past its latest start takes what a heater draws for its price alone; water that is too cold or must be heated now takes
room before a car that can wait; else the dearer kWh goes first. Where both must, the car comes first: it leaves, and a tank is warm a little later.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.control import charging
from gateway.control.fuse import without_loads
from gateway.control.heat import heat_needs, too_cold, too_warm
from gateway.control.heat_limits import room_w
from gateway.control.inputs import HeaterMemory
from gateway.control.tick import Tick
from gateway.domain.heat import Heater
from gateway.domain.plan import HeatNeed
from gateway.domain.readings import HeaterState

DISTRUST_S = 600.0  # so long nothing is expected of one that did not give way
CLEARLY = 1.1  # so many times dearer: values that are nearly alike change nothing that runs


def beside_heaters(tick: Tick) -> Tick:
    """The same with import limit and phases as the cars find them: more room where heaters give way, less where they come first."""
    limit_w = tick.limits.import_limit_w
    known = tick.inputs.control.heaters
    rods = [h for h in tick.inputs.snapshot.heaters if h.steerable and h.name in known]
    if limit_w is None or not any(c.plugged for c in tick.home.chargers):
        return tick
    needs = heat_needs(rods, known, tick.inputs.now, tick.inputs.control.zone)
    urgent, worth = _cars(tick)
    given_w = {
        state.name: _given_w(tick, state, known[state.name], needs.get(state.name), urgent, worth)
        for state in rods
        if not state.pump and state.power_w is not None
    }
    if not any(given_w.values()):
        return tick
    left_w = max(min(0.0, limit_w), limit_w + sum(given_w.values()))
    seen = without_loads(tick.inputs.snapshot, given_w, tick.inputs.control)
    return replace(
        tick,
        inputs=replace(tick.inputs, snapshot=seen),
        limits=replace(tick.limits, import_limit_w=left_w),
    )


def _cars(tick: Tick) -> tuple[bool, float | None]:
    """Whether one of them cannot wait, and what the dearest MWh into a car is worth; None where no plan knows of one."""
    inputs = tick.inputs
    needs = charging.needs(tick.home.chargers, inputs.settings, inputs.control, inputs.now)
    at_once = inputs.settings.charge_now and not inputs.memory.charge_now_spent
    urgent = at_once or any(charging.late(need, inputs.now) for need in needs.values())
    curves = tick.terms.car_values if tick.terms else {}
    values = [
        curves[name].value_per_mwh[0]
        for name, need in needs.items()
        if need.energy_wh > 0 and name in curves
    ]
    return urgent, max(values, default=None)


def _given_w(
    tick: Tick,
    state: HeaterState,
    spec: Heater,
    need: HeatNeed | None,
    urgent: bool,
    cars_worth: float | None,
) -> float:
    """W that this heater gives to the cars (+), or takes before them (-)."""
    before = tick.inputs.memory.heaters.get(state.name, HeaterMemory())
    ignores = tick.inputs.monotonic_s - before.ignored_s < DISTRUST_S
    gives_w = 0.0 if ignores else state.power_w or 0.0
    if too_warm(state, spec, before.on):
        return gives_w
    must = too_cold(state, spec, before.cold) or (
        need is not None and charging.late(need, tick.inputs.now)
    )
    if must and urgent:
        return 0.0
    if must or urgent:
        return gives_w if urgent else -_more_w(tick, state, spec, before)
    price = None if tick.terms is None else tick.terms.import_price
    curve = None if tick.terms is None else tick.terms.heat_values.get(state.name)
    if curve is None or cars_worth is None or price is None or need is None:
        return 0.0
    worth = curve.value_per_mwh[0]
    if cars_worth > max(worth * CLEARLY, price):
        return gives_w
    if worth > max(cars_worth * CLEARLY, price) and need.energy_wh > 0:
        return -_more_w(tick, state, spec, before)
    return 0.0


def _more_w(tick: Tick, state: HeaterState, spec: Heater, before: HeaterMemory) -> float:
    """What it would draw more if no car charged: nothing of what it may not yet, or is too large for the limit even so."""
    if not before.on and tick.inputs.monotonic_s - before.since_s < spec.min_off_s:
        return 0.0
    fits_w = spec.stepped_w(room_w(tick, state, -(tick.home.charger_w or 0.0)))
    return max(0.0, fits_w - (state.power_w or 0.0))
