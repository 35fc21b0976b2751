"""Load, wind, sun and temperature of a market of Texas's size, hour by hour: seeded, without data.

Shaped like ERCOT in 2024: load 52.5 GW in the mean and about 85 GW at most, wind windier at night
and in spring, sun with clear-sky hours and cloudy days, cold fronts in winter. A year has 365 days;
hours are local standard time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.network.scenario import Market, in_year

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
HOURS = 8760
_DAYS_OF_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
MONTH: Ints = np.repeat(np.arange(1, 13), np.array(_DAYS_OF_MONTH) * 24)
HOUR: Ints = np.tile(np.arange(24), 365)
DAY: Ints = np.repeat(np.arange(365), 24)
# Load of a day without heating and cooling, 1 = its mean.
_DAY_SHAPE = np.array(
    [0.93, 0.91, 0.90, 0.90, 0.91, 0.94, 0.98, 1.00, 1.01, 1.02, 1.03, 1.03,
     1.03, 1.03, 1.03, 1.04, 1.05, 1.06, 1.07, 1.07, 1.06, 1.04, 1.00, 0.96]
)  # fmt: skip
_BASE_GW, _COOL_GW, _HEAT_GW = 44.9, 1.65, 1.8  # so that the mean is 52.5 and the peak about 85


@dataclass(frozen=True, slots=True)
class YearSeries:
    """One year of the market's hours. ``surprise_mw`` is what no forecast knew: outages, wind."""

    year: int
    temperature_c: Array
    load_mw: Array
    wind_mw: Array
    solar_mw: Array
    surprise_mw: Array
    clearness: Array  # share of the clear-sky sun, for the homes' panels too

    @property
    def net_mw(self) -> Array:
        return self.load_mw - self.wind_mw - self.solar_mw


def synthetic_year(market: Market, year: int, seed: int) -> YearSeries:
    """The year's hours; the same for the same (year, seed), whatever else is asked."""
    rng = np.random.default_rng([seed, year, 1])
    temperature = _temperature(rng, market.weather_sigma_c)
    growth = (1 + market.load_growth) ** (year - 2024)
    load = _load_gw(temperature) * market.load_gw / 52.5 * growth
    clearness = _clearness(rng)
    sun = _sun() * clearness
    wind = _wind(rng)
    slow = ar1(rng, 0.985, HOURS) * market.outage_gw
    fast = ar1(rng, 0.5, HOURS) * market.outage_gw / 4
    return YearSeries(
        year,
        temperature,
        load * 1e3,
        wind * in_year(market.wind_gw, year) * 1e3,
        sun / _SUN_MEAN * in_year(market.solar_gw, year) * 1e3,
        (slow + fast) * 1e3,
        clearness,
    )


def ar1(rng: np.random.Generator, rho: float, count: int) -> Array:
    """Unit-variance noise with memory ``rho`` from one value to the next."""
    noise = rng.standard_normal(count) * np.sqrt(1 - rho**2)
    noise[0] = rng.standard_normal()
    out = np.empty(count)
    last = 0.0
    for n in range(count):
        last = noise[0] if n == 0 else rho * last + noise[n]
        out[n] = last
    return out


def _temperature(rng: np.random.Generator, sigma: float) -> Array:
    season = np.cos(2 * np.pi * (DAY - 207) / 365)
    daily = np.cos(2 * np.pi * (HOUR - 16) / 24)
    spread = sigma * (1.25 - 0.55 * season)  # winters change faster than summers
    fronts = np.repeat(ar1(rng, 0.72, 365), 24)
    fronts = np.convolve(np.pad(fronts, 12, mode="edge"), np.ones(24) / 24, "valid")[:HOURS]
    temperature: Array = 20.0 + 10.0 * season + 5.4 * daily + spread * fronts
    return temperature


def _load_gw(temperature: Array) -> Array:
    felt = np.convolve(np.pad(temperature, (5, 0), mode="edge"), np.ones(6) / 6, "valid")
    felt = 0.5 * temperature + 0.5 * felt
    weekend = np.isin(DAY % 7, (5, 6))
    base = _BASE_GW * _DAY_SHAPE[HOUR] * np.where(weekend, 0.95, 1.02)
    load: Array = base + _COOL_GW * np.maximum(felt - 20, 0) + _HEAT_GW * np.maximum(11 - felt, 0)
    return load


def _sun() -> Array:
    """Clear-sky output of panels that follow the sun, 31 degrees north, 0 to 1."""
    declination = np.radians(23.45) * np.sin(2 * np.pi * (284 + DAY + 1) / 365)
    latitude = np.radians(31.0)
    angle = np.radians(15 * (HOUR + 0.5 - 12.6))
    height = np.sin(latitude) * np.sin(declination)
    height = height + np.cos(latitude) * np.cos(declination) * np.cos(angle)
    up = np.maximum(height, 0.0)
    output: Array = np.where(
        up > 0.02, np.minimum(1.0, up**0.45) * np.exp(-0.08 / np.maximum(up, 0.02)), 0.0
    )
    return output


def _clearness(rng: np.random.Generator) -> Array:
    days = np.repeat(ar1(rng, 0.45, 365), 24)
    hours = ar1(rng, 0.8, HOURS)
    clear: Array = np.clip(0.86 + 0.14 * days + 0.06 * hours, 0.15, 1.0)
    return clear


def _wind(rng: np.random.Generator) -> Array:
    """Output over its mean: gusty, about 2.1 at most."""
    season = 0.25 * np.cos(2 * np.pi * (DAY - 105) / 365)
    night = 0.28 * np.cos(2 * np.pi * (HOUR - 1) / 24)
    level = 1 / (1 + np.exp(-(0.9 * ar1(rng, 0.975, HOURS) + season + night - 0.30)))
    output: Array = level / 0.44
    return output


_SUN_MEAN = float((_sun() * 0.85).mean())
