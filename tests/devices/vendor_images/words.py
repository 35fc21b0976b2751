"""Words of registers, and one device made of them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Words = Mapping[int, int | Sequence[int]]


def text(words: str, registers: int) -> list[int]:
    data = words.encode().ljust(2 * registers, b"\0")
    return list(struct.unpack(f">{registers}H", data))


def f32(value: float) -> list[int]:
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def f64(value: float) -> list[int]:
    return list(struct.unpack(">4H", struct.pack(">d", value)))


def u32(value: int) -> list[int]:
    return [value >> 16 & 0xFFFF, value & 0xFFFF]


def le32(value: int) -> list[int]:
    return u32(value)[::-1]


def spread(words: str, registers: int) -> list[int]:
    """One character a register, as FoxESS writes its names."""
    return list(words.ljust(registers).encode())


def u64(value: int) -> list[int]:
    return [*u32(value >> 32), *u32(value & 0xFFFF_FFFF)]


def table(points: Words, fill: Sequence[tuple[int, int]] = ()) -> dict[int, int]:
    """Registers of ``points``; the ranges of ``fill`` (first, end) hold 0 where nothing else stands."""
    words = {a: 0 for first, end in fill for a in range(first, end)}
    for address, value in points.items():
        some = [value] if isinstance(value, int) else list(value)
        words.update({address + i: w & 0xFFFF for i, w in enumerate(some)})
    return words


@dataclass(frozen=True)
class Image:
    """One device: its unit, its registers, and what must be read from them."""

    unit: int
    holding: dict[int, int] = field(default_factory=dict)
    input: dict[int, int] = field(default_factory=dict)
    model: str = ""
    serial: str = ""
    readings: Mapping[str, float | str | None] = field(default_factory=dict)
