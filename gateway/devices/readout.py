"""What is read: one output a metric, made from fields of the same poll; the words that all sheets use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

from gateway.domain.metrics import METRICS
from gateway.modbus.registers import Field, Missing, Value

_LEAST_HZ, _MOST_HZ = 40.0, 70.0
# No home is near; a half-filled or shifted number of 32 bits is beyond.
_MOST = {"W": 1e7, "A": 1e4, "Wh": 2e10}
_LEAST_PV_W = -500.0  # what inverters draw at night; beyond it the sign is wrong

# How often: at each poll; once a minute; or at each poll while a car charges, else once a minute.
Poll = Literal["fast", "slow", "charging"]


@dataclass(frozen=True, slots=True)
class Output:
    """One reading: ``combine`` makes it from the fields' values, all from the same poll."""

    metric: str
    fields: tuple[Field, ...]
    combine: Callable[..., Value]
    poll: Poll = "fast"


def one(metric: str, source: Field, poll: Poll = "fast") -> Output:
    """A reading that is one field."""
    return Output(metric, (source,), lambda value: value, poll)


def believable(metric: str, value: Value) -> Value:
    """The value, or BAD where no home can have it: whatever device and family, a size, a sign, a word for a number."""
    if isinstance(value, Missing) or metric not in METRICS:
        return value
    unit = METRICS[metric].unit
    if isinstance(value, str) or not unit:
        return Missing.BAD if isinstance(value, str) is bool(unit) else value
    least = _LEAST_PV_W if metric == "pv_power_w" else 0 if unit == "Wh" else -inf
    return value if least <= value and abs(value) <= _MOST.get(unit, inf) else Missing.BAD


def frequency_of(value: Value) -> Value:
    """The grid's frequency: a sleeping inverter says 0 Hz, it measures none. No grid is far from 50 or 60."""
    if not isinstance(value, int | float):
        return value
    if value == 0:
        return Missing.ABSENT
    return value if _LEAST_HZ <= value <= _MOST_HZ else Missing.BAD


def frequency(source: Field, poll: Poll = "fast") -> Output:
    """The grid's frequency, of one field."""
    return Output("grid_frequency_hz", (source,), frequency_of, poll)


def counted(value: Value) -> Value:
    """A lifetime count of 0 is one that is not kept, or not yet, at wake-up."""
    return Missing.ABSENT if value == 0 else value


def lifetime(metric: str, source: Field, poll: Poll = "fast") -> Output:
    """A counter of energy that is one field."""
    return Output(metric, (source,), counted, poll)


def grid_count(value: Value, other: Value) -> Value:
    """A meter's count of one direction beside that of the other.

    A new meter shows 0 of one direction for long: it is a count only where the other one shows that energy is
    counted at all.
    """
    alive = isinstance(other, int | float) and other > 0
    return value if alive else counted(value)


def grid_counters(
    bought: Field,
    sold: Field | None = None,
    poll: Poll = "fast",
    while_present: Field | None = None,
) -> tuple[Output, ...]:
    """A meter's counters of import and export (`grid_count`).

    ``while_present``: a status that is 0 while the meter is not heard.
    """

    def judged(value: Value, other: Value = Missing.ABSENT, present: Value = 1) -> Value:
        if present == 0 or isinstance(present, Missing):
            return Missing.BAD if present is Missing.BAD else Missing.ABSENT
        return grid_count(value, other)

    status = (while_present,) if while_present else ()
    if sold is None:
        return (Output("grid_import_wh", (bought,), judged, poll),)
    return (
        Output("grid_import_wh", (bought, sold, *status), judged, poll),
        Output("grid_export_wh", (sold, bought, *status), judged, poll),
    )


def numeric(combine: Callable[..., Value]) -> Callable[..., Value]:
    """``combine`` on numbers only: BAD if any part is bad, else REFUSED or ABSENT if any part is."""

    def checked(*values: Value) -> Value:
        missing = worst(values)
        return combine(*values) if missing is None else missing

    return checked


def worst(values: Iterable[Value]) -> Missing | None:
    """Why what is made of all these has no value; None where each has one."""
    found = {v for v in values if isinstance(v, Missing)}
    return next((m for m in (Missing.BAD, Missing.REFUSED, Missing.ABSENT) if m in found), None)


def total(*values: Value) -> Value:
    """A sum in which an absent part is missing, so that the sum is."""
    return numeric(lambda *numbers: round(sum(numbers), 6))(*values)


def total_of_present(*values: Value) -> Value:
    """A sum in which absent parts are normal (unused inputs); ABSENT only if all are.

    A part that the device refuses, though its model may have it, is none of these: the sum would be too small.
    """
    present = [v for v in values if v is not Missing.ABSENT]
    if all(v is Missing.REFUSED for v in present):
        return Missing.ABSENT
    return Missing.BAD if Missing.REFUSED in present else total(*present)


def named(names: Mapping[int, str]) -> Callable[[Value], Value]:
    """An enumeration as text; a number that the data sheet does not name is BAD."""

    def name(value: Value) -> Value:
        if isinstance(value, Missing):
            return value
        return names.get(int(value), Missing.BAD)

    return name


def held_unless(*neutral: int) -> Callable[[Value], Value]:
    """``battery_mode`` of a register that has one of ``neutral`` while nobody steers the battery."""

    def mode(value: Value) -> Value:
        if isinstance(value, Missing):
            return value
        return "auto" if value in neutral else "held"

    return mode
