"""Plain packing of values into registers, and a unit made of blocks that are built when read."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite, isnan, nan

from simulators.devices.protocol import (
    HOLDING,
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    ModbusError,
)
from simulators.devices.view import View


class Block:
    """Registers from address ``origin``. None packs 'not implemented'.

    ``little`` puts the low word of a number first, as some makers do; bytes are always big-endian.
    Signed numbers that are not implemented are the most negative ones in SunSpec, the most
    positive ones at other makers (``vendor``).
    """

    __slots__ = ("_little", "_no_i16", "_no_i32", "_origin", "data")

    def __init__(
        self, length: int, origin: int = 0, little: bool = False, vendor: bool = False
    ) -> None:
        self.data = bytearray(2 * length)
        self._origin = origin
        self._little = little
        self._no_i16, self._no_i32 = (0x7FFF, 0x7FFFFFFF) if vendor else (-0x8000, -0x80000000)

    def _place(self, address: int, raw: bytes, words: int) -> None:
        if self._little and words > 1:
            raw = swapped(raw, words)
        at = 2 * (address - self._origin)
        self.data[at : at + len(raw)] = raw

    def _put(self, code: str, absent: int, address: int, values: tuple[int | None, ...]) -> None:
        if None in values:
            values = tuple(absent if value is None else value for value in values)
        if self._little:
            self._place(address, struct.pack(f">{len(values)}{code}", *values), _WORDS[code])
        else:
            at = 2 * (address - self._origin)
            struct.pack_into(f">{len(values)}{code}", self.data, at, *values)

    def nothing(self, address: int, registers: int) -> None:
        """Mark unsigned 16-bit registers as not implemented."""
        self._place(address, b"\xff\xff" * registers, 1)

    def u16(self, address: int, *values: int | None) -> None:
        self._put("H", 0xFFFF, address, values)

    def i16(self, address: int, *values: int | None) -> None:
        self._put("h", self._no_i16, address, values)

    def u32(self, address: int, *values: int | None) -> None:
        self._put("I", 0xFFFFFFFF, address, values)

    def i32(self, address: int, *values: int | None) -> None:
        self._put("i", self._no_i32, address, values)

    def u64(self, address: int, *values: int | None) -> None:
        self._put("Q", 0xFFFFFFFFFFFFFFFF, address, values)

    def acc32(self, address: int, *values: int | None) -> None:
        """Counters: 0 is 'not implemented'."""
        self._put("I", 0, address, values)

    def f32(self, address: int, *values: float) -> None:
        shown = [nan if isnan(value) else value for value in values]  # one NaN: 0x7FC00000
        self._place(address, struct.pack(f">{len(shown)}f", *shown), 2)

    def text(self, address: int, text: str, registers: int) -> None:
        raw = text.encode("ascii")[: 2 * registers].ljust(2 * registers, b"\0")
        self._place(address, raw, 1)


_WORDS = {"H": 1, "h": 1, "I": 2, "i": 2, "Q": 4}


def swapped(raw: bytes, words: int) -> bytes:
    """Numbers of ``words`` registers each with their words turned round."""
    size = 2 * words
    numbers = (raw[i : i + size] for i in range(0, len(raw), size))
    return b"".join(number[i : i + 2] for number in numbers for i in range(size - 2, -1, -2))


def whole(value: float, per_unit: float = 1.0) -> int | None:
    """``value`` in steps of ``1/per_unit``; None for NaN."""
    return None if isnan(value) else round(value * per_unit)


def counted(value: float, per_unit: float = 1.0, bits: int = 32) -> int | None:
    """A counter of ``bits``: complete steps of ``1/per_unit``; it wraps. None for NaN."""
    return None if isnan(value) else int(value * per_unit + 1e-6) % (1 << bits)


def limited(value: float, low: int, high: int) -> int:
    return max(low, min(high, round(value)))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one table; ``build`` gives its registers as bytes when they are read."""

    start: int
    length: int
    build: Callable[[], bytes | bytearray]
    table: int = HOLDING


@dataclass
class Setting:
    """One writable register: its value and the range that the device accepts."""

    value: int
    low: int = 0
    high: int = 0xFFFF

    def check(self, raw: int) -> int:
        """The value that ``raw`` means; ModbusError when the device refuses it."""
        value = raw - 0x10000 if self.low < 0 and raw & 0x8000 else raw
        if not self.low <= value <= self.high:
            raise ModbusError(ILLEGAL_VALUE)
        return value


Settings = Mapping[int, Setting]


