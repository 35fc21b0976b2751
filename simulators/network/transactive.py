"""DSO+T's battery case beside ours: nearly every home in the market has a battery and trades.

The reference counts what homes pay for energy, for generation capacity and for transmission; its rules
and figures for the last two are taken as they stand, and none of them was set by us:

- capacity costs 75 USD per kW and year, with a reserve of 15 %, and its price falls by five per cent for
  each per cent that the system's peak falls
- transmission at 169 USD per kW, half of which a lower peak saves, at 8.25 % a year

Source: the case files of that study in PNNL's TESP (`generation_capacity_fee_per_kW`, `_reserve`,
`_price_elast_factor`, `transmission_capital_cost_per_kW`, `transmission_capital_benefit_factor`, `ACCF`).
Since capacity is paid for by the kilowatt there, energy is priced without scarcity: both would pay twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.network.history import first_state, make_case, setting_of
from simulators.network.homes import Population, with_weights
from simulators.network.market import Setting, YearResult, run_year
from simulators.network.scenario import Scenario
from simulators.network.series import Array
from simulators.network.supply import parametric

HOMES = 6e6
_ROWS = 120
_CAPACITY_USD_PER_KW, _RESERVE, _ELASTICITY = 75.0, 1.15, 5.0
_TRANSMISSION_USD_PER_KW, _SAVED, _ANNUITY = 169.0, 0.5, 0.0825


@dataclass(frozen=True, slots=True)
class BillChange:
    """Shares of a home's bill without storage; ``peak`` is the system's, a share of what it was."""

    peak: float
    energy: float
    capacity: float
    transmission: float

    @property
    def total(self) -> float:
        return self.energy + self.capacity + self.transmission


def capacity_usd(peak_kw: float, fraction: float) -> float:
    """What ``peak_kw`` of a home costs in a year where the system's peak is ``fraction`` of the usual."""
    price = _CAPACITY_USD_PER_KW * max(0.0, 1 - _ELASTICITY * (1 - fraction))
    return price * _RESERVE * peak_kw


def mean_change(scenario: Scenario, year: int, seeds: int) -> BillChange:
    """The mean over seeds: weather and outages of one year decide as much as storage does."""
    switches = scenario.switches.model_copy(update={"scarcity": False})
    scenario = scenario.model_copy(update={"switches": switches})
    curve = parametric(scenario.market, scarcity=False)
    found = []
    for seed in range(1, seeds + 1):
        case = make_case(scenario, 100_000, _ROWS, seed, year, curve)
        found.append(bill_change(setting_of(case, first_state(case))[0], case.people))
    return BillChange(
        *(float(np.mean([getattr(f, name) for f in found])) for name in BillChange.__slots__)
    )


def bill_change(setting: Setting, people: Population) -> BillChange:
    """The mean bill of all homes with `HOMES` of them trading, against the same year without storage."""
    rows = people.homes
    without, with_all = (
        run_year(setting, with_weights(people, np.full(rows, homes / rows), 0.0))
        for homes in (0.0, HOMES)
    )
    homes = setting.scenario.homes
    load_kw = setting.shapes.load.mean(axis=0).astype(float) * homes.load_mwh / 8.76
    bill = homes.load_mwh * 1e3 * (setting.tariffs.energy + setting.tariffs.delivery)
    fraction = float(with_all.thermal_mw.max() / without.thermal_mw.max())
    peak_kw = float(load_kw[int(without.thermal_mw.argmax())])
    energy = _energy_usd(load_kw, with_all) - _energy_usd(load_kw, without)
    capacity = capacity_usd(peak_kw * fraction, fraction) - capacity_usd(peak_kw, 1.0)
    wires = (fraction - 1) * peak_kw * _TRANSMISSION_USD_PER_KW * _SAVED * _ANNUITY
    return BillChange(fraction, energy / bill, capacity / bill, wires / bill)


def _energy_usd(load_kw: Array, result: YearResult) -> float:
    return float((load_kw * result.price).sum()) / 1e3
