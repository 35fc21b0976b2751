"""Registers to values and back: pure. What a device marks as absent never becomes a number.

A value is a number, a text, or a `Missing`: ABSENT where the device says so (sentinel, NaN),
BAD where the bytes cannot mean anything sensible (infinite, scale factor out of range, outside
the range that the data sheet allows).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from gateway.modbus.address import Table

Words = Literal["big", "little"]
Kind = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "acc32", "acc64", "str"]


class Missing(Enum):
    """Why there is no value.

    REFUSED: the device does not give the register, and nobody knows that its model has none. No sum goes on
    without it; a reading of it alone is absent.
    """

    ABSENT = "absent"
    BAD = "bad"
    REFUSED = "refused"


Value = float | int | str | Missing

_STRUCTS = {
    "u16": struct.Struct(">H"),
    "i16": struct.Struct(">h"),
    "u32": struct.Struct(">I"),
    "i32": struct.Struct(">i"),
    "u64": struct.Struct(">Q"),
    "i64": struct.Struct(">q"),
    "f32": struct.Struct(">f"),
    "f64": struct.Struct(">d"),
    "acc32": struct.Struct(">I"),
    "acc64": struct.Struct(">Q"),
}
# No home measures the extreme of a type: makers mark with it what a device does not have.
MARKERS: Mapping[Kind, frozenset[float]] = {
    "u16": frozenset({0xFFFF}),
    "i16": frozenset({-0x8000, 0x7FFF}),
    "u32": frozenset({0xFFFF_FFFF, 0x8000_0000, 0x7FFF_FFFF}),
    "i32": frozenset({-0x8000_0000, 0x7FFF_FFFF}),
    "u64": frozenset({2**64 - 1, 2**63}),
    "i64": frozenset({-(2**63)}),
}
_SCALE = _STRUCTS["i16"]
SCALE_RANGE = 10  # SunSpec: a scale factor is -10..10
_SCALE_ABSENT = -0x8000
_LEAST_FLOAT = 2.0**-126  # smaller ones are subnormal in f32
_DECIMAL = tuple(10.0**n for n in range(SCALE_RANGE + 1))


@dataclass(frozen=True, slots=True)
class Field:
    """One value in a table of registers.

    ``address`` 0-based; ``count`` only for text. The raw number is tested against ``absent`` (which
    takes in the usual markers of its type, unless every word is a value: ``plain``), then
    (``size_counts``: an accumulator that its maker counts below 0) taken by its size, then
    scaled by ``scale`` and by ten to the signed register at ``scale_at`` (read in the same request), moved by
    ``offset``, then tested against ``valid``. ``byte_order``: little where a device swaps them inside a register.
    ``bits``: only so many of the raw number from the first (0 the lowest). ``may_lack``: some models do not
    have it, so one that refuses it has none.
    """

    address: int
    kind: Kind
    table: Table = "holding"
    words: Words = "big"
    scale: float = 1
    absent: frozenset[float] = frozenset()
    valid: tuple[float, float] | None = None
    scale_at: int | None = None
    count: int = 1
    plain: bool = False
    size_counts: bool = False
    byte_order: Words = "big"
    offset: float = 0
    bits: tuple[int, int] | None = None
    may_lack: bool = True

    def __post_init__(self) -> None:
        if not self.plain:
            marks = self.absent | MARKERS.get(self.kind, frozenset())
            object.__setattr__(self, "absent", marks)

    @property
    def size(self) -> int:
        """Registers that the value itself takes."""
        return self.count if self.kind == "str" else _STRUCTS[self.kind].size // 2

    @property
    def span(self) -> tuple[int, int]:
        """First and last + 1 address that one request must hold (value and scale factor)."""
        first, end = self.address, self.address + self.size
        if self.scale_at is None:
            return first, end
        return min(first, self.scale_at), max(end, self.scale_at + 1)

    def decode(self, data: bytes, start: int) -> Value:
        """The value in ``data``, the bytes of registers from address ``start``."""
        at = 2 * (self.address - start)
        if self.kind == "str":
            return _text(self._ordered(data[at : at + 2 * self.count]))
        raw = self._raw(data, at)
        if raw in self.absent:
            return Missing.ABSENT
        if raw.__class__ is float and (missing := _no_number(raw)):
            return missing
        value = self._part(raw)
        if self.scale != 1:  # a division by 100 is exact where a product with 0.01 is not
            value = value * self.scale if self.scale > 1 else value / (1 / self.scale)
        if self.scale_at is not None:
            power = _SCALE.unpack_from(data, 2 * (self.scale_at - start))[0]
            if power == _SCALE_ABSENT:
                return Missing.ABSENT
            if not -SCALE_RANGE <= power <= SCALE_RANGE:
                return Missing.BAD
            value = scaled(value, power)
        if self.offset:
            value += self.offset
        if self.valid and not self.valid[0] <= value <= self.valid[1]:
            return Missing.BAD
        return value

    def _raw(self, data: bytes, at: int) -> float:
        """The number as it stands there."""
        codec = _STRUCTS[self.kind]
        if self.words == "little" or self.byte_order == "little":
            data, at = self._ordered(data[at : at + codec.size]), 0
        raw: float = codec.unpack_from(data, at)[0]
        return raw

    def _ordered(self, data: bytes) -> bytes:
        """The value's own bytes, highest first; of a text only the order inside a register may differ."""
        if self.byte_order == "little":
            data = swap_bytes(data)
        return swap_words(data) if self.words == "little" and self.kind != "str" else data

    def _part(self, raw: float) -> float:
        """What of the number counts: some of its bits, or its size where a count runs below 0."""
        if self.bits:
            return int(raw) >> self.bits[0] & (1 << self.bits[1]) - 1
        bits = 8 * _STRUCTS[self.kind].size
        return (1 << bits) - raw if self.size_counts and raw >= 1 << bits - 1 else raw

    def modulus(self, data: bytes, start: int) -> float:
        """Where an accumulator of this width and scale starts again at 0."""
        power = 0
        if self.scale_at is not None:
            power = _SCALE.unpack_from(data, 2 * (self.scale_at - start))[0]
        return scaled(2.0 ** (8 * _STRUCTS[self.kind].size) * self.scale, power)


