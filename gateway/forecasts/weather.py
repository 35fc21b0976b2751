"""The temperature outside, past and expected, where a service or a data set has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from gateway.forecasts.history import Array, quarter_index


@dataclass(frozen=True, slots=True)
class Temperatures:
    """°C by quarter-hour; ``first`` is the `quarter_index` of the first, NaN what is not known."""

    first: int
    values_c: Array

    @classmethod
    def of(cls, by_start: Mapping[datetime, float]) -> Temperatures:
        """From temperatures by start of the quarter-hour."""
        if not by_start:
            return cls(0, np.empty(0))
        places = {quarter_index(start): c for start, c in by_start.items()}
        first, last = min(places), max(places)
        values = np.full(last - first + 1, np.nan)
        values[np.array(list(places)) - first] = list(places.values())
        return cls(first, values)

    def over(self, first: int, count: int) -> Array:
        """Of ``count`` quarter-hours from ``first``."""
        made = np.full(count, np.nan)
        begin, end = max(first, self.first), min(first + count, self.first + self.values_c.size)
        if end > begin:
            made[begin - first : end - first] = self.values_c[begin - self.first : end - self.first]
        return made
