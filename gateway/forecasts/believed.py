"""What of a measured series is believed: a sensor that is stuck shows the same value for hours.

A real home's load never stays the same to the watt-hour for four hours; panels may at full power or at night,
but not by day and night. Where most of a series is like that it is coarse, not stuck.
"""

from __future__ import annotations

import numpy as np

from gateway.forecasts.history import Array

STUCK_LOAD = 16  # quarter-hours of one and the same value
STUCK_PV = 64  # ... other than zero
# A series that is so in a third of its time and again and again, or nearly always, is measured so.
_COARSE, _MANY_RUNS, _ALWAYS = 1 / 3, 6, 0.9


def believed_load(load: Array) -> Array:
    """Load with what a stuck sensor said as NaN."""
    return _without_runs(load, STUCK_LOAD, zero=True)


def believed_pv(pv: Array) -> Array:
    """PV with what a stuck sensor said as NaN."""
    return _without_runs(pv, STUCK_PV, zero=False)


def _without_runs(series: Array, longest: int, *, zero: bool) -> Array:
    """NaN in runs of ``longest`` or more equal values, of zeros only where ``zero``."""
    if not series.size:
        return series
    begins = np.concatenate([[0], np.flatnonzero(np.diff(series) != 0) + 1])  # NaN equals nothing
    lengths = np.diff(np.append(begins, series.size))
    stuck = (lengths >= longest) & ~np.isnan(series[begins])
    if not zero:
        stuck &= series[begins] != 0
    share = lengths[stuck].sum() / max(np.count_nonzero(~np.isnan(series)), 1)
    coarse = (share > _COARSE and np.count_nonzero(stuck) >= _MANY_RUNS) or share > _ALWAYS
    if not stuck.any() or coarse:
        return series
    return np.where(np.repeat(stuck, lengths), np.nan, series)