def _no_number(raw: float) -> Missing | None:
    """Why a float is none. One next to 0 is an integer that newer firmware put in a float's place."""
    if math.isnan(raw):
        return Missing.ABSENT
    if math.isinf(raw) or 0 < abs(raw) < _LEAST_FLOAT:
        return Missing.BAD
    return None


def scaled(value: float, power: int) -> float:
    """``value`` x 10^power, as exact as a division by a power of ten can be."""
    if power < 0:
        return value / _DECIMAL[-power]
    return value * _DECIMAL[power] if power else value


def swap_words(data: bytes) -> bytes:
    """The registers in the other order; the bytes inside each stay."""
    return b"".join(data[i : i + 2] for i in range(len(data) - 2, -2, -2))


def swap_bytes(data: bytes) -> bytes:
    """The bytes inside each register in the other order."""
    return b"".join(data[i + 1 : i + 2] + data[i : i + 1] for i in range(0, len(data), 2))


def _text(data: bytes) -> Value:
    if len(data) > 2 and any(data) and not any(data[::2]):
        data = data[1::2]  # one character a register
    text = data.split(b"\0", 1)[0].decode("ascii", "replace").strip()
    if not text or all(b == 0xFF for b in data):
        return Missing.ABSENT
    return text.replace("\ufffd", "?")


def encode(value: float, kind: Kind, words: Words = "big") -> tuple[int, ...]:
    """Registers that mean ``value``; raises ValueError when the type cannot hold it."""
    codec = _STRUCTS[kind]
    try:
        data = codec.pack(value if kind in ("f32", "f64") else round(value))
    except (struct.error, OverflowError, ValueError) as error:
        raise ValueError(f"{value} does not fit into {kind}") from error
    if words == "little":
        data = swap_words(data)
    return words_of(data)


def words_of(data: bytes) -> tuple[int, ...]:
    """The bytes of the wire as register values."""
    return struct.unpack(f">{len(data) // 2}H", data)


# -- planning --


@dataclass(frozen=True, slots=True)
class Block:
    """Registers read in one request."""

    table: Table
    address: int
    count: int

    @property
    def end(self) -> int:
        return self.address + self.count

    def holds(self, table: Table, first: int, end: int) -> bool:
        return self.table == table and self.address <= first and end <= self.end


def plan(
    spans: Iterable[tuple[Table, int, int]],
    max_read: int = 125,
    max_gap: int = 0,
    forbidden: Sequence[tuple[Table, int, int]] = (),
) -> tuple[Block, ...]:
    """The fewest requests that read all ``spans`` (table, first, end), each span within one.

    A request is at most ``max_read`` registers, bridges at most ``max_gap`` unwanted ones, and
    never touches a ``forbidden`` span. Greedy from the lowest address is optimal here: a request
    that starts at the lowest unread span may only gain by reaching further.
    Raises ValueError for a span longer than ``max_read``.
    """
    blocks: list[Block] = []
    for table, first, end in sorted(set(spans)):
        if end - first > max_read:
            raise ValueError(f"{end - first} registers from {first} exceed one request")
        last = blocks[-1] if blocks else None
        if (
            last
            and last.table == table
            and first - last.end <= max_gap
            and max(end, last.end) - last.address <= max_read
            and not _touches(forbidden, table, last.address, max(end, last.end))
        ):
            blocks[-1] = Block(table, last.address, max(end, last.end) - last.address)
        else:
            blocks.append(Block(table, first, end - first))
    return tuple(blocks)


def _touches(
    forbidden: Sequence[tuple[Table, int, int]], table: Table, first: int, end: int
) -> bool:
    return any(t == table and first < b and a < end for t, a, b in forbidden)


def widest_gap(
    block: Block, spans: Iterable[tuple[Table, int, int]]
) -> tuple[Table, int, int] | None:
    """The widest run of registers in ``block`` that none of ``spans`` wants; None if there is none."""
    inside = sorted((a, b) for t, a, b in spans if block.holds(t, a, b))
    gaps: list[tuple[int, int, int]] = []
    end = block.address
    for first, last in inside:
        if first > end:
            gaps.append((first - end, end, first))
        end = max(end, last)
    if not gaps:
        return None
    _, first, last = max(gaps)
    return block.table, first, last


def middle_cut(
    block: Block, spans: Iterable[tuple[Table, int, int]]
) -> tuple[Table, int, int] | None:
    """The place nearest to the middle where ``block`` can be cut without parting one of ``spans``.

    It is an empty span, as `plan` takes it among the forbidden ones; None where there is no such place.
    """
    inside = [(a, b) for t, a, b in spans if block.holds(t, a, b)]
    places = {end for _, end in inside if end < block.end}
    free = [c for c in places if not any(a < c < b for a, b in inside)]
    if not free:
        return None
    middle = block.address + block.count / 2
    place = min(free, key=lambda c: (abs(c - middle), c))
    return block.table, place, place
