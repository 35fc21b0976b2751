"""One day of the coupled market: homes offer, the call is cleared, homes act; hour by hour.

A home's curve has four steps (see `values`). All curves are summed into bins of price, the supply
curve is met in one bin, and the steps of that bin are filled pro rata, so that energy balances
exactly. The rows are cut into `CHUNKS` fixed parts that are summed in order: the same bytes on one
core or many. Written as loops for numba.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.network.fast import jit, parallel, prange
from simulators.network.homes import Floats, Homes
from simulators.network.series import Array
from simulators.network.values import POINTS

CHUNKS = 16
NEVER_BIN = 5_000.0  # a step from here on is taken at no price
MARKET_MONEY, FIXED_MONEY, CHARGED, DISCHARGED, SOLD = range(5)  # columns of `Day.account`
IMPORT, EXPORT, IMPORT_ALONE, EXPORT_ALONE = range(4)  # columns of `Day.meter`
_TARIFFS = 4
_TOTALS = 19


class Day(NamedTuple):
    """What one day is given and what it fills in."""

    acts: Floats  # [class, 24, POINTS, 4] in bins of price
    load: Floats  # [shape, 24] kW
    sun: Floats  # [shape, 24] kW per kW
    demand_mw: Array  # [24] thermal output without the rows' storage and sun
    edges_mw: Array  # [24, bins + 1] thermal output at which the price passes the bin's edge
    edges: Array  # [bins + 1] USD/MWh
    pause_bin: int  # the data centre's flexible part pauses from here
    pause_mw: Array  # [24]
    moves_price: int  # 0: everybody is a price taker
    fixed: Array  # [class, 24] fixed part of the import price, USD/MWh
    imports: Array  # [class] share of the market price
    exports: Array  # [class]
    efficiency: float  # from the grid into the cells, and out of them
    from_sun: float  # from the surplus into the cells
    charge: Floats  # [row] kWh, changed
    account: Array  # [row, 5] added to
    price: Array  # [24] out, USD/MWh
    paused_mw: Array  # [24] out
    storage_mw: Array  # [24] out: battery power of all rows, discharge +
    meter: Array  # [24, tariff, 4] out, MWh
    share_full: Array  # [24] out: mean charge of the homes' batteries, weighted


@jit
def _sizes(
    net: float,
    charge: float,
    reserve: float,
    capacity: float,
    power: float,
    into: tuple[float, float],
) -> tuple[float, float, float, float]:
    """The steps of a home's curve, kWh AC in the hour: charge from the grid, from the surplus,
    cover the load, export. ``into``: the efficiencies from grid (and back) and from surplus."""
    efficiency, from_sun = into
    room = max(capacity - charge, 0.0)
    store = min(max(-net, 0.0), power, room / from_sun)
    buy = max(min(power - store, (room - store * from_sun) / efficiency), 0.0)
    give = max(min(power, (charge - reserve) * efficiency), 0.0)
    cover = min(max(net, 0.0), give)
    return buy, store, cover, give - cover


def _offers(homes: Homes, day: Day, t: int, sums: Array) -> None:
    """Add up all curves: sums[chunk, bin] MWh more injection from that bin on; bin 0: at any price."""
    rows, bins, cells = homes.weight.size, sums.shape[1], POINTS - 1
    acts, charge, load, sun = day.acts, day.charge, day.load, day.sun
    efficiency, from_sun = day.efficiency, day.from_sun
    for c in prange(CHUNKS):
        mine = sums[c]
        mine[:] = 0.0
        for i in range(rows * c // CHUNKS, rows * (c + 1) // CHUNKS):
            w = homes.weight[i] / 1000
            if w <= 0:
                continue
            kind, reserve, capacity = homes.kind[i], homes.reserve[i], homes.capacity[i]
            net = homes.load_scale[i] * load[homes.load_shape[i], t]
            net -= homes.pv_kw[i] * sun[homes.sun_shape[i], t]
            s0, s1, s2, s3 = _sizes(
                net, charge[i], reserve, capacity, homes.power[i], (efficiency, from_sun)
            )
            s3 = min(s3, max(0.0, homes.export_limit[i] - max(-net, 0.0)))
            place = max(charge[i] - reserve, 0.0) / (capacity - reserve) * cells
            low = min(int(place), cells - 1)
            part = place - low
            mine[0] -= w * (s0 + s1)  # charging, unless the price is too high
            for n in range(4):
                size = s0 if n == 0 else (s1 if n == 1 else (s2 if n == 2 else s3))
                if size > 0:
                    at = acts[kind, t, low, n] * (1 - part) + acts[kind, t, low + 1, n] * part
                    at += homes.judgement[i]
                    if at < NEVER_BIN:
                        mine[min(max(int(at), 0), bins - 1)] += w * size


@jit
def clear(day: Day, t: int, sums: Array) -> tuple[int, float]:
    """The bin in which supply meets the summed curves, and the part of it that is filled."""
    total = sums.sum(axis=0)
    bins = total.size
    pause = day.pause_bin
    if pause < bins:
        total[pause] += day.pause_mw[t]
    thermal = day.demand_mw[t]
    given = 0.0
    for b in range(bins):
        low, high = day.edges_mw[t, b], day.edges_mw[t, b + 1]
        step = total[b] if day.moves_price else 0.0
        if thermal - given - step <= high or b == bins - 1:
            part = (thermal - given - low) / max(step + high - low, 1e-9)
            return b, min(max(part, 0.0), 1.0)
        given += step
    return bins - 1, 1.0


@jit
def _reached(at: float, found: int, part: float, bins: int) -> float:
    """The part of a step at ``at`` whose price is reached."""
    if at >= NEVER_BIN:
        return 0.0
    b = min(max(int(at), 0), bins - 1)
    return 1.0 if found > b else (part if found == b else 0.0)


def _settle(homes: Homes, day: Day, t: int, found: int, part: float, totals: Array) -> None:
    """Every home acts at the price; totals[chunk] gathers what its tariff's meters count."""
    price = (day.edges[found] + part * (day.edges[found + 1] - day.edges[found])) / 1000
    rows, bins, cells = homes.weight.size, day.edges.size - 1, POINTS - 1
    acts, charge, load, sun = day.acts, day.charge, day.load, day.sun
    account, efficiency, from_sun = day.account, day.efficiency, day.from_sun
    for c in prange(CHUNKS):
        mine = totals[c]
        mine[:] = 0.0
        did = np.empty(4)
        for i in range(rows * c // CHUNKS, rows * (c + 1) // CHUNKS):
            w = homes.weight[i]
            if w <= 0:
                continue
            kind, reserve, capacity = homes.kind[i], homes.reserve[i], homes.capacity[i]
            net = homes.load_scale[i] * load[homes.load_shape[i], t]
            net -= homes.pv_kw[i] * sun[homes.sun_shape[i], t]
            s0, s1, s2, s3 = _sizes(
                net, charge[i], reserve, capacity, homes.power[i], (efficiency, from_sun)
            )
            s3 = min(s3, max(0.0, homes.export_limit[i] - max(-net, 0.0)))
            place = max(charge[i] - reserve, 0.0) / (capacity - reserve) * cells
            low = min(int(place), cells - 1)
            share = place - low
            for n in range(4):
                size = s0 if n == 0 else (s1 if n == 1 else (s2 if n == 2 else s3))
                did[n] = 0.0
                if size > 0:
                    at = acts[kind, t, low, n] * (1 - share) + acts[kind, t, low + 1, n] * share
                    reached = _reached(at + homes.judgement[i], found, part, bins)
                    did[n] = size * (reached if n >= 2 else 1.0 - reached)
            charged, discharged = did[0] + did[1], did[2] + did[3]
            if charged + discharged > 0:
                charge[i] += did[0] * efficiency + did[1] * from_sun - discharged / efficiency
                buy, sell = day.imports[kind], day.exports[kind]
                account[i, MARKET_MONEY] += price * (
                    sell * (did[3] - did[1]) + buy * (did[2] - did[0])
                )
                account[i, FIXED_MONEY] += day.fixed[kind, t] / 1000 * (did[2] - did[0])
                account[i, CHARGED] += charged
                account[i, DISCHARGED] += discharged
                account[i, SOLD] += did[3]
            after, base = net + charged - discharged, homes.tariff[i] * 4
            mine[base + IMPORT] += w * max(after, 0.0)
            mine[base + EXPORT] += w * max(-after, 0.0)
            mine[base + IMPORT_ALONE] += w * max(net, 0.0)
            mine[base + EXPORT_ALONE] += w * max(-net, 0.0)
            mine[16] += w * (discharged - charged)
            if homes.tariff[i] < 3:
                mine[17] += w * charge[i]
                mine[18] += w * capacity


@jit
def _note(day: Day, t: int, found: int, part: float, totals: Array) -> None:
    day.price[t] = day.edges[found] + part * (day.edges[found + 1] - day.edges[found])
    pause = 1.0 if found > day.pause_bin else (part if found == day.pause_bin else 0.0)
    day.paused_mw[t] = pause * day.pause_mw[t]
    both = totals.sum(axis=0)
    for n in range(_TARIFFS):
        for k in range(4):
            day.meter[t, n, k] = both[n * 4 + k] / 1000
    day.storage_mw[t] = both[16] / 1000
    day.share_full[t] = both[17] / max(both[18], 1e-9)


_offers_one, _settle_one = jit(_offers), jit(_settle)
_offers_many, _settle_many = parallel(_offers), parallel(_settle)


@jit
def _day_one(homes: Homes, day: Day) -> None:
    sums = np.empty((CHUNKS, day.edges.size - 1))
    totals = np.empty((CHUNKS, _TOTALS))
    for t in range(24):
        _offers_one(homes, day, t, sums)
        found, part = clear(day, t, sums)
        _settle_one(homes, day, t, found, part, totals)
        _note(day, t, found, part, totals)


@jit
def _day_many(homes: Homes, day: Day) -> None:
    sums = np.empty((CHUNKS, day.edges.size - 1))
    totals = np.empty((CHUNKS, _TOTALS))
    for t in range(24):
        _offers_many(homes, day, t, sums)
        found, part = clear(day, t, sums)
        _settle_many(homes, day, t, found, part, totals)
        _note(day, t, found, part, totals)


def run_day(homes: Homes, day: Day, *, many: bool) -> None:
    """All 24 hours. ``many`` shares the rows among the cores; else it stays on one."""
    if many:
        _day_many(homes, day)
    else:
        _day_one(homes, day)
