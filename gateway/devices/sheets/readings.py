"""The readings of a sheet as outputs: which registers, and what is made of them. Pure.

What is true of a metric everywhere is not asked of a sheet: a lifetime count of 0 is one that is not kept,
a meter's 0 counts where the other direction shows that energy is counted, a frequency is near 50 or 60 Hz.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence

from gateway.devices.readout import (
    Output,
    counted,
    frequency_of,
    grid_count,
    total,
    total_of_present,
)
from gateway.devices.sheets.conditions import Judge, Values, judge_of, names_in
from gateway.devices.sheets.format import NAME, Case, Combine, Of, Poll, Reading, Register, Sheet
from gateway.devices.sheets.problem import Path, SheetError, near
from gateway.domain.metrics import METRICS
from gateway.modbus.registers import Field, Missing, Value

Make = Callable[[Values], Value]
_NEVER_0 = ("pv_energy_wh", "battery_charge_wh", "battery_discharge_wh", "battery_capacity_wh")
_SLOW = (*_NEVER_0, "battery_max_charge_w", "battery_max_discharge_w")
_ONE_WORD = ("u16", "i16", "str")  # the order of words says nothing of these
_OTHER_WAY = {"grid_import_wh": "grid_export_wh", "grid_export_wh": "grid_import_wh"}


class Names:
    """The registers and values of a sheet by name, as far as they have been used: each is made once."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self.fields = {n: _field(r, sheet, ("registers", n)) for n, r in sheet.registers.items()}
        self._made: dict[str, tuple[Make, tuple[str, ...]]] = {}
        self._making: list[str] = []
        for where, some in (("registers", sheet.registers), ("values", sheet.values)):
            for name in some:
                if not re.match(NAME, name):
                    raise SheetError((where, name), "a name has small letters, digits and '_'")
                if where == "values" and name in sheet.registers:
                    raise SheetError((where, name), "is a register's name, too")

    def field(self, name: str, path: Path) -> Field:
        """A register; raises SheetError that names what is near."""
        if name not in self.fields:
            raise SheetError(path, f"no register {name!r}; {near(name, self.fields)}".strip())
        return self.fields[name]

    def make(self, name: str, path: Path) -> tuple[Make, tuple[str, ...]]:
        """How a value is made, and from which registers."""
        if name in self.fields:
            return (lambda values: values[name]), (name,)
        if name in self._made:
            return self._made[name]
        value = self._sheet.values.get(name)
        if value is None:
            known = (*self.fields, *self._sheet.values)
            raise SheetError(path, f"no register or value {name!r}; {near(name, known)}".strip())
        if name in self._making:
            raise SheetError(("values", name), "is made from itself")
        self._making.append(name)
        self._made[name] = self.reading(value, ("values", name))
        self._making.remove(name)
        return self._made[name]

    def judge(self, when: object, path: Path) -> tuple[Judge, tuple[str, ...]]:
        """How a condition is judged, and from which registers."""
        try:
            judge = judge_of(when)  # type: ignore[arg-type]
        except re.error as error:
            raise SheetError(path, f"is no regular expression: {error}") from error
        used: list[str] = []
        makers = {}
        for name in sorted(names_in(when)):  # type: ignore[arg-type]
            makers[name], more = self.make(name, path)
            used += more
        return (lambda values: judge({n: make(values) for n, make in makers.items()})), _once(used)

    def reading(self, reading: Reading, path: Path) -> tuple[Make, tuple[str, ...]]:
        """How a reading is made, and from which registers."""
        ways = (reading.at is not None, reading.of is not None, bool(reading.cases))
        if sum(ways) != 1:
            raise SheetError(path, "needs one of: at (and type), of, cases")
        if reading.at is not None:
            make, used = self._own_register(reading, path)
        elif reading.of is not None:
            make, used = self._combined(reading.of, reading.by, reading.weights, path)
            self._check_scale(reading.of, reading.scale, path)
            make = _scaled(make, reading.scale, reading.offset)
        else:
            make, used = self._first_case(reading.cases, path)
        if reading.names:
            make = _named(make, reading.names, path)
        if reading.valid and reading.at is None:
            make = _within(make, *reading.valid)
        if reading.while_ is not None:
            judge, more = self.judge(reading.while_, (*path, "while"))
            make, used = _while(judge, make), _once((*more, *used))
        return make, used

    def _own_register(self, r: Reading, path: Path) -> tuple[Make, tuple[str, ...]]:
        if r.type is None or r.at is None:
            raise SheetError((*path, "type"), "is missing beside `at`")
        own = Register(
            at=r.at,
            type=r.type,
            table=r.table,
            words=r.words,
            bytes=r.bytes,
            scale=r.scale,
            offset=r.offset,
            scale_at=r.scale_at,
            bits=r.bits,
            absent=r.absent,
            plain=r.plain,
            valid=r.valid,
            count=r.count,
            size_counts=r.size_counts,
        )
        name = f"@{'.'.join(map(str, path))}"
        self.fields[name] = _field(own, self._sheet, path)
        return (lambda values: values[name]), (name,)

    def _combined(
        self, of: Of, by: Combine, weights: Sequence[str], path: Path
    ) -> tuple[Make, tuple[str, ...]]:
        terms = [of] if isinstance(of, str) else of
        if not terms:
            raise SheetError((*path, "of"), "names nothing")
        makers: list[Make] = []
        used: list[str] = []
        for term in terms:
            name = term.removeprefix("-")
            make, more = self.make(name, (*path, "of"))
            if (len(terms) > 1 or name != term) and by != "first present" and self._is_text(name):
                raise SheetError((*path, "of"), f"{name} is a text, which no sum or sign can be of")
            makers.append(_negated(make) if term.startswith("-") else make)
            used += more
        if by == "weighted mean":
            if len(weights) != len(terms):
                raise SheetError((*path, "weights"), f"needs {len(terms)} names, one for each")
            heavy = [self.make(name, (*path, "weights")) for name in weights]
            used += [name for _, more in heavy for name in more]
            pairs = list(zip(makers, [make for make, _ in heavy], strict=True))
            return (lambda values: _weighted([(m(values), w(values)) for m, w in pairs])), _once(
                used
            )
        if len(makers) == 1 and by.startswith("sum"):
            return makers[0], _once(used)
        combine = _COMBINE[by]
        return (lambda values: combine([make(values) for make in makers])), _once(used)

    def _check_scale(self, of: Of, scale: float, path: Path) -> None:
        if scale == 0:
            raise SheetError((*path, "scale"), "0 would make every value 0")
        if scale != 1 and isinstance(of, str) and self._is_text(of.removeprefix("-")):
            raise SheetError((*path, "scale"), f"{of} is a text")

    def _is_text(self, name: str) -> bool:
        if name in self.fields:
            return self.fields[name].kind == "str"
        value = self._sheet.values[name]
        return (
            bool(value.names)
            or value.type == "str"
            or any(isinstance(c.is_, str) for c in value.cases)
        )

    def _first_case(self, cases: Sequence[Case], path: Path) -> tuple[Make, tuple[str, ...]]:
        ways: list[tuple[Judge | None, Make]] = []
        used: list[str] = []
        for i, case in enumerate(cases):
            where: Path = (*path, "cases", i)
            make, more = self._case(case, where)
            judge: Judge | None = None
            if case.when is not None:
                judge, asked = self.judge(case.when, (*where, "when"))
                used += asked
            used += more
            ways.append((judge, make))

        def first(values: Values) -> Value:
            for judge, make in ways:
                verdict = True if judge is None else judge(values)
                if isinstance(verdict, Missing):
                    return verdict
                if verdict:
                    return make(values)
            return Missing.BAD

        return first, _once(used)

    def _case(self, case: Case, path: Path) -> tuple[Make, tuple[str, ...]]:
        if sum(part is not None for part in (case.of, case.is_, case.missing)) != 1:
            raise SheetError(path, "needs one of: of, is, missing")
        if case.of is not None:
            make, used = self._combined(case.of, case.by, (), path)
            self._check_scale(case.of, case.scale, path)
            return _scaled(make, case.scale, case.offset), used
        fixed: Value = case.is_ if case.is_ is not None else Missing(case.missing)
        return (lambda _values: fixed), ()


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
        used = _once((*used, *(other[1] if other else ())))
        first = make
        make = lambda values: grid_count(first(values), back(values))  # noqa: E731
    elif metric in _NEVER_0:
        make = _after(counted, make)
    elif metric == "grid_frequency_hz":
        make = _after(frequency_of, make)
    fields = tuple(names.fields[name] for name in used)
    final = make
    return Output(metric, fields, lambda *values: final(dict(zip(used, values, strict=True))), poll)


