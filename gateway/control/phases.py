"""One phase or all of them: a charger is switched where that is worth it, rarely, and never while its car draws. Pure.

Three phases at the least current take 4.1 kW, one takes 1.4 kW: weaker sun charges on one phase. A switch opens
contactors that last some ten thousand times, and makes the car wait; so it is made only when not to have made it
has cost as much as one does, and not twice within the dwell time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.control.cars import CarChoice, CarsNow, gain_of, worth
from gateway.control.inputs import PhaseMemory
from gateway.domain.control import PhaseReason
from gateway.domain.plan import CarNeed, ValueCurve

STOPPED_W = 100.0  # less is no charging
PAUSE_S = 10.0  # from 'pause' to the switch at least: a car ramps down within 5 s (IEC 61851)
PATIENCE_S = 120.0  # a car that draws on for so long is not switched
SETTLE_S = 20.0  # from the switch until the car is let in again
_LONGEST_TICK_S = 60.0


@dataclass(frozen=True, slots=True)
class PhaseRules:
    """``dwell_s`` lie between two switches at least; one costs ``cost``, currency units."""

    dwell_s: float
    cost: float


def pausing(memory: PhaseMemory, at: float) -> bool:
    """Whether the car must not draw now, for its charger is being switched."""
    return memory.stopping_s is not None or at - memory.since_s < SETTLE_S


def switched(
    memory: PhaseMemory, gain_per_h: float, power_w: float | None, at: float, rules: PhaseRules
) -> PhaseMemory:
    """After another look. ``gain_per_h`` is what the other phases would earn more than the present ones,
    currency units an hour (infinite: they are needed at once); ``power_w`` what the car draws."""
    if memory.stopping_s is not None:
        waited_s = at - memory.stopping_s
        if power_w is not None and power_w < STOPPED_W and waited_s >= PAUSE_S:
            return PhaseMemory(one=not memory.one, since_s=at, at_s=at, why=memory.why_next)
        if waited_s > PATIENCE_S:  # it does not stop: let it be, and do not try again at once
            return PhaseMemory(one=memory.one, since_s=at - SETTLE_S, at_s=at, why=memory.why)
        return memory
    known = memory.at_s > -math.inf
    passed_s = min(max(at - memory.at_s, 0.0), _LONGEST_TICK_S) if known else 0.0
    if math.isinf(gain_per_h):
        regret = rules.cost
    else:
        regret = max(0.0, memory.regret + gain_per_h * passed_s / 3600)
    if regret >= rules.cost and gain_per_h > 0 and at - memory.since_s >= rules.dwell_s:
        why = PhaseReason.MUCH if memory.one else PhaseReason.LITTLE
        if math.isinf(gain_per_h):
            why = PhaseReason.URGENT
        return replace(memory, stopping_s=at, regret=0.0, at_s=at, why_next=why)
    return replace(memory, regret=regret, at_s=at)


def switch_gains(
    others: Mapping[str, CarNeed],
    needs: Mapping[str, CarNeed],
    curves: Mapping[str, ValueCurve],
    now: CarsNow,
    chosen: Sequence[CarChoice],
) -> dict[str, float]:
    """What each car of ``others`` would earn more than now if it charged from other phases, per hour.

    ``others`` are the needs as those phases would meet them, ``chosen`` what each car does as it is.
    """
    taken_w = {choice.name: choice.power_w for choice in chosen}
    before = {choice.name: max(0.0, choice.gain_per_h) for choice in chosen}
    gains = {}
    for name, other in others.items():
        beside_w = sum(w for n, w in taken_w.items() if n != name)
        inputs = replace(now.inputs, net_load_w=now.inputs.net_load_w + beside_w)
        curve = curves.get(name)
        value = worth(needs[name], curve)
        after = (
            gain_of(value, other, curve, replace(now, inputs=inputs)) if value > -math.inf else 0.0
        )
        gains[name] = max(0.0, after) - before.get(name, 0.0)
    return gains
