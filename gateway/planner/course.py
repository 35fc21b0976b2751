"""From values to energy: the best change of charge over one interval, the expected course, the offers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from gateway.domain.plan import (
    BatterySpec,
    Forecast,
    OfferCurve,
    OfferStep,
    Outlook,
    PlannedInterval,
    ValueCurve,
)
from gateway.planner.history import Array


class Worth:
    """Marginal value of stored energy (per MWh, falling) over a grid of stored Wh, and its integral."""

    __slots__ = ("_falling", "_grid", "_total", "_values")

    def __init__(
        self, grid: Sequence[float], values: Sequence[float], total: Sequence[float]
    ) -> None:
        self._grid, self._values, self._total = grid, values, total
        self._falling = [-v for v in values]

    @classmethod
    def of_rows(cls, grid: Array, rows: Array) -> list[Worth]:
        """One for each row of marginal values over ``grid``."""
        cells = np.diff(grid) * (rows[:, 1:] + rows[:, :-1]) / 2
        totals = np.zeros_like(rows)
        np.cumsum(cells, axis=1, out=totals[:, 1:])
        points = grid.tolist()
        pairs = zip(rows.tolist(), totals.tolist(), strict=True)
        return [cls(points, values, total) for values, total in pairs]

    @classmethod
    def of_curve(cls, curve: ValueCurve) -> Worth:
        """The same from a plan's curve."""
        rows = np.array([curve.value_per_mwh])
        return cls.of_rows(np.array(curve.stored_wh), rows)[0]

    def of(self, stored_wh: float) -> float:
        """Value (currency units x 1e6) of the energy from the grid's begin up to ``stored_wh``."""
        grid, values = self._grid, self._values
        i = min(max(bisect_right(grid, stored_wh) - 1, 0), len(grid) - 2)
        into = stored_wh - grid[i]
        slope = (values[i + 1] - values[i]) / (grid[i + 1] - grid[i])
        return self._total[i] + into * (values[i] + slope * into / 2)

    def where(self, value: float) -> float:
        """The stored Wh at which the marginal value has fallen to ``value``."""
        grid, values = self._grid, self._values
        i = bisect_left(self._falling, -value)
        if i == 0:
            return grid[0]
        if i == len(grid):
            return grid[-1]
        part = (values[i - 1] - value) / (values[i - 1] - values[i])
        return grid[i - 1] + part * (grid[i] - grid[i - 1])


@dataclass(frozen=True, slots=True)
class Slot:
    """One interval for one decision: hours, net load (AC Wh), prices per MWh, limits in W."""

    hours: float
    net_wh: float
    import_price: float
    export_price: float
    export_limit_w: float | None = None
    import_limit_w: float | None = None
    exportable_wh: float | None = None  # most AC Wh that the battery may feed into the grid


def best_discharge(worth: Worth, stored_wh: float, slot: Slot, spec: BatterySpec) -> float:
    """The battery's best AC energy over the interval, Wh, discharge +.

    Cash is piecewise linear and the value of what stays is concave, so the best is at a kink of the
    cash or where the marginal value meets one of its slopes. The smallest move wins among equals.
    """
    low, high = discharge_bounds(stored_wh, slot, spec)
    eta_c, eta_d = spec.charge_efficiency, spec.discharge_efficiency
    bends = [w for w, _ in spec.discharge_curve] + [-w for w, _ in spec.charge_curve]
    candidates = [0.0, slot.net_wh, low, high, *(w * slot.hours for w in bends)]
    for price in (slot.import_price, slot.export_price):
        fuller = worth.where(price / eta_c) - stored_wh
        emptier = stored_wh - worth.where((price - spec.wear_per_mwh) * eta_d)
        if fuller > 0:
            candidates.append(-fuller / eta_c)
        if emptier > 0:
            candidates.append(emptier * eta_d)
    best, most = 0.0, -inf
    for candidate in candidates:
        x = min(max(candidate, low), high)
        grid_wh = slot.net_wh - x
        gain = -grid_wh * (slot.import_price if grid_wh > 0 else slot.export_price)
        change = spec.change_wh(x, slot.hours) if bends else -x / eta_d if x > 0 else -x * eta_c
        gain += worth.of(stored_wh + change) - spec.wear_per_mwh * max(x, 0.0)
        if gain > most + 1e-9 or (gain > most - 1e-9 and abs(x) < abs(best)):
            best, most = x, max(gain, most)
    return best


