"""Load and PV of the coming intervals as quantiles, from the home's own past and nothing else.

The middle is the mean of the last seven days at the same time of day (it beat persistence and the
mean of same weekdays in three measured homes), pulled towards what the last hours showed. The low and
high quantiles come from the errors that this very forecast made on the past days. With little
history the load falls back to a usual home, 350 W. Where the home's place is known the clear sky gives
the sun's part its shape and the quarter-hours measured so far its size: the first sunny hour tells the day.
"""

from __future__ import annotations

import numpy as np

from gateway.forecasts.clear_sky import clear_sky_wm2
from gateway.forecasts.history import DAY, Array, History
from gateway.sun import Place

LOW, HIGH = 0.1, 0.9
_DAYS = 7
_USUAL_LOAD_WH = 88.0  # of a quarter-hour: about 3,000 kWh a year
_UNKNOWN = 0.6  # spread of a home without history, share of the middle
_UNKNOWN_DAYS = 2
_DUSK_WM2 = 50.0  # below it hills, trees and tilt decide, not the sky
_NIGHT_WH = 1.0  # a slot of the day whose PV never exceeded this is night


def load_quantiles(history: History, steps: int) -> Array:
    """Load of the next ``steps`` quarter-hours: Wh, [steps, 3] low, middle, high."""
    middle = _mean(_by_day(history.load, history.end), _USUAL_LOAD_WH)
    return _quantiles(history.load, history.end, steps, middle, fade=8.0)


def pv_quantiles(history: History, steps: int, place: Place | None = None) -> Array:
    """PV of the next ``steps`` quarter-hours: Wh, [steps, 3] low, middle, high."""
    past = _by_day(history.pv, history.end)
    slots = (history.end + np.arange(steps)) % DAY
    if place is None:
        result = _quantiles(history.pv, history.end, steps, _mean(past, 0.0), fade=12.0)
        highest = np.nanmax(np.vstack([past, np.zeros(DAY)]), axis=0)
        result[highest[slots] <= _NIGHT_WH] = 0.0
        return result
    sky = clear_sky_wm2(place, history.end - _DAYS * DAY, _DAYS * DAY + steps)
    middle = _sun_mean(past, history.pv, history.end, sky)
    result = _quantiles(history.pv, history.end, steps, middle, fade=12.0)
    result[sky[-steps:] <= 0] = 0.0
    return result


def _sun_mean(days: Array, past: Array, end: int, sky: Array) -> Array:
    """Mean PV by slot of the day; what the clear sky lets expect counts as one day more.

    ``sky`` W/m2 of the last seven days and what comes. Its size in this home is learnt from the past.
    """
    tail = past[-_DAYS * DAY :]
    over = sky[_DAYS * DAY - tail.size : _DAYS * DAY]
    seen = ~np.isnan(tail) & (over > _DUSK_WM2)
    size = float(tail[seen].sum() / over[seen].sum()) if seen.any() else 0.0
    today = np.roll(sky[(_DAYS - 1) * DAY : _DAYS * DAY], end % DAY)
    known = ~np.isnan(days)
    total = np.where(known, days, 0.0).sum(axis=0)
    result: Array = (total + size * today) / (known.sum(axis=0) + 1)
    return result


def _quantiles(past: Array, end: int, steps: int, middle: Array, fade: float) -> Array:
    """Quantiles of a non-negative series around its ``middle`` by slot of the day.

    ``fade`` is how many steps the recent error is believed.
    """
    days = _by_day(past, end)
    slots = (end + np.arange(steps)) % DAY
    ratio = _recent_ratio(past, end, middle)
    ahead = np.arange(steps)
    expected = middle[slots] * (1 + (ratio - 1) * np.exp(-ahead / fade))
    low, high = _error_quantiles(days, middle)
    # Right after an interval its neighbour is known better than a whole day ahead.
    widen = np.clip(0.6 + 0.4 * ahead / 16, 0.6, 1.0)
    result = np.empty((steps, 3))
    result[:, 1] = expected
    result[:, 0] = np.maximum(expected + widen * low[slots], 0)
    result[:, 2] = expected + widen * high[slots]
    result[:, 0] = np.minimum(result[:, 0], expected)
    result[:, 2] = np.maximum(result[:, 2], expected)
    return result


def _by_day(past: Array, end: int) -> Array:
    """The last days as rows [<= 7, 96] by time of day (UTC), NaN where unknown."""
    tail = past[-_DAYS * DAY :]
    rows = -(-tail.size // DAY)
    table = np.full(rows * DAY, np.nan)
    if tail.size:
        table[-tail.size :] = tail
    # Rows end at ``end``; roll so that column 0 is midnight UTC.
    return np.roll(table.reshape(rows, DAY), end % DAY, axis=1)


def _mean(days: Array, usual: float) -> Array:
    """Mean by slot, smoothed over neighbours, NaN filled; a day of ``usual`` counts as prior."""
    known = ~np.isnan(days)
    count = known.sum(axis=0).astype(float)
    total = np.where(known, days, 0.0).sum(axis=0)
    weights = (0.25, 0.5, 0.25)
    count = _smooth(count, weights)
    total = _smooth(total, weights)
    overall = float(total.sum() / count.sum()) if count.sum() else usual
    prior = 0.25 * (1 - min(count.sum() / (2 * DAY), 1.0))
    result: Array = (total + prior * overall) / np.maximum(count + prior, 1e-9)
    return np.where(count + prior > 0, result, overall)


def _smooth(values: Array, weights: tuple[float, float, float]) -> Array:
    before, same, after = weights
    return before * np.roll(values, 1) + same * values + after * np.roll(values, -1)


def _recent_ratio(past: Array, end: int, middle: Array) -> float:
    """How the last hour compared with the middle, between 0.3 and 3."""
    recent = past[-4:]
    slots = (end - recent.size + np.arange(recent.size)) % DAY
    known = ~np.isnan(recent)
    usual = float(middle[slots][known].sum())
    if not known.any() or usual < 10.0:
        return 1.0
    shrink = 20.0  # Wh; keeps the ratio tame when both are small
    return float(np.clip((recent[known].sum() + shrink) / (usual + shrink), 0.3, 3.0))


def _error_quantiles(days: Array, middle: Array) -> tuple[Array, Array]:
    """Low and high error by slot, pooled with the neighbouring hour; +-60 % with no history.

    The past days are those that made the middle, so their errors are too small for a new day: by
    sqrt((n + 1) / (n - 1)) for n days. A few days do not show what a home can do; the +-60 % of a
    home that nobody knows counts as two days more.
    """
    usual = _UNKNOWN * middle
    errors = days - middle
    count = errors.shape[0]
    if count < 2:
        return -usual, usual
    pooled = np.concatenate([np.roll(errors, shift, axis=1) for shift in (-2, -1, 0, 1, 2)])
    pooled = np.where(np.isnan(pooled), 0.0, pooled)
    low, high = np.quantile(pooled, [LOW, HIGH], axis=0) * np.sqrt((count + 1) / (count - 1))
    own = count / (count + _UNKNOWN_DAYS)
    return own * low - (1 - own) * usual, own * high + (1 - own) * usual
