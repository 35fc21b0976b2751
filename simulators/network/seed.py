"""All that one seed has to tell, as plain numbers that travel between processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from simulators.network import data_centre, makers
from simulators.network.experiments import QUANTILES, counts, data_centres, saturation, spread
from simulators.network.history import (
    Case,
    Year,
    earnings,
    first_state,
    following,
    large_battery_usd_per_kw,
    make_case,
    play,
)
from simulators.network.homes import FLAT, NIGHT, WHOLESALE
from simulators.network.loop_gain import loop_gain
from simulators.network.scenario import Scenario
from simulators.network.series import HOUR
from simulators.network.supply import SupplyCurve

SIDE_ROWS = 1000  # rows of the experiments beside the history


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is asked for: one seed of a study."""

    scenario: Scenario
    homes: int
    rows: int
    years: tuple[int, ...]
    seed: int
    curve: SupplyCurve
    experiments: bool = True

    @property
    def gain_year(self) -> int:
        """The year whose loop gain is taken: the middle of the study."""
        return self.years[len(self.years) // 2]

    @property
    def saturation_year(self) -> int:
        return 2024 if 2024 in self.years else self.years[0]


def run_seed(order: Order) -> dict[str, Any]:
    """History, saturation, loop gain and data centres of one seed; plain dicts and floats."""
    case = make_case(
        order.scenario, order.homes, order.rows, order.seed, order.years[0], order.curve
    )
    side_rows = min(order.rows, SIDE_ROWS)
    side = make_case(
        order.scenario, order.homes, side_rows, order.seed, order.years[0], order.curve
    )
    state, rows, gain = first_state(case), [], {}
    for year in order.years:
        played = play(case, state)
        rows.append(year_row(case, played))
        if year == order.gain_year and order.experiments:
            share = np.full(side.people.homes, float(state.share.mean()))
            beside = play(side, type(state)(year, share, state.tariffs, state.site_price_change))
            gain = loop_gain(side, beside)
        last, state = state, following(case, played)
    found: dict[str, Any] = {"seed": order.seed, "years": rows, "loop_gain": gain}
    if order.experiments:
        found["saturation"] = [
            asdict(saturation(side, order.saturation_year, n)) for n in counts(order.homes)
        ]
        share = np.full(side.people.homes, float(last.share.mean()))
        end = type(last)(last.year, share, last.tariffs, last.site_price_change)
        found["data_centre"] = [asdict(c) for c in data_centres(side, end)]
    return found


def year_row(case: Case, y: Year) -> dict[str, Any]:
    """A year as numbers for the report."""
    s, price = case.scenario, y.result.price
    storage = case.storage_homes(y.state)
    return {
        "year": y.state.year,
        "homes_with_storage": storage,
        "share": storage / case.homes,
        "bought": float(y.bought.sum()) * case.scale(),
        "payback_years": float(np.median(y.payback_years)),
        "battery_usd_per_kwh": y.cost_usd_per_kwh,
        "mean_price": float(price.mean()),
        "spread": spread(price),
        "price_quantiles": [float(q) for q in np.quantile(price, QUANTILES)],
        "price_by_hour": [float(price[h == HOUR].mean()) for h in range(24)],
        "storage_mw_by_hour": [float(y.result.storage_mw[h == HOUR].mean()) for h in range(24)],
        "earnings": earnings(y),
        "earnings_by_tariff": {
            name: earnings(y, tariff)
            for name, tariff in (("flat", FLAT), ("wholesale", WHOLESALE), ("night plan", NIGHT))
        },
        "large_battery_usd_per_kw": large_battery_usd_per_kw(y),
        "flat_energy_usd_per_kwh": y.state.tariffs.energy,
        "purchase_usd_per_kwh": y.purchase_usd_per_kwh,
        "credit_usd_per_home": y.credit_usd,
        "site_usd_per_kwh": {
            "contract": y.site_cost.contract,
            "exchange": y.site_cost.exchange,
            "exchange, own battery": y.site_cost.exchange_battery,
        },
        "kwh_per_stall_day": y.site.kwh_per_stall_day,
        "cars_lost": y.site.lost_share,
        "wait_min": y.site.wait_min,
        "sites_mw": float(y.site.energy_mw.mean()),
        "nacs_share": makers.nacs_share(y.state.year, s),
        "others_share": makers.others_share(y.state.year, s),
        "inlet_share": makers.inlet_share(y.state.year),
        "night_plan_margin_usd": y.plan.margin,
        "night_plan_homes": y.plan.homes,
        "usd_per_exaflop_day": data_centre.usd_per_exaflop_day(
            s, s.data_centre.history, y.state.year, y.result
        ),
        "money_usd": y.ledger.usd(),
        "zero_sum_error": y.ledger.error_usd,
    }
