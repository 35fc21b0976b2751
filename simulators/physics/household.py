"""What the people at home use: a believable day, the same for every (seed, time). Pure.

Base and refrigerator, a morning and an evening rise, cooling on hot afternoons, and single
appliances that start at seeded moments. About 25 to 30 kWh a day, a usual Texan home.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import exp
from zoneinfo import ZoneInfo

from simulators.physics.noise import between, smooth, uniform


@dataclass(frozen=True, slots=True)
class Appliance:
    """A machine that runs now and then. Hours are local; ``chance`` per day."""

    power_w: float
    minutes: float
    from_h: float
    to_h: float
    chance: float
    runs: int = 1


_APPLIANCES = (
    Appliance(power_w=2000, minutes=4, from_h=6.0, to_h=9.0, chance=0.9, runs=3),  # kettle
    Appliance(power_w=1100, minutes=6, from_h=11.5, to_h=20.0, chance=0.8, runs=3),  # microwave
    Appliance(power_w=2400, minutes=35, from_h=17.5, to_h=19.5, chance=0.7),  # oven
    Appliance(power_w=1900, minutes=25, from_h=19.5, to_h=21.5, chance=0.6),  # dishwasher
    Appliance(power_w=1800, minutes=30, from_h=9.0, to_h=17.0, chance=0.4),  # washing machine
    Appliance(power_w=2700, minutes=45, from_h=10.0, to_h=19.0, chance=0.3),  # dryer
    Appliance(power_w=4000, minutes=12, from_h=5.5, to_h=8.0, chance=0.8, runs=2),  # hot water
)


@lru_cache(maxsize=64)
def _runs(seed: int, day: int) -> tuple[tuple[float, float, float], ...]:
    """(start hour, end hour, W) of every appliance run of a local day."""
    runs = []
    for number, appliance in enumerate(_APPLIANCES):
        for run in range(appliance.runs):
            if uniform(seed, 30, day, number, run) >= appliance.chance:
                continue
            start = between(appliance.from_h, appliance.to_h, seed, 31, day, number, run)
            power = appliance.power_w * between(0.85, 1.1, seed, 32, day, number, run)
            runs.append((start, start + appliance.minutes / 60, power))
    return tuple(runs)


def _bump(hour: float, centre: float, width: float) -> float:
    return exp(-(((hour - centre) / width) ** 2))


@lru_cache(maxsize=4096)
def _local_hours(time_zone: ZoneInfo, quarter: datetime) -> tuple[int, float]:
    local = quarter.astimezone(time_zone)
    return local.toordinal(), local.hour + local.minute / 60


def load_power(time: datetime, time_zone: ZoneInfo, seed: int) -> float:
    """Consumption in W without the car."""
    within = timedelta(minutes=time.minute % 15, seconds=time.second, microseconds=time.microsecond)
    day, hour = _local_hours(time_zone, time - within)
    hour += within.total_seconds() / 3600
    seconds = time.timestamp()
    habit = between(0.8, 1.25, seed, 33, day)
    season = 0.5 - 0.5 * abs(((day % 365.25) - 205) / 182.6)  # hottest about 24 July
    hot = between(0.5, 1.3, seed, 34, day) * max(0.0, season + 0.3)
    people = 350 * _bump(hour, 7.3, 1.3) + 650 * _bump(hour, 19.5, 2.4) + 120 * _bump(hour, 13, 2)
    fridge = 130.0 if (seconds / 60 + 1000 * uniform(seed, 35)) % 48 < 20 else 0.0
    cooling_demand = hot * (_bump(hour, 17.0, 4.5) + 0.25)
    cooling = 2600.0 if cooling_demand > 0.15 + (seconds / 60 % 24) / 24 else 0.0
    flicker = between(0.9, 1.1, seed, 36, int(seconds // 10)) * (
        0.8 + 0.4 * smooth(seconds / 600, seed, 37)
    )
    machines = sum(power for start, end, power in _runs(seed, day) if start <= hour < end)
    return (220.0 + habit * people) * flicker + fridge + cooling + machines
