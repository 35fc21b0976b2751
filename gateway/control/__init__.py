"""(snapshot, commitment, plan's wish, limits) -> setpoints: one pure function, called every tick.

Priority: fuse > grid operator > reserve > committed delivery > price > comfort. Each step may only
narrow what the one before allowed. Missing input has a defined action, never 'keep the last value'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gateway.domain.control import Commitment, Limits, Reason, Setpoints
from gateway.domain.readings import Snapshot

# Close to the end of an interval a small rest of energy would ask for a huge power; below this the
# rest is spread as if so much time were left. It is less than a tick of a slow (10 s) control loop,
# so that the last tick still makes up what the ones before left over.
SHORTEST_LEFT_S = 5.0
# A car cannot charge with less than its least current; a wish above this is worth starting it.
LEAST_CAR_W = 100.0


# Reasons that may wait for the dwell time; limits and commitments never do.
PRICED = (Reason.SELF_CONSUMPTION, Reason.PRICE_DISCHARGE, Reason.PRICE_CHARGE, Reason.PRICE_REST)


@dataclass(frozen=True, slots=True)
class Wish:
    """What prices and comfort ask for, before commitments and limits.

    ``battery_w`` discharge +; None = the inverter's own self-consumption. ``car_w`` None = no car
    to charge. ``curtail`` = surplus is worth less than nothing now.
    """

    battery_w: float | None = None
    car_w: float | None = None
    curtail: bool = False
    reason: Reason = Reason.SELF_CONSUMPTION
    car_rises: bool = False  # the car was told to take more and may not do so yet


@dataclass(frozen=True, slots=True)
class ChargerSpec:
    """How the charger's current relates to power. ``min_a`` is the least a car accepts (IEC 61851: 6 A)."""

    phases: int = 3
    volts: float = 230.0
    min_a: float = 6.0
    max_a: float = 16.0

    @property
    def power_w(self) -> float:
        """The most it gives."""
        return self.phases * self.volts * self.max_a