def discharge_bounds(stored_wh: float, slot: Slot, spec: BatterySpec) -> tuple[float, float]:
    """Least and most AC Wh that the battery may give in the interval, by power, energy and limits."""
    room = max(spec.capacity_wh - stored_wh, 0.0) / spec.charge_efficiency
    held = max(stored_wh - spec.reserve_wh, 0.0) * spec.discharge_efficiency
    most_in = min(spec.max_charge_w * slot.hours, room)
    most_out = min(spec.max_discharge_w * slot.hours, held)
    if slot.exportable_wh is not None:
        most_out = min(most_out, max(slot.net_wh, 0.0) + slot.exportable_wh)
    low, high = -most_in, most_out
    if slot.export_limit_w is not None:
        high = max(low, min(high, slot.net_wh + slot.export_limit_w * slot.hours))
    if slot.import_limit_w is not None:
        low = min(high, max(low, slot.net_wh - slot.import_limit_w * slot.hours))
    if slot.export_limit_w is None or slot.net_wh + slot.export_limit_w * slot.hours >= 0:
        high = max(high, min(0.0, most_out))
    return low, high


def after_interval(stored_wh: float, discharge_wh: float, hours: float, spec: BatterySpec) -> float:
    """Stored energy at the interval's end."""
    stored = stored_wh + spec.change_wh(discharge_wh, hours) - spec.standby_w * hours
    return min(max(stored, min(spec.reserve_wh, stored_wh)), spec.capacity_wh)


def slot_of(
    forecast: Forecast, outlook: Outlook, car_wh: float, exportable_wh: float | None
) -> Slot:
    """The interval as expected."""
    sells_at = forecast.export_price
    if outlook.trading:
        sells_at = max(sells_at, forecast.market_price)
    return Slot(
        hours=forecast.interval.hours,
        net_wh=forecast.load_wh[1] - forecast.pv_wh[1] + car_wh,
        import_price=forecast.import_price,
        export_price=sells_at,
        export_limit_w=outlook.export_limit_w,
        import_limit_w=outlook.import_limit_w,
        exportable_wh=exportable_wh,
    )


def expected_course(
    outlook: Outlook, worths: Sequence[Worth], car_wh: Sequence[float], spec: BatterySpec | None
) -> tuple[PlannedInterval, ...]:
    """What will happen if everything comes as expected."""
    stored, made = outlook.stored_wh, []
    resellable = outlook.resellable_wh
    night = any(f.flat_night for f in outlook.forecasts)
    for i, forecast in enumerate(outlook.forecasts):
        exportable = resellable * (spec.discharge_efficiency if spec else 0) if night else None
        slot = slot_of(forecast, outlook, car_wh[i], exportable)
        battery = best_discharge(worths[i], stored, slot, spec) if spec else 0.0
        if spec:
            stored = after_interval(stored, battery, slot.hours, spec)
            given = max(battery - max(slot.net_wh, 0.0), 0.0) / spec.discharge_efficiency
            resellable = min(max(resellable - given, 0.0), stored)
        made.append(
            PlannedInterval(
                interval=forecast.interval,
                load_wh=forecast.load_wh[1],
                pv_wh=forecast.pv_wh[1],
                battery_wh=battery,
                car_wh=car_wh[i],
                grid_wh=slot.net_wh - battery,
                stored_wh=stored,
                import_price=forecast.import_price,
                export_price=forecast.export_price,
                market_price=forecast.market_price,
            )
        )
    return tuple(made)


