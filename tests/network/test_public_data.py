"""Loaders of public files: what is right is read, what is wrong is said with file and row."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gateway.errors import ConfigError
from simulators.network.data_year import as_it_was, fitted_curve, observed, series_of
from simulators.network.public_data import (
    data_folder,
    generation_years,
    read_generation,
    read_prices,
    read_sites,
    stalls_by_year,
)
from simulators.network.scenario import Market
from simulators.network.series import MONTH
from simulators.network.supply import groups
from tests.shared import shared_file


def folder() -> Path:
    return shared_file("data/ercot_generation_2024_hourly.csv").parent


def test_generation_of_2024() -> None:
    assert 2024 in generation_years(folder())
    year = read_generation(folder(), 2024)
    assert year.load_mw.size == 8783  # a leap year less the hour that the clock skips
    assert year.load_mw.mean() == pytest.approx(52_556, abs=1)
    assert year.net_mw.max() == pytest.approx(68_980)
    parts = year.thermal_mw + year.wind_mw + year.solar_mw + year.batteries_mw
    assert np.allclose(parts, year.load_mw)
    series = series_of(Market(), year, 1)
    assert series.net_mw[MONTH == 8].max() == pytest.approx(68_980)
    assert np.isfinite(series.net_mw).all()


def test_a_fitted_curve_gives_the_summers_prices_back() -> None:
    month, hour, mw, price = observed(folder())
    assert price.size > 3_500
    curve = fitted_curve(Market(), folder())
    made = curve.at(groups(month, hour), mw)
    for m in (6, 7, 8, 9):
        here = month == m
        assert made[here].mean() == pytest.approx(price[here].mean(), rel=0.4)
    assert np.corrcoef(np.argsort(np.argsort(made)), np.argsort(np.argsort(price)))[0, 1] > 0.7
    series = as_it_was(series_of(Market(), read_generation(folder(), 2024), 1), curve, folder())
    july = MONTH == 7
    exact = curve.at(groups()[july], (series.net_mw + series.surprise_mw)[july])
    known = np.array(
        [p for h, p in read_prices(folder()).items() if (h.year, h.month) == (2024, 7)]
    )
    assert exact.mean() == pytest.approx(known.mean(), rel=0.02)


def test_sites_with_opening_dates_and_stalls() -> None:
    sites = read_sites(folder())
    assert len(sites) > 3_000
    assert stalls_by_year(sites, (2025,))[2025] == pytest.approx(36_459, rel=0.01)
    texas = stalls_by_year(sites, (2023, 2024, 2025), "TX")
    assert 1_500 < texas[2023] < texas[2024] < texas[2025] < 4_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace("coal_mw", "kohle_mw", 1), "row 1: no column coal_mw"),
        (lambda t: t.replace("5894.0", "many", 1), "row 2: coal_mw is 'many'"),
        (
            lambda t: t.replace("2024-01-01 01:00:00", "2023-01-01 01:00:00", 1),
            "row 3: .* is not in 2024",
        ),
        (lambda t: t.replace("2024-01-01 01:00:00", "soon", 1), "row 3: start_local is 'soon'"),
        (lambda t: "\n".join(t.splitlines()[:30]), "has 29 hours"),
        (lambda t: t.replace("979.0", "nan", 1), "a finite number"),
    ],
)
def test_a_bad_row_is_said(tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    name = "ercot_generation_2024_hourly.csv"
    text = (folder() / name).read_text()
    (tmp_path / name).write_text(change(text))
    with pytest.raises(ConfigError, match=said) as error:
        read_generation(tmp_path, 2024)
    assert name in str(error.value)


def test_what_is_absent_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_generation(tmp_path, 2024)
    with pytest.raises(ConfigError, match="both files are needed"):
        fitted_curve(Market(), tmp_path)
    with pytest.raises(ConfigError, match="is no folder"):
        data_folder(tmp_path / "none")
    shutil.copy(folder() / "tesla_sites_us.csv", tmp_path)
    assert generation_years(tmp_path) == []
    assert len(read_sites(tmp_path)) > 3_000
