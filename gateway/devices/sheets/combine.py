"""What may be made of values: sums, signs, scales, names, conditions. Pure functions, each missing as its parts are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gateway.devices.readout import total, total_of_present, worst
from gateway.devices.sheets.conditions import Judge, Values
from gateway.devices.sheets.format import Combine
from gateway.devices.sheets.problem import Path, SheetError
from gateway.modbus.registers import Missing, Value

Make = Callable[[Values], Value]


def negated(make: Make) -> Make:
    def other_sign(values: Values) -> Value:
        value = make(values)
        return -value if isinstance(value, int | float) else value

    return other_sign


def scaled(make: Make, scale: float, offset: float) -> Make:
    if scale == 1 and offset == 0:
        return make

    def in_units(values: Values) -> Value:
        value = make(values)
        if not isinstance(value, int | float):
            return value
        return (value * scale if scale > 1 or scale < 0 else value / (1 / scale)) + offset

    return in_units


def within(make: Make, least: float, most: float) -> Make:
    def possible(values: Values) -> Value:
        value = make(values)
        inside = not isinstance(value, int | float) or least <= value <= most
        return value if inside else Missing.BAD

    return possible


def gated(judge: Judge, make: Make) -> Make:
    def there(values: Values) -> Value:
        verdict = judge(values)
        if verdict is True:
            return make(values)
        return Missing.ABSENT if verdict is False else verdict

    return there


def after(judge: Callable[[Value], Value], make: Make) -> Make:
    return lambda values: judge(make(values))


def named(make: Make, names: dict[str, str], path: Path) -> Make:
    """Numbers by value, range or '*'; texts by the longest beginning."""
    numbers: dict[int, str] = {}
    ranges: list[tuple[int, int, str]] = []
    texts: dict[str, str] = {}
    for key, word in names.items():
        low, dash, high = key.partition("-")
        try:
            if dash and low:
                ranges.append((int(low, 0), int(high, 0), word))
            elif key != "*":
                numbers[int(key, 0)] = word
        except ValueError:
            texts[key] = word
    if texts and (numbers or ranges):
        odd = next(iter(texts))
        raise SheetError((*path, "names", odd), "is neither a number, a range '0-3' nor '*'")
    other: Value = names.get("*", Missing.BAD)

    def name(value: Value) -> Value:
        if isinstance(value, Missing):
            return value
        if isinstance(value, str):
            begins = [key for key in texts if value.startswith(key)]
            return texts[max(begins, key=len)] if begins else other
        if value in numbers:
            return numbers[int(value)]
        return next((word for low, high, word in ranges if low <= value <= high), other)

    return after(name, make)


def _product(values: Sequence[Value]) -> Value:
    missing = worst(values)
    return missing or math.prod(v for v in values if isinstance(v, int | float))


def _of_present(combine: Callable[[list[float]], float]) -> Callable[[Sequence[Value]], Value]:
    def combined(values: Sequence[Value]) -> Value:
        numbers = [v for v in values if isinstance(v, int | float)]
        if Missing.BAD in values or (numbers and Missing.REFUSED in values):
            return Missing.BAD
        return combine(numbers) if numbers else Missing.ABSENT

    return combined


def _first_present(values: Sequence[Value]) -> Value:
    without = (Missing.ABSENT, Missing.REFUSED)
    return next((v for v in values if v not in without), Missing.ABSENT)


def weighted_mean(pairs: Sequence[tuple[Value, Value]]) -> Value:
    """The mean of what is there; of one its value, whatever it weighs."""
    there = [(value, weight) for value, weight in pairs if value is not Missing.ABSENT]
    refused = [value for value, _ in there if value is Missing.REFUSED]
    if refused:
        return Missing.BAD if len(refused) < len(there) else Missing.ABSENT
    if len(there) < 2:
        return there[0][0] if there else Missing.ABSENT
    missing = worst([part for pair in there for part in pair])
    if missing:
        return missing
    numbers = [
        (v, w) for v, w in there if isinstance(v, int | float) and isinstance(w, int | float)
    ]
    if any(w <= 0 for _, w in numbers):
        return Missing.ABSENT
    return sum(v * w for v, w in numbers) / sum(w for _, w in numbers)


COMBINE: dict[Combine, Callable[[Sequence[Value]], Value]] = {
    "sum": lambda values: total(*values),
    "sum of present": lambda values: total_of_present(*values),
    "product": _product,
    "first present": _first_present,
    "mean of present": _of_present(lambda numbers: sum(numbers) / len(numbers)),
}
