"""What the sun or a cloud may have done in place of the device: then nothing is proved, and nothing is failed. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain.control import Control
from gateway.domain.readings import DeviceState, Snapshot
from gateway.verify.judge import Seen
from gateway.verify.walk import LEAST_RISE, LEAST_W, REST_W, Step

LIMITED = (Control.PV_LIMIT, Control.EXPORT_LIMIT)
RECOVERED = 0.75  # of what it gave before, once let go: then the sky has not changed


def sun_w(state: DeviceState, snapshot: Snapshot) -> float:
    """What the panels of the home give at least, W: those that are measured, or what is fed in without the battery."""
    own = state.number("pv_power_w") or 0.0
    measured = sum(i.pv_w for i in snapshot.inverters if i.pv_w is not None)
    battery_w = snapshot.battery_w or 0.0
    fed_in = -(snapshot.grid_w + battery_w) if snapshot.grid_w is not None else 0.0
    return max(own, measured, fed_in)


def of_the_sun(control: Control, step: Step, power_w: float | None, sun: float) -> str:
    """Why a battery's ``power_w`` may be the sun's doing although it is not what was told; empty if it cannot be.

    There are modes that charge with what is told and the sun besides, and inverters that have no room left for the
    battery beside it. A battery that goes the other way than told is never explained so.
    """
    if control is not Control.BATTERY_POWER or power_w is None or step.value is None:
        return ""
    if sun < LEAST_W:
        return ""
    if step.value <= 0 and step.low_w - sun - REST_W <= power_w < step.low_w:
        return f"told to {step.name} it charges with {-power_w:.0f} W, and {sun:.0f} W of sun may be in that"
    if step.value > 0 and -REST_W <= power_w < step.low_w:
        return (
            f"told to {step.name} it gives {power_w:.0f} W, and beside {sun:.0f} W of sun it may have no "
            "room for more"
        )
    return ""


def without_rise(control: Control, seen: Sequence[Seen]) -> bool:
    """Whether an output did not follow its limit up and down again: a cloud keeps below any limit by itself."""
    if control not in LIMITED:
        return False
    low, more, again = (one.power_w for one in seen)
    return more < (1 + LEAST_RISE) * max(low, again)


def clouded(power_w: float, before_w: float) -> bool:
    """Whether an inverter that was let go gives much less than before it was limited: the sky has changed."""
    return power_w < RECOVERED * before_w
