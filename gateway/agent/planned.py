"""What was planned, kept to be seen beside what came: the day as the first plan of it said, and the newest word an hour ahead."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.domain.decisions import PlannedQuarter
from gateway.domain.intervals import floor_quarter
from gateway.domain.plan import Plan, PlannedInterval
from gateway.store.decisions import DecisionStore

_HOUR = timedelta(hours=1)


class PlanRecord:
    """`hear` with every tick; it writes once a day and once a quarter-hour."""

    def __init__(self, store: DecisionStore, zone: ZoneInfo) -> None:
        self._store, self._zone = store, zone
        self._day: date | None = None
        self._quarter: datetime | None = None

    def hear(self, plan: Plan | None, now: datetime) -> None:
        """Keep what is due of the plan that holds now."""
        if plan is None or not plan.schedule:
            return
        today = now.astimezone(self._zone).date()
        if today != self._day:  # after a restart the store keeps its first word on the day
            self._day = today
            of_today = (
                c for c in plan.schedule if c.interval.start.astimezone(self._zone).date() == today
            )
            self._store.add_planned("day", _kept(of_today))
        quarter = floor_quarter(now)
        if quarter != self._quarter:
            self._quarter = quarter
            soon = (c for c in plan.schedule if now + _HOUR <= c.interval.start < now + 2 * _HOUR)
            self._store.add_planned("hour", _kept(soon))


def _kept(steps: Iterable[PlannedInterval]) -> list[PlannedQuarter]:
    return [
        PlannedQuarter(c.interval.start, c.load_wh, c.pv_wh, c.battery_wh, c.car_wh, c.grid_wh)
        for c in steps
    ]
