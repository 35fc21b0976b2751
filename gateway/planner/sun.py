"""Where the sun stands and what it gives under a clear sky: the shape of a day that nobody measured.

Sun's position: declination and equation of time by Spencer (1971), within about 0.3 degrees.
Clear sky: Haurwitz (1945), global irradiance on the horizontal; a panel's tilt shows in the home's
own past, which soon outweighs this shape.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from gateway.planner.history import DAY, Array, slot, slot_start

Place = tuple[float, float]  # latitude (north +) and longitude (east +), degrees


def clear_sky_wm2(place: Place, first: int, count: int) -> Array:
    """Irradiance in the middle of ``count`` quarter-hours from `slot` ``first``: W/m2, 0 at night."""
    slots = first + np.arange(count)
    begin = slot_start(first)
    days = (slots - slots[:1] + first % DAY) // DAY + begin.timetuple().tm_yday - 1
    hours = (slots % DAY + 0.5) / 4
    year = 2 * np.pi * (days + hours / 24) / 365
    declination = (
        0.006918
        - 0.399912 * np.cos(year)
        + 0.070257 * np.sin(year)
        - 0.006758 * np.cos(2 * year)
        + 0.000907 * np.sin(2 * year)
    )
    equation_h = (24 / (2 * np.pi)) * (
        0.000075
        + 0.001868 * np.cos(year)
        - 0.032077 * np.sin(year)
        - 0.014615 * np.cos(2 * year)
        - 0.040849 * np.sin(2 * year)
    )
    latitude, longitude = np.radians(place)
    angle = np.pi * (hours + equation_h - 12) / 12 + longitude
    height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(
        declination
    ) * np.cos(angle)
    up = np.maximum(height, 1e-3)
    result: Array = np.where(height > 0.01, 1098.0 * up * np.exp(-0.057 / up), 0.0)
    return result


def is_dark(place: Place | None, time: datetime) -> bool:
    """Whether the sun is down through the quarter-hours around ``time``; False without a place."""
    return place is not None and not clear_sky_wm2(place, slot(time) - 1, 3).any()
