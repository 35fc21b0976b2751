"""What the user wants of the car, as the planner and control understand it. Pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.config.settings import Car
from gateway.control import ChargerSpec
from gateway.domain.plan import CarNeed, Plan
from gateway.domain.readings import Snapshot
from gateway.service.wishes import Wishes


def charger_spec(car: Car) -> ChargerSpec:
    return ChargerSpec(car.phases, car.volts, car.min_current_a, car.max_current_a)


def car_need(car: Car, wishes: Wishes, snapshot: Snapshot, zone: ZoneInfo) -> CarNeed | None:
    """The energy still wanted before the next departure; None without a car or when it is done.

    A charger that does not count its session is asked for the whole wish: rather ready than short.
    """
    if not snapshot.car_plugged:
        return None
    missing_wh = wishes.departure_energy_wh - (snapshot.car_session_wh or 0.0)
    if missing_wh <= 0:
        return None
    per_ampere_w = car.phases * car.volts
    return CarNeed(
        energy_wh=missing_wh,
        departure=next_at(snapshot.time, wishes.departure_time, zone),
        max_power_w=car.max_current_a * per_ampere_w,
        min_power_w=car.min_current_a * per_ampere_w,
    )


def next_at(now: datetime, local: time, zone: ZoneInfo) -> datetime:
    """The next moment at which the local clock shows ``local``."""
    here = now.astimezone(zone)
    when = datetime.combine(here.date(), local, zone)
    if when <= here:
        when = datetime.combine(here.date() + timedelta(days=1), local, zone)
    return when.astimezone(now.tzinfo)


def car_power_w(
    plan: Plan | None, need: CarNeed | None, snapshot: Snapshot, now: datetime
) -> float | None:
    """The car's planned power now; without a plan that knows it, full power: rather ready than short.

    A plugged-in car that has what was wished for is paused (0), without a car there is no wish.
    """
    if need is None:
        return 0.0 if snapshot.car_plugged else None
    course = plan.course if plan else ()
    planned = next((step for step in course if now in step.interval), None)
    if planned is None or not any(step.car_wh > 0 for step in course):
        return need.max_power_w
    # A plan made inside an interval means its energy for what was left of it then.
    begun = max(plan.made_at, planned.interval.start) if plan else planned.interval.start
    left_h = (planned.interval.end - begun).total_seconds() / 3600
    return min(need.max_power_w, planned.car_wh / left_h)
