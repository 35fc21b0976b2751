"""The year played otherwise: more and more homes with storage, and with other data centres."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simulators.network import data_centre
from simulators.network.history import Case, State, first_state, setting_of
from simulators.network.homes import WHOLESALE, fleet_mw, with_weights
from simulators.network.kernel import IMPORT_ALONE, MARKET_MONEY
from simulators.network.market import YearResult, run_year
from simulators.network.series import Array


@dataclass(frozen=True, slots=True)
class Saturation:
    """A year with so many homes that have storage."""

    homes: int
    usd_per_kwh_year: float  # from prices, homes on the wholesale tariff
    mean_price: float
    spread: float  # the four dearest hours of a day less the four cheapest, mean, USD/MWh
    peak_mw: float  # highest thermal output
    cost_usd_per_kwh: float  # of the load of homes without storage
    price_quantiles: tuple[float, ...]


QUANTILES = np.linspace(0, 1, 101)


def counts(homes: int) -> list[int]:
    """From next to none to all, evenly on a logarithmic scale."""
    found = [1, homes // 100, homes * 3 // 100, homes // 10, homes * 3 // 10, homes]
    return sorted({max(1, n) for n in found})


def spread(price: Array) -> float:
    """The mean of a day's four dearest hours less its four cheapest, USD/MWh."""
    days = np.sort(price.reshape(-1, 24), axis=1)
    return float((days[:, -4:].mean(axis=1) - days[:, :4].mean(axis=1)).mean())


def saturation(case: Case, year: int, homes: int) -> Saturation:
    """The year's market with ``homes`` homes that have storage, all alike in everything else."""
    state = replace(
        first_state(case), year=year, share=np.full(case.people.homes, homes / case.homes)
    )
    result = _played(case, state, None)
    n, rows = case.people.homes, case.people.rows
    here = rows.tariff[:n] == WHOLESALE
    capacity = float(rows.capacity[:n][here].sum())
    earned = float(result.account[:n, MARKET_MONEY][here].sum()) / max(capacity, 1e-9)
    load = result.meter_mwh[:, :3, IMPORT_ALONE].sum(axis=1)
    quantiles = np.quantile(result.price, QUANTILES)
    return Saturation(
        homes, earned, float(result.price.mean()), spread(result.price), float(result.thermal_mw.max()),
        float((load * result.price).sum() / max(load.sum(), 1e-9)) / 1e3, tuple(float(q) for q in quantiles),
    )  # fmt: skip


def _played(case: Case, state: State, centre: str | None) -> YearResult:
    setting = setting_of(case, state, centre=centre)[0]
    homes = with_weights(
        case.people, state.share * case.scale(), fleet_mw(case.scenario, state.year)
    )
    return run_year(setting, homes)


@dataclass(frozen=True, slots=True)
class Centre:
    """A year with one of the data centre's histories."""

    scenario: str
    mean_price_effect: float  # USD/MWh against no data centre
    usd_per_exaflop_day: float
    mean_mw: float


def data_centres(case: Case, state: State) -> list[Centre]:
    """All histories in the state's year."""
    without = _played(case, state, "none").price.mean()
    found = []
    for name in data_centre.HISTORIES:
        result = _played(case, state, name) if name != "none" else None
        steady, pausing = data_centre.demand_mw(case.scenario, name, state.year)
        if result is None:
            found.append(Centre(name, 0.0, 0.0, 0.0))
            continue
        effect = float(result.price.mean() - without)
        cost = data_centre.usd_per_exaflop_day(case.scenario, name, state.year, result)
        mean = float((steady + pausing - result.paused_mw).mean())
        found.append(Centre(name, effect, cost, mean))
    return found
