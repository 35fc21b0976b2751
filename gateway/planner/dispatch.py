"""One interval's decision: the battery's best change of charge, given what stored energy is worth at its end."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, repeat, starmap
from math import inf
from operator import neg
from typing import NamedTuple

import numpy as np

from gateway.domain.plan import BatterySpec, ValueCurve
from gateway.forecasts.history import Array, Flags


class ValueIntegral:
    """Marginal value of stored energy (per MWh, falling) over a grid of stored Wh, and its integral."""

    __slots__ = ("_grid", "_total", "_values")

    def __init__(self, grid: Sequence[float], values: Sequence[float]) -> None:
        self._grid, self._values = grid, values
        self._total: list[float] = []  # made when it is asked for: most decisions need none

    @classmethod
    def of_curve(cls, curve: ValueCurve) -> ValueIntegral:
        """The same from a plan's curve."""
        return cls(curve.stored_wh, curve.value_per_mwh)

    def of(self, stored_wh: float) -> float:
        """Value (currency units x 1e6) of the energy from the grid's begin up to ``stored_wh``."""
        grid, values = self._grid, self._values
        if not self._total:
            cells = range(len(grid) - 1)
            areas = ((grid[i + 1] - grid[i]) * (values[i + 1] + values[i]) / 2 for i in cells)
            self._total = list(accumulate(areas, initial=0.0))
        i = min(max(bisect_right(grid, stored_wh) - 1, 0), len(grid) - 2)
        into = stored_wh - grid[i]
        slope = (values[i + 1] - values[i]) / (grid[i + 1] - grid[i])
        return self._total[i] + into * (values[i] + slope * into / 2)

    def where(self, value: float) -> float:
        """The least stored Wh at which the marginal value has fallen to ``value``."""
        return self._between(bisect_left(self._values, -value, key=neg), value)

    def until(self, value: float) -> float:
        """The most stored Wh at which the marginal value is still ``value``."""
        return self._between(bisect_right(self._values, -value, key=neg), value)

    def _between(self, i: int, value: float) -> float:
        grid, values = self._grid, self._values
        if i == 0:
            return grid[0]
        if i == len(grid):
            return grid[-1]
        part = (values[i - 1] - value) / (values[i - 1] - values[i])
        return grid[i - 1] + part * (grid[i] - grid[i - 1])


def crossings(grid: Array, rows: Array, values: Array, last: Flags | bool) -> Array:
    """`ValueIntegral.where` (or `until` where ``last``) of each row [T, S] for its values [..., T]."""
    # What is not above the number just below a value is not at the value either.
    limit = np.where(last, np.nextafter(values, -inf), values)
    above = np.count_nonzero(rows > limit[..., None], axis=-1)
    low, high = np.maximum(above - 1, 0), np.minimum(above, grid.size - 1)
    each = np.arange(len(rows))
    before = rows[each, low]
    apart = before - rows[each, high]
    part = np.divide(before - values, apart, out=np.zeros_like(apart), where=apart > 0)
    result: Array = grid[low] + part * (grid[high] - grid[low])
    return result


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


class DispatchIntervals(NamedTuple):
    """Many `DispatchInterval`s that follow each other, as arrays [T]."""

    hours: Array
    net_wh: Array
    import_price: Array
    export_price: Array
    export_limits_w: Sequence[float | None]
    import_limits_w: Sequence[float | None]
    car_alone_wh: Array

    def each(self) -> list[DispatchInterval]:
        """One after the other."""
        hours, net, buy, sell, out_w, in_w, alone = self
        columns = zip(
            hours.tolist(),
            net.tolist(),
            buy.tolist(),
            sell.tolist(),
            out_w,
            in_w,
            repeat(None),  # what may be exported depends on what was before
            alone.tolist(),
            strict=False,
        )
        return list(starmap(DispatchInterval, columns))

    def power_limits(self, spec: BatterySpec) -> list[tuple[float, float, float, float]]:
        """`PowerLimits` of each; what may be exported is left out."""
        hours, net, _, _, *limits_w, alone = self
        most_out = spec.max_discharge_w * hours
        served = np.minimum(most_out, np.maximum(net - alone, 0.0))
        export_w, import_w = (np.array([inf if w is None else w for w in x]) for x in limits_w)
        columns = (
            np.where(alone > 0, served, most_out),
            spec.max_charge_w * hours,
            net + export_w * hours,
            net - import_w * hours,
        )
        return list(zip(*(c.tolist() for c in columns), strict=True))

    def levels(self, grid: Array, rows: Array, spec: BatterySpec) -> list[Levels | None]:
        """The levels of each by its values [T, S]; None where `best_discharge` must compare."""
        if spec.discharge_curve or spec.charge_curve:
            return [None] * len(self.hours)
        buy, sell, short = self.import_price, self.export_price, self.net_wh >= 0
        eta_c, eta_d, wear = spec.charge_efficiency, spec.discharge_efficiency, spec.wear_per_mwh
        sold, bought = (sell - wear) * eta_d, buy / eta_c  # as in `_slopes`
        inside = np.where(short, (buy - wear) * eta_d, sell / eta_c)
        last = np.stack([np.ones_like(short), short, np.zeros_like(short)])
        found = crossings(grid, rows, np.stack([sold, inside, bought]), last).T.tolist()
        concave = ((sold <= inside) & (inside <= bought)).tolist()
        return [Levels(*x) if good else None for good, x in zip(concave, found, strict=True)]
