"""The value of stored energy, as the gateway's planner has it, and the prices at which homes act.

For each day, class and price scenario the marginal value v(e) comes by backward induction over 36
hours; cell by cell, with the kinks k1 (cover the house) and k2 (store the surplus),

    v'(e) = max(v(e + up), min(q3, max(v(e + k2), min(q2, max(v(e + k1), min(q1, v(e - down)))))))

(the recursion of gateway/planner; here in hours, without net-load cases). Then four prices follow
for each hour and charge: below the first the home charges from the grid, below the second from its
surplus, above the third it covers its load, above the fourth it exports.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.network.fast import jit, parallel, prange
from simulators.network.series import Array

HORIZON = 36
STATES = np.array([-1.4, -0.5, 0.3, 1.1, 2.2])  # surprises in sigmas that a planner reckons with
POINTS = 13  # shares of charge, reserve to full
PAD = 16
NEVER = 1e7
_DRAW = (
    1.0  # USD/MWh; where later is worth no more than now, load is covered now: later may not come
)


class Terms(NamedTuple):
    """What a class pays and may: import price = fixed + share x market, by class (and hour)."""

    fixed: Array  # [class, 24] USD/MWh
    imports: Array  # [class] share of the market price
    exports: Array  # [class]
    resell: Array  # [class] 1 = stored energy may be exported
    rate: Array  # [class] power over usable capacity, 1/h
    efficiency: float  # from the grid into the cells, and out of them
    from_sun: float  # from the surplus into the cells
    wear: float


def transitions(memory: float) -> Array:
    """Chances [from, to] of the next hour's surprise, for unit-variance noise with ``memory``."""
    spread = 1 - memory**2
    likely = np.exp(-((STATES[None, :] - memory * STATES[:, None]) ** 2) / (2 * spread))
    likely *= np.exp(-(STATES**2) / 4)[None, :]
    out: Array = likely / likely.sum(axis=1, keepdims=True)
    return out


@jit
def _inside(v: Array, place: float) -> float:
    """v at a share of charge in cells, no further than empty and full."""
    place = min(max(place, 0.0), v.size - 1.001)
    low = int(place)
    part = place - low
    return float(v[low] * (1 - part) + v[low + 1] * part)


@jit
def _root(gain: Array, price: Array, slope: float) -> float:
    """Where a rising gain over the scenarios' prices becomes 0; ``slope`` beyond them."""
    last = price.size - 1
    if gain[0] >= 0:
        return float(price[0] - gain[0] / slope)
    if gain[last] < 0:
        return float(price[last] - gain[last] / slope)
    for k in range(last):
        if gain[k] < 0 <= gain[k + 1]:
            part = -gain[k] / (gain[k + 1] - gain[k])
            return float(price[k] + part * (price[k + 1] - price[k]))
    return float(price[last])


@jit
def _class_day(
    out: Array, price: Array, net: Array, terms: Terms, kind: int, chance: Array
) -> None:
    """Prices to act at, out[24, POINTS, 4], of one class on one day.

    ``price`` [HORIZON, state]; ``net`` [HORIZON] load less sun as a share of usable capacity.
    """
    states, eta, wear = price.shape[1], terms.efficiency, terms.wear
    kept = terms.from_sun
    rate, sell, buy = terms.rate[kind], terms.exports[kind], terms.imports[kind]
    resell = terms.resell[kind] > 0
    cells = POINTS - 1.0
    # Below empty v is 'never', above full 'no room': both limits are kept without cases.
    v = np.full((states, POINTS + 2 * PAD), NEVER)
    v[:, PAD + POINTS :] = -NEVER
    back = np.empty((states, POINTS))
    dear, cheap = _end_values(price, terms, kind)
    for k in range(states):
        for s in range(POINTS):
            v[k, PAD + s] = dear + (cheap - dear) * s / cells
    most = PAD - 1.5
    down = min(rate / eta * cells, most)
    for t in range(HORIZON - 1, -1, -1):
        fixed = terms.fixed[kind, t % 24]
        if t < 24:
            _acts(out[t], v[:, PAD : PAD + POINTS], price[t], terms, kind, fixed)
        cover = min(min(max(net[t], 0.0), rate) / eta * cells, down)
        surplus = min(max(-net[t], 0.0), rate)
        store = min(surplus * kept * cells, most)
        up = min(store + (rate - surplus) * eta * cells, most)
        down_low, down_part = _shift(-down)
        cover_low, cover_part = _shift(-cover)
        store_low, store_part = _shift(store)
        up_low, up_part = _shift(up)
        for k in range(states):
            p = price[t, k]
            q1 = (sell * p - wear) * eta if resell else -NEVER / 2
            q3 = (fixed + buy * p) / eta
            q2 = (fixed + buy * p - wear) * eta if net[t] >= 0 else sell * p / kept
            q2 = min(q2, q3)
            q1 = min(q1, q2)
            w = v[k]
            for s in range(POINTS):
                d, c = s + down_low, s + cover_low
                e, u = s + store_low, s + up_low
                x = min(q1, w[d] * (1 - down_part) + w[d + 1] * down_part)
                x = max(x, w[c] * (1 - cover_part) + w[c + 1] * cover_part)
                x = max(min(q2, x), w[e] * (1 - store_part) + w[e + 1] * store_part)
                back[k, s] = max(min(q3, x), w[u] * (1 - up_part) + w[u + 1] * up_part)
        for j in range(states):
            for s in range(POINTS):
                total = 0.0
                for k in range(states):
                    total += chance[j, k] * back[k, s]
                v[j, PAD + s] = total


