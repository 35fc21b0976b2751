"""Offer curves: the battery's best answer to each candidate price, in whole lots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from gateway.domain.plan import BatterySpec, Forecast, OfferCurve, OfferStep, Outlook
from gateway.forecasts.history import Array
from gateway.forecasts.regression import LOW
from gateway.planner.dispatch import DispatchInterval, crossings, discharge_bounds
from gateway.planner.horizon import Horizon

_NORMAL = NormalDist()


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


def within(curve: OfferCurve, sold_wh: float | None, bought_wh: float | None) -> OfferCurve:
    """``curve`` with no more sold and bought than that; None: as much as it says."""
    most = inf if sold_wh is None else int(sold_wh)
    least = -inf if bought_wh is None else -int(bought_wh)
    kept: list[OfferStep] = []
    for step in curve.steps:
        net_wh = int(min(max(step.net_wh, least), most))
        if net_wh == 0:
            continue
        if kept and kept[-1].net_wh == net_wh:
            if net_wh > 0:
                continue  # it sells no more at a higher price
            kept.pop()  # it buys as much at a higher price
        kept.append(OfferStep(step.price_per_mwh, net_wh))
    return OfferCurve(curve.interval, tuple(kept))


@dataclass(slots=True)
class OfferBudget:
    """What is left to offer after earlier offers are filled in full (the worst case).

    ``stored_wh`` is what all sells leave, ``filled_wh`` what all buys make of it.
    """

    stored_wh: float
    resellable_wh: float
    filled_wh: float


def battery_offers(
    outlook: Outlook, grid: Array, by_scenario: Array, car_wh: Sequence[float], next_wh: float
) -> tuple[OfferCurve, ...]:
    """Offers for the coming intervals. ``by_scenario`` [D, K, S] are the values at an interval's end given its
    price; ``next_wh`` is what will be stored when the running interval ends."""
    budget = OfferBudget(outlook.stored_wh, outlook.resellable_wh, outlook.stored_wh)
    asked = _asked(outlook, grid, by_scenario)
    made: list[OfferCurve] = []
    for t, interval in enumerate(Horizon.of(outlook.forecasts).intervals):
        if interval.start < outlook.now:
            budget.stored_wh = min(budget.stored_wh, next_wh)
            budget.filled_wh = max(budget.filled_wh, next_wh)
            budget.resellable_wh = min(budget.resellable_wh, budget.stored_wh)
            continue
        if len(made) >= outlook.offer_intervals:
            break
        made.append(_offer_curve(outlook.forecasts[t], asked[t], budget, outlook, car_wh[t]))
    return tuple(made)


class ScenarioValues:
    """Marginal values [K, S] over an even grid of stored Wh, one row a candidate price."""

    def __init__(self, grid: Array, rows: Array, totals: Array) -> None:
        """``totals`` are the values from the grid's begin up to each point."""
        self._grid, self._rows, self._totals = grid, rows, totals
        self._each = np.arange(rows.shape[0])

    def of(self, stored_wh: Array) -> Array:
        """Value of the energy from the grid's begin up to ``stored_wh`` [..., K]."""
        grid, rows = self._grid, self._rows
        cell = grid[1] - grid[0]
        i = ((stored_wh - grid[0]) / cell).astype(int)
        np.minimum(np.maximum(i, 0, out=i), grid.size - 2, out=i)
        into = stored_wh - grid[i]
        here = rows[self._each, i]
        slope = (rows[self._each, i + 1] - here) / cell
        result: Array = self._totals[self._each, i] + into * (here + slope * into / 2)
        return result


