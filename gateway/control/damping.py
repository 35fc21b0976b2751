"""Calm: small changes are not made, and a mode that prices chose stays a while. A limit never waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.control.batteries import can_give_w
from gateway.control.limits import Limits, SteeredHome, within
from gateway.domain.control import Reason
from gateway.domain.readings import BatteryState


@dataclass(frozen=True, slots=True)
class Damping:
    """``stayed_s`` is how long the present mode has held."""

    deadband_w: float
    dwell_s: float
    stayed_s: float


@dataclass(frozen=True, slots=True)
class Target:
    """What all batteries together are asked for, W, discharge +; None = released."""

    power_w: int | None
    reason: Reason

    @property
    def mode(self) -> str:
        """What is asked for, without how much."""
        if self.power_w is None:
            return "released"
        return "discharge" if self.power_w > 0 else "charge" if self.power_w < 0 else "rest"


def steady(
    new: Target,
    old: Target,
    damping: Damping,
    home: SteeredHome,
    limits: Limits,
    coming_w: float = 0.0,
) -> Target:
    """``new``, unless the change is too small or, where only prices ask for it, too soon.

    An old power that a limit would cut by now is never kept.
    """
    if old.power_w is not None and within(old.power_w, home, limits, coming_w)[1]:
        return new
    if new.mode != old.mode:
        too_soon = damping.stayed_s < damping.dwell_s
        return old if too_soon and new.reason.priced and old.reason.priced else new
    if new.power_w is None or old.power_w is None:
        return new
    small = abs(new.power_w - old.power_w) < damping.deadband_w
    return Target(old.power_w, new.reason) if small else new


def steady_shares(
    new: Mapping[str, int],
    old: Mapping[str, int],
    damping: Damping,
    batteries: Sequence[BatteryState],
    reserve_pct: float,
) -> Mapping[str, int]:
    """The old parts of the same total, while each battery may still give its own and little changes."""
    if new.keys() != old.keys() or sum(new.values()) != sum(old.values()):
        return new
    if any(old[b.name] > max(new[b.name], can_give_w(b, reserve_pct)) for b in batteries):
        return new
    moved = max((abs(new[name] - old[name]) for name in new), default=0)
    return old if moved < damping.deadband_w else new
