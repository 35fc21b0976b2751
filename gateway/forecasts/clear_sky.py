"""What the sun gives under a clear sky: the shape of a day that nobody measured.

Clear sky: Haurwitz (1945), global irradiance on the horizontal; a panel's tilt shows in the home's
own past, which soon outweighs this shape.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gateway.forecasts.history import DAY, Array, quarter_start
from gateway.sun import LOWEST_SINE, Place, sine_of_elevation


def clear_sky_wm2(place: Place, first: int, count: int) -> Array:
    """Irradiance in the middle of ``count`` quarter-hours from ``first``: W/m2, 0 at night."""
    day, into = divmod(first, DAY)
    days = range(day, day + (into + count) // DAY + 1)
    result: Array = np.concatenate([_day_wm2(place, d) for d in days])[into : into + count]
    return result


@lru_cache(maxsize=128)
def _day_wm2(place: Place, day: int) -> Array:
    """Of one UTC day, counted from the Unix epoch; forecasts that follow each other need the same days."""
    hours = (np.arange(DAY) + 0.5) / 4
    day_of_year = np.full(DAY, quarter_start(day * DAY).timetuple().tm_yday - 1.0)
    height = sine_of_elevation(place, day_of_year, hours, np.sin, np.cos)
    up = np.maximum(height, 1e-3)
    result: Array = np.where(height > LOWEST_SINE, 1098.0 * up * np.exp(-0.057 / up), 0.0)
    return result
