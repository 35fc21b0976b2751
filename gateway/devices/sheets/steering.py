"""The controls of a sheet: from its steps to the writes that hold and release. Pure.

A step is one request. What it depends on (a mode, a rating, the volts, what stood there before us) is read in the same
read-back; a step whose condition does not hold is left out, and where what it needs cannot be read nothing
is set at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write
from gateway.devices.sheets.asked import Asked, Before, Now, Reads, Saved
from gateway.devices.sheets.conditions import Judge
from gateway.devices.sheets.control_format import Step
from gateway.devices.sheets.format import Sheet
from gateway.devices.sheets.names import Names
from gateway.devices.sheets.problem import Path, SheetError
from gateway.devices.sheets.setpoint import Setpoint
from gateway.devices.sheets.step_values import StepValues
from gateway.devices.sheets.terms import Direction
from gateway.domain.control import Control as Controlled
from gateway.errors import DeviceError
from gateway.modbus.registers import Block, Field, plan

_REST_W = 1.0  # less is no power
_IN_A_PAUSE = "the phases are switched in a pause, and the car still charges"
_SG_READY: dict[int, Direction] = {1: "blocked", 3: "encouraged", 4: "ordered"}
Writes = Callable[[Asked], tuple[Write, ...]]


class Steering:
    """Makes one control of a sheet; what it reads on the way is gathered in ``used``."""

    def __init__(self, sheet: Sheet, names: Names, control: str) -> None:
        self._sheet, self._control = sheet, sheet.controls[control]  # type: ignore[index]
        self._what = Controlled(control)
        self._path: Path = ("controls", control)
        self._reads = Reads(names, self._path)
        self._values = StepValues(self._reads, self._what, self._control.restore)
        self._setpoint = Setpoint(
            self._control, self._what, self._reads, sheet.communication.max_gap
        )
        self._written: dict[str, None] = {}

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
        judge = (
            self._reads.judge(control.is_neutral, (*self._path, "is_neutral"))
            if control.is_neutral
            else None
        )
        suits, needed = self._suits()
        refuses, under_load = self._refusals(), self._under_load()
        asks, measured = self._setpoint.made()

        def is_neutral(read_back: ReadBack) -> bool | None:
            verdict = judge(Now(self._reads.fields, read_back)) if judge else None
            return None if verdict is None else verdict is True

        def held(value: float, read_back: ReadBack, saved: Saved) -> tuple[Write, ...]:
            if because := refuses(read_back, saved):
                raise DeviceError(because)
            wanted, direction = asks(value, read_back), self._direction(value)
            writes = hold(Asked(wanted, direction, read_back, saved))
            loaded = under_load is not None and under_load(read_back)
            if loaded and not all(read_back.reads(write) for write in writes):
                raise DeviceError(_IN_A_PAUSE)
            return writes

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
            lease=self._lease(),
            restore_registers=tuple(a for field in restore for a in _span(field)),
            is_neutral=is_neutral,
            persists_after_lease=lasting,
            flash=flash,
            max_per_day=control.max_per_day,
            required=self._blocks([*control.required, *needed]),
            suits=suits,
            under_load=under_load,
            settle_s=control.settle_s,
            on_foreign_setpoint=control.on_foreign_setpoint,
            recompute=control.follows is not None,
        )

    def _suits(self) -> tuple[Callable[[ReadBack], bool], list[str]]:
        """Whether a model is one that has the control, and the registers that tell it."""
        when = self._control.required_when
        if when is None:
            return (lambda read_back: True), []
        judge, used = self._reads.names.judge(when, (*self._path, "required_when"))
        fields = self._reads.fields
        return (lambda read_back: judge(Now(fields, read_back)) is True), list(used)

    def _under_load(self) -> Callable[[ReadBack], bool] | None:
        """Whether the car draws, so that its phases are not switched now."""
        charging, itself = self._control.charging, self._control.pauses_itself
        if self._what is not Controlled.CHARGE_PHASES:
            if charging is not None or itself:
                raise SheetError(self._path, "charging and pauses_itself are for charge_phases")
            return None
        if (charging is None) != itself:
            raise SheetError(
                self._path,
                "needs one of: charging, pauses_itself (phases are never switched under load)",
            )
        if charging is None:
            return None
        if "charge_current_a" not in self._sheet.controls:
            raise SheetError(self._path, "needs charge_current_a beside it, which pauses the car")
        judge = self._reads.judge(charging, (*self._path, "charging"))
        return lambda read_back: judge(Now(self._reads.fields, read_back)) is True

    def _lease(self) -> Lease:
        lease = self._control.lease
        if lease.kind != "none" and not lease.refresh_s < lease.seconds / 2:
            raise SheetError(
                (*self._path, "lease"),
                f"refresh_s = {lease.refresh_s:g} must be less than half of seconds = {lease.seconds:g}",
            )
        return Lease(lease.kind, lease.seconds, lease.refresh_s)

    # -- what is asked --

    def _direction(self, value: float) -> Direction:
        if self._what is Controlled.CHARGE_CURRENT:
            return "pause" if value < self._control.pause_below else "charge"
        if self._what is Controlled.HEAT_POWER:
            return "off" if value < _REST_W else "on"
        if self._what is Controlled.SG_READY:
            return _SG_READY.get(round(value), "normal")
        if abs(value) < _REST_W or self._what is not Controlled.BATTERY_POWER:
            return "rest"
        return "discharge" if value > 0 else "charge"

    def _refusals(self) -> Callable[[ReadBack, Saved], str]:
        """Why nothing may be set now; empty where it may."""
        made: list[tuple[bool, Judge, str]] = []  # whether it looks at what stood there before us
        for i, refusal in enumerate(self._control.refuse):
            path = (*self._path, "refuse", i)
            if (refusal.when is None) == (refusal.when_saved is None):
                raise SheetError(path, "needs one of: when, when_saved")
            if refusal.when is not None:
                made.append((False, self._reads.judge(refusal.when, path), refusal.because))
            else:
                made.append(
                    (True, self._reads.names.judge(refusal.when_saved, path)[0], refusal.because)
                )

        def because(read_back: ReadBack, saved: Saved) -> str:
            for before, judge, words in made:
                values = (
                    Before(self._reads.fields, saved)
                    if before
                    else Now(self._reads.fields, read_back)
                )
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
            self._written[name] = None
            if step.check or step.restore:
                self._reads.used[name] = None
            words = self._values.words(step, field, path)
            request = lambda asked: _write(step, field.address, words(asked))  # noqa: E731
        when = self._reads.judge(step.when, (*path, "when")) if step.when is not None else None
        before = (
            self._reads.names.judge(step.when_saved, (*path, "when_saved"))[0]
            if step.when_saved is not None
            else None
        )

        def writes(asked: Asked) -> tuple[Write, ...]:
            if step.only and asked.direction not in step.only:
                return ()
            if when and when(Now(self._reads.fields, asked.read_back)) is not True:
                return ()
            if before and before(Before(self._reads.fields, asked.saved)) is not True:
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
            self._written[part.write] = None
            if step.check:
                self._reads.used[part.write] = None
            if end not in (-1, field.address):
                raise SheetError(where, f"stands at {field.address}, where {end} is next")
            start, end = (start if i else field.address), field.address + field.size
            parts.append(self._values.words(part, field, where))

        def request(asked: Asked) -> tuple[Write, ...]:
            words = [part(asked) for part in parts]
            if any(w is None for w in words):
                return ()
            return _write(step, start, tuple(word for some in words for word in some or ()))

        return request

    def _writable(self, name: str, path: Path) -> Field:
        field = self._reads.names.field(name, path)
        if field.table != "holding":
            raise SheetError(path, f"{name} is an input register: nothing can write it")
        if field.kind == "str":
            raise SheetError(path, f"{name} is a text: a setpoint is a number")
        if field.scale_at is not None or field.bits:
            raise SheetError(
                path, f"{name} has scale_at or bits: give the written register plainly"
            )
        return field

    # -- what is read --

    def _read(self, name: str, key: Path) -> None:
        self._reads.names.field(name, (*self._path, *key))
        self._reads.used[name] = None

    def _registers(self, names: Sequence[str], key: str) -> list[Field]:
        return [self._reads.names.field(name, (*self._path, key)) for name in names]

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
        return self._blocks(self._reads.used, self._registers(self._control.apart, "apart"))

    def _blocks(
        self, names: Sequence[str] | dict[str, None], apart: Sequence[Field] = ()
    ) -> tuple[Block, ...]:
        spans = {(f.table, *f.span) for f in (self._reads.fields[name] for name in names)}
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
                    self._reads.names.field(name, path)
        return tuple(
            (
                self._reads.fields[name].address,
                frozenset(
                    source.who.casefold()
                    for source in self._control.sources
                    if name in source.registers or "all" in source.registers
                ),
            )
            for name in self._written
        )


def _span(field: Field) -> range:
    return range(field.address, field.address + field.size)


def _write(step: Step, address: int, words: tuple[int, ...] | None) -> tuple[Write, ...]:
    if words is None:
        return ()
    return (Write(address, words, step.fc, step.optional, step.check, step.again, step.once),)
