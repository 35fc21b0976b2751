"""What a megawatt-hour costs to make: price over thermal output, by season and part of the day.

Three opinions with one shape: `parametric` (ours, no data), `fitted` (public ERCOT prices on net
load) and `merit_order` (a stack of plants with heat rates), so that they can be laid side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.network.scenario import Market
from simulators.network.series import HOUR, MONTH, Array, Ints

SEASONS = ("summer", "spring and autumn", "winter")
BLOCKS = ("night", "day", "evening")
_SEASON_OF_MONTH = np.array([-1, 2, 2, 1, 1, 1, 0, 0, 0, 0, 1, 1, 2])
_BLOCK_OF_HOUR = np.array([0] * 6 + [1] * 11 + [2] * 5 + [0] * 2)
STEP_MW = 250.0
GRID_MW: Array = np.arange(0.0, 200_000.0, STEP_MW)
# Plants in maintenance, GW: ERCOT prices of October 2024 are those of summer at 5 to 9 GW more.
_SEASON_GW = (0.0, 6.5, 3.0)
_BLOCK_GW = (0.0, -1.0, 2.0)  # the evening ramp needs the fast and dear ones
_FULL_GW, _FULL_WIDTH_GW = 72.5, 1.1  # thermal output at which half the scarcity price is reached


@dataclass(frozen=True, slots=True)
class SupplyCurve:
    """Rising prices [group, point of `GRID_MW`] in USD/MWh; ``name`` says whose opinion it is."""

    name: str
    price: Array

    def at(self, group: Ints, mw: Array) -> Array:
        """Price at thermal output ``mw``; flat beyond the grid."""
        place = np.clip(mw / STEP_MW, 0, GRID_MW.size - 1.001)
        low = place.astype(np.int64)
        part = place - low
        out: Array = self.price[group, low] * (1 - part) + self.price[group, low + 1] * part
        return out

    def inverse(self, edges: Array) -> Array:
        """Thermal output [group, edge] at which the price passes each of ``edges``."""
        return np.stack([np.interp(edges, row, GRID_MW) for row in self.price])

    def output(self, group: Ints, price: Array) -> Array:
        """Thermal output at which each hour's price is ``price``."""
        out = np.empty(price.size)
        for n, row in enumerate(self.price):
            here = group == n
            out[here] = np.interp(price[here], row, GRID_MW)
        return out

    def shifted(self, more_mw: float) -> SupplyCurve:
        """The same plants and ``more_mw`` beside them."""
        rows = [np.interp(GRID_MW - more_mw, GRID_MW, row) for row in self.price]
        return SupplyCurve(self.name, rising(np.stack(rows)))


def groups(months: Ints = MONTH, hours: Ints = HOUR) -> Ints:
    """Season and part of the day as one number, 0 to 8."""
    found: Ints = _SEASON_OF_MONTH[months] * 3 + _BLOCK_OF_HOUR[hours]
    return found


def rising(price: Array) -> Array:
    """Strictly rising along the grid, so that it can be inverted."""
    up: Array = np.maximum.accumulate(price, axis=-1) + np.arange(price.shape[-1]) * 1e-7
    return up


def parametric(market: Market, *, scarcity: bool = True) -> SupplyCurve:
    """Ours: fuel rises slowly, old plants steeply, reserves last; shaped on ERCOT Jun-Oct 2024."""
    rows = []
    for season_gw in _SEASON_GW:
        for block_gw in _BLOCK_GW:
            gw = GRID_MW / 1e3 + season_gw + block_gw
            low = -4.0 * np.maximum(13.0 - gw, 0)
            fuel = 13.5 + 0.25 * (gw - 25) + low + np.exp(np.minimum((gw - 48) / 3.6, 5.5))
            rows.append(with_scarcity(fuel, gw, market) if scarcity else fuel)
    return SupplyCurve("parametric", rising(_bounded(np.stack(rows), market)))


def with_scarcity(fuel: Array, gw: Array, market: Market) -> Array:
    """Towards the cap as reserves run out (the shape of ERCOT's operating reserve demand curve)."""
    chance = 1 / (1 + np.exp(np.clip(-(gw - _FULL_GW) / _FULL_WIDTH_GW, -60, 60)))
    price: Array = fuel + (market.cap_usd_per_mwh - fuel) * chance
    return price


