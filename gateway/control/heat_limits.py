"""How much a heater may draw now: what import limit and fuse leave beside all else. Pure."""

from __future__ import annotations

import math

from gateway.control.tick import Tick
from gateway.domain.readings import HeaterState


def room_w(tick: Tick, state: HeaterState, coming_w: float, *, must: bool = False) -> float:
    """W, its present power among it; infinite without a limit. ``coming_w`` will be drawn besides in a moment.

    Blind under a limit there is none: a tank can wait. What the battery gives is no room, for then it would be
    emptied into the tank to keep a limit that the heater can keep. What it takes is room for water that ``must`` be
    heated now: the battery gives way, as it does to a car that leaves.
    """
    battery_w = tick.home.battery_w
    taken_w = max(0.0, -battery_w) if must and battery_w is not None else 0.0
    # On which phase the battery takes it is not known: a fuse is kept without that.
    return min(_in_all_w(tick, state, coming_w - taken_w), _by_phase_w(tick, state, coming_w))


def _in_all_w(tick: Tick, state: HeaterState, coming_w: float) -> float:
    limit_w = tick.limits.import_limit_w
    if limit_w is None:
        return math.inf
    grid_w, own_w = tick.home.grid_w, state.power_w
    if grid_w is None or own_w is None or tick.home.battery_w is None:
        return 0.0
    return limit_w - (grid_w + max(0.0, tick.home.battery_w) - own_w + coming_w)


def _by_phase_w(tick: Tick, state: HeaterState, coming_w: float) -> float:
    """By the fullest of its phases, where the meter tells them; else the sum is kept with the unbalance that is assumed."""
    fuse, told = tick.inputs.control.fuse, tick.inputs.snapshot.phases
    if fuse is None or not told:
        return math.inf
    its = tick.inputs.control.phases.get(state.name, tuple(range(1, fuse.phases + 1)))
    parts = []
    for number in its:
        phase = told[number - 1]
        drawn_w = phase.power_w
        if drawn_w is None and phase.current_a is not None:
            drawn_w = phase.current_a * fuse.volts
        if drawn_w is None or state.power_w is None:
            return 0.0
        most_w = fuse.amps * fuse.volts - tick.limits.phase_tighter_w
        parts.append(most_w - drawn_w - coming_w / fuse.phases + state.power_w / len(its))
    return min(parts) * len(its)
