"""A year of public hours as a market: the loaders' rows in the study's 8,760 hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from gateway.errors import ConfigError
from simulators.network.public_data import Generation, read_generation, read_prices
from simulators.network.scenario import Market
from simulators.network.series import HOURS, Array, Ints, YearSeries, synthetic_year
from simulators.network.supply import SupplyCurve, fitted, groups

_FIRST_DAY = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def series_of(market: Market, generation: Generation, seed: int) -> YearSeries:
    """The year without 29 February, hours that are missing interpolated; temperature is ours."""
    index = _places(generation)
    own = synthetic_year(market, generation.year, seed)
    return replace(
        own,
        load_mw=_filled(index, generation.load_mw),
        wind_mw=_filled(index, generation.wind_mw),
        solar_mw=_filled(index, generation.solar_mw),
        surprise_mw=np.zeros(HOURS),  # what happened is in the hours already
    )


def as_it_was(series: YearSeries, curve: SupplyCurve, folder: Path) -> YearSeries:
    """The same with surprises such that ``curve`` gives the public price of every hour that has one."""
    price = np.full(HOURS, np.nan)
    for hour, usd in read_prices(folder).items():
        if hour.year == series.year and (hour.month, hour.day) != (2, 29):
            first = _FIRST_DAY[hour.month - 1] + hour.day - 1
            price[first * 24 + hour.hour] = usd
    known = np.isfinite(price)
    surprise = series.surprise_mw.copy()
    mw = curve.output(groups()[known], price[known])
    surprise[known] = mw - series.net_mw[known]
    return replace(series, surprise_mw=surprise)


def _places(generation: Generation) -> Ints:
    """The hour of the study's year of each row; -1 for 29 February."""
    first = datetime(generation.year, 1, 1)  # noqa: DTZ001 - local wall time, as published
    leap = (datetime(generation.year, 12, 31) - first).days == 365  # noqa: DTZ001
    day = generation.day.copy()
    gone = leap & (day == 59)
    day[leap & (day > 59)] -= 1
    place: Ints = day * 24 + generation.hour
    place[gone] = -1
    return place


def _filled(index: Ints, values: Array) -> Array:
    out = np.full(HOURS, np.nan)
    out[index[index >= 0]] = values[index >= 0]
    known = np.isfinite(out)
    out[~known] = np.interp(np.flatnonzero(~known), np.flatnonzero(known), out[known])
    return out


def observed(folder: Path) -> tuple[Ints, Ints, Array, Array]:
    """Month, hour, thermal MW and real-time USD/MWh of the hours that have both."""
    prices = read_prices(folder)
    rows = []
    for year in sorted({hour.year for hour in prices}):
        try:
            g = read_generation(folder, year)
        except ConfigError:
            continue  # prices of another market or year without generation
        thermal = dict(zip(_keys(g), g.thermal_mw, strict=True))
        rows += [(h.month, h.hour, thermal[h], p) for h, p in prices.items() if h in thermal]
    if not rows:
        raise ConfigError(f"{folder}: no hour has both generation and price; both files are needed")
    month, hour, mw, price = np.array(rows).T
    return month.astype(int), hour.astype(int), mw, price


def _keys(g: Generation) -> list[datetime]:
    start = datetime(g.year, 1, 1).toordinal()  # noqa: DTZ001
    return [
        datetime.fromordinal(start + int(d)).replace(hour=int(h))
        for d, h in zip(g.day, g.hour, strict=True)
    ]


def fitted_curve(
    market: Market, folder: Path, months: tuple[int, ...] = tuple(range(1, 13))
) -> SupplyCurve:
    """The supply curve of the public hours of these months."""
    month, hour, mw, price = observed(folder)
    here = np.isin(month, months)
    return fitted(market, month[here], hour[here], mw[here], price[here])


def curve_error(
    market: Market, folder: Path, fit: tuple[int, ...], test: tuple[int, ...]
) -> tuple[float, float]:
    """Mean price of the ``test`` months by a curve of the ``fit`` months, and what it was."""
    month, hour, mw, price = observed(folder)
    here = np.isin(month, test)
    used = np.isin(month, fit)
    curve = fitted(market, month[used], hour[used], mw[used], price[used])
    return float(curve.at(groups(month[here], hour[here]), mw[here]).mean()), float(
        price[here].mean()
    )
