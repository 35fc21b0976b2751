"""Calm: small changes are not made, and a mode that prices chose stays a while. A limit never waits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.control.batteries import can_give_w
from gateway.domain.control import Reason
from gateway.domain.readings import BatteryState

FORGET_S = 600.0  # while nothing better is seen, what staying has cost is forgotten in so long
# Where charging and discharging both earn (night energy below what feeding in earns) the least change of charge would
# turn a battery round with each tick, at full power: by the same prices it goes on for so long.
TURNS_AFTER_S = 600.0


@dataclass(frozen=True, slots=True)
class Damping:
    """``stayed_s`` is how long the present mode has held; ``regret`` what that has cost since another was
    better, ``switch_cost`` what a change costs (currency units), ``passed_s`` since the last decision. ``renewed``:
    prices or values have just changed. ``earns``: what was decided before still earns more than to rest would."""

    deadband_w: float
    dwell_s: float
    stayed_s: float
    switch_cost: float = 0.0
    regret: float = math.inf
    passed_s: float = 0.0
    renewed: bool = False
    earns: bool = True

    def after(
        self,
        new: Target,
        old: Target,
        lost_per_h: float,
        lasts_h: float = 0.0,
        *,
        earns: bool = True,
    ) -> Damping:
        """The same a tick later; ``lost_per_h`` is what staying with ``old`` loses against ``new`` an hour.
        ``lasts_h``: what makes the difference is known to last so long (prices of an interval that begins).
        ``earns``: ``old`` does, against rest.

        Whoever waits until waiting has cost as much as a change never pays more than twice what somebody
        who knew the future would have paid; a change that is worth much comes at once, one that is worth
        little waits, and one that is soon taken back is never made.
        """
        damping = replace(self, renewed=lasts_h > 0, earns=earns)
        if new.mode == old.mode:
            forgotten = self.switch_cost * self.passed_s / FORGET_S
            return replace(damping, regret=max(0.0, min(self.regret, self.switch_cost) - forgotten))
        if lost_per_h == math.inf:
            return replace(damping, regret=math.inf)
        lost = max(0.0, lost_per_h)
        regret = max(self.regret + lost * self.passed_s / 3600, lost * lasts_h)
        return replace(damping, regret=regret)

    def too_soon(self, new: Target, old: Target) -> bool:
        """Whether a change that only prices ask for has to wait."""
        turns = {new.mode, old.mode} == {"charge", "discharge"}
        if turns and self.earns and not self.renewed and self.stayed_s < TURNS_AFTER_S:
            return True
        if self.switch_cost > 0 and self.regret < math.inf:
            return self.regret < self.switch_cost
        return self.stayed_s < self.dwell_s


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
) -> Target:
    """``new``, unless the change is too small or, where only prices ask for it, too soon.

    For an ``old`` that may be kept: no calm is worth a limit.
    """
    if new.mode != old.mode:
        return (
            old if damping.too_soon(new, old) and new.reason.priced and old.reason.priced else new
        )
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
