"""The home's batteries: sizes, what each holds and can still give or take, and orders split over them.

The planner sees them as one (`combined`), for one price holds for all. What is asked of that one is
split by what each can give above its own reserve or take below its own full: a battery that is at its
reserve is never drained for one that is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.domain.control import BatteryAssumptions
from gateway.domain.plan import BatterySpec
from gateway.domain.readings import BatteryState
from gateway.domain.sentences import sentence

NOT_STATED = sentence("battery_not_stated")


def sized(
    batteries: Sequence[BatteryState], assumed: BatteryAssumptions
) -> tuple[BatteryState, ...]:
    """Each battery with the size and powers that hold for it.

    The configuration's are of all together: they are shared out as the devices state theirs, and
    alike where one does not. A discharge power that is not known is taken as the charge power. A
    device that states 0 W takes or gives nothing now (it is full, cold or empty), whatever its size.
    """
    capacities = _shared(assumed.capacity_wh, [b.capacity_wh for b in batteries])
    charges = _shared(assumed.max_charge_w, [b.max_charge_w for b in batteries])
    discharges = _shared(assumed.max_discharge_w, [b.max_discharge_w for b in batteries])
    return tuple(
        replace(
            battery,
            capacity_wh=capacity or None,
            max_charge_w=0.0 if battery.max_charge_w == 0 else charge,
            max_discharge_w=0.0
            if battery.max_discharge_w == 0
            else _first_known(discharge, charge or None),
        )
        for battery, capacity, charge, discharge in zip(
            batteries, capacities, charges, discharges, strict=True
        )
    )


def steerable(batteries: Sequence[BatteryState]) -> tuple[BatteryState, ...]:
    """Those that a power can be asked of; the others are a part of the load, whatever they hold."""
    return tuple(b for b in batteries if b.steerable)


def rated(
    known: Mapping[str, BatteryState], batteries: Sequence[BatteryState]
) -> dict[str, BatteryState]:
    """The largest powers that each battery has stated so far: a limit of today is no size."""

    def largest(a: float | None, b: float | None) -> float | None:
        return max((w for w in (a, b) if w), default=None)

    found = dict(known)
    for battery in batteries:
        before = known.get(battery.name, battery)
        found[battery.name] = replace(
            battery,
            max_charge_w=largest(before.max_charge_w, battery.max_charge_w),
            max_discharge_w=largest(before.max_discharge_w, battery.max_discharge_w),
        )
    return found


def planned(
    batteries: Sequence[BatteryState], ratings: Mapping[str, BatteryState]
) -> tuple[BatteryState, ...]:
    """The ``batteries`` as the planner counts on them for the hours to come.

    What is full or cold now states 0 W and will not for ever: there its rating stands, or that of
    the other direction where it has never stated another.
    """

    def one(battery: BatteryState) -> BatteryState:
        rating = ratings.get(battery.name, battery)
        charge, discharge = rating.max_charge_w or None, rating.max_discharge_w or None
        if battery.max_charge_w == 0:
            battery = replace(battery, max_charge_w=charge or discharge)
        if battery.max_discharge_w == 0:
            battery = replace(battery, max_discharge_w=discharge or charge)
        return battery

    return tuple(one(b) for b in batteries)


def combined(
    batteries: Sequence[BatteryState], assumed: BatteryAssumptions, reserve_pct: float
) -> BatterySpec | None:
    """The sized ``batteries`` as the one that is planned; None while a size or power is not known."""
    capacities = [b.capacity_wh for b in batteries if b.capacity_wh]
    charges = [b.max_charge_w for b in batteries if b.max_charge_w is not None]
    discharges = [b.max_discharge_w for b in batteries if b.max_discharge_w is not None]
    if not batteries or min(len(capacities), len(charges), len(discharges)) < len(batteries):
        return None
    return BatterySpec(
        capacity_wh=sum(capacities),
        reserve_wh=sum(capacity * reserve_pct / 100 for capacity in capacities),
        max_charge_w=sum(charges),
        max_discharge_w=sum(discharges),
        charge_efficiency=assumed.charge_efficiency,
        discharge_efficiency=assumed.discharge_efficiency,
        standby_w=assumed.standby_w,
        wear_per_mwh=assumed.wear_per_mwh,
    ).by_power(assumed.charge_curve, assumed.discharge_curve)


def stored_wh(batteries: Sequence[BatteryState]) -> float | None:
    """Energy in all of them; None where a state of charge or a size is not known."""
    parts = [
        b.capacity_wh * b.soc_pct / 100
        for b in batteries
        if b.capacity_wh is not None and b.soc_pct is not None
    ]
    return sum(parts) if parts and len(parts) == len(batteries) else None


def at_reserve(battery: BatteryState, reserve_pct: float) -> bool:
    """Whether nothing may be taken from it but for the fuse."""
    return battery.soc_pct is not None and battery.soc_pct <= reserve_pct


def can_give_w(battery: BatteryState, reserve_pct: float) -> float:
    """The most it may give now, W; no limit where nobody states one (the device has its own)."""
    return 0.0 if at_reserve(battery, reserve_pct) else most_w(battery.max_discharge_w)


def most_w(limit_w: float | None) -> float:
    """A limit that nobody states is none."""
    return math.inf if limit_w is None else limit_w


def split(total_w: int, batteries: Sequence[BatteryState], reserve_pct: float) -> dict[str, int]:
    """``total_w`` for each battery, by what it can still give or take; the parts add up to it.

    Discharge goes by the energy above the reserve, so that all reach it together, and what those
    cannot give (the fuse asked for more) is taken from the others; charge goes by the room left.
    """
    sign = 1 if total_w > 0 else -1
    if sign > 0:
        spare = [_energy(b, (b.soc_pct or 0.0) - reserve_pct) for b in batteries]
        caps = [can_give_w(b, reserve_pct) for b in batteries]
        rest = [most_w(b.max_discharge_w) for b in batteries]
    else:
        spare = [_energy(b, 100.0 - (b.soc_pct or 0.0)) for b in batteries]
        caps = rest = [most_w(b.max_charge_w) for b in batteries]
    parts = _poured(abs(total_w), spare, caps)
    missing = abs(total_w) - sum(parts)
    if missing > 0.5:
        left = [r - p for r, p in zip(rest, parts, strict=True)]
        more = _poured(missing, [1.0] * len(parts), left)
        parts = [p + m for p, m in zip(parts, more, strict=True)]
    whole = _whole(abs(total_w), parts)
    return {b.name: sign * w for b, w in zip(batteries, whole, strict=True)}


def _energy(battery: BatteryState, pct: float) -> float:
    """A weight for ``pct`` of a battery's charge: Wh, or as if all were alike in size."""
    return max(pct, 0.0) * (battery.capacity_wh or 1.0)


