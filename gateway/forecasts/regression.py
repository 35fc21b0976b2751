"""A ridge regression over what days before and last hours showed, one for each group of leads.

It is fitted on the home's own last weeks and nothing else, and shrunk towards the plain weighted mean of the
days before, so that with little to learn from it says just that. Quantiles come from its own errors at
the same time of day.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gateway.forecasts.daily import DayShapes, Index, Today, day_shapes, days_back, today
from gateway.forecasts.drivers import Drivers
from gateway.forecasts.history import DAY, Array

LOW, HIGH = 0.1, 0.9
GROUPS = (0, 2, 6, 16, 48, 96, 144)  # leads in quarter-hours; the last group holds beyond as well
FIRST_DAY = 9  # of a home from which on it is fitted
WEEKS_DAYS = 45  # of the past that are learnt from
_PENALTY = 0.02
_LEAST_PENALTY = (
    1e-9  # where all that is known is zero there is nothing to learn, and nothing to divide by
)
_ORIGIN_STEP = 3  # a fit sees every third quarter-hour as an origin ...
_LEADS = 4  # ... and so many leads a group
_HOURS = 24
_OWN = 10  # columns that come from the series itself; what else it follows moves the plain forecast too
_FORTNIGHT = 2  # which column of the features is the mean of a fortnight
# Errors within an hour and a half are of one kind: by hour, the quarter-hours of the day that are as near to its middle.
_APART = np.abs(np.arange(DAY) - (4 * np.arange(_HOURS)[:, None] + 1.5))
_NEAR = np.minimum(_APART, DAY - _APART) <= 6
SHARE = 0.5  # of the regression in the forecast
_WIDER = 1.05  # errors of a fit on its own past are a little too small
_LEAST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Fit:
    """Of one group of leads: a weight a feature, and the 0.1 and 0.9 quantile of its errors by hour [24, 2].

    ``share`` is what of the forecast is the regression's; the rest is the plain mean.
    """

    weights: Array
    errors: Array
    share: float


@dataclass(frozen=True, slots=True)
class Expected:
    """The middle and the errors' quantiles [T, 2], of targets in one series."""

    middle: Array
    errors: Array


def persistent(base: Array, hour_ratio: Array, leads: Index, fade: float) -> Array:
    """The plain forecast: what is usual, pulled towards the last hour, which is forgotten over ``fade``."""
    result: Array = base * (1 + (hour_ratio - 1) * np.exp(-leads / fade))
    return result


def fitted(
    series: Array, first: int, fade: float, drivers: Drivers | None = None, share: float = SHARE
) -> tuple[Fit, ...] | None:
    """A fit for each group of leads; None where the past is too short. ``first`` is the index of [0]; ``share`` is what of
    the forecast will be the regression's."""
    if series.size < FIRST_DAY * DAY:
        return None
    shapes = day_shapes(series, series.size)
    compared = today(shapes, series.size + 1)
    oldest = max(series.size - WEEKS_DAYS * DAY, 2 * DAY)
    fits = []
    for begin, end in pairwise(GROUPS):
        leads = np.unique(np.linspace(begin, end - 1, _LEADS).astype(int))
        origins = np.arange(oldest, series.size - begin, _ORIGIN_STEP)
        at = np.repeat(origins, leads.size), np.tile(leads, origins.size)
        inside = at[0] + at[1] < series.size
        inner = at[0][inside], at[1][inside]
        fit = _fit(series, first, inner, (shapes, compared), (fade, share), drivers)
        if fit is None:
            return None
        fits.append(fit)
    return tuple(fits)


def _fit(
    series: Array,
    first: int,
    at: tuple[Index, Index],
    past: tuple[DayShapes, Today],
    mixture: tuple[float, float],
    drivers: Drivers | None,
) -> Fit | None:
    """``mixture`` is over how many quarter-hours the plain forecast forgets the last hour, and the regression's share."""
    (origins, leads), (shapes, compared), (fade, share) = at, past, mixture
    targets = origins + leads
    known = targets - days_back(leads) * DAY
    rows = features(shapes, compared, (known, origins), (leads, known == origins - 1))
    rows = _driven(rows, drivers, targets, known)
    real = series[targets]
    good = ~np.isnan(real) & ~np.isnan(rows[:, 0])
    if np.count_nonzero(good) < _LEAST_ROWS:
        return None
    rows, real = rows[good], real[good]
    scale = np.sqrt((rows**2).mean(axis=0))
    scale[scale == 0] = 1.0
    scaled = rows / scale
    gram = scaled.T @ scaled
    penalty = max(_PENALTY * np.trace(gram) / len(gram), _LEAST_PENALTY)
    prior = np.zeros(len(gram))
    prior[0] = scale[0]
    right = scaled.T @ real + penalty * prior
    weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), right) / scale
    plain = persistent(rows[:, 0], compared.hour_ratio[origins[good]], leads[good], fade)
    plain += rows[:, _OWN:] @ weights[_OWN:]
    errors = real - _middle(rows @ weights, plain, share)
    quantiles = _WIDER * error_quantiles(errors, (first + targets[good]) % DAY)
    return Fit(weights, quantiles, share)


