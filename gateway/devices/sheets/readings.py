"""The readings of a sheet as outputs: which registers, and what is made of them. Pure.

What is true of a metric everywhere is not asked of a sheet: a lifetime count of 0 is one that is not kept,
a meter's 0 counts where the other direction shows that energy is counted, a frequency is near 50 or 60 Hz.
"""

from __future__ import annotations

from gateway.devices.readout import Output, counted, frequency_of, grid_count
from gateway.devices.sheets.combine import Make, after
from gateway.devices.sheets.format import Reading, Sheet
from gateway.devices.sheets.names import Names, once
from gateway.devices.sheets.problem import Path, SheetError, near
from gateway.devices.sheets.terms import Poll
from gateway.domain.metrics import METRICS
from gateway.modbus.registers import Missing

_NEVER_0 = ("pv_energy_wh", "battery_charge_wh", "battery_discharge_wh", "battery_capacity_wh")
_SLOW = (*_NEVER_0, "battery_max_charge_w", "battery_max_discharge_w")
_OTHER_WAY = {"grid_import_wh": "grid_export_wh", "grid_export_wh": "grid_import_wh"}


def outputs_of(sheet: Sheet, names: Names) -> tuple[Output, ...]:
    """The readings of a sheet; raises SheetError."""
    made: dict[str, tuple[Make, tuple[str, ...]]] = {}
    for metric, reading in sheet.readings.items():
        path: Path = ("readings", metric)
        if metric not in METRICS:
            raise SheetError(path, f"is no metric; {near(metric, METRICS)}".strip())
        made[metric] = (
            names.make(reading, path) if isinstance(reading, str) else names.reading(reading, path)
        )
    return tuple(_output(m, made, names, _poll(m, sheet.readings[m])) for m in made)


def _output(
    metric: str, made: dict[str, tuple[Make, tuple[str, ...]]], names: Names, poll: Poll
) -> Output:
    make, used = made[metric]
    other = made.get(_OTHER_WAY.get(metric, ""))
    if metric in _OTHER_WAY:
        back = other[0] if other else lambda _values: Missing.ABSENT
        used = once((*used, *(other[1] if other else ())))
        first = make
        make = lambda values: grid_count(first(values), back(values))  # noqa: E731
    elif metric in _NEVER_0:
        make = after(counted, make)
    elif metric == "grid_frequency_hz":
        make = after(frequency_of, make)
    fields = tuple(names.fields[name] for name in used)
    final = make
    return Output(metric, fields, lambda *values: final(dict(zip(used, values, strict=True))), poll)


def _poll(metric: str, reading: object) -> Poll:
    asked = reading.poll if isinstance(reading, Reading) else None
    return asked or ("slow" if metric in _SLOW else "fast")
