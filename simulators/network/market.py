"""A year of the coupled market: what storage is worth every day, what homes do, what it costs.

Planners expect storage to act as it did in the rehearsals: the year is first played by a few homes
that stand for all, and what storage did by month and hour is what everybody reckons with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.network.homes import (
    FLAT,
    GRID,
    NIGHT,
    WHOLESALE,
    Floats,
    Homes,
    Population,
    Shapes,
    with_weights,
)
from simulators.network.kernel import NEVER_BIN, Day, run_day
from simulators.network.scenario import Scenario
from simulators.network.series import HOUR, HOURS, MONTH, Array, YearSeries
from simulators.network.supply import SupplyCurve, groups, price_edges
from simulators.network.values import NEVER, STATES, Terms, prices_to_act

_REHEARSALS = 2
_REHEARSERS = 150
MANY_ROWS = 20_000  # from here on the rows are shared among the cores


@dataclass(frozen=True, slots=True)
class Tariffs:
    """What homes pay in a year, USD/kWh."""

    energy: float
    delivery: float
    adder: float
    sell_back: float


@dataclass(frozen=True, slots=True)
class Demand:
    """What comes on top of the system's net load, MW by hour; ``pausing`` stops at a price."""

    steady_mw: Array
    pausing_mw: Array
    pause_usd_per_mwh: float


@dataclass(frozen=True, slots=True)
class YearResult:
    """What the year came to. ``account`` columns and ``meter`` columns: see `kernel`."""

    price: Array  # [hour] USD/MWh
    storage_mw: Array  # [hour] all batteries, discharge +
    paused_mw: Array  # [hour]
    thermal_mw: Array  # [hour]
    meter_mwh: Array  # [hour, tariff, 4]
    account: Array  # [row, 5] USD, USD, kWh, kWh, kWh
    share_full: Array  # [hour]


def no_demand() -> Demand:
    return Demand(np.zeros(HOURS), np.zeros(HOURS), 1e9)


@dataclass(frozen=True, slots=True)
class Setting:
    """All that a year's market needs beside the homes."""

    scenario: Scenario
    series: YearSeries
    curve: SupplyCurve
    shapes: Shapes
    tariffs: Tariffs
    demand: Demand


def run_year(setting: Setting, population: Population) -> YearResult:
    """Play the year. Deterministic: the same arguments give the same bytes."""
    expected = np.zeros(HOURS)
    if setting.scenario.switches.price_response and population.rows.weight.any():
        few = rehearsers(population)
        for n in range(_REHEARSALS):
            played = _play(setting, few, expected).storage_mw
            usual = _usual(played)
            expected = usual if n == 0 else 0.5 * (expected + usual)
    return _play(setting, population, expected)


def rehearsers(population: Population) -> Population:
    """Up to `_REHEARSERS` homes that stand for all, and the large batteries."""
    homes = population.homes
    if homes <= 2 * _REHEARSERS:
        return population
    take = np.linspace(0, homes - 1, _REHEARSERS).astype(int)
    weights = population.rows.weight[:homes]
    chosen = weights[take]
    scale = weights.sum() / chosen.sum() if chosen.sum() > 0 else 0.0
    index = np.concatenate([take, np.arange(homes, population.rows.weight.size)])
    rows = Homes(*(column[index] for column in population.rows))
    few = Population(rows, population.classes, _REHEARSERS)
    large = float(population.rows.weight[homes:].sum()) / 1e3
    return with_weights(few, chosen * scale, large)


def _usual(storage_mw: Array) -> Array:
    """The mean of each month's hours."""
    key = (MONTH - 1) * 24 + HOUR
    mean = np.bincount(key, storage_mw, 288) / np.bincount(key, minlength=288)
    out: Array = mean[key]
    return out


