"""What is asked of a control now, and what it may depend on: registers as read now, and as they stood before us. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gateway.devices.control_sheet import ReadBack
from gateway.devices.sheets.combine import Make
from gateway.devices.sheets.conditions import Judge
from gateway.devices.sheets.names import Names
from gateway.devices.sheets.problem import Path
from gateway.devices.sheets.terms import Direction, When
from gateway.modbus.registers import Field, Missing, Value

Saved = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for now, and all that a step may depend on."""

    value: float  # what the register is to mean
    direction: Direction
    read_back: ReadBack
    saved: Saved


class Now(Mapping[str, Value]):
    """Registers by name, as the device read just now."""

    def __init__(self, fields: Mapping[str, Field], read_back: ReadBack) -> None:
        self._fields, self._read_back = fields, read_back

    def __getitem__(self, name: str) -> Value:
        return self._read_back.value(self._fields[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class Before(Now):
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


Number = Callable[[Asked], float | None]


class Reads:
    """The registers that one control reads back, gathered while its steps are made."""

    def __init__(self, names: Names, path: Path) -> None:
        """``path`` is where the control stands in the sheet."""
        self.names, self.path = names, path
        self.fields = names.fields
        self.used: dict[str, None] = {}

    def make(self, name: str, path: Path) -> Make:
        """How a register or value is made of what is read now."""
        make, used = self.names.make(name, path)
        self.used.update(dict.fromkeys(used))
        return make

    def judge(self, when: When, path: Path) -> Judge:
        """Whether something is so, as read now."""
        judge, used = self.names.judge(when, path)
        self.used.update(dict.fromkeys(used))
        return judge

    def number(self, name: str | None, path: Path) -> Number | None:
        """A register's or value's number as read now, None where it has none."""
        if name is None:
            return None
        make = self.make(name, path)

        def number(asked: Asked) -> float | None:
            value = make(Now(self.fields, asked.read_back))
            return value if isinstance(value, int | float) else None

        return number

    def saved(self, name: str, path: Path) -> Number:
        """What a register held before us, None where that is not known."""
        fields = {name: self.names.field(name, path)}

        def number(asked: Asked) -> float | None:
            value = Before(fields, asked.saved)[name]
            return value if isinstance(value, int | float) else None

        return number