def _offer_curve(
    forecast: Forecast,
    asked: _Asked,
    budget: OfferBudget,
    outlook: Outlook,
    car_wh: float,
) -> OfferCurve:
    """The net energy offered at each candidate price; takes what it may sell out of ``budget``.

    Sells are counted with a cautious (high) net load, buys with a cautious (low) one; nothing is
    sold below what the retailer pays, nothing bought above what the retailer asks.
    """
    spec = outlook.battery
    prices = asked.prices
    dear, cheap = (net + car_wh for net in cautious_net(forecast, outlook.quantity_quantile))
    dear = max(dear, outlook.doubted_load_wh - forecast.pv_wh[0] + car_wh)
    limit_w = outlook.export_limit_w  # of the panels' surplus too, which no battery may hold back
    room = inf if limit_w is None else limit_w * forecast.interval.hours
    alone = 0.0 if outlook.car_from_battery else car_wh
    selling = _Side(dear, alone, budget.stored_wh)
    buying = _Side(cheap, alone, budget.filled_wh)
    given, taken = _answers((selling, buying), asked, budget.resellable_wh, outlook)
    sold = np.where(
        prices >= forecast.export_price, np.minimum(np.maximum(given - dear, 0.0), room), 0.0
    )
    most = float(given[sold > 0].max(initial=0.0))
    buys = (sold == 0) & (prices <= forecast.import_price)
    bought = np.where(buys, np.minimum(taken - cheap, 0.0), 0.0)
    least = float(taken[bought < 0].min(initial=0.0))
    steps = to_steps(prices, sold + bought, outlook.lot_wh)
    if spec and most > 0:
        less = most / spec.discharge_efficiency
        budget.stored_wh = max(budget.stored_wh - less, spec.reserve_wh)
        budget.resellable_wh = max(budget.resellable_wh - less, 0.0)
    if spec and least < 0:
        budget.filled_wh = min(budget.filled_wh - least * spec.charge_efficiency, spec.capacity_wh)
    return OfferCurve(forecast.interval, steps)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One interval at each candidate price, and the stored Wh at which a Wh is worth buying or selling at it."""

    hours: float
    prices: Array
    values: ScenarioValues
    bought_wh: Array
    sold_wh: Array


def _asked(outlook: Outlook, grid: Array, by_scenario: Array) -> list[_Asked]:
    """Every interval that values are known of."""
    spec = outlook.battery or BatterySpec(1, 0, 0, 0)
    coming = Horizon.of(outlook.forecasts)
    count, scenarios, points = by_scenario.shape
    prices = coming.market_scenarios[:count]
    levels = np.stack(
        [
            prices / spec.charge_efficiency,
            (prices - spec.wear_per_mwh) * spec.discharge_efficiency,
        ]
    )
    rows = by_scenario.reshape(-1, points)
    totals = np.zeros_like(by_scenario)
    cells = (by_scenario[..., 1:] + by_scenario[..., :-1]) * ((grid[1] - grid[0]) / 2)
    np.cumsum(cells, axis=-1, out=totals[..., 1:])
    found = crossings(grid, rows, levels.reshape(2, -1), last=False)
    buys, sells = found.reshape(2, count, scenarios)
    return [
        _Asked(interval.hours, *each)
        for interval, *each in zip(
            coming.intervals,
            prices,
            (ScenarioValues(grid, *both) for both in zip(by_scenario, totals, strict=True)),
            buys,
            sells,
            strict=False,
        )
    ]


class _Side(NamedTuple):
    """Selling or buying: net load, what of it cars take that the battery may not serve, and what is stored."""

    net_wh: float
    car_alone_wh: float
    stored_wh: float


def _answers(
    sides: tuple[_Side, ...], asked: _Asked, resellable_wh: float, outlook: Outlook
) -> Array:
    """The battery's discharge, AC Wh by side and price, if energy costs and earns each of the prices.

    The same kinks as in `schedule.best_discharge`, for all at once.
    """
    spec, prices = outlook.battery, asked.prices
    if spec is None:
        return np.zeros((len(sides), prices.size))
    hours, eta_c, eta_d = asked.hours, spec.charge_efficiency, spec.discharge_efficiency
    bends = [w * hours for w, _ in spec.discharge_curve]
    bends += [-w * hours for w, _ in spec.charge_curve]
    x = np.empty((len(sides), len(bends) + 6, prices.size))
    for side, moves in zip(sides, x, strict=True):
        step = DispatchInterval(
            hours=hours,
            net_wh=side.net_wh,
            import_price=0.0,
            export_price=0.0,
            export_limit_w=outlook.export_limit_w,
            import_limit_w=outlook.import_limit_w,
            exportable_wh=max(resellable_wh, 0.0) * eta_d,
            car_alone_wh=side.car_alone_wh,
        )
        low, high = discharge_bounds(side.stored_wh, step, spec)
        moves[:-2] = np.array([0.0, side.net_wh, low, high, *bends])[:, None]
        moves[-2] = -np.maximum(asked.bought_wh - side.stored_wh, 0.0) / eta_c
        moves[-1] = np.maximum(side.stored_wh - asked.sold_wh, 0.0) * eta_d
        np.minimum(np.maximum(moves, low, out=moves), high, out=moves)
    net, stored = np.array([(s.net_wh, s.stored_wh) for s in sides]).T[:, :, None, None]
    gain = (x - net) * prices + asked.values.of(stored + _changes(x, hours, spec))
    gain -= spec.wear_per_mwh * np.maximum(x, 0.0)
    best = gain >= gain.max(axis=1, keepdims=True) - 1e-9
    chosen = np.where(best, np.abs(x), inf).argmin(axis=1)
    result: Array = x[np.arange(len(sides))[:, None], chosen, np.arange(prices.size)]
    return result


def _changes(discharge_wh: Array, hours: float, spec: BatterySpec) -> Array:
    """`BatterySpec.change_wh` for many moves."""
    out, into = np.maximum(discharge_wh, 0.0), np.maximum(-discharge_wh, 0.0)
    eta_c, eta_d = spec.charge_efficiency, spec.discharge_efficiency
    charge: Array | float = eta_c
    discharge: Array | float = eta_d
    if spec.charge_curve:
        charge = np.interp(into / hours, *np.array(spec.charge_curve).T)
    if spec.discharge_curve:
        discharge = np.interp(out / hours, *np.array(spec.discharge_curve).T)
    result: Array = into * charge - out / discharge
    return result


def cautious_net(forecast: Forecast, quantile: float) -> tuple[float, float]:
    """Net load (Wh) for selling (load high, PV low) and for buying (load low, PV high)."""
    part = _part(quantile)
    load, pv = forecast.load_wh, forecast.pv_wh
    high_load = load[1] + part * (load[2] - load[1])
    low_load = load[1] + part * (load[0] - load[1])
    high_pv = pv[1] + part * (pv[2] - pv[1])
    low_pv = pv[1] + part * (pv[0] - pv[1])
    return high_load - max(low_pv, 0.0), max(low_load, 0.0) - high_pv


@lru_cache(maxsize=8)
def _part(quantile: float) -> float:
    """Where ``quantile`` lies from the middle (0) to the forecast's outer quantiles 0.1 and 0.9 (1): between them it is
    even, and beyond as in a normal distribution."""
    if quantile < LOW:
        return _NORMAL.inv_cdf(quantile) / _NORMAL.inv_cdf(LOW)
    return max((0.5 - quantile) / 0.4, 0.0)
