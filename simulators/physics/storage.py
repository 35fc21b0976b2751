"""A second battery of another maker, with an inverter of its own on the AC side and a meter that it follows. Pure.

Powers AC, W, discharge +. Left alone it takes the grid's power of the step before to 0, as such a device does that
sees the meter a moment late.
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_SOC_PCT = 5.0  # it gives no more by itself


@dataclass(frozen=True, slots=True)
class Storage:
    """``efficiency`` one way, between AC and what is stored; ``soc_pct`` at the start."""

    capacity_wh: float = 5_000.0
    power_w: float = 2_500.0
    efficiency: float = 0.94
    soc_pct: float = 50.0


def power_w(
    spec: Storage, stored_wh: float, told_w: float | None, last: tuple[float, float], hours: float
) -> float:
    """What it gives in a step; ``last`` are its own and the grid's power in the step before."""
    wanted_w = sum(last) if told_w is None else told_w
    spare_wh = max(0.0, stored_wh - spec.capacity_wh * MIN_SOC_PCT / 100)
    room_wh = max(0.0, spec.capacity_wh - stored_wh)
    most_w = min(spec.power_w, spare_wh * spec.efficiency / hours)
    least_w = -min(spec.power_w, room_wh / spec.efficiency / hours)
    return min(most_w, max(least_w, wanted_w))


def stored_after(spec: Storage, stored_wh: float, given_w: float, hours: float) -> float:
    """Wh after a step in which it gave so much."""
    part = 1 / spec.efficiency if given_w > 0 else spec.efficiency
    return stored_wh - given_w * part * hours
