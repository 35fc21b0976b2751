"""Offer curves: the battery's best answer to each candidate price, in whole lots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from gateway.domain.plan import Forecast, OfferCurve, OfferStep, Outlook
from gateway.forecasts.history import Array
from gateway.planner.schedule import DispatchInterval, ValueIntegral, best_discharge


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
class OfferBudget:
    """What is left to offer after earlier offers are filled in full (the worst case).

    ``stored_wh`` is what all sells leave, ``filled_wh`` what all buys make of it.
    """

    stored_wh: float
    resellable_wh: float
    filled_wh: float


def offer_curve(
    forecast: Forecast,
    prices: Array,
    integrals: Sequence[ValueIntegral],
    budget: OfferBudget,
    outlook: Outlook,
    car_wh: float,
) -> OfferCurve:
    """The net energy offered at each candidate price; takes what it may sell out of ``budget``.

    Sells are counted with a cautious (high) net load, buys with a cautious (low) one; nothing is
    sold below what the retailer pays, nothing bought above what the retailer asks.
    """
    spec = outlook.battery
    dear, cheap = cautious_net(forecast, outlook.quantity_quantile)
    nets, most, least = [], 0.0, 0.0
    limit_w = outlook.export_limit_w  # of the panels' surplus too, which no battery may hold back
    room = inf if limit_w is None else limit_w * forecast.interval.hours
    filled = replace(budget, stored_wh=budget.filled_wh)
    for price, integral in zip(prices.tolist(), integrals, strict=True):
        net = 0.0
        if price >= forecast.export_price:
            given = _answer(dear + car_wh, price, integral, budget, outlook, forecast)
            net = min(max(given - dear - car_wh, 0.0), room)
            most = max(most, given if net > 0 else 0.0)
        if net == 0 and price <= forecast.import_price:
            given = _answer(cheap + car_wh, price, integral, filled, outlook, forecast)
            net = min(given - cheap - car_wh, 0.0)
            least = min(least, given if net < 0 else 0.0)
        nets.append(net)
    steps = to_steps(prices, np.array(nets), outlook.lot_wh)
    if spec and most > 0:
        taken = most / spec.discharge_efficiency
        budget.stored_wh = max(budget.stored_wh - taken, spec.reserve_wh)
        budget.resellable_wh = max(budget.resellable_wh - taken, 0.0)
    if spec and least < 0:
        budget.filled_wh = min(budget.filled_wh - least * spec.charge_efficiency, spec.capacity_wh)
    return OfferCurve(forecast.interval, steps)


def _answer(
    net_wh: float,
    price: float,
    integral: ValueIntegral,
    budget: OfferBudget,
    outlook: Outlook,
    forecast: Forecast,
) -> float:
    """The battery's discharge if energy costs and earns ``price``."""
    spec = outlook.battery
    if spec is None:
        return 0.0
    step = DispatchInterval(
        hours=forecast.interval.hours,
        net_wh=net_wh,
        import_price=price,
        export_price=price,
        export_limit_w=outlook.export_limit_w,
        import_limit_w=outlook.import_limit_w,
        exportable_wh=max(budget.resellable_wh, 0.0) * spec.discharge_efficiency,
    )
    return best_discharge(integral, budget.stored_wh, step, spec)


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
