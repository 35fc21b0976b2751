"""From values to energy: the best change of charge over one interval, and the expected schedule."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple

import numpy as np

from gateway.domain.plan import BatterySpec, Outlook, PlannedInterval, ValueCurve
from gateway.forecasts.history import Array
from gateway.planner.horizon import Horizon


class ValueIntegral:
    """Marginal value of stored energy (per MWh, falling) over a grid of stored Wh, and its integral."""

    __slots__ = ("_falling", "_grid", "_total", "values")

    def __init__(
        self,
        grid: Sequence[float],
        values: tuple[float, ...],
        falling: Sequence[float],
        total: Sequence[float],
    ) -> None:
        """``falling`` is ``values`` with the sign turned, so that it rises."""
        self._grid, self.values, self._falling, self._total = grid, values, falling, total

    @classmethod
    def of_rows(cls, grid: Array, rows: Array) -> list[ValueIntegral]:
        """One for each row of marginal values over ``grid``."""
        points = grid.tolist()
        lists = (rows.tolist(), (-rows).tolist(), integrals(grid, rows).tolist())
        return [cls(points, tuple(v), f, t) for v, f, t in zip(*lists, strict=True)]

    @classmethod
    def of_curve(cls, curve: ValueCurve) -> ValueIntegral:
        """The same from a plan's curve."""
        rows = np.array([curve.value_per_mwh])
        return cls.of_rows(np.array(curve.stored_wh), rows)[0]

    def of(self, stored_wh: float) -> float:
        """Value (currency units x 1e6) of the energy from the grid's begin up to ``stored_wh``."""
        grid, values = self._grid, self.values
        i = min(max(bisect_right(grid, stored_wh) - 1, 0), len(grid) - 2)
        into = stored_wh - grid[i]
        slope = (values[i + 1] - values[i]) / (grid[i + 1] - grid[i])
        return self._total[i] + into * (values[i] + slope * into / 2)

    def where(self, value: float) -> float:
        """The least stored Wh at which the marginal value has fallen to ``value``."""
        return self._between(bisect_left(self._falling, -value), value)

    def until(self, value: float) -> float:
        """The most stored Wh at which the marginal value is still ``value``."""
        return self._between(bisect_right(self._falling, -value), value)

    def _between(self, i: int, value: float) -> float:
        grid, values = self._grid, self.values
        if i == 0:
            return grid[0]
        if i == len(grid):
            return grid[-1]
        part = (values[i - 1] - value) / (values[i - 1] - values[i])
        return grid[i - 1] + part * (grid[i] - grid[i - 1])


def crossings(grid: Array, rows: Array, values: Array, *, last: bool) -> Array:
    """`ValueIntegral.where` (or `until` with ``last``) of each row [T, S] for its value [T]."""
    above = (rows >= values[:, None]) if last else (rows > values[:, None])
    i, each = above.sum(axis=1), np.arange(len(rows))
    low, high = np.maximum(i - 1, 0), np.minimum(i, grid.size - 1)
    apart = rows[each, low] - rows[each, high]
    part = np.where(apart > 0, (rows[each, low] - values) / np.where(apart > 0, apart, 1.0), 0.0)
    result: Array = grid[low] + part * (grid[high] - grid[low])
    return result


def integrals(grid: Array, rows: Array) -> Array:
    """Value from the grid's begin up to each point, by row."""
    cells = np.diff(grid) * (rows[:, 1:] + rows[:, :-1]) / 2
    totals = np.zeros_like(rows)
    np.cumsum(cells, axis=1, out=totals[:, 1:])
    return totals


class DispatchInterval(NamedTuple):
    """One interval for one decision: hours, net load (AC Wh), prices per MWh, limits in W."""

    hours: float
    net_wh: float
    import_price: float
    export_price: float
    export_limit_w: float | None = None
    import_limit_w: float | None = None
    exportable_wh: float | None = None  # most AC Wh that the battery may feed into the grid
    car_alone_wh: float = 0.0  # of net_wh, what cars take that the battery may not serve


def best_discharge(
    integral: ValueIntegral, stored_wh: float, step: DispatchInterval, spec: BatterySpec
) -> float:
    """The battery's best AC energy over the interval, Wh, discharge +.

    Cash is piecewise linear and the value of what stays is concave, so the best is at a kink of the
    cash or where the marginal value meets one of its slopes. The smallest move wins among equals.
    """
    low, high = discharge_bounds(stored_wh, step, spec)
    bends = [w for w, _ in spec.discharge_curve] + [-w for w, _ in spec.charge_curve]
    slopes = None if bends else _slopes(step, spec)
    if slopes is not None:
        sold, inside, bought = slopes
        levels = Levels(
            integral.until(sold),
            integral.until(inside) if step.net_wh >= 0 else integral.where(inside),
            integral.where(bought),
        )
        return min(max(towards(levels, stored_wh, step.net_wh, spec), low), high)
    candidates = [0.0, step.net_wh, low, high, *(w * step.hours for w in bends)]
    candidates += _meetings(integral, stored_wh, step, spec)
    best, most = 0.0, -inf
    for candidate in candidates:
        x = min(max(candidate, low), high)
        gain = _gain(integral, stored_wh, x, step, spec)
        if gain > most + 1e-9 or (gain > most - 1e-9 and abs(x) < abs(best)):
            best, most = x, max(gain, most)
    return best


