"""Load and PV of the coming intervals as quantiles, from the home's own past and nothing else.

The middle is a weighted mean of the last seven days at the same time of day, each day half of the next, pulled
towards what the last hour showed. From the ninth day on a regression (`regression`) is averaged with it.
The low and high quantiles come from the errors that these forecasts made on the past days. With little
history the load falls back to a usual home, 350 W. Where the home's place is known the clear sky gives
the sun's part its shape and the quarter-hours measured so far its size: the first sunny hour tells the day.

Load follows the clock, so it is forecast in local time; PV follows the sun, in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from gateway.forecasts.believed import believed_load, believed_pv
from gateway.forecasts.clear_sky import clear_sky_wm2
from gateway.forecasts.daily import (
    NEWER,
    DayShapes,
    Index,
    carried,
    compared,
    day_shapes,
    days_back,
    local_quarters,
    localised,
    today,
)
from gateway.forecasts.drivers import Drivers, RestDay, rest_quarters, weekend
from gateway.forecasts.held_back import unlimited
from gateway.forecasts.history import DAY, Array, History
from gateway.forecasts.regression import (
    FIRST_DAY,
    HIGH,
    LOW,
    SHARE,
    Fit,
    fitted,
    persistent,
    predicted,
)
from gateway.forecasts.whereabouts import place_of
from gateway.sun import Place

_LOAD_FADE, _PV_FADE = 8.0, 12.0  # quarter-hours over which the last hour is forgotten
_UNKNOWN = 0.6  # spread of a home without history, share of the middle
_UNKNOWN_DAYS = 2
_DUSK_WM2 = 50.0  # below it hills, trees and tilt decide, not the sky
# Wh a quarter-hour for each W/m2: 5 kW of panels at three quarters of what a clear sky would give; it counts as
# much as half an hour of good sun.
USUAL_PANELS, _DOUBT_WM2 = 0.7, 1_200.0
_SKY_DAY = 0.25  # weight of the clear sky beside days that were measured (yesterday's is 1)
_NIGHT_WH = 1.0  # a quarter-hour of the day whose PV never exceeded this is night
_DAYS = 7


@dataclass(frozen=True, slots=True)
class Usual:
    """What is expected of a home before anything was measured: Wh a quarter-hour (about 3,000 kWh a year), and Wh a
    quarter-hour for each W/m2 of sun. ``panels_known``: somebody said how large they are."""

    load_wh: float = 88.0
    panels: float = USUAL_PANELS
    panels_known: bool = False


UNKNOWN_HOME = Usual()


class EnergyForecaster:
    """Forecasts of one home. The regression is fitted once a local day, on what was known when it began.

    The fits are kept; they follow from the history alone, so a new forecaster says the same.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        place: Place | None = None,
        rest_day: RestDay = weekend,
        usual: Usual = UNKNOWN_HOME,
        share: float = SHARE,
    ) -> None:
        """``rest_day`` says on which days most do not work: weekends, and holidays where they are known; ``share`` is that of
        the regression, 0: none is fitted."""
        self._zone, self._place = zone, place
        self._rest_day = lru_cache(maxsize=256)(rest_day)
        self._usual, self._share = usual, share
        self._fits: dict[str, tuple[int, tuple[Fit, ...] | None]] = {}

    def load(self, history: History, steps: int, temperature_c: Array | None = None) -> Array:
        """Load of the next ``steps`` quarter-hours: Wh, [steps, 3] low, middle, high.

        ``temperature_c`` is that outside, of the history's quarter-hours and the coming ones; NaN where unknown.
        """
        local = local_quarters(history.first, len(history) + steps + 1, self._zone)
        begin = len(history)
        series = carried(localised(believed_load(history.load), local[: begin + 1]))
        first, origin = int(local[0]), int(local[begin])
        leads = np.maximum(local[begin : begin + steps] - origin, 0)
        past = _Past(series, first, _LOAD_FADE)
        reach = series.size + int(leads.max()) + 1
        rest = rest_quarters(first, reach, self._rest_day)
        outside = None
        if temperature_c is not None:
            outside = np.full(reach, np.nan)
            here = localised(temperature_c, local)[:reach]
            outside[: here.size] = here

        def drivers(count: int) -> Drivers:
            return Drivers.of(series, rest, outside, count)

        return self._quantiles(
            "load", past, leads, lambda: _plain_load(past, leads, self._usual), drivers
        )

    def pv(self, history: History, steps: int) -> Array:
        """PV of the next ``steps`` quarter-hours: Wh, [steps, 3] low, middle, high."""
        known = self._place is not None
        place = self._place or place_of(self._zone)
        series = believed_pv(history.pv)
        if history.held.any():
            sky_then = clear_sky_wm2(place, history.first, len(history))
            series = unlimited(series, history.held, sky_then)
        past = _Past(series, history.first, _PV_FADE)
        leads = np.arange(steps)
        begin = past.end - _DAYS * DAY
        sky = _Sky(clear_sky_wm2(place, begin, _DAYS * DAY + steps), _SKY_DAY if known else 0.0)
        result = self._quantiles(
            "pv", past, leads, lambda: _plain_pv(past, leads, sky, self._usual)
        )
        new = np.count_nonzero(~np.isnan(past.series)) < DAY
        result[sky.wm2[-steps:] <= 0 if known or new else _night(past, leads)] = 0.0
        return result

    def _quantiles(
        self,
        name: str,
        past: _Past,
        leads: Index,
        plain: Callable[[], Array],
        drivers: Callable[[int], Drivers] | None = None,
    ) -> Array:
        day = past.end // DAY
        if self._fits.get(name, (None, None))[0] != day:
            whole = past.series[: max(past.series.size - past.end % DAY, 0)]
            enough = whole.size >= FIRST_DAY * DAY and self._share > 0
            learnt = drivers(past.series.size) if drivers and enough else None
            fits = fitted(whole, past.first, past.fade, learnt, self._share) if enough else None
            self._fits[name] = day, fits
        fits = self._fits[name][1]
        if fits is None:
            return plain()
        near = drivers(3 * DAY) if drivers else None
        made = predicted(fits, past.series, past.first, leads, past.fade, near)
        low, high = made.errors.T
        result = _ordered(np.stack([made.middle + low, made.middle, made.middle + high], axis=1))
        unknown = np.isnan(made.middle)
        if unknown.any():
            result[unknown] = plain()[unknown]
        return result


