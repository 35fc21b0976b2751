"""Sun that is held back: how much a car could have of what the meter does not show.

An inverter at its export limit gives less than its panels could, and the grid's meter shows no surplus. How
much is held back nobody measures; but while the sun was not held back it was, a short time ago. Where that
is too long ago a little more is taken to be there: whoever draws it sees whether it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from gateway.domain.control import Setpoints
from gateway.domain.readings import BatteryState, Snapshot

NEAR_W = 150.0  # so near its limit, export is held at it
LEAST_SUN_W = 300.0
PATIENCE_S, LONGEST_S = (
    600.0,
    3600.0,
)  # what was seen holds for so long; longer after each try in vain
_FULL_PCT = 97.0
_STEP_W = 800.0  # a little more than an ampere on three phases
FRESH_S = 180.0  # the sun changes slowly enough not to be asked oftener


@dataclass(frozen=True, slots=True)
class SunMemory:
    """What the panels gave when nothing held them back last, W, and when (monotonic, s).

    ``trying``: more than was seen is taken to be there; ``failed`` how often that was in vain in a row.
    """

    free_w: float = 0.0
    seen_s: float = -math.inf
    trying: bool = False
    failed: int = 0

    @property
    def patience_s(self) -> float:
        """For how long what was seen holds."""
        return min(LONGEST_S, PATIENCE_S * 2.0**self.failed)


Held = Literal["no", "told", "seen"]  # by what an inverter was told, or as the meter shows it


def held(
    snapshot: Snapshot, feed_in_w: float | None, before: Setpoints, *, keeps_export: bool
) -> Held:
    """Whether the sun is held at the export limit, and no battery takes what is too much."""
    if feed_in_w is None or snapshot.grid_w is None or (snapshot.pv_w or 0.0) < LEAST_SUN_W:
        return "no"
    if not before.pv_limits_w and not keeps_export:
        return "no"
    if not all(b.name in before.batteries_w or _takes_no_more(b) for b in snapshot.batteries):
        return "no"
    if -snapshot.grid_w >= max(0.0, feed_in_w) - NEAR_W:
        return "seen"
    return "told" if at_limit(snapshot, before) else "no"


def at_limit(snapshot: Snapshot, before: Setpoints) -> bool:
    """Whether inverters give what they were told to give at most, or one of them does: a load that just came is not
    seen yet.

    One whose battery helps is at its limit by that: its panels give all that they can.
    """
    helped = {b.name for b in snapshot.batteries if (b.power_w or 0.0) > NEAR_W}
    fed_w = {
        i.name: (i.ac_w if i.tells_ac else i.pv_w) or 0.0
        for i in snapshot.inverters
        if i.name in before.pv_limits_w and i.name not in helped
    }
    limits_w = {name: before.pv_limits_w[name] for name in fed_w}
    together = abs(sum(fed_w.values()) - sum(limits_w.values())) <= NEAR_W
    one = any(w > NEAR_W and abs(fed_w[name] - w) <= NEAR_W for name, w in limits_w.items())
    return bool(fed_w) and (together or one)


def held_back_w(
    memory: SunMemory, sun_w: float | None, at: float, *, by: Held, cars_w: float, least_w: float
) -> tuple[float, SunMemory]:
    """What a car could draw besides what is measured, W; ``cars_w`` is what cars draw now.

    ``least_w`` is the least that one starts with.
    """
    if sun_w is None:
        return 0.0, memory
    if by == "no":
        return 0.0, replace(memory, free_w=sun_w, seen_s=at)
    recent = at - memory.seen_s < memory.patience_s
    if cars_w > 0:  # what they draw was there, and more may be
        if by == "seen":
            memory = replace(memory, trying=False, failed=0)
        fresh = at - memory.seen_s < FRESH_S
        return (max(0.0, memory.free_w - sun_w) if fresh else _STEP_W), memory
    if recent:
        if memory.trying:
            memory = replace(memory, trying=False, failed=memory.failed + 1)
        return max(0.0, memory.free_w - sun_w), memory
    return least_w + NEAR_W, replace(memory, trying=True)


def _takes_no_more(battery: BatteryState) -> bool:
    if battery.soc_pct is not None and battery.soc_pct >= _FULL_PCT:
        return True
    most_w = battery.max_charge_w
    return battery.power_w is not None and most_w is not None and -battery.power_w >= 0.9 * most_w