def _gain(
    integral: ValueIntegral, stored_wh: float, x: float, step: DispatchInterval, spec: BatterySpec
) -> float:
    """Cash of the interval and value of what stays, if the battery gives ``x``."""
    grid_wh = step.net_wh - x
    cash = -grid_wh * (step.import_price if grid_wh > 0 else step.export_price)
    left = stored_wh + spec.change_wh(x, step.hours)
    return cash + integral.of(left) - spec.wear_per_mwh * max(x, 0.0)


class Levels(NamedTuple):
    """The stored energy down to which selling pays, up to which idling ends, up to which buying pays.

    The middle one is of what needs no grid: covering the house, or storing its surplus. Where a value holds
    over a span, each is the end of it that is nearer to doing nothing.
    """

    sold: float
    inside: float
    bought: float


def _slopes(step: DispatchInterval, spec: BatterySpec) -> tuple[float, float, float] | None:
    """The marginal values at which selling, the house and buying begin to pay; None where the cash is not
    concave (export dearer than import, or a negative price that would be burnt)."""
    eta_c, eta_d, wear = spec.charge_efficiency, spec.discharge_efficiency, spec.wear_per_mwh
    sold = (step.export_price - wear) * eta_d
    bought = step.import_price / eta_c
    inside = (step.import_price - wear) * eta_d if step.net_wh >= 0 else step.export_price / eta_c
    return (sold, inside, bought) if sold <= inside <= bought else None


def towards(levels: Levels, stored_wh: float, net_wh: float, spec: BatterySpec) -> float:
    """The move, without limits, that concave cash asks for."""
    sold, inside, bought = levels
    eta_c, eta_d = spec.charge_efficiency, spec.discharge_efficiency
    out, into = (stored_wh - sold) * eta_d, (bought - stored_wh) / eta_c
    if net_wh >= 0:
        if stored_wh > inside:
            return max(min((stored_wh - inside) * eta_d, net_wh), out)
        return -max(into, 0.0)
    if stored_wh < inside:
        return -max(min((inside - stored_wh) / eta_c, -net_wh), into)
    return max(out, 0.0)


def _meetings(
    integral: ValueIntegral, stored_wh: float, step: DispatchInterval, spec: BatterySpec
) -> list[float]:
    """Moves at whose end the marginal value is what a price makes of a Wh."""
    eta_c, eta_d = spec.charge_efficiency, spec.discharge_efficiency
    made = []
    for price in (step.import_price, step.export_price):
        fuller = integral.where(price / eta_c) - stored_wh
        emptier = stored_wh - integral.where((price - spec.wear_per_mwh) * eta_d)
        if fuller > 0:
            made.append(-fuller / eta_c)
        if emptier > 0:
            made.append(emptier * eta_d)
    return made


class PowerLimits(NamedTuple):
    """What an interval allows whatever is stored, AC Wh: most out of and into the battery, and by the grid's limits the most
    discharge and the least (charging is negative)."""

    most_out: float
    most_in: float
    ceiling: float
    floor: float

    @classmethod
    def of(cls, step: DispatchInterval, spec: BatterySpec) -> PowerLimits:
        hours, net_wh, _, _, export_limit_w, import_limit_w, exportable_wh, car_alone_wh = step
        most_out = spec.max_discharge_w * hours
        if exportable_wh is not None:
            most_out = min(most_out, max(net_wh, 0.0) + exportable_wh)
        if car_alone_wh > 0:  # control: while a car charges, the house alone is served
            most_out = min(most_out, max(net_wh - car_alone_wh, 0.0))
        return cls(
            most_out,
            spec.max_charge_w * hours,
            inf if export_limit_w is None else net_wh + export_limit_w * hours,
            -inf if import_limit_w is None else net_wh - import_limit_w * hours,
        )


def discharge_bounds(
    stored_wh: float, step: DispatchInterval, spec: BatterySpec
) -> tuple[float, float]:
    """Least and most AC Wh that the battery may give in the interval, by power, energy and limits."""
    return bounded(PowerLimits.of(step, spec), stored_wh, spec)


def bounded(
    limits: tuple[float, float, float, float], stored_wh: float, spec: BatterySpec
) -> tuple[float, float]:
    """`discharge_bounds` by `PowerLimits` that are known."""
    most_out, most_in, ceiling, floor = limits
    most_in = min(most_in, max(spec.capacity_wh - stored_wh, 0.0) / spec.charge_efficiency)
    most_out = min(most_out, max(stored_wh - spec.reserve_wh, 0.0) * spec.discharge_efficiency)
    low, high = -most_in, most_out
    if high > ceiling:
        high = max(low, ceiling)
    if low < floor:
        low = min(high, floor)
    if ceiling >= 0 and high < 0:
        high = max(high, min(0.0, most_out))
    return low, high