@dataclass(frozen=True, slots=True)
class _Past:
    series: Array
    first: int  # index of [0]
    fade: float

    @property
    def end(self) -> int:
        return self.first + int(self.series.size)


def _ordered(quantiles: Array) -> Array:
    """None below zero, low <= middle <= high."""
    low, middle, high = np.maximum(quantiles, 0.0).T
    return np.stack([np.minimum(low, middle), middle, np.maximum(high, middle)], axis=1)


def _plain_load(past: _Past, leads: Index, usual: Usual) -> Array:
    def middle(shapes: DayShapes) -> Array:
        """The mean of the days before; a part of a usual home's while they are few."""
        known = ~np.isnan(shapes.newer)
        count = int(np.count_nonzero(~np.isnan(past.series[-_DAYS * DAY :])))
        overall = float(np.nanmean(shapes.newer)) if known.any() else usual.load_wh
        prior = 0.25 * (1 - min(count / (2 * DAY), 1.0))
        filled = np.where(known, shapes.newer, overall)
        result: Array = (filled + prior * overall) / (1 + prior)
        return result

    return _plain(past, leads, middle)


@dataclass(frozen=True, slots=True)
class _Sky:
    """Clear-sky irradiance of the last seven days and what comes; what it counts beside measured days."""

    wm2: Array
    weight: float


def _plain_pv(past: _Past, leads: Index, sky: _Sky, usual: Usual) -> Array:
    size, sure = _panels(past, sky, usual)

    def middle(shapes: DayShapes) -> Array:
        clear = size * sky.wm2[(_DAYS - 1) * DAY : _DAYS * DAY]
        return _under_the_sky(past, shapes, clear, sky.weight)

    return _plain(past, leads, middle, _UNKNOWN + (1 - _UNKNOWN) * (1 - sure))


