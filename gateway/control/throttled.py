"""Sun that is held back: how much a car could have of what the meter does not show.

An inverter at its export limit gives less than its panels could, and the grid's meter shows no surplus. How
much is held back nobody measures; but while the sun was not held back it was, a short time ago. Where that
is too long ago a little more is taken to be there: whoever draws it sees whether it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gateway.domain.control import Setpoints
from gateway.domain.readings import BatteryState, Snapshot

NEAR_W = 150.0  # so near its limit, export is held at it
LEAST_SUN_W = 300.0
PATIENCE_S, LONGEST_S = (
    600.0,
    3600.0,
)  # what was seen holds for so long; longer after each try in vain
_FULL_PCT = 97.0
_STEP_W = 1_500.0


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


def is_held_back(
    snapshot: Snapshot, feed_in_w: float | None, before: Setpoints, *, keeps_export: bool
) -> bool:
    """Whether the sun is held at the export limit, and no battery takes what is too much."""
    if feed_in_w is None or snapshot.grid_w is None or (snapshot.pv_w or 0.0) < LEAST_SUN_W:
        return False
    if not before.pv_limits_w and not keeps_export:
        return False
    full = all(b.name in before.batteries_w or _takes_no_more(b) for b in snapshot.batteries)
    return full and -snapshot.grid_w >= max(0.0, feed_in_w) - NEAR_W


def held_back_w(
    memory: SunMemory, sun_w: float | None, at: float, *, held: bool, cars_w: float, least_w: float
) -> tuple[float, SunMemory]:
    """What a car could draw besides what is measured, W; ``cars_w`` is what cars draw now.

    ``least_w`` is the least that one starts with.
    """
    if sun_w is None:
        return 0.0, memory
    if not held:
        return 0.0, replace(memory, free_w=sun_w, seen_s=at)
    recent = at - memory.seen_s < memory.patience_s
    if cars_w > 0:  # what they draw was there, and more may be
        memory = replace(memory, trying=False, failed=0)
        more_w = memory.free_w - sun_w if recent else 0.0
        return (more_w if more_w > 0 else _STEP_W), memory
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
