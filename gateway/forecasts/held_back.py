"""What panels could have given where a limit held them back, estimated from where none did.

The sun of that day, seen in the quarter-hours that nothing held back, says how much of a clear sky there was;
on a day that shows too little of itself, all days together. What was measured is the least of it.
"""

from __future__ import annotations

import numpy as np

from gateway.forecasts.history import DAY, Array, Flags

_DUSK_WM2 = 100.0  # below it hills, trees and tilt decide, not the sky
_ENOUGH_WM2 = 1_000.0  # of a day's unlimited quarter-hours, to speak for the day


def unlimited(pv: Array, held: Flags, sky_wm2: Array) -> Array:
    """PV with an estimate in the place of what was held back; NaN where nothing tells anything.

    All arrays are of the same quarter-hours; ``sky_wm2`` is the clear sky's.
    """
    if not held.any():
        return pv
    seen = ~held & ~np.isnan(pv) & (sky_wm2 > _DUSK_WM2)
    if not seen.any():
        return np.where(held, np.nan, pv)
    usual = float(pv[seen].sum() / sky_wm2[seen].sum())
    made = pv.copy()
    for begin in range(0, pv.size, DAY):
        day = slice(begin, begin + DAY)
        light = float(sky_wm2[day][seen[day]].sum())
        own = float(pv[day][seen[day]].sum()) / light if light >= _ENOUGH_WM2 else usual
        could = own * sky_wm2[day]
        made[day] = np.where(held[day], np.fmax(pv[day], could), pv[day])
    return made
