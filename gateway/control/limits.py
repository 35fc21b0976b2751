"""What nobody may break: fuse > grid operator > reserve > committed delivery > price > comfort.

Each step may only narrow what the one before allowed. `within` keeps them for the batteries together;
`gateway.control.batteries.split` keeps the reserve of each.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.control.batteries import at_reserve, can_give_w, most_w, sized, steerable
from gateway.control.fuse import battery_import_w, total_w
from gateway.control.inputs import DecisionInputs
from gateway.domain.control import ControlSettings, Fuse, GridLimits, Reason, Setpoints
from gateway.domain.readings import BatteryState, ChargerState, InverterState, Snapshot

HELD_W = 150.0  # so near its limit, an inverter is held at it
OBEYS_W, OBEYS_PART = 30.0, 0.1  # so near what it was told, a battery does it
LITTLE_SUN_W = 50.0  # no export limit is broken by less
FLASH_STEP_W = 500  # by so much a limit that a device keeps in flash is taken tighter


@dataclass(frozen=True, slots=True)
class Limits:
    """All powers W, None = no such limit; each as tight as the limit watch asks for.

    ``import_limit_w`` is the smaller of the fuse and what the grid operator or the user allows, and
    ``import_reason`` which of them that is, ``import_tighter_w`` what was taken off it for the limit
    watch and for phases that no meter tells; ``export_limit_w`` the smallest of agreement and settings,
    and ``feed_in_w`` that for the sun: 0 besides while surplus costs money, and below 0 where inverters
    feed in more than they are told (a battery is never filled from the grid for it).
    ``resale``: False while what is stored must stay at home, so that the battery only covers the house.
    ``phases_import_w`` is the import at which a phase is at its fuse if only the batteries change theirs;
    ``phase_tighter_w`` is taken off each phase.
    """

    import_limit_w: float | None
    import_reason: Reason
    export_limit_w: float | None
    feed_in_w: float | None
    reserve_pct: float
    resale: bool = True
    phases_import_w: float | None = None
    phase_tighter_w: float = 0.0
    phases_tighter_w: float = 0.0
    import_tighter_w: float = 0.0


def grid_limits(inputs: DecisionInputs, *, curtail: bool) -> GridLimits:
    """What holds at the meter now: each may only narrow the others.

    ``curtail``: surplus costs money, and none is sold.
    """
    imports = (w for _, w in _imports(inputs))
    return GridLimits(
        import_w=_least(*imports),
        export_w=_export_w(inputs),
        phase_w=None if inputs.control.fuse is None else _phase_w(inputs.control.fuse),
        unpaid=curtail,
    )


def limits_of(inputs: DecisionInputs, *, curtail: bool, resale: bool) -> Limits:
    """The limits as control keeps them."""
    tightening, settings = inputs.tightening, inputs.settings
    kept = grid_limits(inputs, curtail=curtail)
    export_w, tighter_w = kept.export_w, tightening.phase_w
    import_w = _less(kept.import_w, tightening.import_w)
    batteries = steered(inputs.snapshot, inputs.control).batteries
    phases_w = battery_import_w(inputs.snapshot, batteries, inputs.control, tighter_w)
    return Limits(
        phases_import_w=phases_w,
        phase_tighter_w=tighter_w,
        phases_tighter_w=tighter_w * (inputs.control.fuse.phases if inputs.control.fuse else 0),
        import_limit_w=import_w,
        import_reason=next(
            (why for why, w in _imports(inputs) if w is not None and w == kept.import_w),
            Reason.FUSE,
        ),
        export_limit_w=None if export_w is None else max(0.0, export_w - tightening.export_w),
        feed_in_w=_less(kept.feed_in_w, tightening.export_w),
        reserve_pct=settings.reserve_pct,
        resale=resale,
        import_tighter_w=tightening.import_w + _guessed_w(inputs, kept.import_w),
    )


def _guessed_w(inputs: DecisionInputs, import_w: float | None) -> float:
    """What the limit of import would be looser by if the phases were known to be alike, W."""
    fuse = inputs.control.fuse
    if fuse is None or import_w is None:
        return 0.0
    fuse_w = total_w(inputs.snapshot, replace(fuse, unbalance_a=0.0))
    beside = (
        inputs.control.import_limit_w,
        inputs.operator.import_w,
        inputs.settings.import_limit_w,
    )
    return (_least(fuse_w, *beside) or 0.0) - import_w


def _imports(inputs: DecisionInputs) -> tuple[tuple[Reason, float | None], ...]:
    """Every limit of import, by rank."""
    control = inputs.control
    fuse_w = total_w(inputs.snapshot, control.fuse) if control.fuse else None
    return (
        (Reason.FUSE, _least(control.import_limit_w, fuse_w)),
        (Reason.GRID_OPERATOR, inputs.operator.import_w),
        (Reason.IMPORT_LIMIT, inputs.settings.import_limit_w),
    )


def _phase_w(fuse: Fuse) -> float:
    return fuse.amps * fuse.volts


def _export_w(inputs: DecisionInputs) -> float | None:
    """The connection's agreement, the grid operator's word and the user's, whichever is tightest."""
    asked = (inputs.control, inputs.settings)
    return _least(*(a.export_limit_w for a in asked), inputs.operator.export_w)


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
    batteries = sized(steerable(snapshot.batteries), control.battery)
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
    below the reserve: a home whose fuse has blown has no reserve. That a limit is taken tighter than it
    is, or lower for phases that nobody measures, is no such need.
    """
    without_w = home.without_battery_w
    if without_w is None:
        raise ValueError("limits are kept at the meter, and the meter or a battery is not known")
    why: Reason | None = None
    give_w = sum(can_give_w(b, limits.reserve_pct) for b in home.batteries)
    if power_w > give_w and any(at_reserve(b, limits.reserve_pct) for b in home.batteries):
        power_w, why = give_w, Reason.RESERVE
    least_w, import_reason = _least_help_w(without_w, limits, give_w)
    if power_w < least_w + coming_w:
        power_w, why = least_w + coming_w, import_reason
    if not limits.resale and power_w > max(0.0, without_w):
        power_w, why = max(0.0, without_w), Reason.NOT_RESOLD
    if limits.export_limit_w is not None and power_w > without_w + limits.export_limit_w:
        power_w, why = without_w + limits.export_limit_w, Reason.EXPORT_LIMIT
    if power_w < least_w:
        power_w, why = least_w, import_reason
    low_w = -sum(most_w(b.max_charge_w) for b in home.batteries)
    high_w = sum(most_w(b.max_discharge_w) for b in home.batteries)
    return min(high_w, max(low_w, power_w)), why


def import_spent(setpoints: Setpoints, home: SteeredHome, limits: Limits) -> bool:
    """Whether all that can be done against too much import is done: batteries give the most that their reserve leaves, or
    at all where it does not count, and cars wait.

    To take the limit tighter than it is would change nothing then, but stay when the need is over.
    """
    most = give_w = sum(can_give_w(b, limits.reserve_pct) for b in home.batteries)
    without_w = home.without_battery_w
    if without_w is None or _least_help_w(without_w, limits, give_w)[0] > give_w:
        most = sum(most_w(b.max_discharge_w) for b in home.batteries)
    waiting = all(a <= 0 for a in setpoints.chargers_a.values())
    told_w = setpoints.battery_w
    gives_w = home.battery_w if told_w is None else told_w
    return waiting and gives_w is not None and gives_w > most - max(1.0, 0.03 * most)


def _least_help_w(without_w: float, limits: Limits, give_w: float) -> tuple[float, Reason]:
    """The least that the batteries must give for import limit and fuse (below 0: the most they may take), W.

    ``give_w`` is what they may give above the reserve: more than that only the limit itself asks for.
    """

    def help_w(limit_w: float | None, tighter_w: float) -> float:
        if limit_w is None:
            return -math.inf
        least_w = without_w - limit_w
        return least_w if least_w - tighter_w > give_w else min(least_w, give_w)

    in_all_w = help_w(limits.import_limit_w, limits.import_tighter_w)
    phase_w = help_w(limits.phases_import_w, limits.phases_tighter_w)
    if phase_w > in_all_w:
        return phase_w, Reason.FUSE
    return in_all_w, limits.import_reason


def export_limit_w(inputs: DecisionInputs, allowed_w: float | None) -> int | None:
    """What a device that keeps such a limit by itself may export at most; ``allowed_w`` is what may be now.

    It is kept in flash, and written so often a day at most: where an inverter's output can be limited, that is what the
    limit watch tightens, and this stays as agreed. Elsewhere it goes down in steps, and back when the limit is
    kept without.
    """
    if allowed_w is None:
        return None
    agreed_w, tighter_w = max(0, round(allowed_w)), inputs.tightening.export_w
    panels = [i for i in inputs.snapshot.inverters if i.pv_w is not None]
    if tighter_w <= 0 or (panels and all(i.limitable for i in panels)):
        return agreed_w
    before_w = inputs.memory.setpoints.export_limit_w
    if before_w is not None and before_w <= max(0.0, allowed_w - tighter_w):
        return min(before_w, agreed_w)
    return max(0, agreed_w - FLASH_STEP_W * math.ceil(tighter_w / FLASH_STEP_W))


def pv_limits_w(
    snapshot: Snapshot,
    limits: Limits,
    before: Setpoints,
    told_w: Mapping[str, int],
    *,
    near: bool,
    coming_w: float = 0.0,
) -> dict[str, int]:
    """The most that each inverter may feed into the home, so that no more than allowed leaves it.

    What is limited is AC output, so what a battery takes behind the same inverter is no room: it never
    reaches the home's wires. What others feed in is: a battery's own inverter takes when it charges.
    With the meter lost the load is not known: all output might be exported, so it is held to the export
    limit itself, and no price is followed blindly. Empty = no limit is needed. ``near``: the sun was held
    a moment ago, so that what is measured of it does not say what it would give. An inverter without sun is not
    limited, and what its battery gives by itself is room for the sun: it gives way.
    ``coming_w``: what cars will draw beyond the present in a moment. Where only a price holds the sun back, that is
    room for it already: else the car would draw from the grid what it was given of the sun. An agreement's limit
    is kept even if the car does not come. ``told_w`` is what batteries are told at this very tick, discharge +: both
    must not make up for the same excess.
    """
    inverters = [i for i in snapshot.inverters if i.limitable]
    known = None not in (snapshot.load_w, snapshot.pv_w, snapshot.grid_w)
    allowed_w = _fed_in_w(limits, coming_w) if known else limits.export_limit_w
    if allowed_w is None or not inverters:
        return {}
    if snapshot.load_w is None or snapshot.pv_w is None or snapshot.grid_w is None:
        return _parts(max(0.0, allowed_w), inverters)
    inverters = [i for i in inverters if _has_sun(i, before)]
    if not inverters:
        return {}
    output_w = snapshot.load_w - snapshot.grid_w  # of all that feeds in
    names = {i.name for i in inverters}
    alone = len(inverters) == len(snapshot.inverters)
    if alone and all(b.name in names for b in snapshot.batteries):
        own_w = output_w
    else:
        own_w = sum(_fed_w(i) for i in inverters)
        others = [b for b in snapshot.batteries if b.name not in names | before.batteries_w.keys()]
        if snapshot.grid_w > -HELD_W:  # one that feeds the grid gives way to nobody
            gives_way_w = sum(max(0.0, b.power_w or 0.0) for b in others)
            own_w += min(gives_way_w, max(0.0, output_w - own_w))
    beside_w = output_w - own_w + _more_w(snapshot.batteries, names, told_w, before)
    limit_w = max(0.0, snapshot.load_w + allowed_w - beside_w)
    # Only the sun is not steered otherwise: a limit is needed when it comes near it (a margin keeps it
    # from flickering); at other times it would only keep a battery from following the load.
    sun_w = sum(i.pv_w or 0.0 for i in inverters)
    return _parts(limit_w, inverters) if near or sun_w > 0.8 * limit_w else {}


def _more_w(
    batteries: Sequence[BatteryState],
    behind: Collection[str],
    told_w: Mapping[str, int],
    before: Setpoints,
) -> float:
    """What batteries of other inverters will give beyond the present; below 0 only for those that did what they were told before:
    a full one takes nothing."""
    more_w = 0.0
    for battery in batteries:
        told, power_w = told_w.get(battery.name), battery.power_w
        if battery.name in behind or told is None or power_w is None:
            continue
        former = before.batteries_w.get(battery.name)
        if former is None or abs(power_w - former) > max(OBEYS_W, OBEYS_PART * abs(former)):
            more_w += max(0.0, told - power_w)
        else:
            more_w += told - former  # what it lacks of what it was told is measured
    return more_w


def _fed_in_w(limits: Limits, coming_w: float) -> float | None:
    """What may be fed in beyond the present load."""
    if limits.feed_in_w is None:
        return None
    priced_w = limits.feed_in_w + coming_w
    agreed_w = math.inf if limits.export_limit_w is None else limits.export_limit_w
    return max(limits.feed_in_w, min(priced_w, agreed_w))


def _has_sun(inverter: InverterState, before: Setpoints) -> bool:
    """Whether its panels give anything, or might if they were not held back."""
    told_w = before.pv_limits_w.get(inverter.name)
    held = told_w is not None and _fed_w(inverter) >= told_w - HELD_W
    return held or inverter.pv_w is None or inverter.pv_w > LITTLE_SUN_W


def _fed_w(inverter: InverterState) -> float:
    """What it feeds in; of one that does not tell, what its panels give."""
    return (inverter.ac_w if inverter.tells_ac else inverter.pv_w) or 0.0


def _parts(limit_w: float, inverters: Sequence[InverterState]) -> dict[str, int]:
    """``limit_w`` for each inverter: what it gives now and an equal part of what is left for more."""
    fed = [max(0.0, _fed_w(i)) for i in inverters]
    left_w = limit_w - sum(fed)
    if left_w < 0:
        shares = [limit_w * w / sum(fed) for w in fed]
    else:
        shares = [w + left_w / len(fed) for w in fed]
    whole = [int(s) for s in shares]
    whole[-1] += round(limit_w) - sum(whole)
    return {i.name: w for i, w in zip(inverters, whole, strict=True)}


def _least(*limits: float | None) -> float | None:
    return min((w for w in limits if w is not None), default=None)


def _less(limit_w: float | None, tighter_w: float) -> float | None:
    return None if limit_w is None else limit_w - tighter_w


def _sum(parts: Sequence[float | None]) -> float | None:
    known = [p for p in parts if p is not None]
    return sum(known) if len(known) == len(parts) else None
