"""The first days in a new home: values held between what cannot cost much, until errors of forecasts are known.

A planner that knows neither the house nor how its market's prices jump bets on both: it sells the evening's energy an hour before
a spike, keeps the night's for a price that does not come, and buys for a day whose sun fills the battery anyway.
Until three days are known it may do only what the inverter alone would hardly regret:

- what the house needs within four hours is not sold, for so long a spike may last that nobody foresaw; on the first day, of which
  nothing is known, nothing that is stored;
- what it needs beyond that, before the sun fills the battery again, is sold only where that pays clearly more than it will be worth;
- what the house needs is served from the battery, and nothing is bought for later, but by prices that are known to come.

What is left is to sell what the house will not need when it is dear, and to store it late where that is cheap. What that bounds and
what it costs is in docs/planning.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gateway.domain.plan import BatterySpec, Outlook
from gateway.forecasts.history import Array
from gateway.planner.horizon import Horizon

_FAR = 10_000.0  # per MWh: beyond any market's cap
_APART = 1e-6  # per MWh: a value beyond a price, not at it
# With 4 h no three days of 74 of two markets end more than 0.04 USD behind the inverter alone, and with it nothing of the
# first day sold; with that sold, 0.78. With 6 h the evenings' spikes are not sold either.
_SOON_H = 4.0
# What is needed later is worth so much more than expected, until it is known what is needed.
_DEARER, _DEARER_PER_MWH = 1.3, 10.0


class Bounds(NamedTuple):
    """By interval: up to ``soon`` Wh stored nothing is sold, and up to ``needed`` only for more than it is worth; from
    ``enough`` Wh on nothing is kept or bought, and below not beyond ``coming`` per MWh."""

    soon: Array  # [T]
    needed: Array  # [T]
    enough: Array  # [T]
    coming: Array  # [T]


def bounds(outlook: Outlook, spec: BatterySpec) -> Bounds:
    """From the outlook's energy and its prices that do not follow the market."""
    coming = Horizon.of(outlook.forecasts)
    load, pv = coming.load_wh, coming.pv_wh
    part = outlook.caution  # of the way from the middle to the quantiles, all day long
    low = load[:, 1] - part * (load[:, 1] - load[:, 0])
    high = load[:, 1] + part * (load[:, 2] - load[:, 1])
    dull = pv[:, 1] - part * (pv[:, 1] - pv[:, 0])
    needed = as_good_as_full(high - dull, coming.hours, spec)
    soon = np.minimum(enough_for(_SOON_H, load[:, 2] - pv[:, 0], coming.hours, spec), needed)
    if part >= 1:  # nobody knows what the house needs: all of it, perhaps
        soon = needed = np.full(needed.size, spec.capacity_wh)
    return Bounds(
        soon,
        needed,
        as_good_as_full(low - pv[:, 2], coming.hours, spec),
        _dearest_known(coming, spec),
    )


def as_good_as_full(net_wh: Array, hours: Array, spec: BatterySpec) -> Array:
    """The least Wh stored at each interval's end with which the inverter alone would buy no more, until the horizon, than with
    a full battery."""
    least, made = spec.reserve_wh, []
    for net, h in zip(net_wh[::-1].tolist(), hours[::-1].tolist(), strict=True):
        made.append(least)
        if net > 0:
            given = min(net, spec.max_discharge_w * h) / spec.discharge_efficiency
            least = min(least + given, spec.capacity_wh)
        else:
            taken = min(-net, spec.max_charge_w * h) * spec.charge_efficiency
            least = max(least - taken, spec.reserve_wh)
    return np.array(made[::-1])


def enough_for(within_h: float, net_wh: Array, hours: Array, spec: BatterySpec) -> Array:
    """Stored Wh at each interval's end with which the house is served for so long without any sun."""
    given = np.minimum(np.maximum(net_wh, 0.0), spec.max_discharge_w * hours)
    used = np.concatenate([[0.0], np.cumsum(given)]) / spec.discharge_efficiency
    ends = np.cumsum(hours)
    until = np.searchsorted(ends, ends + within_h, side="right")
    result: Array = spec.reserve_wh + used[until] - used[1:]
    return result


