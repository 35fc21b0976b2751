"""The years one after the other, for one seed: adoption, demand, market, tariffs, and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from simulators.network import adoption, data_centre, retailer, sites
from simulators.network.homes import (
    GRID,
    NIGHT,
    Population,
    fleet_mw,
    population,
    shapes,
    with_weights,
)
from simulators.network.kernel import DISCHARGED, FIXED_MONEY, MARKET_MONEY
from simulators.network.ledger import Ledger, year_ledger
from simulators.network.market import Demand, Setting, Tariffs, YearResult, run_year
from simulators.network.scenario import Scenario, in_year
from simulators.network.series import HOURS, Array, synthetic_year
from simulators.network.supply import SupplyCurve


@dataclass(frozen=True, slots=True)
class State:
    """What one year hands to the next. ``share`` is the part of each row's homes with storage."""

    year: int
    share: Array
    tariffs: Tariffs
    site_price_change: float  # of the drivers' price, relative


@dataclass(frozen=True, slots=True)
class Year:
    """One year: what it started from, what the market did, what it means to each home."""

    state: State
    setting: Setting
    homes: Population
    result: YearResult
    site: sites.SiteYear
    site_cost: sites.SiteCost
    plan: retailer.NightPlanYear
    ledger: Ledger
    cost_usd_per_kwh: float
    credit_usd: float
    purchase_usd_per_kwh: float
    payback_years: Array
    bought: Array  # the part of each row's homes that buys storage this year


@dataclass(frozen=True, slots=True)
class Case:
    """What is common to all years of one seed."""

    scenario: Scenario
    homes: int
    seed: int
    first_year: int
    curve: SupplyCurve
    people: Population

    def scale(self) -> float:
        """Homes that a row stands for."""
        return self.homes / self.people.homes

    def storage_homes(self, state: State) -> float:
        return float(state.share.sum()) * self.scale()


def make_case(
    scenario: Scenario, homes: int, rows: int, seed: int, first_year: int, curve: SupplyCurve
) -> Case:
    return Case(scenario, homes, seed, first_year, curve, population(scenario, rows, seed))


def first_state(case: Case) -> State:
    r, h = case.scenario.retail, case.scenario.homes
    tariffs = Tariffs(
        r.energy_usd_per_kwh, r.delivery_usd_per_kwh, r.adder_usd_per_kwh, h.sell_back
    )
    share = np.full(case.people.homes, case.scenario.adoption.start_share)
    return State(case.first_year, share, tariffs, 0.0)


def history(
    case: Case, years: Sequence[int], done: Callable[[int], None] = lambda _: None
) -> list[Year]:
    """All years; ``done`` hears of each."""
    state, found = first_state(case), []
    for year in years:
        played = play(case, state)
        found.append(played)
        state = following(case, played)
        done(year)
    return found


def setting_of(
    case: Case, state: State, *, centre: str | None = None, site_change: float | None = None
) -> tuple[Setting, sites.SiteYear, Array]:
    """The market that the year's homes meet; also the sites and the night plan's extra demand."""
    s = case.scenario
    series = synthetic_year(s.market, state.year, case.seed)
    more_gw = s.market.thermal_growth_gw * (state.year - 2024)
    curve = case.curve.shifted((more_gw - in_year(s.market.withheld_gw, state.year)) * 1e3)
    habits = shapes(series, case.seed)
    change = state.site_price_change if site_change is None else site_change
    site = sites.site_year(s, state.year, change)
    drawn = site.energy_mw if s.switches.charging else np.zeros(HOURS)
    steady, pausing = data_centre.demand_mw(s, centre or s.data_centre.history, state.year)
    usual, changed, _ = retailer.plan_load_kw(s, habits)
    extra = (changed - usual) * subscribers(case, state) / 1e3
    demand = Demand(drawn + steady + extra, pausing, s.data_centre.pause_usd_per_mwh)
    return Setting(s, series, curve, habits, state.tariffs, demand), site, drawn


def subscribers(case: Case, state: State) -> float:
    """Homes on the night plan that have no storage; those with storage are rows of the market."""
    if not case.scenario.switches.night_plan:
        return 0.0
    night = case.people.rows.tariff[: case.people.homes] == NIGHT
    return float((1 - state.share)[night].sum()) * case.scale()


