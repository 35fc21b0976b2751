"""Small markets for the tests: some tens of homes stand for all."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulators.network.history import Case, make_case
from simulators.network.homes import fleet_mw, population, shapes, with_weights
from simulators.network.market import Setting, Tariffs, YearResult, no_demand, run_year
from simulators.network.scenario import Scenario
from simulators.network.series import synthetic_year
from simulators.network.supply import parametric

ROWS = 40


def scenario(**tables: dict[str, Any]) -> Scenario:
    return Scenario.model_validate(tables)


def case(chosen: Scenario | None = None, homes: int = 100_000, seed: int = 1) -> Case:
    s = chosen or Scenario()
    curve = parametric(s.market, scarcity=s.switches.scarcity)
    return make_case(s, homes, ROWS, seed, 2024, curve)


def market(chosen: Scenario, homes: float, seed: int = 1) -> tuple[Setting, YearResult]:
    """A year of the market with so many homes that have storage."""
    s = chosen
    series = synthetic_year(s.market, 2024, seed)
    people = population(s, ROWS, seed)
    people = with_weights(people, np.full(ROWS, homes / ROWS), fleet_mw(s, 2024))
    curve = parametric(s.market, scarcity=s.switches.scarcity)
    tariffs = Tariffs(0.095, 0.05, 0.01, 0.9)
    setting = Setting(s, series, curve, shapes(series, seed), tariffs, no_demand())
    return setting, run_year(setting, people)