def _dearest_known(coming: Horizon, spec: BatterySpec) -> Array:
    """What a stored MWh saves at the dearest price yet to come that is the same whatever the market does; -inf: none is."""
    fixed = np.ptp(coming.bought.scenarios, axis=1) == 0
    saved = (coming.bought.expected - spec.wear_per_mwh) * spec.discharge_efficiency
    later = np.where(fixed, saved, -np.inf)
    dearest: Array = np.maximum.accumulate(later[::-1])[::-1]
    return dearest


def held_means(
    rows: Array, grid: Array, outlook: Outlook, limits: Bounds, spec: BatterySpec
) -> Array:
    """The expected values [T, S] within the bounds at the expected prices."""
    coming, count = Horizon.of(outlook.forecasts), len(rows)
    sold = _sold(outlook, coming.sold.expected, coming.market_price)
    prices = coming.bought.expected[:count, None], sold[:count, None]
    return _held(rows[:, None], grid, prices, limits, spec)[:, 0]


def held_by_price(
    given: tuple[Array, Array], grid: Array, outlook: Outlook, limits: Bounds, spec: BatterySpec
) -> tuple[Array, Array]:
    """Prices [D, K + 2] and the values there within the bounds [D, K + 2, S], from prices that may clear and the values there.

    Whatever clears, even what no scenario holds for possible, lies between two: one price is added below, where the house is
    hardly worth serving, and one far above.
    """
    market, rows = given
    coming, count = Horizon.of(outlook.forecasts), len(market)
    bought, sold = coming.bought.scenarios[:count], coming.sold.scenarios[:count]
    first, follows = market[:, :1], _slope(bought, market)
    worth = (bought[:, :1] - spec.wear_per_mwh) / np.maximum(follows, 1e-9)
    low = first - np.maximum(np.where(follows > 0, worth, 0.0), 1.0)
    wide = np.hstack([low, market, market[:, -1:] + _FAR])
    bought = bought[:, :1] + follows * (wide - first)
    sold = _sold(outlook, sold[:, :1] + _slope(sold, market) * (wide - first), wide)
    rows = np.concatenate([rows[:, :1], rows, rows[:, -1:]], axis=1)
    return wide, _held(rows, grid, (bought, sold), limits, spec)


def _sold(outlook: Outlook, retail: Array, market: Array) -> Array:
    """What a MWh given away earns: at the exchange, where that pays more."""
    return np.maximum(retail, market) if outlook.trading else retail


def _slope(retail: Array, market: Array) -> Array:
    """How much a retail price [D, K] follows the market's, in which it is linear [D, 1]."""
    apart = np.maximum(market[:, -1:] - market[:, :1], 1e-9)
    result: Array = (retail[:, -1:] - retail[:, :1]) / apart
    return result


def _held(
    rows: Array, grid: Array, prices: tuple[Array, Array], limits: Bounds, spec: BatterySpec
) -> Array:
    """The values [T, K, S] within the bounds; ``prices`` are what is bought and sold at [T, K]."""
    bought, sold = (p[..., None] for p in prices)
    soon, needed, enough, coming = (x[: len(rows), None, None] for x in limits)
    serves = (bought - spec.wear_per_mwh) * spec.discharge_efficiency
    stores = sold / spec.charge_efficiency + _APART
    # Where a sale pays more than the house saves, it may wait for a still better price.
    sells = (sold - spec.wear_per_mwh) * spec.discharge_efficiency
    most = np.where(grid < enough, np.maximum(serves, coming), serves)
    # Who is paid for taking energy takes it.
    most = np.maximum(np.maximum(most, sells), 0.0) - _APART
    kept = (grid <= soon) & (sells < serves - 2 * _APART)
    # It is dearer to sell it then, but no reason to buy it.
    dearer = np.minimum(_DEARER * rows + _DEARER_PER_MWH, bought / spec.charge_efficiency - _APART)
    made = np.where(grid <= needed, np.maximum(rows, dearer), rows)
    made = np.minimum(made, most)
    made = np.where(kept, np.maximum(made, np.minimum(stores, serves - _APART)), made)
    result: Array = np.minimum.accumulate(made, axis=-1)
    return result
