"""What a kW of large battery earns in a month: energy and reserve services, as an index has it.

Reserve services pay what energy could have earned: `AS_SHARE` of the price above `AS_FROM`, set on
June and September 2024 (Modo: 72 % and 42 % of 45 and 22 USD per kW and year; services cleared at
1.93 USD/MW/h in September); July, August and the years are not used. They take no more batteries than
they need, so a larger fleet shares them.
"""

from __future__ import annotations

import numpy as np

from simulators.network.homes import GRID, fleet_mw
from simulators.network.kernel import EXPORT, IMPORT
from simulators.network.market import YearResult
from simulators.network.scenario import Scenario, in_year
from simulators.network.series import MONTH, Array

AS_SHARE = 0.45  # [A] fitted, see above
AS_FROM = 25.0  # [A] USD/MWh


def monthly_usd_per_kw(scenario: Scenario, year: int, result: YearResult) -> Array:
    """The index of each month, USD per kW and year (annualised), [12]."""
    built_mw = in_year(scenario.market.grid_battery_gw, year) * 1e3
    trading_mw = fleet_mw(scenario, year)
    net = result.meter_mwh[:, GRID, EXPORT] - result.meter_mwh[:, GRID, IMPORT]
    need_mw = scenario.market.reserve_service_gw * 1e3
    services = AS_SHARE * np.maximum(result.price - AS_FROM, 0)
    awarded = min(1.0, need_mw / built_mw) * scenario.market.reserve_held
    out = np.empty(12)
    for n in range(12):
        here = np.equal(MONTH, n + 1)
        energy = float((net[here] * result.price[here]).sum()) / max(trading_mw, 1e-9)
        per_year = 8760 / here.sum() / 1e3
        share = trading_mw / built_mw
        out[n] = (share * energy + awarded * float(services[here].sum())) * per_year
    return out
