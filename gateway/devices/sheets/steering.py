"""The controls of a sheet: from its steps to the writes that hold and release. Pure.

A step is one request. What it depends on (a mode, a rating, the volts, what stood there before us) is read in the same
read-back; a step whose condition does not hold is left out, and where what it needs cannot be read nothing
is set at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.devices.control_sheet import (
    ControlSheet,
    Lease,
    MeasuredPower,
    ReadBack,
    Write,
)
from gateway.devices.readout import Output
from gateway.devices.sheets.conditions import Judge
from gateway.devices.sheets.format import (
    Bound,
    Choice,
    Direction,
    Follows,
    Limit,
    Sheet,
    Step,
    When,
)
from gateway.devices.sheets.problem import Path, SheetError
from gateway.devices.sheets.readings import Make, Names
from gateway.domain.control import Control as Controlled
from gateway.errors import DeviceError
from gateway.modbus.registers import Block, Field, Missing, Value, encode, plan, swap_bytes
from gateway.modbus.registers import words_of as words_of_bytes

Saved = Mapping[int, int]
_REST_W = 1.0  # less is no power
_GRID_STEP_W = 50
_RANGES = {  # what a type holds
    "u16": (0, 0xFFFF),
    "i16": (-0x8000, 0x7FFF),
    "u32": (0, 0xFFFF_FFFF),
    "i32": (-0x8000_0000, 0x7FFF_FFFF),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for now, and all that a step may depend on."""

    value: float  # what the register is to mean
    direction: Direction
    read_back: ReadBack
    saved: Saved


