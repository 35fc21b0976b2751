"""What a step of a control writes: from the setpoint, a mode or what stood there before, to the words of a register. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gateway.devices.sheets.asked import Asked, Before, Number, Reads, saved_words
from gateway.devices.sheets.conditions import Judge
from gateway.devices.sheets.control_format import Bound, Choice, Limit, Step
from gateway.devices.sheets.problem import Path, SheetError
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus.registers import Field, encode, swap_bytes, words_of

Words = Callable[[Asked], tuple[int, ...] | None]
_RANGES = {  # what a type holds
    "u16": (0, 0xFFFF),
    "i16": (-0x8000, 0x7FFF),
    "u32": (0, 0xFFFF_FFFF),
    "i32": (-0x8000_0000, 0x7FFF_FFFF),
}


class StepValues:
    """Makes the words that the steps of one control write."""

    def __init__(self, reads: Reads, control: Control, restore: Sequence[str]) -> None:
        """``restore`` are the registers that are saved before the first write."""
        self._reads, self._what, self._restore = reads, control, restore

    def words(
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
        signed = "setpoint" in values and self._what is Control.BATTERY_POWER
        if signed and field.kind.startswith("u") and not field.offset:
            raise SheetError(
                (*path, "value"),
                f"{field.kind} holds no sign: value = 'size', or type = 'i16' or 'i32'",
            )

    def _value(self, step: Step, path: Path) -> Number:
        """The number that a step means, in the units of its register."""
        chosen = self._chosen(step.value, path)
        rated = self._reads.number(step.percent_of, (*path, "percent_of"))
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
            for upper in uppers:
                bound = upper(asked)
                number = number if bound is None else min(number, bound)
            if lower and (bound := lower(asked)) is not None:
                number = max(number, bound)
            return step.zero if step.zero is not None and round(number) == 0 else number

        return value

    def _chosen(self, value: float | str | Choice | None, path: Path) -> Number:
        if isinstance(value, Choice):
            return self._choice(value, path)
        if value == "setpoint":
            return lambda asked: asked.value
        if value == "size":
            return lambda asked: abs(asked.value)
        fixed = float(value or 0) if not isinstance(value, int) else value
        return lambda asked: fixed

    def _choice(self, choice: Choice, path: Path) -> Number:
        if choice.saved is not None:
            if choice.saved not in self._restore:
                raise SheetError((*path, "value", "saved"), f"{choice.saved} is not in `restore`")
            stood = self._reads.saved(choice.saved, (*path, "value", "saved"))
            other = None if choice.or_ is None else self._limit(choice.or_, (*path, "value", "or"))

            def before(asked: Asked) -> float | None:
                value = stood(asked)
                return other(asked) if value is None and other else value

            return before
        ways = {
            "charge": choice.charge,
            "rest": choice.rest,
            "discharge": choice.discharge,
            "pause": choice.pause,
            "off": choice.off,
            "on": choice.on,
            "blocked": choice.blocked,
            "normal": choice.normal,
            "encouraged": choice.encouraged,
            "ordered": choice.ordered,
        }
        made = {d: self._chosen(v, path) for d, v in ways.items() if v is not None}
        return lambda asked: made[asked.direction](asked) if asked.direction in made else None

    def _limit(self, limit: Limit, path: Path) -> Number:
        if isinstance(limit, int | float):
            return lambda asked: limit
        if isinstance(limit, str):
            return self._reads.number(limit, path) or (lambda asked: None)
        return self._owners(limit, path)

    def _owners(self, bound: Bound, path: Path) -> Number:
        stood = self._reads.saved(bound.saved, path)
        holds: Judge | None = None
        if bound.when_saved is not None:
            holds = self._reads.names.judge(bound.when_saved, path)[0]

        def limit(asked: Asked) -> float | None:
            if holds and holds(Before(self._reads.fields, asked.saved)) is not True:
                return None
            return stood(asked)

        return limit


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
        return words_of(swap_bytes(data))
    return words


def _needed(value: float | None, name: str | None) -> float:
    if not value:
        raise DeviceError(f"{name} cannot be read, so no setpoint can be made")
    return value
