"""What a series of quarter-hours shows by time of day: means of the days before, and how today compares.

Everything at index t is made of values up to t and nothing later; NaN stands where nothing is known. Days are
96 quarter-hours: a series that follows the clock is brought to local time first (`localised`).
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from gateway.domain.intervals import QUARTER
from gateway.forecasts.history import DAY, Array, quarter_start

Index = NDArray[np.int64]

NEWER = 0.5  # weight of a day against the day after it: habits and weather of a week ago say little
_SLOWER = 0.9  # the same for the mean of a fortnight
_RATIO = (0.3, 3.0)  # bounds of how today compares with the days before
_TAME_WH = 20.0  # added to both sides of a ratio, so that little of nothing is not much
_EMPTY_DAY = 0.8  # of a day that is not known
_LEAST_WH = 10.0  # a mean below it compares with nothing
_MEANT_DAYS = 14
# Weights of the days before: of the newest seven, of a week, of a fortnight.
_MEANS = np.array(
    [
        [NEWER**day if day < 7 else 0.0 for day in range(_MEANT_DAYS)],
        [1.0 if day < 7 else 0.0 for day in range(_MEANT_DAYS)],
        [_SLOWER**day for day in range(_MEANT_DAYS)],
    ]
)


@dataclass(frozen=True, slots=True)
class DayShapes:
    """Means over the days before, at the last quarter-hours of a series; all arrays have one length.

    ``last`` is the series itself. At t they hold the same time of day of t and the days before it, so what
    may be expected a day after t.
    """

    last: Array
    newer: Array  # seven days, each day half of the next; smoothed over the neighbours
    inner: Array  # the same where the later neighbour is not known yet
    week: Array  # mean of seven days
    fortnight: Array  # fourteen days, each nine tenths of the next
    week_ago: Array  # the value of seven days before the coming one


def day_shapes(series: Array, count: int) -> DayShapes:
    """The shapes at the last ``count`` indices of ``series``."""
    lags = _lagged(series, count + 2, _MEANT_DAYS)
    unknown = np.isnan(lags)
    values, known = np.where(unknown, 0.0, lags), (~unknown).astype(float)
    shares = _MEANS @ known
    with np.errstate(invalid="ignore"):
        newer, week, fortnight = (_MEANS @ values) / np.where(shares > 0, shares, np.nan)
    after = np.append(newer[1:], np.nan)
    before = np.concatenate([[np.nan], newer[:-1]])
    before, after = (np.where(np.isnan(x), newer, x) for x in (before, after))
    part = slice(2, None)
    return DayShapes(
        last=lags[0, 2:],
        newer=(0.25 * before + 0.5 * newer + 0.25 * after)[part],
        inner=(0.25 * before + 0.75 * newer)[part],
        week=week[part],
        fortnight=fortnight[part],
        week_ago=lags[6, 2:],
    )


def _lagged(series: Array, count: int, days: int) -> Array:
    """The last ``count`` values, and as many of each earlier day up to ``days`` in all [days, count]."""
    reach = count + (days - 1) * DAY
    tail = series[-reach:]
    padded = np.concatenate([np.full(reach - tail.size, np.nan), tail])
    ends = [reach - day * DAY for day in range(days)]
    return np.stack([padded[end - count : end] for end in ends])


@dataclass(frozen=True, slots=True)
class Today:
    """How the last hours before each origin compare with the days before: ratios, and errors in Wh."""

    hour_ratio: Array
    day_ratio: Array
    hour_error: Array
    four_hours_error: Array


def today(shapes: DayShapes, count: int) -> Today:
    """At the last ``count`` origins; the last is the index after the series' end.

    ``shapes`` must reach two days and ``count`` back.
    """
    usual = np.concatenate([np.full(DAY, np.nan), shapes.newer[:-DAY]])
    known = ~(np.isnan(shapes.last) | np.isnan(usual))
    real = np.where(known, shapes.last, 0.0)
    usual = np.where(known, usual, 0.0)
    sums = [np.concatenate([[0.0], np.cumsum(x)]) for x in (real, usual, known)]

    def last(width: int) -> tuple[Array, Array, Array]:
        begin = np.maximum(np.arange(shapes.last.size + 1) - width, 0)
        real_wh, usual_wh, seen = ((s - s[begin])[-count:] for s in sums)
        return real_wh, usual_wh, seen

    def ratio(width: int) -> Array:
        real_wh, usual_wh, _ = last(width)
        return compared(real_wh, usual_wh)

    def error(width: int) -> Array:
        real_wh, usual_wh, seen = last(width)
        result: Array = (real_wh - usual_wh) / np.maximum(seen, 1)
        return result

    return Today(ratio(4), ratio(DAY), error(4), error(16))


def compared(real_wh: Array, usual_wh: Array) -> Array:
    """The ratio of what came to what was usual, tamed; 1 where nothing is usual."""
    ratio = np.clip((real_wh + _TAME_WH) / (usual_wh + _TAME_WH), *_RATIO)
    result: Array = np.where(usual_wh < _LEAST_WH, 1.0, ratio)
    return result


def days_back(leads: Index) -> Index:
    """How many days before its target the newest known value of the same time of day lies."""
    return leads // DAY + 1


def local_quarters(first: int, count: int, zone: ZoneInfo) -> Index:
    """The local time of ``count`` quarter-hours from ``first``, counted as `quarter_index` counts UTC."""
    quarters = first + np.arange(count)
    offsets = np.empty(count, dtype=np.int64)
    begin, offset = 0, _offset(first, zone)
    for stop in [*range(min(DAY, count), count, DAY), count]:
        later = _offset(first + stop, zone)
        if later == offset:
            offsets[begin:stop] = offset
        else:
            offsets[begin:stop] = [_offset(first + i, zone) for i in range(begin, stop)]
        begin, offset = stop, later
    local: Index = quarters + offsets
    return local


def _offset(index: int, zone: ZoneInfo) -> int:
    offset = quarter_start(index).astimezone(zone).utcoffset()
    return offset // QUARTER if offset is not None else 0


def carried(series: Array) -> Array:
    """The series with days of which next to nothing is known (an empty house, a gap) as they were a week before."""
    days = max(series.size // DAY - 7, 0)
    begin = series.size - days * DAY  # of the first day that has a week before it
    unknown = np.isnan(series[begin:]).reshape(days, DAY).mean(axis=1)
    empty = np.flatnonzero(unknown > _EMPTY_DAY)
    if not empty.size:
        return series
    made = series.copy()
    for at in (begin + empty * DAY).tolist():
        made[at : at + DAY] = made[at - 7 * DAY : at + DAY - 7 * DAY]
    return made


def localised(series: Array, local: Index) -> Array:
    """The series by local time up to the last of ``local``, which has one index more than the series.

    The hour that spring skips is NaN, of the one that autumn repeats the second stays.
    """
    made = np.full(int(local[-1] - local[0]), np.nan)
    inside = (local[:-1] >= local[0]) & (local[:-1] < local[-1])
    made[local[:-1][inside] - local[0]] = series[inside]
    return made