@jit
def _end_values(price: Array, terms: Terms, kind: int) -> tuple[float, float]:
    """What the first and the last kWh left at the horizon are worth: a usual day's prices, as the
    gateway's planner has it (its `_end_value`)."""
    usual, states = np.zeros(HORIZON), price.shape[1]
    for t in range(HORIZON):
        for k in range(states):
            usual[t] += price[t, k] / states
    bought = np.empty(HORIZON)
    for t in range(HORIZON):
        bought[t] = terms.fixed[kind, t % 24] + terms.imports[kind] * usual[t]
    dear = (np.quantile(bought, 0.75) - terms.wear) * terms.efficiency
    cheap = terms.exports[kind] * np.quantile(usual, 0.25) / terms.from_sun
    return max(dear, cheap), min(dear, cheap)


@jit
def _shift(cells: float) -> tuple[int, float]:
    """Where in the padded array a charge moved by ``cells`` lies: whole cells and the rest."""
    place = PAD + cells
    low = int(place)
    return low, place - low


@jit
def _acts(out: Array, v: Array, price: Array, terms: Terms, kind: int, fixed: float) -> None:
    """The four prices of one hour at each charge, from the values at its end."""
    states, eta, wear = price.size, terms.efficiency, terms.wear
    sell, buy = terms.exports[kind], terms.imports[kind]
    half_down = 0.5 * min(terms.rate[kind] / eta, 1.0) * (POINTS - 1)
    half_up = 0.5 * min(terms.rate[kind] * eta, 1.0) * (POINTS - 1)
    half_store = 0.5 * min(terms.rate[kind] * terms.from_sun, 1.0) * (POINTS - 1)
    gain = np.empty(states)
    middle = states // 2
    for s in range(POINTS):
        for k in range(states):
            gain[k] = sell * price[k] - wear - _inside(v[k], s - half_down) / eta
        export = _root(gain, price, sell) if terms.resell[kind] > 0 else NEVER
        for k in range(states):
            gain[k] = sell * price[k] - terms.from_sun * _inside(v[k], s + half_store)
        surplus = _root(gain, price, sell)
        if buy > 0:
            for k in range(states):
                gain[k] = fixed + buy * price[k] - wear - _inside(v[k], s - half_down) / eta
            cover = _root(gain, price, buy)
            for k in range(states):
                gain[k] = fixed + buy * price[k] - eta * _inside(v[k], s + half_up)
            grid = _root(gain, price, buy)
        else:  # what it costs does not move with the market: always or never
            kept = _inside(v[middle], s - half_down) / eta
            cover = -NEVER if fixed - wear >= kept - _DRAW else export
            grid = NEVER if fixed <= eta * _inside(v[middle], s + half_up) else -NEVER
        out[s, 0] = min(grid, surplus) if buy > 0 else grid
        # No home has both a surplus to store and a load to cover, so these two need no order.
        out[s, 1] = max(surplus, out[s, 0])
        out[s, 2] = max(cover, out[s, 0]) if grid < NEVER else NEVER
        out[s, 3] = max(export, out[s, 1], out[s, 2])


@parallel
def _days(out: Array, price: Array, net: Array, terms: Terms, chance: Array) -> None:
    """out[day, class, 24, POINTS, 4] from price [hour, state] and net [class, hour] of a year."""
    days, hours = out.shape[0], price.shape[0]
    for d in prange(days):
        here = np.empty((HORIZON, price.shape[1]))
        mine = np.empty(HORIZON)
        for t in range(HORIZON):
            here[t] = price[(d * 24 + t) % hours]
        for c in range(out.shape[1]):
            for t in range(HORIZON):
                mine[t] = net[c, (d * 24 + t) % hours]
            _class_day(out[d, c], here, mine, terms, c, chance)


def prices_to_act(price: Array, net: Array, terms: Terms, memory: float = 0.97) -> Array:
    """The four prices by day, class, hour and charge, USD/MWh: [day, class, 24, POINTS, 4].

    ``price`` [hour, state] is what the market is expected to be if the surprise is that of the
    state; ``net`` [class, hour] load less sun as a share of usable capacity.
    """
    days = price.shape[0] // 24
    out = np.empty((days, net.shape[0], 24, POINTS, 4))
    _days(out, np.ascontiguousarray(price), np.ascontiguousarray(net), terms, transitions(memory))
    return out
