"""The registers and values of a sheet by name: how each is made, and from which registers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gateway.devices.sheets.combine import (
    COMBINE,
    Make,
    gated,
    named,
    negated,
    scaled,
    weighted_mean,
    within,
)
from gateway.devices.sheets.conditions import Judge, Values, judge_of, names_in
from gateway.devices.sheets.format import Case, Combine, Of, Reading, Register, Sheet
from gateway.devices.sheets.problem import Path, SheetError, near
from gateway.devices.sheets.terms import NAME
from gateway.modbus.registers import Field, Missing, Value

_REGISTERS = 0x10000
_WHOLE = ("u16", "i16", "u32", "i32", "u64", "i64", "acc32", "acc64")
_ONE_WORD = ("u16", "i16", "str")  # the order of words says nothing of these


class Names:
    """The registers and values of a sheet by name, as far as they have been used: each is made once."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self.fields = {n: field_of(r, sheet, ("registers", n)) for n, r in sheet.registers.items()}
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
        return (lambda values: judge({n: make(values) for n, make in makers.items()})), once(used)

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
            make = scaled(make, reading.scale, reading.offset)
        else:
            make, used = self._first_case(reading.cases, path)
        if reading.names:
            make = named(make, reading.names, path)
        if reading.valid and reading.at is None:
            make = within(make, *reading.valid)
        if reading.while_ is not None:
            judge, more = self.judge(reading.while_, (*path, "while"))
            make, used = gated(judge, make), once((*more, *used))
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
        self.fields[name] = field_of(own, self._sheet, path)
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
            makers.append(negated(make) if term.startswith("-") else make)
            used += more
        if by == "weighted mean":
            if len(weights) != len(terms):
                raise SheetError((*path, "weights"), f"needs {len(terms)} names, one for each")
            heavy = [self.make(name, (*path, "weights")) for name in weights]
            used += [name for _, more in heavy for name in more]
            pairs = list(zip(makers, [make for make, _ in heavy], strict=True))
            return (lambda values: weighted_mean([(m(values), w(values)) for m, w in pairs])), once(
                used
            )
        if len(makers) == 1 and by.startswith("sum"):
            return makers[0], once(used)
        combine = COMBINE[by]
        return (lambda values: combine([make(values) for make in makers])), once(used)

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

        return first, once(used)

    def _case(self, case: Case, path: Path) -> tuple[Make, tuple[str, ...]]:
        if sum(part is not None for part in (case.of, case.is_, case.missing)) != 1:
            raise SheetError(path, "needs one of: of, is, missing")
        if case.of is not None:
            make, used = self._combined(case.of, case.by, (), path)
            self._check_scale(case.of, case.scale, path)
            return scaled(make, case.scale, case.offset), used
        fixed: Value = case.is_ if case.is_ is not None else Missing(case.missing)
        return (lambda _values: fixed), ()


def field_of(register: Register, sheet: Sheet, path: Path) -> Field:
    """The register as the wire's decoder knows it."""
    if register.type == "str" and register.scale != 1:
        raise SheetError((*path, "scale"), "a text has none")
    if register.scale == 0:
        raise SheetError((*path, "scale"), "0 would make every value 0")
    default = sheet.defaults
    made = Field(
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
        register.may_lack,
    )
    _check_place(made, sheet.communication.max_read, path)
    return made


def _check_place(made: Field, max_read: int, path: Path) -> None:
    """Whether the value stands in registers that one request can read, and its bits in it."""
    first, end = made.span
    if end > _REGISTERS:
        raise SheetError((*path, "at"), f"ends beyond the last register, {_REGISTERS - 1}")
    if end - first > max_read:
        key = "count" if made.scale_at is None else "scale_at"
        raise SheetError((*path, key), f"needs {end - first} registers, and max_read is {max_read}")
    if made.bits is not None:
        lowest, count = made.bits
        if made.kind not in _WHOLE:
            raise SheetError((*path, "bits"), f"a {made.kind} has none: type = 'u16'")
        if lowest < 0 or count < 1 or lowest + count > 16 * made.size:
            raise SheetError((*path, "bits"), f"[first, count] of bits 0 to {16 * made.size - 1}")


def once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
