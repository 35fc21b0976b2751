"""Market prices of the simulated zone: recorded ones, or seeded ones with a Texan shape.

Prices are USD per MWh with two decimals. ``day_ahead`` is known from 13:30 local time on the day
before, ``real_time`` only after its interval: who may know what is the exchange's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import exp
from typing import NamedTuple, Protocol

from gateway.domain.intervals import floor_quarter, floor_to, iso
from gateway.errors import ConfigError
from simulators.physics.noise import between, smooth, uniform

_HOUR = timedelta(hours=1)


class Prices(NamedTuple):
    """The prices of one quarter-hour, USD per MWh; they can be negative."""

    day_ahead_per_mwh: float
    real_time_per_mwh: float


class PriceSeries(Protocol):
    """Prices by quarter-hour."""

    def at(self, interval_start: datetime) -> Prices:
        """The prices of the quarter-hour that contains ``interval_start``; ConfigError if unknown."""

    def covers(self, interval_start: datetime) -> bool:
        """Whether `at` has an answer."""


class RecordedPrices:
    """Prices from a file. ``by_start`` is keyed by the quarter-hour's start in UTC."""

    def __init__(self, by_start: Mapping[datetime, Prices], name: str = "the price data") -> None:
        self._by_start = by_start
        self._name = name

    def covers(self, interval_start: datetime) -> bool:
        return floor_quarter(interval_start) in self._by_start

    def at(self, interval_start: datetime) -> Prices:
        try:
            return self._by_start[floor_quarter(interval_start)]
        except KeyError:
            first, last = min(self._by_start), max(self._by_start)
            raise ConfigError(
                f"{self._name} has no price for {iso(interval_start)}; "
                f"it covers {iso(first)} to {iso(last)}"
            ) from None


# Day-ahead level over the local hour, 1 = the day's average: low at night (wind), a small morning
# rise, the solar dip at noon, the peak when the sun is gone and houses still cool.
_SHAPE = (
    0.72, 0.66, 0.62, 0.60, 0.64, 0.82, 1.08, 1.05, 0.78, 0.60, 0.52, 0.50,
    0.52, 0.58, 0.68, 0.85, 1.10, 1.45, 2.00, 2.60, 2.10, 1.40, 1.02, 0.84,
)  # fmt: skip


class SyntheticPrices:
    """Seeded prices without end, shaped like those of ERCOT in summer.

    Levels are of the size of ERCOT HB_SOUTH in 2024 (average about 30 USD/MWh, evenings of some
    hundred, rare spikes up to 2,000, some negative hours of wind and sun).
    """

    def __init__(self, seed: int = 0, utc_offset_h: float = -6.0) -> None:
        self._seed = seed
        self._offset = timedelta(hours=utc_offset_h)
        self._made: dict[int, Prices] = {}  # many ask for the same quarters again and again

    def covers(self, interval_start: datetime) -> bool:
        return interval_start.tzinfo is not None

    def at(self, interval_start: datetime) -> Prices:
        quarter = int(interval_start.timestamp()) // 900
        if quarter not in self._made:
            local = interval_start + self._offset
            day_ahead = self._day_ahead(floor_to(local, _HOUR))
            real_time = self._real_time(day_ahead, quarter, local)
            self._made[quarter] = Prices(round(day_ahead, 2), round(real_time, 2))
        return self._made[quarter]

    def _day_ahead(self, hour: datetime) -> float:
        day = hour.toordinal()
        level = between(20.0, 34.0, self._seed, 1, day)
        tight = uniform(self._seed, 2, day) ** 3  # few days are hot and short of reserve
        windy = smooth(day + hour.hour / 24, self._seed, 3)
        shape = _SHAPE[hour.hour]
        evening = max(0.0, shape - 1.2) * 60.0 * tight
        jitter = between(-1.5, 1.5, self._seed, 4, day, hour.hour)
        return level * shape * (1.25 - 0.5 * windy) + evening + jitter

    def _real_time(self, day_ahead: float, quarter: int, local: datetime) -> float:
        seed = self._seed
        drift = exp(0.9 * (smooth(quarter / 6, seed, 5) - 0.55))
        price = day_ahead * drift + between(-3.0, 3.0, seed, 6, quarter)
        chance = uniform(seed, 7, quarter // 2)  # a spike lasts up to two quarter-hours
        evening = 17 <= local.hour < 22
        if chance < (0.02 if evening else 0.0015):
            price += between(0.1, 1.0, seed, 8, quarter) ** 3 * 2000.0
        elif chance > (0.93 if 9 <= local.hour < 15 or local.hour < 5 else 0.995):
            price -= between(15.0, 45.0, seed, 9, quarter)  # too much wind and sun
        return max(-250.0, min(5000.0, price))