class _Now(Mapping[str, Value]):
    """Registers by name, as the device read just now."""

    def __init__(self, fields: Mapping[str, Field], read_back: ReadBack) -> None:
        self._fields, self._read_back = fields, read_back

    def __getitem__(self, name: str) -> Value:
        return self._read_back.value(self._fields[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class _Before(_Now):
    """Registers by name, as they stood before we wrote; absent where that is not known."""

    def __init__(self, fields: Mapping[str, Field], saved: Saved) -> None:
        super().__init__(fields, ReadBack({}))
        self._saved = saved

    def __getitem__(self, name: str) -> Value:
        field = self._fields[name]
        words = saved_words(field, self._saved)
        if words is None:
            return Missing.ABSENT
        return field.decode(b"".join(w.to_bytes(2, "big") for w in words), field.address)


def saved_words(field: Field, saved: Saved) -> tuple[int, ...] | None:
    """The words that stood in a register before us, None where any of them is not known."""
    words = [saved.get(field.address + i) for i in range(field.size)]
    known = tuple(word for word in words if word is not None)
    return known if len(known) == field.size else None


Writes = Callable[[Asked], tuple[Write, ...]]


class Steering:
    """Makes one control of a sheet; what it reads on the way is gathered in ``used``."""

    def __init__(self, sheet: Sheet, names: Names, control: str) -> None:
        self._names, self._fields = names, names.fields
        self._sheet, self._control = sheet, sheet.controls[control]  # type: ignore[index]
        self._what = Controlled(control)
        self._path: Path = ("controls", control)
        self.used: dict[str, None] = {}  # registers that are read back, in their order
        self.written: dict[str, None] = {}

    def control_sheet(self) -> ControlSheet:
        """The control as the devices know it; raises SheetError."""
        control = self._control
        hold = self._steps(control.hold, "hold")
        neutral = self._steps(control.neutral, "neutral")
        restore = self._registers(control.restore, "restore")
        for name in (*control.restore, *control.required):
            self._read(name, ("restore",))
        lasting = self._addresses(control.persists_after_lease, "persists_after_lease")
        flash = self._addresses(control.flash, "flash")
        self._check_flash()
        judge = self._judge(control.is_neutral, "is_neutral") if control.is_neutral else None
        refuses = self._refusals()
        asks, measured = self._setpoint(control.follows)

        def is_neutral(read_back: ReadBack) -> bool | None:
            verdict = judge(_Now(self._fields, read_back)) if judge else None
            return None if verdict is None else verdict is True

        def held(value: float, read_back: ReadBack, saved: Saved) -> tuple[Write, ...]:
            if because := refuses(read_back, saved):
                raise DeviceError(because)
            wanted, direction = asks(value, read_back), self._direction(value)
            return hold(Asked(wanted, direction, read_back, saved))

        def released(read_back: ReadBack, saved: Saved) -> tuple[Write, ...]:
            return neutral(Asked(0.0, "rest", read_back, saved))

        return ControlSheet(
            control=self._what,
            limits=control.limits,
            sources=tuple(dict.fromkeys(source.who for source in control.sources)),
            by_address=self._sources(),
            read_back=(*self._read_back(), *(measured.blocks if measured else ())),
            hold=held,
            neutral=released,
            lease=Lease(control.lease.kind, control.lease.seconds, control.lease.refresh_s),
            restore_registers=tuple(a for field in restore for a in _span(field)),
            is_neutral=is_neutral,
            persists_after_lease=lasting,
            flash=flash,
            max_per_day=control.max_per_day,
            required=self._blocks(control.required),
            settle_s=control.settle_s,
            on_foreign_setpoint=control.on_foreign_setpoint,
            recompute=control.follows is not None,
        )

    # -- what is asked --

    def _direction(self, value: float) -> Direction:
        if self._what is Controlled.CHARGE_CURRENT:
            return "pause" if value < self._control.pause_below else "charge"
        if abs(value) < _REST_W or self._what is not Controlled.BATTERY_POWER:
            return "rest"
        return "discharge" if value > 0 else "charge"

    def _setpoint(
        self, follows: Follows | None
    ) -> tuple[Callable[[float, ReadBack], float], MeasuredPower | None]:
        """What a wish becomes before it is written: the power that the register means."""
        limits, step = self._control.limits, self._control.step
        battery = self._what is Controlled.BATTERY_POWER
        if follows is None:
            if battery and limits != "battery":
                raise SheetError(
                    (*self._path, "follows"), f"is needed: the register limits {limits}"
                )
            return (lambda value, _: round(value / step) * step if step else value), None
        if not battery or limits not in ("inverter_ac", "grid"):
            raise SheetError(
                (*self._path, "follows"), "is for a battery's power by inverter_ac or grid"
            )
        if limits == "inverter_ac":
            measured = self._measured(follows)
            return measured.ac_setpoint, measured
        return self._grid_setpoint(follows, step or _GRID_STEP_W), None

    def _measured(self, follows: Follows) -> MeasuredPower:
        path = (*self._path, "follows")
        if not follows.panels:
            raise SheetError((*path, "panels"), "is missing: the setpoint follows the sun")
        panels = tuple(self._names.field(name, (*path, "panels")) for name in follows.panels)
        battery = None
        if follows.battery:
            make, used = self._names.make(follows.battery, (*path, "battery"))
            battery = Output(
                "battery_power_w",
                tuple(self._fields[name] for name in used),
                lambda *values: make(dict(zip(used, values, strict=True))),
            )
        ac = self._names.field(follows.ac, (*path, "ac")) if follows.ac else None
        return MeasuredPower(panels, battery, ac, self._sheet.communication.max_gap)

    def _grid_setpoint(self, follows: Follows, step: float) -> Callable[[float, ReadBack], float]:
        """Grid power (import +) at which the battery is left with what is asked of it."""
        path = (*self._path, "follows")
        by_loads = bool(follows.loads and follows.panels)
        by_meter = bool(follows.grid and follows.battery)
        if by_loads == by_meter:
            raise SheetError(path, "needs loads and panels, or grid and battery")
        plus = [*follows.loads] if by_loads else [follows.grid, follows.battery]
        groups = [
            [self._make(name, path) for name in group if name]
            for group in (plus, follows.panels if by_loads else [])
        ]

        def setpoint(value: float, read_back: ReadBack) -> float:
            now = _Now(self._fields, read_back)
            sums = [_sum([make(now) for make in group]) for group in groups]
            if not by_loads and any(isinstance(make(now), Missing) for make in groups[0]):
                sums[0] = None
            if None in sums:
                raise DeviceError("what the setpoint follows cannot be read, so none can be made")
            power = (sums[0] or 0.0) - (sums[1] or 0.0) - value
            return round(power / step) * step

        return setpoint

    def _make(self, name: str, path: Path) -> Make:
        make, used = self._names.make(name, path)
        self.used.update(dict.fromkeys(used))
        return make

    def _refusals(self) -> Callable[[ReadBack, Saved], str]:
        """Why nothing may be set now; empty where it may."""
        made: list[tuple[bool, Judge, str]] = []  # whether it looks at what stood there before us
        for i, refusal in enumerate(self._control.refuse):
            path = (*self._path, "refuse", i)
            if (refusal.when is None) == (refusal.when_saved is None):
                raise SheetError(path, "needs one of: when, when_saved")
            if refusal.when is not None:
                made.append((False, self._judge(refusal.when, path), refusal.because))
            else:
                made.append((True, self._names.judge(refusal.when_saved, path)[0], refusal.because))

        def because(read_back: ReadBack, saved: Saved) -> str:
            for before, judge, words in made:
                values = _Before(self._fields, saved) if before else _Now(self._fields, read_back)
                if judge(values) is True:
                    return words
            return ""

        return because

    # -- steps --

    def _steps(self, steps: Sequence[Step], key: str) -> Writes:
        made = [self._step(step, (*self._path, key, i)) for i, step in enumerate(steps)]
        return lambda asked: tuple(w for one in made for w in one(asked))

    def _step(self, step: Step, path: Path) -> Writes:
        if sum((step.write is not None, step.restore is not None, bool(step.together))) != 1:
            raise SheetError(path, "needs one of: write, restore, together")
        if step.together:
            request = self._joined(step, path)
        else:
            name = step.write or step.restore or ""
            field = self._writable(name, path)
            self.written[name] = None
            if step.check or step.restore:
                self.used[name] = None
            words = self._words(step, field, path)
            request = lambda asked: _write(step, field.address, words(asked))  # noqa: E731
        when = self._judge(step.when, (*path, "when")) if step.when is not None else None
        before = (
            self._names.judge(step.when_saved, (*path, "when_saved"))[0]
            if step.when_saved is not None
            else None
        )

        def writes(asked: Asked) -> tuple[Write, ...]:
            if step.only and asked.direction not in step.only:
                return ()
            if when and when(_Now(self._fields, asked.read_back)) is not True:
                return ()
            if before and before(_Before(self._fields, asked.saved)) is not True:
                return ()
            return request(asked)

        return writes

    def _joined(self, step: Step, path: Path) -> Writes:
        """Neighbours in one request."""
        parts: list[Callable[[Asked], tuple[int, ...] | None]] = []
        start = end = -1
        for i, part in enumerate(step.together):
            where = (*path, "together", i)
            if not part.write:
                raise SheetError(where, "needs `write` and `value`")
            field = self._writable(part.write, where)
            self.written[part.write] = None
            if step.check:
                self.used[part.write] = None
            if end not in (-1, field.address):
                raise SheetError(where, f"stands at {field.address}, where {end} is next")
            start, end = (start if i else field.address), field.address + field.size
            parts.append(self._words(part, field, where))

        def request(asked: Asked) -> tuple[Write, ...]:
            words = [part(asked) for part in parts]
            if any(w is None for w in words):
                return ()
            return _write(step, start, tuple(word for some in words for word in some or ()))

        return request

    def _writable(self, name: str, path: Path) -> Field:
        field = self._names.field(name, path)
        if field.table != "holding":
            raise SheetError(path, f"{name} is an input register: nothing can write it")
        if field.scale_at is not None or field.bits:
            raise SheetError(
                path, f"{name} has scale_at or bits: give the written register plainly"
            )
        return field

    def _words(
        self, step: Step, field: Field, path: Path
    ) -> Callable[[Asked], tuple[int, ...] | None]:
        """The words of one register; None where there is nothing to write."""
        if step.restore is not None:
            return lambda asked: saved_words(field, asked.saved)
        if step.value is None:
            raise SheetError((*path, "value"), "is missing")
        value = self._value(step, path)
        self._check_sign(step, field, path)

        def words(asked: Asked) -> tuple[int, ...] | None:
            number = value(asked)
            return None if number is None else encoded(number, field, step.round == "down")

        return words

    def _check_sign(self, step: Step, field: Field, path: Path) -> None:
        values = (
            [step.value.charge, step.value.rest, step.value.discharge]
            if isinstance(step.value, Choice)
            else [step.value]
        )
        signed = "setpoint" in values and self._what is Controlled.BATTERY_POWER
        if signed and field.kind.startswith("u") and not field.offset:
            raise SheetError(
                (*path, "value"),
                f"{field.kind} holds no sign: value = 'size', or type = 'i16' or 'i32'",
            )

    def _value(self, step: Step, path: Path) -> Callable[[Asked], float | None]:
        """The number that a step means, in the units of its register."""
        chosen = self._chosen(step.value, path)
        rated = self._number(step.percent_of, (*path, "percent_of"))
        volts = self._number(step.divided_by, (*path, "divided_by"))
        most = step.most if isinstance(step.most, list) else [step.most]
        uppers = [self._limit(limit, (*path, "most")) for limit in most if limit is not None]
        lower = None if step.least is None else self._limit(step.least, (*path, "least"))

        def value(asked: Asked) -> float | None:
            number = chosen(asked)
            if number is None:
                return None
            if step.negate:
                number = -number
            if rated:
                number = 100 * number / _needed(rated(asked), step.percent_of)
            if volts:
                number /= _needed(volts(asked), step.divided_by)
            for upper in uppers:
                bound = upper(asked)
                number = number if bound is None else min(number, bound)
            if lower and (bound := lower(asked)) is not None:
                number = max(number, bound)
            return step.zero if step.zero is not None and round(number) == 0 else number

        return value

    def _chosen(
        self, value: float | str | Choice | None, path: Path
    ) -> Callable[[Asked], float | None]:
        if isinstance(value, Choice):
            return self._choice(value, path)
        if value == "setpoint":
            return lambda asked: asked.value
        if value == "size":
            return lambda asked: abs(asked.value)
        fixed = float(value or 0) if not isinstance(value, int) else value
        return lambda asked: fixed

    def _choice(self, choice: Choice, path: Path) -> Callable[[Asked], float | None]:
        if choice.saved is not None:
            field = self._names.field(choice.saved, (*path, "value", "saved"))
            if choice.saved not in self._control.restore:
                raise SheetError((*path, "value", "saved"), f"{choice.saved} is not in `restore`")
            name = choice.saved
            other = None if choice.or_ is None else self._limit(choice.or_, (*path, "value", "or"))

            def before(asked: Asked) -> float | None:
                value = _Before({name: field}, asked.saved)[name]
                if isinstance(value, int | float):
                    return value
                return other(asked) if other else None

            return before
        ways = {
            "charge": choice.charge,
            "rest": choice.rest,
            "discharge": choice.discharge,
            "pause": choice.pause,
        }
        made = {d: self._chosen(v, path) for d, v in ways.items() if v is not None}
        return lambda asked: made[asked.direction](asked) if asked.direction in made else None

    def _number(self, name: str | None, path: Path) -> Callable[[Asked], float | None] | None:
        if name is None:
            return None
        make = self._make(name, path)

        def number(asked: Asked) -> float | None:
            value = make(_Now(self._fields, asked.read_back))
            return value if isinstance(value, int | float) else None

        return number

    def _limit(self, limit: Limit, path: Path) -> Callable[[Asked], float | None]:
        if isinstance(limit, int | float):
            return lambda asked: limit
        if isinstance(limit, str):
            return self._number(limit, path) or (lambda asked: None)
        return self._owners(limit, path)

    def _owners(self, bound: Bound, path: Path) -> Callable[[Asked], float | None]:
        field = self._names.field(bound.saved, path)
        holds: Judge | None = None
        if bound.when_saved is not None:
            holds = self._names.judge(bound.when_saved, path)[0]

        def limit(asked: Asked) -> float | None:
            before = _Before(self._fields, asked.saved)
            if holds and holds(before) is not True:
                return None
            value = _Before({bound.saved: field}, asked.saved)[bound.saved]
            return value if isinstance(value, int | float) else None

        return limit

    # -- what is read --

    def _judge(self, when: When, key: str | Path) -> Judge:
        path = (*self._path, key) if isinstance(key, str) else key
        judge, used = self._names.judge(when, path)
        self.used.update(dict.fromkeys(used))
        return judge

    def _read(self, name: str, key: Path) -> None:
        self._names.field(name, (*self._path, *key))
        self.used[name] = None

    def _registers(self, names: Sequence[str], key: str) -> list[Field]:
        return [self._names.field(name, (*self._path, key)) for name in names]

    def _addresses(self, names: Sequence[str], key: str) -> tuple[int, ...]:
        return tuple(a for field in self._registers(names, key) for a in _span(field))

    def _check_flash(self) -> None:
        if self._control.flash and not self._control.max_per_day:
            raise SheetError(
                (*self._path, "max_per_day"), "is missing: how often a day the flash may be written"
            )

    def _read_back(self) -> tuple[Block, ...]:
        if self._control.read:
            return tuple(Block(*asked) for asked in self._control.read)
        return self._blocks(self.used, self._registers(self._control.apart, "apart"))

    def _blocks(
        self, names: Sequence[str] | dict[str, None], apart: Sequence[Field] = ()
    ) -> tuple[Block, ...]:
        spans = {(f.table, *f.span) for f in (self._fields[name] for name in names)}
        cuts = [
            (field.table, edge, edge)
            for field in apart
            for edge in (field.address, field.address + field.size)
        ]
        return plan(spans, self._sheet.communication.max_read, 0, cuts)

    def _sources(self) -> tuple[tuple[int, frozenset[str]], ...]:
        """Each register that is written, and who publishes it."""
        path = (*self._path, "sources")
        for source in self._control.sources:
            for name in source.registers:
                if name != "all":
                    self._names.field(name, path)
        return tuple(
            (
                self._fields[name].address,
                frozenset(
                    source.who.casefold()
                    for source in self._control.sources
                    if name in source.registers or "all" in source.registers
                ),
            )
            for name in self.written
        )


def encoded(number: float, field: Field, down: bool = False) -> tuple[int, ...]:
    """The words of a register that mean ``number``; more than its type holds is the most it holds."""
    raw = (number - field.offset) / field.scale if field.scale != 1 else number - field.offset
    if not math.isfinite(raw):
        raise DeviceError(f"{number} cannot be written to register {field.address}")
    if field.kind in _RANGES:
        least, most = _RANGES[field.kind]
        whole = math.floor(raw + 1e-9) if down else round(raw)
        raw = max(least, min(most, whole))
    words = encode(raw, field.kind, field.words)
    if field.byte_order == "little":
        data = b"".join(word.to_bytes(2, "big") for word in words)
        return words_of_bytes(swap_bytes(data))
    return words


def _span(field: Field) -> range:
    return range(field.address, field.address + field.size)


def _write(step: Step, address: int, words: tuple[int, ...] | None) -> tuple[Write, ...]:
    if words is None:
        return ()
    return (Write(address, words, step.fc, step.optional, step.check, step.again),)


def _needed(value: float | None, name: str | None) -> float:
    if not value:
        raise DeviceError(f"{name} cannot be read, so no setpoint can be made")
    return value


def _sum(values: Sequence[Value]) -> float | None:
    """The sum of what is there; None where one is bad or all are absent, 0 of nothing."""
    there = [v for v in values if v is not Missing.ABSENT]
    if any(not isinstance(v, int | float) for v in there) or (values and not there):
        return None
    return float(sum(v for v in there if isinstance(v, int | float)))
