"""Plain packing of values into registers, and a unit made of blocks that are built when read."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

from simulators.devices.protocol import HOLDING, ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusError
from simulators.devices.view import View


class Block:
    """Registers from a first address; offsets count registers. None packs 'not implemented'."""

    __slots__ = ("data",)

    def __init__(self, length: int) -> None:
        self.data = bytearray(2 * length)

    def _put(self, code: str, absent: int, offset: int, values: tuple[int | None, ...]) -> None:
        shown = [absent if value is None else value for value in values]
        struct.pack_into(f">{len(shown)}{code}", self.data, 2 * offset, *shown)

    def u16(self, offset: int, *values: int | None) -> None:
        self._put("H", 0xFFFF, offset, values)

    def i16(self, offset: int, *values: int | None) -> None:
        self._put("h", -0x8000, offset, values)

    def u32(self, offset: int, *values: int | None) -> None:
        self._put("I", 0xFFFFFFFF, offset, values)

    def i32(self, offset: int, *values: int | None) -> None:
        self._put("i", -0x80000000, offset, values)

    def u64(self, offset: int, *values: int | None) -> None:
        self._put("Q", 0xFFFFFFFFFFFFFFFF, offset, values)

    def acc32(self, offset: int, *values: int | None) -> None:
        """Counters: 0 is 'not implemented'."""
        self._put("I", 0, offset, values)

    def f32(self, offset: int, *values: float) -> None:
        struct.pack_into(f">{len(values)}f", self.data, 2 * offset, *values)

    def text(self, offset: int, text: str, registers: int) -> None:
        raw = text.encode("ascii")[: 2 * registers].ljust(2 * registers, b"\0")
        self.data[2 * offset : 2 * (offset + registers)] = raw

    def swap_words(self, offset: int, registers: int) -> None:
        """Turn the words of one number round: little word order."""
        part = self.data[2 * offset : 2 * (offset + registers)]
        words = [part[i : i + 2] for i in range(0, len(part), 2)]
        self.data[2 * offset : 2 * (offset + registers)] = b"".join(reversed(words))


def whole(value: float, per_unit: float = 1.0) -> int | None:
    """``value`` in steps of ``1/per_unit``; None for NaN."""
    return None if isnan(value) else round(value * per_unit)


def counted(value: float, per_unit: float = 1.0) -> int | None:
    """A counter: whole steps of ``1/per_unit`` that are complete; None for NaN."""
    return None if isnan(value) else int(value * per_unit + 1e-6)


def signed(value: int) -> int:
    """A register as a signed number."""
    return value - 0x10000 if value & 0x8000 else value


def limited(value: float, low: int, high: int) -> int:
    return max(low, min(high, round(value)))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one table; ``build`` gives its registers as bytes when they are read."""

    start: int
    length: int
    build: Callable[[], bytes | bytearray]
    table: int = HOLDING


class BlockUnit:
    """A unit of spans without holes inside; a read over an undefined address is exception 2."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._spans: dict[int, list[Span]] = {}

    def set_spans(self, spans: Sequence[Span]) -> None:
        self._spans = {}
        for span in sorted(spans, key=lambda s: s.start):
            self._spans.setdefault(span.table, []).append(span)
        self._starts = {table: [s.start for s in found] for table, found in self._spans.items()}

    def read(self, table: int, address: int, count: int) -> bytes:
        spans = self._spans.get(table)
        if spans is None:
            raise ModbusError(ILLEGAL_ADDRESS)
        index = bisect_right(self._starts[table], address) - 1
        result = b""
        end = address + count
        while address < end:
            if index < 0 or index >= len(spans):
                raise ModbusError(ILLEGAL_ADDRESS)
            span = spans[index]
            offset = address - span.start
            if not 0 <= offset < span.length:
                raise ModbusError(ILLEGAL_ADDRESS)
            take = min(end - address, span.length - offset)
            result += bytes(span.build()[2 * offset : 2 * (offset + take)])
            address += take
            index += 1
        return result


@dataclass
class Setting:
    """A writable register (or pair): its value and the range that the device accepts."""

    value: int
    low: int = 0
    high: int = 0xFFFF

    def check(self, value: int) -> int:
        if not self.low <= value <= self.high:
            raise ModbusError(ILLEGAL_VALUE)
        return value