def _panels(past: _Past, sky: _Sky, usual: Usual) -> tuple[float, float]:
    """Wh a quarter-hour for each W/m2 of clear sky, as measured or as usual; and how sure that is, 0..1."""
    tail = past.series[-_DAYS * DAY :]
    if tail.size > DAY and np.isnan(tail).all():
        return 0.0, 1.0  # nothing that measures panels: there are none
    over = sky.wm2[_DAYS * DAY - tail.size : _DAYS * DAY]
    seen = ~np.isnan(tail) & (over > _DUSK_WM2)
    light = float(over[seen].sum())
    size = (float(tail[seen].sum()) + usual.panels * _DOUBT_WM2) / (light + _DOUBT_WM2)
    return size, 1.0 if usual.panels_known else light / (light + _DOUBT_WM2)


def _under_the_sky(past: _Past, shapes: DayShapes, clear: Array, weight: float) -> Array:
    """Mean PV of a day to come: the days before, and what the clear sky lets expect as a part of a day;
    where nothing was measured at that time of day, that alone."""
    tail = past.series[-_DAYS * DAY :]
    known = np.zeros(DAY)
    for age in range(_DAYS):
        end = tail.size - age * DAY
        part = tail[max(end - DAY, 0) : max(end, 0)]
        known[DAY - part.size :] += NEWER**age * ~np.isnan(part)
    newer = np.where(known > 0, shapes.newer, 0.0)
    result: Array = (known * newer + weight * clear) / np.maximum(known + weight, 1e-9)
    return np.where(known > 0, result, clear)


def _plain(
    past: _Past, leads: Index, middle: Callable[[DayShapes], Array], unknown: float = _UNKNOWN
) -> Array:
    """Quantiles of a non-negative series around the mean of the days before.

    ``middle`` gives a day [96] from the shapes at the last day's quarter-hours; ``unknown`` is the spread of
    a home without history, as a share of that.
    """
    shapes = day_shapes(past.series, 3 * DAY)
    last_day = DayShapes(*(getattr(shapes, n)[-DAY:] for n in DayShapes.__slots__))
    usual = middle(last_day)
    ratio = today(shapes, 1).hour_ratio
    if np.isnan(shapes.newer[-2 * DAY : -DAY]).all():
        ratio = _first_day_ratio(past.series, usual)
    index = (leads - days_back(leads) * DAY) % DAY
    base = usual[index]
    expected = persistent(base, ratio, leads, past.fade)
    low, high = _error_quantiles(past.series, unknown * usual)
    # Right after an interval its neighbour is known better than a whole day ahead.
    widen = np.clip(0.6 + 0.4 * leads / 16, 0.6, 1.0)
    return _ordered(
        np.stack([expected + widen * low[index], expected, expected + widen * high[index]], axis=1)
    )


def _first_day_ratio(series: Array, usual: Array) -> Array:
    """How the last hour compares with a mean that it is itself part of."""
    recent = series[-4:]
    known = ~np.isnan(recent)
    real_wh, usual_wh = recent[known].sum(), usual[-recent.size :][known].sum()
    return compared(np.array([real_wh]), np.array([usual_wh]))


def _error_quantiles(series: Array, unknown: Array) -> tuple[Array, Array]:
    """Low and high error of a day ahead by quarter-hour, pooled with the neighbouring hour.

    A few days do not show what a home can do; the spread of a home that nobody knows counts as two
    days more.
    """
    shapes = day_shapes(series, (_DAYS + 1) * DAY)
    errors = (shapes.last[DAY:] - shapes.newer[:-DAY]).reshape(_DAYS, DAY)
    errors = errors[np.isnan(errors).mean(axis=1) < 0.5]
    if not len(errors):
        return -unknown, unknown
    pooled = np.concatenate([np.roll(errors, shift, axis=1) for shift in (-2, -1, 0, 1, 2)])
    low, high = np.quantile(np.where(np.isnan(pooled), 0.0, pooled), [LOW, HIGH], axis=0)
    own = len(errors) / (len(errors) + _UNKNOWN_DAYS)
    return own * low - (1 - own) * unknown, own * high + (1 - own) * unknown


def _night(past: _Past, leads: Index) -> Array:
    """Whether the sun never gave anything at that time of day."""
    tail = past.series[-_DAYS * DAY :]
    days = np.concatenate([np.full(_DAYS * DAY - tail.size, np.nan), tail]).reshape(_DAYS, DAY)
    highest = np.max(np.where(np.isnan(days), 0.0, days), axis=0)
    result: Array = highest[leads % DAY] <= _NIGHT_WH
    return result