def _poured(total: float, weights: Sequence[float], caps: Sequence[float]) -> list[float]:
    """``total`` shared by weight, no part above its cap; less where all caps are reached."""
    parts = [0.0] * len(weights)
    open_ones = [i for i, (w, c) in enumerate(zip(weights, caps, strict=True)) if w > 0 and c > 0]
    left = total
    while open_ones and left > 1e-9:
        weight = sum(weights[i] for i in open_ones)
        full = [i for i in open_ones if left * weights[i] / weight >= caps[i]]
        if not full:
            for i in open_ones:
                parts[i] = left * weights[i] / weight
            break
        for i in full:
            parts[i] = caps[i]
            left -= caps[i]
        open_ones = [i for i in open_ones if i not in full]
    return parts


def _whole(total: int, parts: Sequence[float]) -> list[int]:
    """``parts`` in whole W that add up to ``total`` (what no cap leaves room for goes to the largest)."""
    whole = [math.floor(p) for p in parts]
    order = sorted(range(len(parts)), key=lambda i: whole[i] - parts[i])
    missing = total - sum(whole)
    for i in order[: max(0, min(missing, len(order)))]:
        whole[i] += 1
    if rest := total - sum(whole):
        whole[max(range(len(whole)), key=whole.__getitem__)] += rest
    return whole


def _first_known(*values: float | None) -> float | None:
    return next((v for v in values if v is not None), None)


def _shared(total: float | None, stated: Sequence[float | None]) -> list[float | None]:
    if total is None:
        return list(stated)
    known = [s for s in stated if s]
    if len(stated) < 2 or len(known) < len(stated):
        return [total / len(stated)] * len(stated) if stated else []
    return [total * s / sum(known) for s in known]
