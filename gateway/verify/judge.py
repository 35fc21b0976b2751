"""Whether what was seen is what was told: surprises at once, and the grid meter as a second witness. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.domain.control import Control
from gateway.domain.readings import DeviceState, Snapshot
from gateway.verify.walk import FULL_PCT, Limits, Step

ALARMED = (
    "fault",
    "error",
    "off_grid",
)  # states in which an inverter or charger is not to be tried
COLD_C, HOT_C = 0.0, 50.0  # of a battery: beyond, it limits itself
_STEP_UP = 1.2  # times the power of the least current that a larger one must give
AGREES = (0.5, 1.5)  # W at the meter for a W that the device says it gave
_SLACK_W, _SLACK_PART = 200.0, 0.1  # that a limit may be passed by while things move


@dataclass(frozen=True, slots=True)
class Seen:
    """One step as it was measured once it had settled: means of the last looks, W; None = not measured."""

    step: Step
    power_w: float
    elsewhere_w: float | None  # at the grid meter, less what is known besides
    seconds: float


def surprise(control: Control, state: DeviceState, snapshot: Snapshot, limits: Limits) -> str:
    """Why it must end at once; empty while all is as expected."""
    for metric in ("inverter_state", "charger_state"):
        if (says := state.text(metric)) in ALARMED:
            return f"it says {says}"
    for metric, reading in state.readings.items():
        if "battery" not in metric or reading.unit != "°C":
            continue
        warm = state.number(metric)
        if warm is not None and not COLD_C <= warm <= HOT_C:
            return f"{metric} is {warm:.0f} °C"
    soc = state.number("battery_soc_pct")
    if (
        control is Control.BATTERY_POWER
        and soc is not None
        and not limits.reserve_pct <= soc <= FULL_PCT
    ):
        return f"the battery is at {soc:.0f} %"
    return ""


def beyond(snapshot: Snapshot, limits: Limits) -> str:
    """Which limit the meter says is not kept; for a moment that may be, not for longer."""
    grid = snapshot.grid_w
    if grid is None:
        return ""
    for limit, power, what in (
        (limits.import_w, grid, "drawn from the grid"),
        (limits.export_w, -grid, "fed into the grid"),
    ):
        if limit is not None and power > limit + max(_SLACK_W, _SLACK_PART * limit):
            return f"{power:.0f} W are {what}, {limit:.0f} W are allowed"
    return ""


def elsewhere_w(control: Control, snapshot: Snapshot) -> float | None:
    """What the grid meter says of the control's power: it moves with it, W for W, while nothing else changes."""
    grid, panels, battery = snapshot.grid_w, snapshot.pv_w, snapshot.battery_w
    if grid is None or control in (Control.EXPORT_LIMIT, Control.SG_READY):
        return None  # the meter itself is what was judged; a heat pump starts when it likes
    if control is Control.PV_LIMIT:
        return -grid
    if control in (Control.CHARGE_CURRENT, Control.CHARGE_PHASES, Control.HEAT_POWER):
        return grid + (panels or 0.0) + (battery or 0.0)
    if panels is None and any(i.pv_w is None for i in snapshot.inverters):
        return None
    return -(grid + (panels or 0.0) - (snapshot.charger_w or 0.0))


def seen_by_itself(control: Control, snapshot: Snapshot) -> bool:
    """Whether nothing but the device itself measures what it does. An export limit is judged by the meter."""
    return control is not Control.EXPORT_LIMIT and elsewhere_w(control, snapshot) is None


def without_effect(control: Control, seen: Sequence[Seen]) -> str:
    """A charger that gives as much at its least current as at a larger one; empty where it does not."""
    if control is not Control.CHARGE_CURRENT:
        return ""
    low, _, high, *_ = seen
    if high.power_w >= _STEP_UP * low.power_w:
        return ""
    return (
        f"{high.step.name} gave {high.power_w:.0f} W and {low.step.name} {low.power_w:.0f} W: the current has no "
        "effect, or the car takes no more"
    )


def second_witness(seen: Sequence[Seen]) -> tuple[float | None, str]:
    """How much the meter moved for each W that the device says, by least squares over the steps; and the fault."""
    moves = [
        (b.power_w - a.power_w, b.elsewhere_w - a.elsewhere_w)
        for a, b in pairwise(seen)
        if a.elsewhere_w is not None and b.elsewhere_w is not None
    ]
    size = sum(x * x for x, _ in moves)
    if not size:
        return None, ""
    ratio = sum(x * y for x, y in moves) / size
    if AGREES[0] <= ratio <= AGREES[1]:
        return ratio, ""
    return ratio, (
        f"the grid meter moved by {ratio:.2f} W for each W that the device says it did; one of them is wrong, "
        "or much else was switched meanwhile: try again"
    )
