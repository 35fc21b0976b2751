"""Drive a device through every pair of modes on the owner's word, and leave it neutral.

A register map can be right on paper and wrong in the house. This walks all transitions, reads back
what was written and looks at the sign of the measured power, as only real hardware can show it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.devices import Device
from gateway.domain.control import Control
from gateway.domain.readings import Reading
from gateway.errors import DeviceError

RELEASED = "released"
_PAUSE_A, _LOW_A, _HIGH_A = 0.0, 6.0, 16.0
_VISIBLE_PART = 0.3  # of the setpoint that must be seen in the measured power


@dataclass(frozen=True, slots=True)
class Step:
    """One transition: from what to what, and what went wrong (empty = as it should be)."""

    before: str
    after: str
    measured_w: float | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode to try: released, or a value held."""

    name: str
    value: float | None


def modes_of(control: Control, watts: float) -> tuple[Mode, ...]:
    """The modes to go through; battery powers of ``watts``, charge currents of 6 and 16 A."""
    if control is Control.BATTERY_POWER:
        held = (("discharge", watts), ("charge", -watts), ("rest", 0.0))
    elif control is Control.CHARGE_CURRENT:
        held = (("pause", _PAUSE_A), ("6 A", _LOW_A), ("16 A", _HIGH_A))
    else:
        held = (("limit", watts), ("off", 0.0), ("wide", 10 * watts))
    return (Mode(RELEASED, None), *(Mode(name, value) for name, value in held))


def tour(count: int) -> list[int]:
    """A closed walk over ``count`` places that takes each ordered pair exactly once, from 0."""
    unused = {i: [j for j in range(count) if j != i] for i in range(count)}
    stack, walk = [0], []
    while stack:
        here = stack[-1]
        if unused[here]:
            stack.append(unused[here].pop())
        else:
            walk.append(stack.pop())
    return walk[::-1]


async def verify(
    device: Device, control: Control, watts: float, clock: Clock, settle_s: float
) -> AsyncIterator[Step]:
    """All n(n-1) transitions of ``control``; the device is released at the end, whatever happens.

    The last step is that release. The caller asks the owner first.
    """
    modes = modes_of(control, watts)
    walk = tour(len(modes))
    before = RELEASED
    try:
        for place in walk[1:]:
            mode = modes[place]
            yield await _step(device, control, before, mode, (clock, settle_s, watts))
            before = mode.name
    finally:
        report = await device.release([control])
    yield Step(before, RELEASED, None, "; ".join(report.problems))


async def _step(
    device: Device, control: Control, before: str, mode: Mode, pace: tuple[Clock, float, float]
) -> Step:
    clock, settle_s, watts = pace
    problem, measured = "", None
    try:
        if mode.value is None:
            problem = "; ".join((await device.release([control])).problems)
            await clock.sleep(settle_s)
        else:
            problem = await _hold_for(device, control, mode.value, clock, settle_s)
        measured = _power(await device.poll(), control)
        if not problem and mode.value is not None:
            problem = _no_effect(control, mode.value, measured, watts)
    except DeviceError as error:
        problem = str(error)
    return Step(before, mode.name, measured, problem)


async def _hold_for(
    device: Device, control: Control, value: float, clock: Clock, settle_s: float
) -> str:
    """Hold as the control loop would, every two seconds."""
    end = clock.monotonic() + settle_s
    await device.hold(control, value)
    while clock.monotonic() < end:
        await clock.sleep(2)
        await device.hold(control, value)
    return ""


def _power(readings: Sequence[Reading], control: Control) -> float | None:
    wanted = {
        Control.BATTERY_POWER: "battery_power_w",
        Control.CHARGE_CURRENT: "charger_power_w",
        Control.EXPORT_LIMIT: "grid_power_w",
    }.get(control, "pv_power_w")
    found = next((r.value for r in readings if r.metric == wanted), None)
    return found if isinstance(found, int | float) else None


def _no_effect(control: Control, value: float, measured: float | None, watts: float) -> str:
    """The sign of the measured power, where a battery was told one; rest, where it was told none.

    An export above its limit is told too; a home that exports less anyway proves nothing.
    """
    if control is Control.EXPORT_LIMIT and measured is not None:
        over = -measured - value > _VISIBLE_PART * watts
        return f"limited to {value:.0f} W, exports {-measured:.0f} W" if over else ""
    if control is not Control.BATTERY_POWER:
        return ""
    if measured is None:
        return "the battery's power cannot be read"
    if not value and abs(measured) > _VISIBLE_PART * watts:
        return f"told to rest, measured {measured:.0f} W"
    if value and (measured * value <= 0 or abs(measured) < _VISIBLE_PART * abs(value)):
        return f"told {value:.0f} W, measured {measured:.0f} W"
    return ""
