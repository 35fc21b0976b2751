"""The home's batteries: sizes, what each holds and can still give or take, and orders split over them.

The planner sees them as one (`combined`), for one price holds for all. What is asked of that one is
split by what each can give above its own reserve or take below its own full: a battery that is at its
reserve is never drained for one that is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.control import BatteryAssumptions
from gateway.domain.plan import BatterySpec
from gateway.domain.readings import BatteryState

NOT_STATED = (
    "no device states the battery's size and power: set battery.capacity_wh and "
    "battery.max_charge_w; until then its energy is neither planned nor sold"
)


def sized(
    batteries: Sequence[BatteryState], assumed: BatteryAssumptions
) -> tuple[BatteryState, ...]:
    """Each battery with the size and powers that hold for it.

    The configuration's are of all together: they are shared out as the devices state theirs, and
    alike where one does not. A discharge power that is not known is taken as the charge power.
    """
    capacities = _shared(assumed.capacity_wh, [b.capacity_wh for b in batteries])
    charges = _shared(assumed.max_charge_w, [b.max_charge_w for b in batteries])
    discharges = _shared(assumed.max_discharge_w, [b.max_discharge_w for b in batteries])
    return tuple(
        replace(
            battery,
            capacity_wh=capacity or None,
            max_charge_w=charge or None,
            max_discharge_w=discharge or charge or None,
        )
        for battery, capacity, charge, discharge in zip(
            batteries, capacities, charges, discharges, strict=True
        )
    )


def combined(
    batteries: Sequence[BatteryState], assumed: BatteryAssumptions, reserve_pct: float
) -> BatterySpec | None:
    """The sized ``batteries`` as the one that is planned; None while a size or power is not known."""
    capacities = [b.capacity_wh for b in batteries if b.capacity_wh]
    charges = [b.max_charge_w for b in batteries if b.max_charge_w]
    discharges = [b.max_discharge_w for b in batteries if b.max_discharge_w]
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


def _shared(total: float | None, stated: Sequence[float | None]) -> list[float | None]:
    if total is None:
        return list(stated)
    known = [s for s in stated if s]
    if len(stated) < 2 or len(known) < len(stated):
        return [total / len(stated)] * len(stated) if stated else []
    return [total * s / sum(known) for s in known]