def predicted(
    fits: tuple[Fit, ...],
    series: Array,
    first: int,
    leads: Index,
    fade: float,
    drivers: Drivers | None = None,
) -> Expected:
    """What the fits expect of the coming quarter-hours ``leads`` (0 is the one after the series)."""
    shapes = day_shapes(series, 3 * DAY)
    compared = today(shapes, 1)
    known = 3 * DAY + leads - days_back(leads) * DAY
    origin = np.zeros(leads.size, dtype=int)
    rows = features(shapes, compared, (known, origin), (leads, known == 3 * DAY - 1))
    targets = series.size + leads
    rows = _driven(rows, drivers, targets, targets - days_back(leads) * DAY)
    plain = persistent(rows[:, 0], compared.hour_ratio[origin], leads, fade)
    middle, errors = np.empty(leads.size), np.empty((leads.size, 2))
    hours = (first + series.size + leads) % DAY // 4
    group = np.clip(np.searchsorted(GROUPS, leads, side="right") - 1, 0, len(fits) - 1)
    for g, fit in enumerate(fits):
        mine = group == g
        middle[mine] = rows[mine] @ fit.weights
        plain[mine] += rows[mine, _OWN:] @ fit.weights[_OWN:]
        errors[mine] = fit.errors[hours[mine]]
    return Expected(_middle(middle, plain, fits[0].share), errors)


def _middle(regression: Array, plain: Array, share: float) -> Array:
    """Both forecasts err differently: their mean is usually better than either."""
    result: Array = np.maximum(share * regression + (1 - share) * plain, 0.0)
    return result


def features(
    shapes: DayShapes, compared: Today, at: tuple[Index, Index], lead: tuple[Index, Array]
) -> Array:
    """One row a target: index of the newest known same time of day, index of its origin; the lead, and
    whether the later neighbour is still unknown. The first column is the plain mean that all shrink to."""
    known, origin = at
    hours, last = lead[0] / 4, lead[1]
    base = np.where(last, shapes.inner[known], shapes.newer[known])
    by_hour = base * (compared.hour_ratio[origin] - 1)
    rows = [base]
    rows += [
        np.where(np.isnan(x), base, x)
        for x in (y[known] for y in (shapes.week, shapes.fortnight, shapes.last, shapes.week_ago))
    ]
    rows += [by_hour * np.exp(-hours / 4), by_hour * np.exp(-hours / 16)]
    rows.append(base * (compared.day_ratio[origin] - 1))
    rows += [compared.hour_error[origin], compared.four_hours_error[origin]]
    return np.stack(rows, axis=1)


def _driven(rows: Array, drivers: Drivers | None, targets: Index, known: Index) -> Array:
    """The rows with what else the series follows; indices count from its begin."""
    if drivers is None:
        return rows
    return np.column_stack([rows, *drivers.columns(rows[:, _FORTNIGHT], targets, known)])


def error_quantiles(errors: Array, quarter_of_day: Index) -> Array:
    """The low and high quantile of the errors around each hour of the day [24, 2]."""
    result = np.zeros((_HOURS, 2))
    for hour in range(_HOURS):
        near = _NEAR[hour][quarter_of_day]
        if near.any():
            rising = np.sort(errors[near])
            result[hour] = [quantile(rising, LOW), quantile(rising, HIGH)]
    return result


def quantile(rising: Array, share: float) -> float:
    """As numpy's, which takes ten times as long for some hundred numbers."""
    place = share * (rising.size - 1)
    below = int(place)
    above = min(below + 1, rising.size - 1)
    return float(rising[below] + (place - below) * (rising[above] - rising[below]))
