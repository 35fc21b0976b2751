"""The expected schedule: what battery and cars will do if everything comes as expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gateway.domain.plan import BatterySpec, Outlook, PlannedInterval
from gateway.forecasts.history import Array
from gateway.planner.dispatch import (
    DispatchIntervals,
    PowerLimits,
    ValueIntegral,
    after_interval,
    best_discharge,
    bounded,
    towards,
)
from gateway.planner.horizon import Horizon


def expected_schedule(
    outlook: Outlook,
    grid: Array,
    rows: Array,
    car_wh: Sequence[float],
    spec: BatterySpec | None,
) -> tuple[PlannedInterval, ...]:
    """What will happen if everything comes as expected; ``rows`` [T, S] are the values at each interval's end."""
    coming = Horizon.of(outlook.forecasts)
    steps = _steps(outlook, coming, car_wh)
    moves = _moves(outlook, steps, grid, rows, spec) if spec else None
    if moves is None:
        moves = [(0.0, outlook.stored_wh)] * len(coming)
    columns = zip(
        coming.intervals,
        coming.load_wh[:, 1].tolist(),
        coming.pv_wh[:, 1].tolist(),
        moves,
        car_wh,
        steps.net_wh.tolist(),
        coming.bought.expected.tolist(),
        coming.sold.expected.tolist(),
        coming.market_price.tolist(),
        coming.bought.sources,
        coming.sold.sources,
        strict=True,
    )
    return tuple(
        PlannedInterval(
            interval, load, pv, battery, car, net - battery, stored, *prices_and_sources
        )
        for interval, load, pv, (battery, stored), car, net, *prices_and_sources in columns
    )


def _steps(outlook: Outlook, coming: Horizon, car_wh: Sequence[float]) -> DispatchIntervals:
    """The intervals as expected."""
    sold, car = coming.sold.expected, np.asarray(car_wh)
    if outlook.trading:
        sold = np.maximum(sold, coming.market_price)
    return DispatchIntervals(
        coming.hours,
        coming.load_wh[:, 1] - coming.pv_wh[:, 1] + car,
        coming.bought.expected,
        sold,
        outlook.export_limits_w(),
        outlook.import_limits_w(),
        np.zeros(len(coming)) if outlook.car_from_battery else car,
    )


def _moves(
    outlook: Outlook, steps: DispatchIntervals, grid: Array, rows: Array, spec: BatterySpec
) -> list[tuple[float, float]]:
    """What the battery gives in each interval, and what is stored at its end."""
    stored, resellable = outlook.stored_wh, outlook.resellable_wh
    night = any(Horizon.of(outlook.forecasts).flat_night)
    limits, levels = steps.power_limits(spec), steps.levels(grid, rows, spec)
    made = []
    for i, (step, limit, level) in enumerate(zip(steps.each(), limits, levels, strict=True)):
        if night:
            exportable = resellable * spec.discharge_efficiency
            step = step._replace(exportable_wh=exportable)  # noqa: PLW2901 - the same, as it now stands
            limit = PowerLimits.of(step, spec)  # noqa: PLW2901
        if level is None:
            integral = ValueIntegral(grid.tolist(), rows[i].tolist())
            battery = best_discharge(integral, stored, step, spec)
        else:
            low, high = bounded(limit, stored, spec)
            battery = min(max(towards(level, stored, step.net_wh, spec), low), high)
        stored = after_interval(stored, battery, step.hours, spec)
        if night:
            given = max(battery - max(step.net_wh, 0.0), 0.0) / spec.discharge_efficiency
            resellable = min(max(resellable - given, 0.0), stored)
        made.append((battery, stored))
    return made


def with_more(
    outlook: Outlook, schedule: tuple[PlannedInterval, ...]
) -> tuple[PlannedInterval, ...]:
    """The same with what cars take beyond their wish of the surplus that is left, where it is worth that.

    ``schedule`` is of the first car that takes more, until it leaves; nothing of the battery changes.
    """
    car = next((c for c in outlook.cars if c.more_wh > 0), None)
    if car is None:
        return schedule
    left_wh, made = car.more_wh, []
    for one in schedule:
        hours = one.interval.hours
        room = min(left_wh, car.planned_power_w * hours - one.car_wh, -one.grid_wh)
        least = 0.0 if one.car_wh else min(car.min_power_w, car.planned_power_w) * hours
        sold_at = max(one.export_price, one.market_price) if outlook.trading else one.export_price
        if one.interval.end <= car.departure and room > least and sold_at < car.more_value:
            left_wh -= room
            one = replace(one, car_wh=one.car_wh + room, grid_wh=one.grid_wh + room)  # noqa: PLW2901 - the same interval, with more
        made.append(one)
    return tuple(made)


def without_lost(
    outlook: Outlook, schedule: tuple[PlannedInterval, ...]
) -> tuple[PlannedInterval, ...]:
    """The same without the sun that may not leave the home: it is expected, and not exported."""
    limits = outlook.export_limits_w()
    return tuple(
        one
        if limit_w is None
        else replace(one, grid_wh=max(one.grid_wh, -limit_w * one.interval.hours))
        for one, limit_w in zip(schedule, limits, strict=True)
    )
