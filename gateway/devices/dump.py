"""Registers of a device in a file, and a bus that answers from it: a device that need not be there.

The form is that of `energy-gateway capture`, JSON:
`{"units": {"1": {"h": {"40000": 21365}, "i": {"588": 77}}}, "readings": {"1": {"battery_soc_pct": 77}}}`. ``h`` are
holding registers, ``i`` input registers, by decimal address; ``mirror`` true: both tables are one. ``readings`` is what the
device was seen to show meanwhile, in the units of our metrics; ``max_read`` is the longest read that it answered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.domain.sentences import other
from gateway.errors import ConfigError, DeviceError
from gateway.modbus.address import BusAddress, Table
from gateway.modbus.exceptions import Refused

_TABLES: Mapping[str, Table] = {"h": "holding", "i": "input"}
_NO_ADDRESS, _TOO_LONG, _NO_UNIT = 2, 3, 11
Shown = Mapping[str, float | str | None]


@dataclass(frozen=True, slots=True)
class Dump:
    """What stood in the registers, by unit and table, and what the device was seen to show."""

    units: Mapping[int, Mapping[Table, Mapping[int, int]]]
    readings: Mapping[int, Shown] = field(default_factory=dict)
    max_read: int = 125

    def only_unit(self, preferred: int) -> int:
        """The unit to look at: ``preferred`` if it is there, else the only one; raises ConfigError."""
        if preferred in self.units:
            return preferred
        if len(self.units) == 1:
            return next(iter(self.units))
        there = ", ".join(str(number) for number in sorted(self.units))
        raise ConfigError(f"unit {preferred} is not in the dump; name one of {there} with --unit")


def read_dump(path: Path) -> Dump:
    """The dump of a file; raises ConfigError that says what is wrong."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return _dump(raw)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        form = '{"units": {"1": {"h": {"40000": 21365}, "i": {}}}}'
        raise ConfigError(f"{path}: is no dump of registers, as in {form}: {error!r}") from error


def _dump(raw: Any) -> Dump:
    units = {int(number): _tables(tables) for number, tables in raw["units"].items()}
    shown = {int(number): dict(some) for number, some in raw.get("readings", {}).items()}
    return Dump(units, shown, int(raw.get("max_read", 125)))


def _tables(raw: Any) -> dict[Table, dict[int, int]]:
    found: dict[Table, dict[int, int]] = {
        table: {int(address, 0): _word(word) for address, word in raw.get(key, {}).items()}
        for key, table in _TABLES.items()
    }
    if raw.get("mirror"):
        both = found["holding"] | found["input"]
        return {"holding": both, "input": both}
    return found


def _word(word: Any) -> int:
    if not isinstance(word, int) or not 0 <= word <= 0xFFFF:
        raise ValueError(f"{word!r} is no register")
    return word


class DumpBus:
    """A bus whose units are those of a dump. It only reads."""

    def __init__(self, dump: Dump) -> None:
        self._dump = dump
        self.asked: list[tuple[Table, int, int]] = []  # what was refused for it is not in the dump

    @property
    def address(self) -> BusAddress:
        """Nowhere."""
        return BusAddress(host="dump")

    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes:
        """See `gateway.modbus.unit.Bus.read`; what the dump does not hold is no such register."""
        tables = self._dump.units.get(unit)
        if tables is None:
            raise Refused(other(f"unit {unit} is not in the dump"), _NO_UNIT)
        if count > self._dump.max_read:
            many = other(f"{count} registers are more than the device answered")
            raise Refused(many, _TOO_LONG)
        words = [tables[table].get(address + i) for i in range(count)]
        if None in words:
            self.asked.append((table, address, count))
            gap = other(f"{table} {address} x {count} is not in the dump")
            raise Refused(gap, _NO_ADDRESS)
        return b"".join((word or 0).to_bytes(2, "big") for word in words)

    async def write(self, unit: int, address: int, words: Sequence[int], fc: int = 16) -> None:
        """A dump is not written."""
        raise DeviceError("a dump cannot be written")

    async def close(self) -> None:
        """Nothing is open."""