def number(settings: Settings, address: int, little: bool = False, signed: bool = False) -> int:
    """The 32-bit number that two neighbouring settings make."""
    high, low = settings[address].value, settings[address + 1].value
    if little:
        high, low = low, high
    value = (high & 0xFFFF) << 16 | low & 0xFFFF
    return value - (1 << 32) if signed and value >> 31 else value


def set_number(settings: Settings, address: int, value: int, little: bool = False) -> None:
    words = (value >> 16 & 0xFFFF, value & 0xFFFF)
    settings[address].value, settings[address + 1].value = words[::-1] if little else words


def real(settings: Settings, address: int, little: bool = False) -> float:
    """The 32-bit float that two neighbouring settings make; ModbusError if it is no number."""
    raw = struct.pack(">I", number(settings, address, little))
    value: float = struct.unpack(">f", raw)[0]
    if not isfinite(value):
        raise ModbusError(ILLEGAL_VALUE)
    return value


def set_real(settings: Settings, address: int, value: float, little: bool = False) -> None:
    set_number(settings, address, int.from_bytes(struct.pack(">f", value), "big"), little)


def pair(address: int) -> dict[int, Setting]:
    """Two free registers for one 32-bit setting."""
    return {address: Setting(0), address + 1: Setting(0)}


Written = Callable[[frozenset[int]], None]


class BlockUnit:
    """A unit of spans without holes inside; a read over an undefined address is exception 2.

    ``functions`` are the function codes by which it can be written.
    """

    def __init__(self, view: View, functions: frozenset[int] = frozenset((6, 16))) -> None:
        self.view = view
        self._functions = functions
        self._spans: dict[int, list[Span]] = {}
        self._starts: dict[int, list[int]] = {}
        self._settings: dict[int, tuple[Setting, Written]] = {}

    def set_spans(self, spans: Sequence[Span]) -> None:
        self._spans = {}
        for span in sorted(spans, key=lambda s: s.start):
            self._spans.setdefault(span.table, []).append(span)
        self._starts = {table: [s.start for s in found] for table, found in self._spans.items()}

    def set_writable(self, settings: Settings, written: Written) -> None:
        """Let ``settings`` be written; after each request ``written`` hears their addresses."""
        for address, setting in settings.items():
            self._settings[address] = (setting, written)

    def writable(self) -> dict[int, int]:
        """Every register that can be written, with its value now."""
        return {address: setting.value for address, (setting, _) in self._settings.items()}

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

    def write(self, address: int, values: tuple[int, ...], function: int) -> None:
        """All registers or none: every one must be writable and every value allowed."""
        if function not in self._functions:
            raise ModbusError(ILLEGAL_FUNCTION)
        found: list[tuple[int, Setting, int, Written]] = []
        for place, raw in enumerate(values, address):
            if place not in self._settings:
                raise ModbusError(ILLEGAL_ADDRESS)
            setting, written = self._settings[place]
            found.append((place, setting, setting.check(raw), written))
        before = [setting.value for _place, setting, _value, _written in found]
        for _place, setting, value, _written in found:
            setting.value = value
        listeners: dict[Written, set[int]] = {}
        for place, _setting, _value, written in found:
            listeners.setdefault(written, set()).add(place)
        try:
            for written, places in listeners.items():
                written(frozenset(places))
        except ModbusError:
            for (_place, setting, _value, _written), old in zip(found, before, strict=True):
                setting.value = old
            raise


@dataclass(frozen=True, slots=True)
class Area:
    """A stretch of a vendor's map: ``fill`` packs values by their addresses; the rest is 0."""

    start: int
    length: int
    fill: Callable[[Block], None]
    table: int = HOLDING


class VendorUnit(BlockUnit):
    """A unit with a vendor's own register map: areas, and settings that show in them."""

    def __init__(
        self,
        view: View,
        areas: Sequence[Area],
        settings: Settings,
        little: bool = False,
        functions: frozenset[int] = frozenset((6, 16)),
    ) -> None:
        super().__init__(view, functions)
        self.settings = settings
        self._little = little
        self.set_spans([Span(a.start, a.length, partial(self._build, a), a.table) for a in areas])
        self.set_writable(settings, self.written)

    def _build(self, area: Area) -> bytearray:
        block = Block(area.length, area.start, self._little, vendor=True)
        area.fill(block)
        if area.table == HOLDING:
            for address, setting in self.settings.items():
                if area.start <= address < area.start + area.length:
                    block.u16(address, setting.value & 0xFFFF)
        return block.data

    def written(self, addresses: frozenset[int]) -> None:
        """Act on what was just written; ModbusError refuses and undoes it."""
