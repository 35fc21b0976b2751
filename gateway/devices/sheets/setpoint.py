"""What a wish becomes before it is written: the power that the register means. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.devices.control_sheet import MeasuredPower, ReadBack
from gateway.devices.readout import Output
from gateway.devices.sheets.asked import Now, Reads
from gateway.devices.sheets.control_format import Control, Follows
from gateway.devices.sheets.problem import SheetError
from gateway.domain.control import Control as Wanted
from gateway.errors import DeviceError
from gateway.modbus.registers import Missing, Value

_GRID_STEP_W = 50


class Setpoint:
    """Makes the setpoint of one control, and finds out what it follows."""

    def __init__(self, control: Control, what: Wanted, reads: Reads, max_gap: int) -> None:
        self._control, self._what, self._reads = control, what, reads
        self._max_gap = max_gap

    def made(self) -> tuple[Callable[[float, ReadBack], float], MeasuredPower | None]:
        """What a wish becomes before it is written: the power that the register means."""
        follows, limits, step = self._control.follows, self._control.limits, self._control.step
        battery = self._what is Wanted.BATTERY_POWER
        if follows is None:
            if battery and limits != "battery":
                raise SheetError(
                    (*self._reads.path, "follows"), f"is needed: the register limits {limits}"
                )
            return (lambda value, _: round(value / step) * step if step else value), None
        if not battery or limits not in ("inverter_ac", "grid"):
            raise SheetError(
                (*self._reads.path, "follows"), "is for a battery's power by inverter_ac or grid"
            )
        if limits == "inverter_ac":
            measured = self._measured(follows)
            return measured.ac_setpoint, measured
        return self._grid_setpoint(follows, step or _GRID_STEP_W), None

    def _measured(self, follows: Follows) -> MeasuredPower:
        path = (*self._reads.path, "follows")
        if not follows.panels:
            raise SheetError((*path, "panels"), "is missing: the setpoint follows the sun")
        panels = tuple(self._reads.names.field(name, (*path, "panels")) for name in follows.panels)
        battery = None
        if follows.battery:
            make, used = self._reads.names.make(follows.battery, (*path, "battery"))
            battery = Output(
                "battery_power_w",
                tuple(self._reads.fields[name] for name in used),
                lambda *values: make(dict(zip(used, values, strict=True))),
            )
        ac = self._reads.names.field(follows.ac, (*path, "ac")) if follows.ac else None
        return MeasuredPower(panels, battery, ac, self._max_gap)

    def _grid_setpoint(self, follows: Follows, step: float) -> Callable[[float, ReadBack], float]:
        """Grid power (import +) at which the battery is left with what is asked of it."""
        path = (*self._reads.path, "follows")
        by_loads = bool(follows.loads and follows.panels)
        by_meter = bool(follows.grid and follows.battery)
        if by_loads == by_meter:
            raise SheetError(path, "needs loads and panels, or grid and battery")
        plus = [*follows.loads] if by_loads else [follows.grid, follows.battery]
        groups = [
            [self._reads.make(name, path) for name in group if name]
            for group in (plus, follows.panels if by_loads else [])
        ]

        def setpoint(value: float, read_back: ReadBack) -> float:
            now = Now(self._reads.fields, read_back)
            sums = [_sum([make(now) for make in group]) for group in groups]
            if not by_loads and any(isinstance(make(now), Missing) for make in groups[0]):
                sums[0] = None
            if None in sums:
                raise DeviceError("what the setpoint follows cannot be read, so none can be made")
            power = (sums[0] or 0.0) - (sums[1] or 0.0) - value
            return round(power / step) * step

        return setpoint


def _sum(values: Sequence[Value]) -> float | None:
    """The sum of what is there; None where one is bad or all are absent, 0 of nothing."""
    there = [v for v in values if v is not Missing.ABSENT]
    if any(not isinstance(v, int | float) for v in there) or (values and not there):
        return None
    return float(sum(v for v in there if isinstance(v, int | float)))