def fitted(
    market: Market, months: Ints, hours: Ints, thermal_mw: Array, price: Array
) -> SupplyCurve:
    """From observations: in each group the price that is as rare as that output; ours beyond them.

    Groups with fewer than 100 hours take the curve of the nearest season, moved by `_SEASON_GW`.
    """
    ours = parametric(market).price
    seen = groups(months, hours)
    rows: dict[int, NDArray[np.float64]] = {}
    for group in range(9):
        here = seen == group
        if here.sum() >= 100:
            rows[group] = _matched(thermal_mw[here], price[here], ours[group])
    for group in range(9):
        if group not in rows:
            rows[group] = _borrowed(group, rows, ours)
    table = np.stack([rows[group] for group in range(9)])
    return SupplyCurve("fitted", rising(_bounded(table, market)))


def _matched(mw: Array, price: Array, ours: Array) -> Array:
    """Rank against rank, smoothed over a twentieth of the hours; beyond them ours, moved to meet."""
    x, y = np.sort(mw), np.sort(price)
    share = np.linspace(0, 1, 41)
    qx, qy = np.quantile(x, share), np.quantile(y, share)
    inside = np.interp(GRID_MW, qx, qy)
    top_mw = float(np.interp(qy[-2], ours, GRID_MW))
    above = np.interp(GRID_MW - qx[-2] + top_mw, GRID_MW, ours)
    low_mw = float(np.interp(qy[1], ours, GRID_MW))
    below = np.interp(GRID_MW - qx[1] + low_mw, GRID_MW, ours)
    out: Array = np.where(qx[-2] < GRID_MW, above, np.where(qx[1] > GRID_MW, below, inside))
    return out


def _borrowed(group: int, rows: dict[int, Array], ours: Array) -> Array:
    season, block = divmod(group, 3)
    others = [g for g in rows if g % 3 == block]
    near = min(others, key=lambda g: abs(_SEASON_GW[g // 3] - _SEASON_GW[season]), default=group)
    move = (_SEASON_GW[season] - _SEASON_GW[near // 3]) * 1e3
    moved: Array = np.interp(GRID_MW + move, GRID_MW, rows.get(near, ours[group]))
    return moved


# Second opinion: GW, heat rate (MMBtu/MWh), other cost (USD/MWh), fuel. Sizes from ERCOT's capacity
# report of 2024 and heat rates usual for the kind of plant; gas 2.2 and coal 2.1 USD/MMBtu (2024).
_PLANTS = (
    (5.1, 0.0, 3.0, "nuclear"), (6.0, 10.5, 3.0, "coal"), (7.5, 11.5, 5.0, "coal"),
    (12.0, 6.6, 2.5, "gas"), (13.0, 7.2, 3.0, "gas"), (9.0, 8.0, 4.0, "gas"),
    (8.0, 10.0, 8.0, "gas"), (6.0, 11.5, 15.0, "gas"), (5.0, 13.0, 40.0, "gas"),
)  # fmt: skip


def merit_order(market: Market, gas_usd: float = 2.2, coal_usd: float = 2.1) -> SupplyCurve:
    """A stack of plants by cost, available 93 %, smoothed over 1.5 GW; scarcity as in `parametric`."""
    fuel_usd = {"nuclear": 0.0, "coal": coal_usd, "gas": gas_usd}
    stack = sorted((rate * fuel_usd[fuel] + other, gw * 0.93) for gw, rate, other, fuel in _PLANTS)
    ends = np.cumsum([gw for _, gw in stack])
    costs = np.array([cost for cost, _ in stack])
    rows = []
    for season_gw in _SEASON_GW:
        for block_gw in _BLOCK_GW:
            gw = GRID_MW / 1e3 + season_gw + block_gw
            steps = costs[np.minimum(np.searchsorted(ends, gw), costs.size - 1)]
            wide = 7
            steps = np.convolve(
                np.pad(steps, wide // 2, mode="edge"), np.ones(wide) / wide, "valid"
            )
            rows.append(with_scarcity(steps, gw, market))
    return SupplyCurve("merit order", rising(_bounded(np.stack(rows), market)))


def _bounded(price: Array, market: Market) -> Array:
    out: Array = np.clip(price, market.floor_usd_per_mwh, market.cap_usd_per_mwh)
    return out


def price_edges(market: Market) -> Array:
    """Edges of the bins that offers are summed in: 1 USD up to 150, then 2.5 % each up to the cap."""
    floor, cap = market.floor_usd_per_mwh, market.cap_usd_per_mwh
    low = np.linspace(floor, -50.0, 11)[:-1] if floor < -50 else np.empty(0)
    middle = np.arange(max(floor, -50.0), min(150.0, cap))
    high = np.geomspace(150.0, cap, 142) if cap > 150 else np.array([cap])
    return np.concatenate([low, middle, high])