def _play(setting: Setting, population: Population, expected_mw: Array) -> YearResult:
    scenario, series, curve = setting.scenario, setting.series, setting.curve
    terms = class_terms(setting, population)
    edges = price_edges(scenario.market)
    group = groups()
    base = series.net_mw + setting.demand.steady_mw + setting.demand.pausing_mw
    acts = _acts_in_bins(setting, population, terms, base - expected_mw, edges)
    inverse = curve.inverse(edges)
    out = YearResult(
        np.empty(HOURS), np.empty(HOURS), np.empty(HOURS), np.empty(HOURS),
        np.empty((HOURS, 4, 4)), np.zeros((population.rows.weight.size, 5)), np.empty(HOURS),
    )  # fmt: skip
    rows = population.rows
    charge = (rows.reserve + 0.5 * (rows.capacity - rows.reserve)).astype(np.float32)
    thermal = base + series.surprise_mw
    pause_bin = int(np.searchsorted(edges, setting.demand.pause_usd_per_mwh))
    many = rows.weight.size >= MANY_ROWS
    for d in range(HOURS // 24):
        h = slice(d * 24, d * 24 + 24)
        day = Day(
            acts[d],
            np.ascontiguousarray(setting.shapes.load[:, h]),
            np.ascontiguousarray(setting.shapes.sun[:, h]),
            thermal[h], np.ascontiguousarray(inverse[group[h]]), edges, pause_bin,
            setting.demand.pausing_mw[h], int(scenario.switches.price_response),
            terms.fixed, terms.imports, terms.exports, terms.efficiency,
            terms.from_sun,
            charge, out.account,
            out.price[h], out.paused_mw[h], out.storage_mw[h], out.meter_mwh[h], out.share_full[h],
        )  # fmt: skip
        run_day(rows, day, many=many)
    out.thermal_mw[:] = thermal - out.paused_mw - out.storage_mw
    return out


def _acts_in_bins(
    setting: Setting, population: Population, terms: Terms, expected_net: Array, edges: Array
) -> Floats:
    """The prices to act at, as places among the bins: a float's whole part is the bin."""
    market = setting.scenario.market
    sigma = market.outage_gw * 1e3 * np.sqrt(1 + 1 / 16)
    group = groups()
    price = np.stack([setting.curve.at(group, expected_net + z * sigma) for z in STATES], axis=1)
    acts = prices_to_act(price, _class_net(setting, population), terms)
    places = np.interp(acts, edges, np.arange(edges.size, dtype=float))
    bins: Floats = places.astype(np.float32)
    bins[acts >= NEVER / 2] = 2 * NEVER_BIN
    bins[acts <= -NEVER / 2] = -NEVER_BIN
    return bins


def class_terms(setting: Setting, population: Population) -> Terms:
    """The tariffs as each class's planner sees them, USD/MWh."""
    t, h = setting.tariffs, setting.scenario.homes
    classes = population.classes
    fixed, imports, exports, resell, rate = (np.zeros(len(classes)) for _ in range(5))
    hourly = np.zeros((len(classes), 24))
    plan = setting.scenario.night_plan
    for n, c in enumerate(classes):
        imports[n] = 1.0 if c.tariff in (WHOLESALE, GRID) else 0.0
        exports[n] = 1.0 if c.tariff == GRID else t.sell_back
        resell[n] = 0.0 if c.tariff == NIGHT else 1.0
        fixed[n] = {
            FLAT: t.energy + t.delivery,
            NIGHT: t.energy + t.delivery,
            WHOLESALE: t.delivery + t.adder,
            GRID: 0.002,
        }[c.tariff] * 1e3
        hourly[n] = fixed[n]
        if c.tariff == NIGHT:
            hourly[n, in_window(plan.begins, plan.ends)] = 0.0
        rate[n] = c.rate / (1.0 if c.tariff == GRID else 1 - h.reserve)
    return Terms(
        hourly,
        imports,
        exports,
        resell,
        rate,
        h.efficiency,
        h.surplus_efficiency,
        h.wear_usd_per_mwh,
    )


def in_window(begins: int, ends: int) -> np.typing.NDArray[np.bool_]:
    """Which hours of the day lie in [begins, ends), which may wrap midnight."""
    hours = np.arange(24)
    if begins <= ends:
        found: np.typing.NDArray[np.bool_] = (hours >= begins) & (hours < ends)
        return found
    return (hours >= begins) | (hours < ends)


def _class_net(setting: Setting, population: Population) -> Array:
    """Mean load less sun by class and hour, as a share of usable capacity."""
    rows, out = population.rows, np.zeros((len(population.classes), HOURS))
    load_mean = setting.shapes.load.mean(axis=0).astype(float)
    for n, c in enumerate(population.classes):
        here = (rows.kind == n) & (rows.tariff != GRID)
        if c.tariff == GRID or not here.any():
            continue
        usable = float((rows.capacity[here] - rows.reserve[here]).mean())
        sun = (
            sum(
                setting.shapes.sun[k].astype(float)
                * float(rows.pv_kw[here & (rows.sun_shape == k)].sum())
                for k in range(setting.shapes.sun.shape[0])
            )
            / here.sum()
        )
        out[n] = (float(rows.load_scale[here].mean()) * load_mean - sun) / usable
    return out
