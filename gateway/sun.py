"""Where the sun stands: astronomy only, so that a process without numpy can ask whether it is dark.

Declination and equation of time by Spencer (1971), within about 0.3 degrees. The formula is written once
and works on numbers and on arrays: the caller brings the functions of its library.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Place = tuple[float, float]  # latitude (north +) and longitude (east +), degrees
Number = TypeVar("Number", float, "NDArray[np.float64]")

LOWEST_SINE = 0.01  # of the elevation: below it haze and hills decide
_QUARTER = timedelta(minutes=15)


def sine_of_elevation(
    place: Place,
    day_of_year: Number,
    hours_utc: Number,
    sin: Callable[[Number], Number],
    cos: Callable[[Number], Number],
) -> Number:
    """Sine of the sun's elevation; ``day_of_year`` counts from 0, ``hours_utc`` from midnight."""
    year = 2 * math.pi * (day_of_year + hours_utc / 24) / 365
    declination = (
        0.006918
        - 0.399912 * cos(year)
        + 0.070257 * sin(year)
        - 0.006758 * cos(2 * year)
        + 0.000907 * sin(2 * year)
    )
    equation_h = (24 / (2 * math.pi)) * (
        0.000075
        + 0.001868 * cos(year)
        - 0.032077 * sin(year)
        - 0.014615 * cos(2 * year)
        - 0.040849 * sin(2 * year)
    )
    latitude, longitude = math.radians(place[0]), math.radians(place[1])
    angle = math.pi * (hours_utc + equation_h - 12) / 12 + longitude
    return math.sin(latitude) * sin(declination) + math.cos(latitude) * cos(declination) * cos(
        angle
    )


def is_dark(place: Place | None, time: datetime) -> bool:
    """Whether the sun is down through the quarter-hours around ``time``; False without a place."""
    if place is None:
        return False
    utc = time.astimezone(UTC)
    midnight = utc.replace(hour=0, minute=0, second=0, microsecond=0)
    day_of_year, quarter = midnight.timetuple().tm_yday - 1, (utc - midnight) // _QUARTER
    return all(
        sine_of_elevation(place, day_of_year, (quarter + k + 0.5) / 4, math.sin, math.cos)
        <= LOWEST_SINE
        for k in (-1, 0, 1)
    )
