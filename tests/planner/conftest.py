"""Made-up homes and markets, small and seeded."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gateway.backtest.case import Case, evaluation_case
from gateway.backtest.data import COLUMNS, Series, read_series
from gateway.forecasts.history import quarter_start
from gateway.tariff import TariffRules

FIRST = 1_907_736  # 2024-05-30T06:00Z, local midnight at UTC-6


def made_series(days: int, seed: int = 1) -> Series:
    """A home with sun and an evening peak, and prices with a spike now and then."""
    rng = np.random.default_rng(seed)
    count = days * 96
    hour = (np.arange(count) % 96) / 4
    load = 120 + 180 * np.exp(-(((hour - 19) / 2.5) ** 2)) + rng.uniform(0, 60, count)
    sun = np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None)
    pv = 1000 * sun * np.repeat(rng.uniform(0.4, 1, days), 96)
    ahead = 22 + 25 * np.exp(-(((hour - 19.5) / 2) ** 2)) - 8 * sun
    shock = np.where(rng.random(count) < 0.01, rng.uniform(50, 400, count), 0.0)
    real = ahead * (1 + 0.1 * rng.standard_normal(count)) + shock
    return Series(FIRST, load, pv, real, np.repeat(ahead.reshape(-1, 4).mean(axis=1), 4))


@pytest.fixture
def case() -> Case:
    """The evaluation case with a short horizon, so that tests stay quick."""
    return replace(evaluation_case(), horizon_h=12.0)


@pytest.fixture(scope="session")
def ercot() -> Series:
    """The shared data; tests that need it are skipped where it is absent."""
    return _shared("ercot_south_2024_jun_oct.csv")


@pytest.fixture(scope="session")
def new_york() -> tuple[Series, Case]:
    """Another market's shared data, and the evaluation case in its time zone."""
    zone = ZoneInfo("Etc/GMT+5")
    usual = evaluation_case()
    here = replace(usual, zone=zone, tariff=TariffRules(usual.tariff.tariff, zone))
    return _shared("nyiso_nyc_2018_jun_oct.csv"), here


def _shared(name: str) -> Series:
    root = os.environ.get("HEG_SHARED", Path(__file__).parents[3] / "shared")
    path = Path(root) / "data" / name
    if not path.exists():
        pytest.skip(f"shared data {path.name} is absent (HEG_SHARED)")
    return read_series(path)


def write_csv(path: Path, series: Series) -> Path:
    lines = ["start," + ",".join(COLUMNS)]
    for i in range(len(series)):
        values = (series.load[i], series.pv[i], series.rt[i], series.da[i])
        lines.append(
            f"{quarter_start(series.first + i):%Y-%m-%dT%H:%M:%SZ},"
            + ",".join(f"{v:.3f}" for v in values)
        )
    path.write_text("\n".join(lines) + "\n")
    return path