def to_steps(prices: Array, net_wh: Array, lot_wh: int) -> tuple[OfferStep, ...]:
    """Steps from the net energy at rising candidate prices: whole lots towards zero, monotone.

    A sell step holds at its price or higher, a buy step (negative) at its price or lower.
    """
    lots = np.trunc(np.minimum.accumulate(net_wh[::-1])[::-1] / lot_wh).astype(int) * lot_wh
    steps = []
    for k, (price, net) in enumerate(zip(prices.tolist(), lots.tolist(), strict=True)):
        sells_more = net > 0 and (k == 0 or net > lots[k - 1])
        buys_less_above = net < 0 and (k + 1 == lots.size or lots[k + 1] > net)
        if sells_more or buys_less_above:
            steps.append(OfferStep(price, int(net)))
    return tuple(steps)


@dataclass(slots=True)
class Stock:
    """What is left to offer after earlier offers are filled in full (the worst case).

    ``stored_wh`` is what all sells leave, ``filled_wh`` what all buys make of it.
    """

    stored_wh: float
    resellable_wh: float
    filled_wh: float


def offer_curve(
    forecast: Forecast,
    prices: Array,
    worths: Sequence[Worth],
    stock: Stock,
    outlook: Outlook,
    car_wh: float,
) -> OfferCurve:
    """The net energy offered at each candidate price; takes what it may sell out of ``stock``.

    Sells are counted with a cautious (high) net load, buys with a cautious (low) one; nothing is
    sold below what the retailer pays, nothing bought above what the retailer asks.
    """
    spec = outlook.battery
    dear, cheap = cautious_net(forecast, outlook.quantity_quantile)
    nets, most, least = [], 0.0, 0.0
    limit_w = outlook.export_limit_w  # of the panels' surplus too, which no battery may hold back
    room = inf if limit_w is None else limit_w * forecast.interval.hours
    filled = replace(stock, stored_wh=stock.filled_wh)
    for price, worth in zip(prices.tolist(), worths, strict=True):
        net = 0.0
        if price >= forecast.export_price:
            given = _answer(dear + car_wh, price, worth, stock, outlook, forecast)
            net = min(max(given - dear - car_wh, 0.0), room)
            most = max(most, given if net > 0 else 0.0)
        if net == 0 and price <= forecast.import_price:
            given = _answer(cheap + car_wh, price, worth, filled, outlook, forecast)
            net = min(given - cheap - car_wh, 0.0)
            least = min(least, given if net < 0 else 0.0)
        nets.append(net)
    steps = to_steps(prices, np.array(nets), outlook.lot_wh)
    if spec and most > 0:
        taken = most / spec.discharge_efficiency
        stock.stored_wh = max(stock.stored_wh - taken, spec.reserve_wh)
        stock.resellable_wh = max(stock.resellable_wh - taken, 0.0)
    if spec and least < 0:
        stock.filled_wh = min(stock.filled_wh - least * spec.charge_efficiency, spec.capacity_wh)
    return OfferCurve(forecast.interval, steps)


def _answer(
    net_wh: float, price: float, worth: Worth, stock: Stock, outlook: Outlook, forecast: Forecast
) -> float:
    """The battery's discharge if energy costs and earns ``price``."""
    spec = outlook.battery
    if spec is None:
        return 0.0
    slot = Slot(
        hours=forecast.interval.hours,
        net_wh=net_wh,
        import_price=price,
        export_price=price,
        export_limit_w=outlook.export_limit_w,
        import_limit_w=outlook.import_limit_w,
        exportable_wh=max(stock.resellable_wh, 0.0) * spec.discharge_efficiency,
    )
    return best_discharge(worth, stock.stored_wh, slot, spec)


def cautious_net(forecast: Forecast, quantile: float) -> tuple[float, float]:
    """Net load (Wh) for selling (load high, PV low) and for buying (load low, PV high).

    ``quantile`` below 0.1 is taken as 0.1: the forecast's quantiles are 0.1, 0.5 and 0.9.
    """
    part = min(max((0.5 - quantile) / 0.4, 0.0), 1.0)
    load, pv = forecast.load_wh, forecast.pv_wh
    high_load = load[1] + part * (load[2] - load[1])
    low_load = load[1] + part * (load[0] - load[1])
    high_pv = pv[1] + part * (pv[2] - pv[1])
    low_pv = pv[1] + part * (pv[0] - pv[1])
    return high_load - low_pv, low_load - high_pv
