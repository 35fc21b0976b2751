"""The light homes: arrays instead of gateways. A row is one home with a battery and its own habits.

Homes differ in load, panels, battery, tariff, reserve and judgement. Those that decide alike (same
tariff, with or without panels, slow or fast battery) are one class: they share the value of stored
energy per share of charge, and each applies it to its own load, sun and charge.
Large batteries are rows too: without load, with the weight of a fleet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.network.scenario import Scenario, in_year
from simulators.network.series import DAY, HOUR, HOURS, Array, YearSeries

Floats = NDArray[np.float32]
Small = NDArray[np.int16]
FLAT, WHOLESALE, NIGHT, GRID = range(4)
TARIFFS = ("flat", "wholesale", "night plan", "large batteries")
LOAD_SHAPES, SUN_SHAPES, FLEETS = 16, 3, 12


@dataclass(frozen=True, slots=True)
class HomeClass:
    """What decides alike. ``rate`` is power over capacity, 1/h."""

    tariff: int
    panels: bool
    rate: float


class Homes(NamedTuple):
    """Rows of homes; energies in kWh, powers in kW. A tuple of arrays, so that numba takes it."""

    kind: Small  # index into the classes
    tariff: Small
    load_shape: Small
    load_scale: Floats  # times the shape, which has a mean of 1 kW
    sun_shape: Small
    pv_kw: Floats
    capacity: Floats
    power: Floats
    reserve: Floats
    export_limit: Floats
    judgement: Floats  # its forecast beside the others', in price bins
    weight: Array  # how many homes the row stands for


@dataclass(frozen=True, slots=True)
class Population:
    """Rows and their classes; the first ``homes`` rows are homes, the others large batteries."""

    rows: Homes
    classes: tuple[HomeClass, ...]
    homes: int


def population(scenario: Scenario, count: int, seed: int) -> Population:
    """``count`` homes, each of weight 0 (see `with_weights`), and `FLEETS` large batteries."""
    h = scenario.homes
    rng = np.random.default_rng([seed, 2])
    classes = _classes(scenario)
    place = {(c.tariff, c.panels, round(c.rate, 6)): n for n, c in enumerate(classes)}
    night = h.night_share if scenario.switches.night_plan else 0.0
    draw = rng.random(count)
    tariff = np.where(
        draw < h.wholesale_share, WHOLESALE, np.where(draw < h.wholesale_share + night, NIGHT, FLAT)
    )
    panels = rng.random(count) < h.pv_share
    fast = rng.random(count) < h.fast_share
    slow_rate, fast_rate = h.slow_kw / 13.5, h.fast_kw / 13.5
    rate = np.where(fast, fast_rate, slow_rate)
    kind = np.array(
        [
            place[t, bool(p), round(float(r), 6)]
            for t, p, r in zip(tariff, panels, rate, strict=True)
        ]
    )
    capacity = h.battery_kwh * rng.choice([1.0, 1.0, 1.0, 2.0], count)
    reserve = np.clip(rng.normal(h.reserve, 0.08, count), 0, 0.9) * capacity
    load = np.exp(rng.normal(-(h.load_spread**2) / 2, h.load_spread, count)) * h.load_mwh / 8.76
    pv_kw = np.where(panels, np.clip(rng.normal(h.pv_kw, 0.3 * h.pv_kw, count), 1.0, None), 0.0)
    export = np.full(count, h.export_limit_kw)
    fleet = _fleet(scenario, place)

    noise = np.concatenate([rng.normal(0, h.judgement * 25.0, count), rng.normal(0, 1.0, FLEETS)])
    rows = Homes(
        _whole(kind, fleet),
        _whole(tariff, GRID),
        _whole(rng.integers(0, LOAD_SHAPES, count), 0),
        _real(load, 0.0),
        _whole(rng.integers(0, SUN_SHAPES, count), 0),
        _real(pv_kw, 0.0),
        _real(capacity, scenario.market.grid_battery_hours),  # of 1 kW
        _real(rate * capacity, 1.0),
        _real(reserve, 0.0),
        _real(export, 1.0),
        noise.astype(np.float32),
        np.zeros(count + FLEETS),
    )
    return Population(rows, classes, count)


def _whole(homes: NDArray[np.int64], large: int) -> Small:
    """A column of homes and large batteries."""
    return np.concatenate([homes, np.full(FLEETS, large)]).astype(np.int16)


def _real(homes: Array, large: float) -> Floats:
    return np.concatenate([homes, np.full(FLEETS, large)]).astype(np.float32)


def _classes(scenario: Scenario) -> tuple[HomeClass, ...]:
    h = scenario.homes
    rates = (h.slow_kw / 13.5, h.fast_kw / 13.5)
    found = [
        HomeClass(t, p, r) for t in (FLAT, WHOLESALE, NIGHT) for p in (False, True) for r in rates
    ]
    return (*found, HomeClass(GRID, panels=False, rate=1 / scenario.market.grid_battery_hours))


def _fleet(scenario: Scenario, place: dict[tuple[int, bool, float], int]) -> int:
    return place[GRID, False, round(1 / scenario.market.grid_battery_hours, 6)]


def with_weights(population: Population, weights: Array, fleet_mw: float) -> Population:
    """The same with ``weights`` homes a row and ``fleet_mw`` of large batteries."""
    large = np.full(FLEETS, fleet_mw * 1e3 / FLEETS)
    rows = population.rows._replace(weight=np.concatenate([weights, large]))
    return Population(rows, population.classes, population.homes)


def fleet_mw(scenario: Scenario, year: int) -> float:
    """Large batteries that trade energy: what reserve services do not hold back."""
    if not scenario.switches.grid_batteries:
        return 0.0
    m = scenario.market
    built = in_year(m.grid_battery_gw, year)
    held = m.reserve_held * min(built, m.reserve_service_gw)
    return (built - held) * 1e3


@dataclass(frozen=True, slots=True)
class Shapes:
    """Hourly shapes of a year: load [shape, hour] of mean 1 kW, sun [shape, hour] per kW of panels."""

    load: Floats
    sun: Floats


def shapes(series: YearSeries, seed: int) -> Shapes:
    """Habits and directions: 16 kinds of household, panels to the south, the west and the east."""
    rng = np.random.default_rng([seed, series.year, 3])
    cooling = np.maximum(series.temperature_c - 22, 0)
    heating = np.maximum(13 - series.temperature_c, 0)
    load = np.empty((LOAD_SHAPES, HOURS))
    for n in range(LOAD_SHAPES):
        peak, morning = rng.uniform(17.5, 21.0), rng.uniform(6.0, 8.5)
        habit = (
            0.55
            + 0.55 * _bump(peak, 2.4)
            + 0.3 * _bump(morning, 1.3)
            + rng.uniform(0, 0.3) * _bump(13, 3)
        )
        climate = rng.uniform(0.06, 0.13) * cooling + rng.uniform(0.0, 0.09) * heating
        appliances = rng.gamma(1.2, 0.25, HOURS) * np.where((HOUR > 6) & (HOUR < 23), 1.0, 0.3)
        load[n] = habit + climate + appliances
        load[n] /= load[n].mean()
    return Shapes(load.astype(np.float32), _sun_shapes(series).astype(np.float32))


def _bump(centre: float, width: float) -> Array:
    away = (HOUR + 0.5 - centre + 12) % 24 - 12
    out: Array = np.exp(-((away / width) ** 2))
    return out


def _sun_shapes(series: YearSeries) -> Array:
    declination = np.radians(23.45) * np.sin(2 * np.pi * (284 + DAY + 1) / 365)
    latitude, angle = np.radians(31.0), np.radians(15 * (HOUR + 0.5 - 12.5))
    height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(
        declination
    ) * np.cos(angle)
    clear = 1.1 * np.maximum(height, 0) * np.exp(-0.059 / np.maximum(height, 0.03))
    lean = np.sin(angle) * np.cos(declination)  # the sun stands in the west, + in the afternoon
    south_west_east = (0.0, 0.35, -0.35)
    tilted = [np.clip(clear * (1 + west * lean * 2), 0, 1.05) for west in south_west_east]
    return 0.85 * np.stack(tilted) * series.clearness
