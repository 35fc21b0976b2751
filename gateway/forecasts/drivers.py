"""What else a house's load follows besides the clock: the kind of day, and how cold or warm it is outside.

Each becomes a column or two of the regression (`regression`); where nothing is known of one, its columns are
zero and say nothing. All arrays stand on the quarter-hours of the local clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from gateway.forecasts.daily import Index, day_shapes
from gateway.forecasts.history import DAY, EPOCH, Array, Flags

RestDay = Callable[[date], bool]
_SATURDAY = 5
# Outside of these a house heats or cools by the degree, in between it does neither (usual bases of degree days).
_HEATED_BELOW_C, _COOLED_ABOVE_C = 16.0, 22.0
_SIDES = 2


def weekend(day: date) -> bool:
    """Saturday and Sunday."""
    return day.weekday() >= _SATURDAY


def rest_quarters(first: int, count: int, rest_day: RestDay) -> Flags:
    """Whether each of ``count`` local quarter-hours from ``first`` lies in a day on which most do not work."""
    day, last = first // DAY, (first + max(count, 1) - 1) // DAY
    begin = EPOCH.date()
    kinds = [rest_day(begin + timedelta(days=d)) for d in range(day, last + 1)]
    into = first - day * DAY
    result: Flags = np.repeat(np.array(kinds, dtype=bool), DAY)[into : into + count]
    return result


@dataclass(frozen=True, slots=True)
class Degrees:
    """Degrees below (or above) what a house is comfortable with, by target, and their mean of the days before."""

    now: Array
    before: Array


@dataclass(frozen=True, slots=True)
class Drivers:
    """Means of the last days stand at the last quarter-hours of the series only; ``skipped`` lie before them."""

    skipped: int
    rest: Flags  # from the series' first quarter-hour to the last that is forecast
    work_wh: Array  # mean load of working days by the quarter-hour that they are known at
    rest_wh: Array
    degrees: tuple[Degrees, ...] = ()

    @classmethod
    def of(cls, series: Array, rest: Flags, temperature_c: Array | None, count: int) -> Drivers:
        """From the load so far; ``rest`` and ``temperature_c`` reach as far as is forecast. ``count`` is how far
        back the means are needed."""
        count = min(count, series.size)
        work_wh, rest_wh = (
            day_shapes(np.where(rest[: series.size] == kind, series, np.nan), count).fortnight
            for kind in (False, True)
        )
        sides: tuple[Array, ...] = ()
        if temperature_c is not None:
            sides = (_HEATED_BELOW_C - temperature_c, temperature_c - _COOLED_ABOVE_C)
        degrees = tuple(
            Degrees(side, day_shapes(side[: series.size], count).inner)
            for side in (np.maximum(x, 0.0) for x in sides)
        )
        return cls(series.size - count, rest, work_wh, rest_wh, degrees)

    def columns(self, fortnight: Array, targets: Index, known: Index) -> list[Array]:
        """By target: what days of its kind needed beyond all days of a ``fortnight``, and degrees more than on the
        days before. Both are differences: a house that needs more since yesterday changes none.

        ``targets`` and ``known`` (the newest known same time of day) count from the series' begin.
        """
        at = known - self.skipped
        kind = np.where(self.rest[targets], self.rest_wh[at], self.work_wh[at])
        more = [kind - fortnight, *(side.now[targets] - side.before[at] for side in self.degrees)]
        more += [np.zeros(fortnight.size)] * (_SIDES - len(self.degrees))
        return [np.where(np.isnan(x), 0.0, x) for x in more]
