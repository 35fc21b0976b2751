"""SunSpec units written by hand from the standard's tables: what safety is proved on needs no capture."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

Words = Mapping[int, int | Sequence[int]]


def text(words: str, registers: int) -> list[int]:
    data = words.encode().ljust(2 * registers, b"\0")
    return list(struct.unpack(f">{registers}H", data))


def u32(value: int) -> list[int]:
    return [value >> 16, value & 0xFFFF]


def model(number: int, length: int, points: Words, fill: int = 0xFFFF) -> list[int]:
    """Registers of a model: id, length, then ``points`` by offset from the id, else ``fill``."""
    words = [number, length] + [fill] * length
    for offset, value in points.items():
        some = [value] if isinstance(value, int) else list(value)
        words[offset : offset + len(some)] = [w & 0xFFFF for w in some]
    return words


def common(
    maker: str = "Maker", name: str = "Model", length: int = 66, serial: str = "S1", opt: str = ""
) -> list[int]:
    points: Words = {
        2: text(maker, 16),
        18: text(name, 16),
        34: text(opt, 8),
        42: text("1.0", 8),
        50: text(serial, 16),
    }
    return model(1, length, points, fill=0)


def chain(
    *models: list[int], base: int = 40000, end: Sequence[int] = (0xFFFF, 0)
) -> dict[int, int]:
    words = [0x5375, 0x6E53, *(w for m in models for w in m), *end]
    return {base + i: w for i, w in enumerate(words)}


def mppt(
    named: Sequence[tuple[str, int | None, int]], scales: tuple[int, int, int, int]
) -> list[int]:
    """Model 160: (name, raw DCW or None where nothing is connected, raw DCWH) for each module."""
    points: dict[int, int | Sequence[int]] = {2: scales, 8: len(named)}
    for i, (name, watts, energy) in enumerate(named):
        at = 10 + 20 * i
        points |= {at: i + 1, at + 1: text(name, 8)}
        if watts is not None:
            points |= {at + 9: [watts // 40, 4000, watts], at + 12: u32(energy)}
    return model(160, 8 + 20 * len(named), points)


def hybrid() -> dict[int, dict[int, int]]:
    """A hybrid of 15 kW (unit 1) as Fronius builds them, and its meter (unit 200).

    Two strings of three give 5,120 and 4,980 W, the battery charges with 8,240 W, 1,914.5 W go out.
    The owner's limit of generation, 46.45 %, is active, and no reversion time is set.
    """
    inverter = model(
        103,
        50,
        {14: [19145, -1], 16: [5002, -2], 24: u32(23_456_789), 26: -3, 31: [18600, -1], 38: 4},
    )
    nameplate = model(
        120,
        26,
        {2: 82, 3: [15000, 0], 19: [22080, 0], 23: [25600, 0], 25: [25600, 0]},
    )
    settings = model(121, 30, {2: 15000, 22: 0})
    status = model(122, 44, {2: [7, 7]})
    limit = model(123, 24, {2: [0, 0, 1, 4645, 0, 0, 0, 1], 23: [-2, -2, -2]})
    modules = (
        ("MPPT 1", 5120, 1_283_106_301),
        ("MPPT 2", 4980, 1_152_857_459),
        ("MPPT 3", None, 0),
        ("StCha 4", 8240, 711_015_154),
        ("StDisCha 5", 0, 658_362_165),
    )
    storage = model(
        124,
        24,
        {
            2: [25600, 100, 100, 0],
            7: [500, 7290],
            11: [4, 10000, 10000],
            14: [0, 0, 0, 1],
            18: [0, 0],
            21: [-2, -2],
            25: [-2],
        },
    )
    unit = chain(
        common("Fronius", "Own image 15", 65, "30000001"),
        inverter,
        nameplate,
        settings,
        status,
        limit,
        mppt(modules, (-2, -1, 0, -3)),
        storage,
    )
    meter = model(
        203,
        105,
        {
            16: [5001],
            18: [-16034],
            22: [-1],
            14: [0],
            38: u32(1_240_569_000),
            46: u32(146_240_000),
            54: -3,
        },
    )
    return {1: unit, 200: chain(common("Fronius", "Own meter", 65, "40000001"), meter)}