def decide(
    snapshot: Snapshot,
    commitment: Commitment,
    wish: Wish,
    limits: Limits,
    charger: ChargerSpec | None = None,
    keeps_export: bool = False,
) -> Setpoints:
    """The setpoints of this tick. Released wherever the inputs that a decision needs are missing.

    ``keeps_export``: a device keeps the export limit now. It regulates faster than we could by the
    generation, and knows the load when we do not.
    """
    current_a = _charge_current(snapshot, wish, limits, charger)
    export_limit_w = _export_limit(commitment, wish, limits)
    pv_limit_w = None if keeps_export else _pv_limit(snapshot, commitment, wish, limits)
    if snapshot.grid_w is None or snapshot.battery_w is None or snapshot.battery_soc_pct is None:
        return Setpoints(
            pv_limit_w=pv_limit_w,
            export_limit_w=export_limit_w,
            charge_current_a=current_a,
            reason=Reason.NOT_MEASURED,
        )
    target_w, reason = _battery_target(snapshot, commitment, wish)
    if target_w is not None:
        coming_w = _coming_w(snapshot, wish, current_a, charger)
        target_w, why = _within(target_w, snapshot, limits, coming_w)
        reason = why or reason
    elif snapshot.battery_soc_pct <= limits.reserve_pct:
        # Released, the inverter would go below our reserve: hold it at zero discharge instead.
        surplus_w = -(snapshot.grid_w + snapshot.battery_w)
        target_w = -min(_or_none(limits.max_charge_w), max(0.0, surplus_w))
        reason = Reason.RESERVE
    return Setpoints(
        battery_w=None if target_w is None else round(target_w),
        pv_limit_w=pv_limit_w,
        export_limit_w=export_limit_w,
        charge_current_a=current_a,
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class Pace:
    """How calm control is: ``stayed_s`` is how long the present mode has held."""

    deadband_w: float
    stayed_s: float
    dwell_s: float


def steady(
    new: Setpoints, old: Setpoints, pace: Pace, snapshot: Snapshot, limits: Limits
) -> Setpoints:
    """``new``, unless the change is too small or, where only prices ask for it, too soon.

    An old power that a limit would cut by now is never kept.
    """
    if mode(new) != mode(old):
        too_soon = pace.stayed_s < pace.dwell_s
        if not too_soon or new.reason not in PRICED or old.reason not in PRICED:
            return new
        if old.battery_w is not None and _within(old.battery_w, snapshot, limits)[1]:
            return new
        return replace(new, battery_w=old.battery_w, reason=old.reason)
    if new.battery_w is None or old.battery_w is None:
        return new
    if abs(new.battery_w - old.battery_w) < pace.deadband_w:
        return replace(new, battery_w=old.battery_w)
    return new


def mode(setpoints: Setpoints) -> str:
    """What the battery is asked to do, without how much."""
    power_w = setpoints.battery_w
    if power_w is None:
        return "released"
    return "discharge" if power_w > 0 else "charge" if power_w < 0 else "rest"


def _battery_target(
    snapshot: Snapshot, commitment: Commitment, wish: Wish
) -> tuple[float | None, Reason]:
    """Battery power for the commitment if there is one, else the wish; None = released."""
    assert snapshot.grid_w is not None and snapshot.battery_w is not None  # noqa: S101, PT018
    if commitment.position_wh == 0 or commitment.delivered_wh is None:
        return wish.battery_w, wish.reason
    rest_wh = commitment.position_wh - commitment.delivered_wh
    export_w = rest_wh * 3600 / max(commitment.left_s, SHORTEST_LEFT_S)
    # Whatever the home does now, the battery makes up the difference to the wanted export.
    return snapshot.battery_w + snapshot.grid_w + export_w, Reason.DELIVERY


def _coming_w(
    snapshot: Snapshot, wish: Wish, current_a: float | None, charger: ChargerSpec | None
) -> float:
    """What the car will draw beyond the present in a moment: the battery makes room before it does."""
    if charger is None or not current_a or not wish.car_rises:
        return 0.0
    return max(current_a * charger.phases * charger.volts - (snapshot.charger_w or 0.0), 0.0)


def _within(
    battery_w: float, snapshot: Snapshot, limits: Limits, coming_w: float = 0.0
) -> tuple[float, Reason | None]:
    """``battery_w`` narrowed by power, fuse, export limit and reserve, and the rule that did it last."""
    assert snapshot.grid_w is not None and snapshot.battery_w is not None  # noqa: S101, PT018
    assert snapshot.battery_soc_pct is not None  # noqa: S101
    why: Reason | None = None
    without_w = snapshot.grid_w + snapshot.battery_w  # import if the battery did nothing
    low, high = -_or_none(limits.max_charge_w), _or_none(limits.max_discharge_w)
    if snapshot.battery_soc_pct <= limits.reserve_pct and battery_w > 0:
        battery_w, why = 0.0, Reason.RESERVE
    if limits.export_limit_w is not None:
        high_export = without_w + limits.export_limit_w
        if battery_w > high_export:
            battery_w, why = high_export, Reason.EXPORT_LIMIT
    if limits.import_limit_w is not None:
        low_import = without_w + coming_w - limits.import_limit_w
        if battery_w < low_import:
            battery_w, why = low_import, Reason.FUSE
    return min(high, max(low, battery_w)), why


def _export_limit(commitment: Commitment, wish: Wish, limits: Limits) -> int | None:
    """What may be exported at most: nothing while surplus costs money, unless it is sold."""
    if wish.curtail and commitment.position_wh <= 0:
        return 0
    return None if limits.export_limit_w is None else round(limits.export_limit_w)


def _pv_limit(snapshot: Snapshot, commitment: Commitment, wish: Wish, limits: Limits) -> int | None:
    """An upper limit of generation, or None: for the export limit, or where surplus costs money.

    With the meter lost the load is not known: all of the generation might be exported, so it is held
    to the export limit itself. A battery that is not there, or not known, takes nothing.
    """
    allowed_w = limits.export_limit_w
    if wish.curtail and commitment.position_wh <= 0 and snapshot.load_w is not None:
        allowed_w = 0.0
    if allowed_w is None:
        return None
    if snapshot.load_w is None or snapshot.pv_w is None:
        return round(allowed_w)
    charging_w = max(0.0, -(snapshot.battery_w or 0.0))
    limit_w = snapshot.load_w + charging_w + allowed_w
    # The limit is only needed when generation comes near it; a margin keeps it from flickering.
    return round(limit_w) if snapshot.pv_w > 0.8 * limit_w else None


def _or_none(limit_w: float | None) -> float:
    """A limit that nobody states is none; the device has its own."""
    return math.inf if limit_w is None else limit_w


def _charge_current(
    snapshot: Snapshot, wish: Wish, limits: Limits, charger: ChargerSpec | None
) -> float | None:
    """Amperes for the car in whole steps, 0 = pause, None = no car or nothing to say."""
    if charger is None or wish.car_w is None or snapshot.car_plugged is None:
        return None
    per_ampere_w = charger.phases * charger.volts
    wanted_a = math.ceil(wish.car_w / per_ampere_w - 1e-9) if wish.car_w > LEAST_CAR_W else 0
    allowed_a = math.floor(charger.max_a)
    if limits.import_limit_w is not None:
        if snapshot.grid_w is None or snapshot.charger_w is None:
            allowed_a = math.floor(charger.min_a)  # blind: the least, not the last
        else:
            # What the battery charges gives way to the car: that can wait, a departure cannot.
            charging_w = max(0.0, -(snapshot.battery_w or 0.0))
            room_w = limits.import_limit_w - (snapshot.grid_w - snapshot.charger_w - charging_w)
            allowed_a = min(allowed_a, math.floor(room_w / per_ampere_w))
    if not wanted_a or allowed_a < charger.min_a:
        return 0.0
    return float(min(max(wanted_a, charger.min_a), allowed_a))
