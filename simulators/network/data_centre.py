"""The training cluster: what was announced, what came, and what it draws. Pure.

An exaflop is 120 / 1.08 tiles of 15 kW (Tesla, AI Day 2022): 1.67 MW of computing.
As announced: 100 exaflops in October 2024. As it came: a small first system until the programme
ended in August 2025, and instead a cluster of 130 MW (planned for 2024) and over 500 MW 18 months
after (announced June 2024).
"""

from __future__ import annotations

from datetime import date

import numpy as np

from simulators.network.market import YearResult
from simulators.network.scenario import DataCentre, Scenario
from simulators.network.series import HOURS, Array

MW_PER_EXAFLOP = 120 / 1.08 * 15 / 1000
HISTORIES: dict[str, tuple[tuple[date, float], ...]] = {  # MW of the facility's computing
    "none": ((date(2000, 1, 1), 0.0),),
    "as announced": (
        (date(2023, 7, 1), 0.0), (date(2024, 2, 1), 33 * MW_PER_EXAFLOP),
        (date(2024, 10, 1), 100 * MW_PER_EXAFLOP),
    ),
    "as it came": (
        (date(2023, 7, 1), 0.0), (date(2023, 8, 1), 2.3), (date(2024, 8, 1), 2.3), (date(2024, 12, 1), 132.0),
        (date(2025, 8, 1), 260.0), (date(2026, 1, 1), 500.0),
    ),
}  # fmt: skip


def computing_mw(history: str, year: int) -> Array:
    """Computing power by hour, linear between the dates."""
    points = HISTORIES[history]
    begin = date(year, 1, 1).toordinal()
    days = np.array([day.toordinal() - begin for day, _ in points], dtype=float)
    level: Array = np.interp(np.arange(HOURS) / 24, days, [mw for _, mw in points])
    return level


def demand_mw(scenario: Scenario, history: str, year: int) -> tuple[Array, Array]:
    """What always runs and what pauses above the pause price, MW at the meter."""
    d: DataCentre = scenario.data_centre
    if not scenario.switches.data_centre:
        return np.zeros(HOURS), np.zeros(HOURS)
    full = computing_mw(history, year) * d.pue
    return full * d.base, full * (1 - d.base)


def usd_per_exaflop_day(scenario: Scenario, history: str, year: int, result: YearResult) -> float:
    """Power cost of an exaflop running for a day, at the prices of the hours it ran."""
    steady, pausing = demand_mw(scenario, history, year)
    drawn = steady + pausing - result.paused_mw
    if drawn.sum() <= 0:
        return 0.0
    mean = float((drawn * result.price).sum() / drawn.sum())
    return mean * MW_PER_EXAFLOP * scenario.data_centre.pue * 24