def _poll(metric: str, reading: object) -> Poll:
    asked = reading.poll if isinstance(reading, Reading) else None
    return asked or ("slow" if metric in _SLOW else "fast")


def _field(register: Register, sheet: Sheet, path: Path) -> Field:
    """The register as the wire's decoder knows it."""
    if register.type == "str" and register.scale != 1:
        raise SheetError((*path, "scale"), "a text has none")
    if register.scale == 0:
        raise SheetError((*path, "scale"), "0 would make every value 0")
    default = sheet.defaults
    return Field(
        register.at,
        register.type,
        register.table or default.table,
        register.words or (default.words if register.type not in _ONE_WORD else "big"),
        register.scale,
        frozenset(register.absent),
        register.valid,
        register.scale_at,
        register.count,
        register.plain,
        register.size_counts,
        register.bytes or default.bytes,
        register.offset,
        register.bits,
    )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float)


def _negated(make: Make) -> Make:
    def negated(values: Values) -> Value:
        value = make(values)
        return -value if isinstance(value, int | float) else value

    return negated


def _scaled(make: Make, scale: float, offset: float) -> Make:
    if scale == 1 and offset == 0:
        return make

    def scaled(values: Values) -> Value:
        value = make(values)
        if not isinstance(value, int | float):
            return value
        return (value * scale if scale > 1 or scale < 0 else value / (1 / scale)) + offset

    return scaled


