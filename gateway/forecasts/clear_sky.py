"""What the sun gives under a clear sky: the shape of a day that nobody measured.

Clear sky: Haurwitz (1945), global irradiance on the horizontal; a panel's tilt shows in the home's
own past, which soon outweighs this shape.
"""

from __future__ import annotations

import numpy as np

from gateway.forecasts.history import DAY, Array, quarter_start
from gateway.sun import LOWEST_SINE, Place, sine_of_elevation


def clear_sky_wm2(place: Place, first: int, count: int) -> Array:
    """Irradiance in the middle of ``count`` quarter-hours from ``first``: W/m2, 0 at night."""
    quarters = first + np.arange(count)
    begin = quarter_start(first)
    days = (quarters - quarters[:1] + first % DAY) // DAY + begin.timetuple().tm_yday - 1
    hours: Array = (quarters % DAY + 0.5) / 4
    height = sine_of_elevation(place, days.astype(float), hours, np.sin, np.cos)
    up = np.maximum(height, 1e-3)
    result: Array = np.where(height > LOWEST_SINE, 1098.0 * up * np.exp(-0.057 / up), 0.0)
    return result