def after_interval(stored_wh: float, discharge_wh: float, hours: float, spec: BatterySpec) -> float:
    """Stored energy at the interval's end."""
    stored = stored_wh + spec.change_wh(discharge_wh, hours) - spec.standby_w * hours
    return min(max(stored, min(spec.reserve_wh, stored_wh)), spec.capacity_wh)


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
        moves = [(0.0, outlook.stored_wh)] * len(steps)
    columns = zip(
        coming.intervals,
        coming.load_wh[:, 1].tolist(),
        coming.pv_wh[:, 1].tolist(),
        moves,
        car_wh,
        steps,
        coming.bought.expected.tolist(),
        coming.sold.expected.tolist(),
        coming.market_price.tolist(),
        coming.bought.sources,
        coming.sold.sources,
        strict=True,
    )
    return tuple(
        PlannedInterval(
            interval, load, pv, battery, car, step.net_wh - battery, stored, *prices_and_sources
        )
        for interval, load, pv, (battery, stored), car, step, *prices_and_sources in columns
    )


def _steps(outlook: Outlook, coming: Horizon, car_wh: Sequence[float]) -> list[DispatchInterval]:
    """The intervals as expected."""
    sold = coming.sold.expected
    if outlook.trading:
        sold = np.maximum(sold, coming.market_price)
    net = coming.load_wh[:, 1] - coming.pv_wh[:, 1] + np.asarray(car_wh)
    alone = [0.0] * len(coming) if outlook.car_from_battery else car_wh
    columns = zip(
        coming.hours.tolist(),
        net.tolist(),
        coming.bought.expected.tolist(),
        sold.tolist(),
        outlook.export_limits_w(),
        outlook.import_limits_w(),
        alone,
        strict=True,
    )
    return [
        DispatchInterval(hours, net_wh, buy, sell, out_w, in_w, None, car)
        for hours, net_wh, buy, sell, out_w, in_w, car in columns
    ]


def _moves(
    outlook: Outlook,
    steps: Sequence[DispatchInterval],
    grid: Array,
    rows: Array,
    spec: BatterySpec,
) -> list[tuple[float, float]]:
    """What the battery gives in each interval, and what is stored at its end."""
    stored, resellable = outlook.stored_wh, outlook.resellable_wh
    night = any(Horizon.of(outlook.forecasts).flat_night)
    limits, levels = _all_limits(steps, spec), all_levels(steps, grid, rows, spec)
    made = []
    for i, (step, limit, level) in enumerate(zip(steps, limits, levels, strict=True)):
        if night:
            exportable = resellable * spec.discharge_efficiency
            step = step._replace(exportable_wh=exportable)  # noqa: PLW2901 - the same, as it now stands
            limit = PowerLimits.of(step, spec)  # noqa: PLW2901
        if level is None:
            integral = ValueIntegral.of_rows(grid, rows[i : i + 1])[0]
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


def _all_limits(
    steps: Sequence[DispatchInterval], spec: BatterySpec
) -> list[tuple[float, float, float, float]]:
    """`PowerLimits` of every interval at once; what may be exported is left out."""
    hours, net, alone = np.array([(c.hours, c.net_wh, c.car_alone_wh) for c in steps]).T
    most_out = spec.max_discharge_w * hours
    served = np.minimum(most_out, np.maximum(net - alone, 0.0))
    export_w, import_w = (
        np.array([inf if w is None else w for w in each])
        for each in zip(*((c.export_limit_w, c.import_limit_w) for c in steps), strict=True)
    )
    columns = (
        np.where(alone > 0, served, most_out),
        spec.max_charge_w * hours,
        net + export_w * hours,
        net - import_w * hours,
    )
    return list(zip(*(c.tolist() for c in columns), strict=True))


def all_levels(
    steps: Sequence[DispatchInterval], grid: Array, rows: Array, spec: BatterySpec
) -> list[Levels | None]:
    """The levels of every interval at once; None where `best_discharge` must compare."""
    if spec.discharge_curve or spec.charge_curve:
        return [None] * len(steps)
    net, buy, sell = np.array([(c.net_wh, c.import_price, c.export_price) for c in steps]).T
    eta_c, eta_d, wear = spec.charge_efficiency, spec.discharge_efficiency, spec.wear_per_mwh
    short = net >= 0
    sold, bought = (sell - wear) * eta_d, buy / eta_c  # as in `_slopes`
    inside = np.where(short, (buy - wear) * eta_d, sell / eta_c)
    until, where = (crossings(grid, rows, inside, last=last) for last in (True, False))
    levels = np.stack(
        [
            crossings(grid, rows, sold, last=True),
            np.where(short, until, where),
            crossings(grid, rows, bought, last=False),
        ],
        axis=1,
    )
    good = (sold <= inside) & (inside <= bought)
    found = zip(good.tolist(), levels.tolist(), strict=True)
    return [Levels(*three) if concave else None for concave, three in found]


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