def _within(make: Make, least: float, most: float) -> Make:
    def within(values: Values) -> Value:
        value = make(values)
        inside = not isinstance(value, int | float) or least <= value <= most
        return value if inside else Missing.BAD

    return within


def _while(judge: Judge, make: Make) -> Make:
    def there(values: Values) -> Value:
        verdict = judge(values)
        if verdict is True:
            return make(values)
        return Missing.ABSENT if verdict is False else verdict

    return there


def _after(judge: Callable[[Value], Value], make: Make) -> Make:
    return lambda values: judge(make(values))


def _named(make: Make, names: dict[str, str], path: Path) -> Make:
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

    return _after(name, make)


def _product(values: Sequence[Value]) -> Value:
    missing = _missing(values)
    return missing or math.prod(v for v in values if isinstance(v, int | float))


def _missing(values: Sequence[Value]) -> Missing | None:
    if Missing.BAD in values:
        return Missing.BAD
    return Missing.ABSENT if Missing.ABSENT in values else None


def _of_present(combine: Callable[[list[float]], float]) -> Callable[[Sequence[Value]], Value]:
    def combined(values: Sequence[Value]) -> Value:
        if Missing.BAD in values:
            return Missing.BAD
        numbers = [v for v in values if isinstance(v, int | float)]
        return combine(numbers) if numbers else Missing.ABSENT

    return combined


def _first_present(values: Sequence[Value]) -> Value:
    return next((v for v in values if v is not Missing.ABSENT), Missing.ABSENT)


def _weighted(pairs: Sequence[tuple[Value, Value]]) -> Value:
    """The mean of what is there; of one its value, whatever it weighs."""
    there = [(value, weight) for value, weight in pairs if value is not Missing.ABSENT]
    if len(there) < 2:
        return there[0][0] if there else Missing.ABSENT
    missing = _missing([part for pair in there for part in pair])
    if missing:
        return missing
    numbers = [
        (v, w) for v, w in there if isinstance(v, int | float) and isinstance(w, int | float)
    ]
    if any(w <= 0 for _, w in numbers):
        return Missing.ABSENT
    return sum(v * w for v, w in numbers) / sum(w for _, w in numbers)


_COMBINE: dict[Combine, Callable[[Sequence[Value]], Value]] = {
    "sum": lambda values: total(*values),
    "sum of present": lambda values: total_of_present(*values),
    "product": _product,
    "first present": _first_present,
    "largest of present": _of_present(max),
    "mean of present": _of_present(lambda numbers: sum(numbers) / len(numbers)),
}