def play(case: Case, state: State) -> Year:
    """The year's market and what it means for buying storage."""
    s = case.scenario
    setting, site, drawn = setting_of(case, state)
    homes = with_weights(case.people, state.share * case.scale(), fleet_mw(s, state.year))
    result = run_year(setting, homes)
    plan = retailer.night_plan(
        s, setting.shapes, state.tariffs, result.price, subscribers(case, state)
    )
    cost = sites.site_cost(s, site, result.price)
    credit = adoption.credit_usd(s, case.storage_homes(state))
    driver_price = s.sites.retail_usd_per_kwh * (1 + state.site_price_change)
    extra = {
        "credits_usd": credit * case.storage_homes(state),
        "demand_charges_usd": cost.demand_charges_usd if s.switches.charging else 0.0,
        "drivers_usd": float(drawn.sum()) * 1e3 * driver_price,
    }
    ledger = year_ledger(setting, result, plan, drawn, extra)
    battery = adoption.battery_usd_per_kwh(
        s, case.first_year, state.year, case.storage_homes(state)
    )
    payback = payback_of(case, result.account, battery, credit)
    share = case.storage_homes(state) / case.homes
    bought = adoption.hazard(s, payback, share) * (1 - state.share)
    purchase = purchase_cost(setting, result)
    return Year(
        state,
        setting,
        homes,
        result,
        site,
        cost,
        plan,
        ledger,
        battery,
        credit,
        purchase,
        payback,
        bought,
    )


def payback_of(case: Case, account: Array, battery_usd_per_kwh: float, credit: float) -> Array:
    """Years until each row's battery has paid for itself; wear is no bill, so it does not count."""
    n = case.people.homes
    money = account[:n, MARKET_MONEY] + account[:n, FIXED_MONEY]
    saved = money + credit + case.scenario.adoption.backup_usd_per_year
    return adoption.payback_years(
        case.people.rows.capacity[:n].astype(float) * battery_usd_per_kwh, saved
    )


def purchase_cost(setting: Setting, result: YearResult) -> float:
    """What the retailer pays for the load of homes without storage, USD/kWh."""
    load = setting.shapes.load.mean(axis=0).astype(float)
    return float((load * result.price).sum() / load.sum() / 1e3)


def following(case: Case, year: Year) -> State:
    """The next year's start."""
    s, state = case.scenario, year.state
    tariffs = retailer.next_tariffs(s, state.tariffs, year.purchase_usd_per_kwh)
    change = site_price_change(s, year.site_cost.exchange)
    return State(state.year + 1, np.minimum(state.share + year.bought, 1.0), tariffs, change)


def site_price_change(scenario: Scenario, cost: float) -> float:
    """Relative change of the drivers' price when a kWh costs the sites ``cost`` USD."""
    s = scenario.sites
    return s.pass_on * (cost - s.reckoned_usd_per_kwh) / s.retail_usd_per_kwh


def earnings(year: Year, tariff: int | None = None) -> dict[str, float]:
    """USD per kWh of storage and year: from the market, avoided retail, credits; cycles a year."""
    n = year.homes.homes
    rows = year.homes.rows
    here = np.ones(n, dtype=bool) if tariff is None else rows.tariff[:n] == tariff
    weight = rows.weight[:n] * here
    kwh = float((rows.capacity[:n] * weight).sum())
    if kwh <= 0:
        return {"price": 0.0, "retail": 0.0, "credits": 0.0, "cycles": 0.0}
    account = year.result.account[:n]
    return {
        "price": float((account[:, MARKET_MONEY] * weight).sum()) / kwh,
        "retail": float((account[:, FIXED_MONEY] * weight).sum()) / kwh,
        "credits": year.credit_usd * float(weight.sum()) / kwh,
        "cycles": float((account[:, DISCHARGED] * weight).sum()) / kwh,
    }


def large_battery_usd_per_kw(year: Year) -> float:
    """Energy earnings of large batteries, USD per kW and year, after wear they do not pay here."""
    rows = year.homes.rows
    large = rows.tariff == GRID
    return float(
        (year.result.account[large, MARKET_MONEY] + year.result.account[large, FIXED_MONEY]).mean()
    )
