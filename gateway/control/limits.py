"""What nobody may break: fuse > grid operator > reserve > committed delivery > price > comfort.

Each step may only narrow what the one before allowed. `within` keeps them for the batteries together;
`gateway.control.batteries.split` keeps the reserve of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.control.batteries import at_reserve, can_give_w, most_w, sized
from gateway.domain.control import ControlSettings, Reason
from gateway.domain.order import StandingSettings
from gateway.domain.readings import BatteryState, ChargerState, Snapshot


@dataclass(frozen=True, slots=True)
class Limits:
    """All powers W and >= 0, None = no such limit.

    ``import_limit_w`` is the smaller of the fuse and what the grid operator or the user allows, and
    ``import_reason`` which of them that is; ``export_limit_w`` the smallest of agreement and settings.
    ``resale``: False while what is stored must stay at home, so that the battery only covers the house.
    """

    import_limit_w: float | None
    import_reason: Reason
    export_limit_w: float | None
    reserve_pct: float
    resale: bool = True


def limits_of(control: ControlSettings, settings: StandingSettings, *, resale: bool) -> Limits:
    """The limits that hold now; no setting widens one of the connection."""
    fuse_w, allowed_w = control.import_limit_w, settings.import_limit_w
    tighter = allowed_w is not None and (fuse_w is None or allowed_w < fuse_w)
    return Limits(
        import_limit_w=_least(fuse_w, allowed_w),
        import_reason=Reason.IMPORT_LIMIT if tighter else Reason.FUSE,
        export_limit_w=_least(control.export_limit_w, settings.export_limit_w),
        reserve_pct=settings.reserve_pct,
        resale=resale,
    )


@dataclass(frozen=True, slots=True)
class SteeredHome:
    """The home at this moment as control sees it: what can be steered, and the rest as load.

    Powers W, None = not known. ``battery_w`` is 0 without a battery that can be steered.
    """

    batteries: tuple[BatteryState, ...]
    chargers: tuple[ChargerState, ...]
    grid_w: float | None
    battery_w: float | None
    charger_w: float | None

    @property
    def without_battery_w(self) -> float | None:
        """Import if the batteries did nothing."""
        if self.grid_w is None or self.battery_w is None:
            return None
        return self.grid_w + self.battery_w

    @property
    def without_car_w(self) -> float | None:
        """Import if neither batteries nor cars did anything."""
        if self.charger_w is None or self.grid_w is None:
            return None
        return self.grid_w + (self.battery_w or 0.0) - self.charger_w


def steered(snapshot: Snapshot, control: ControlSettings) -> SteeredHome:
    """What of the home can be steered; what cannot is a part of its load."""
    batteries = tuple(b for b in sized(snapshot.batteries, control.battery) if b.steerable)
    chargers = tuple(c for c in snapshot.chargers if c.steerable)
    return SteeredHome(
        batteries=batteries,
        chargers=chargers,
        grid_w=snapshot.grid_w,
        battery_w=_sum([b.power_w for b in batteries]),
        charger_w=_sum([c.power_w for c in chargers]),
    )


def within(
    power_w: float, home: SteeredHome, limits: Limits, coming_w: float = 0.0
) -> tuple[float, Reason | None]:
    """``power_w`` of all batteries (discharge +), narrowed; and the rule that did it last.

    ``coming_w``: what cars will draw beyond the present in a moment; the battery makes room before they
    do, but feeds nothing into the grid for it. Where the fuse needs it now, the batteries help even
    below the reserve: a home whose fuse has blown has no reserve.
    """
    without_w = home.without_battery_w
    if without_w is None:
        raise ValueError("limits are kept at the meter, and the meter or a battery is not known")
    why: Reason | None = None
    give_w = sum(can_give_w(b, limits.reserve_pct) for b in home.batteries)
    if power_w > give_w and any(at_reserve(b, limits.reserve_pct) for b in home.batteries):
        power_w, why = give_w, Reason.RESERVE
    least_w = -math.inf if limits.import_limit_w is None else without_w - limits.import_limit_w
    if power_w < least_w + coming_w:
        power_w, why = least_w + coming_w, limits.import_reason
    if not limits.resale and power_w > max(0.0, without_w):
        power_w, why = max(0.0, without_w), Reason.NOT_RESOLD
    if limits.export_limit_w is not None and power_w > without_w + limits.export_limit_w:
        power_w, why = without_w + limits.export_limit_w, Reason.EXPORT_LIMIT
    if power_w < least_w:
        power_w, why = least_w, limits.import_reason
    low_w = -sum(most_w(b.max_charge_w) for b in home.batteries)
    high_w = sum(most_w(b.max_discharge_w) for b in home.batteries)
    return min(high_w, max(low_w, power_w)), why


def export_limit_w(curtail: bool, sold: bool, limits: Limits) -> int | None:
    """What may be exported at most: nothing while surplus costs money, unless it is sold."""
    if curtail and not sold:
        return 0
    return None if limits.export_limit_w is None else round(limits.export_limit_w)


def pv_limit_w(snapshot: Snapshot, curtail: bool, sold: bool, limits: Limits) -> int | None:
    """An upper limit of generation, or None: for the export limit, or where surplus costs money.

    With the meter lost the load is not known: all of the generation might be exported, so it is held
    to the export limit itself. A battery that is not there, or not known, takes nothing.
    """
    allowed_w = limits.export_limit_w
    if curtail and not sold and snapshot.load_w is not None:
        allowed_w = 0.0
    if allowed_w is None:
        return None
    if snapshot.load_w is None or snapshot.pv_w is None:
        return round(allowed_w)
    charging_w = max(0.0, -(snapshot.battery_w or 0.0))
    limit_w = snapshot.load_w + charging_w + allowed_w
    # The limit is only needed when generation comes near it; a margin keeps it from flickering.
    return round(limit_w) if snapshot.pv_w > 0.8 * limit_w else None


def _least(*limits: float | None) -> float | None:
    return min((w for w in limits if w is not None), default=None)


def _sum(parts: Sequence[float | None]) -> float | None:
    known = [p for p in parts if p is not None]
    return sum(known) if len(known) == len(parts) else None
