"""The car's stays at home during a backtest: from arrival to departure, with a wish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from gateway.backtest.case import CarHabit, Case
from gateway.backtest.data import Series
from gateway.domain.plan import CarNeed
from gateway.forecasts.history import Array

HOURS = 0.25


@dataclass(frozen=True, slots=True)
class Session:
    """Intervals ``first`` to ``end`` (not included) at the charger."""

    first: int
    end: int
    energy_wh: float
    habit: CarHabit

    def need(self, charged_wh: float, departure: datetime) -> CarNeed:
        """What is still wanted."""
        left = max(self.energy_wh - charged_wh, 0.0)
        return CarNeed(left, departure, self.habit.max_power_w, self.habit.min_power_w)

    def later(self, count: int) -> Session:
        """The same stay, so many intervals later."""
        return replace(self, first=self.first + count, end=self.end + count)

    @property
    def possible_wh(self) -> float:
        """The most that physics allows by departure, never more than the wish."""
        return min(self.energy_wh, self.habit.max_power_w * HOURS * (self.end - self.first))


def sessions_of(series: Series, case: Case) -> tuple[Session, ...]:
    """Every stay that begins in the series; none without a car. One cut off by the end wants a part."""
    habit = case.car
    if habit is None:
        return ()
    return tuple(_sessions(series, case, habit))


def _sessions(series: Series, case: Case, habit: CarHabit) -> Iterator[Session]:
    local = [series.start(i).astimezone(case.zone) for i in range(len(series))]
    i = 0
    while i < len(series):
        before = local[i] - timedelta(minutes=15)
        if not (local[i].time() >= habit.arrival and (before.time() < habit.arrival or i == 0)):
            i += 1
            continue
        days = 0 if habit.departure > habit.arrival else 1
        leaves = (local[i] + timedelta(days=days)).replace(
            hour=habit.departure.hour, minute=habit.departure.minute, second=0
        )
        end = i + max(int((leaves - local[i]).total_seconds() // 900), 1)
        if end > len(series):
            return
        yield Session(i, end, habit.energy_wh, habit)
        i = end


def at_once(sessions: Sequence[Session], count: int) -> Array:
    """AC Wh by interval when the car charges at full power from its arrival."""
    taken = np.zeros(count)
    for s in sessions:
        left = s.possible_wh
        for i in range(s.first, s.end):
            taken[i] = min(left, s.habit.max_power_w * HOURS)
            left -= taken[i]
    return taken
