"""The cars that come to fast-charging sites: makers, inlets, and how much they want."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Maker:
    """A maker of cars: its share of the traffic, and of its cars that have a NACS inlet."""

    name: str
    share: float
    nacs: float


def makers(adoption: float = 0.35) -> tuple[Maker, ...]:
    """The default traffic: the make that began NACS, and others of whose cars ``adoption`` have it."""
    others = (("maker-b", 0.20), ("maker-c", 0.15), ("maker-d", 0.12), ("maker-e", 0.08))
    return (Maker("maker-a", 0.45, 1.0), *(Maker(n, share, adoption) for n, share in others))


@dataclass(frozen=True, slots=True)
class Car:
    """One arrival."""

    maker: str
    nacs: bool
    wants_wh: int


# Arrivals by local hour, 1 = the day's average: few at night, most in the late afternoon.
_SHAPE = (
    0.25, 0.18, 0.15, 0.15, 0.22, 0.40, 0.65, 0.85, 0.95, 1.05, 1.20, 1.35,
    1.45, 1.45, 1.45, 1.50, 1.60, 1.70, 1.65, 1.50, 1.25, 0.95, 0.65, 0.40,
)  # fmt: skip
_CHANCES = 32


def arrivals(
    place: str, start: datetime, hour: int, per_day: float, traffic: Sequence[Maker]
) -> list[Car]:
    """The cars that come in the quarter-hour from ``start`` (local ``hour``); ``place`` is the seed."""
    rng = random.Random(f"{place}|cars|{start}")
    chance = per_day / 96 * _SHAPE[hour] / _CHANCES
    cars = []
    for _ in range(_CHANCES):
        if rng.random() < chance:
            maker = rng.choices(traffic, [m.share for m in traffic])[0]
            cars.append(Car(maker.name, rng.random() < maker.nacs, round(rng.uniform(15e3, 60e3))))
    return cars
