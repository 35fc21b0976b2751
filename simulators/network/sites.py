"""Fast-charging sites: what cars want, what a queue lets through, and what a kWh costs the site."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.network.makers import traffic
from simulators.network.queue import queue
from simulators.network.scenario import Scenario, in_year
from simulators.network.series import DAY, HOUR, HOURS, MONTH, Array

# Arrivals by local hour, 1 = the day's mean: those of the demo's charging sites.
SHAPE = np.array(
    [0.25, 0.18, 0.15, 0.15, 0.22, 0.40, 0.65, 0.85, 0.95, 1.05, 1.20, 1.35,
     1.45, 1.45, 1.45, 1.50, 1.60, 1.70, 1.65, 1.50, 1.25, 0.95, 0.65, 0.40]
)  # fmt: skip
# Stalls in the United States at the end of the year, all makers' sites of the first network
# (supercharge.info export, 2026); the market's share of them is its share of the cars.
US_STALLS = {2022: 18_206, 2023: 24_471, 2024: 30_036, 2025: 36_459, 2026: 41_500, 2030: 62_000}
PEAK_SPREAD = 1.6  # [A] a month's highest quarter-hour over its highest mean hour, one site


@dataclass(frozen=True, slots=True)
class SiteYear:
    """All sites of the market in a year."""

    sites: float
    stalls: float
    energy_mw: Array  # [hour] drawn by the cars
    kwh_per_stall_day: float
    lost_share: float
    wait_min: float


def site_year(scenario: Scenario, year: int, price_change: float = 0.0) -> SiteYear:
    """``price_change`` is the relative change of the drivers' price since the first year."""
    s = scenario.sites
    stalls = 0.5 * (in_year(s.stalls, year - 1) + in_year(s.stalls, year))
    us = {y: float(n) for y, n in US_STALLS.items()}
    market_share = stalls / (0.5 * (in_year(us, year - 1) + in_year(us, year)))
    cars = traffic(year, scenario) * 1e3 * market_share
    sessions = cars * s.sessions_a_car * (1 + s.car_growth) ** (year - 2025)
    sessions *= max(0.0, 1 + s.elasticity * price_change)
    sites = stalls / s.stalls_a_site
    busy = 1.0 + 0.12 * np.cos(2 * np.pi * (DAY - 200) / 365) + 0.12 * np.isin(DAY % 7, (4, 5, 6))
    per_hour = SHAPE[HOUR] * busy
    per_hour *= sessions / per_hour.sum() / sites
    served = _served(scenario, per_hour)
    kwh = served[0] * s.session_kwh * sites
    return SiteYear(
        sites, stalls, kwh / 1e3, float(kwh.sum() / stalls / 365),
        float(1 - served[0].sum() / per_hour.sum()), float((served[1] * per_hour).sum() / per_hour.sum()),
    )  # fmt: skip


def _served(scenario: Scenario, arrivals: Array) -> tuple[Array, Array]:
    """Sessions served and minutes waited by hour; the queue is solved on a grid of arrivals."""
    s = scenario.sites
    grid = np.linspace(0, max(float(arrivals.max()), 1e-9), 41)
    service = s.stall_kw / s.session_kwh
    solved = [queue(float(a), service, s.stalls_a_site, s.patience_min) for a in grid]
    served = np.interp(arrivals, grid, [q.served_per_h for q in solved])
    return served, np.interp(arrivals, grid, [q.wait_min for q in solved])


@dataclass(frozen=True, slots=True)
class SiteCost:
    """What a kWh costs a site, USD."""

    contract: float  # energy at a fixed price, demand charge
    exchange: float  # energy at the market's price, demand charge
    exchange_battery: float  # the same with an own battery that cuts the peak and shifts energy
    demand_charges_usd: float  # all sites


def site_cost(scenario: Scenario, year: SiteYear, price: Array) -> SiteCost:
    s = scenario.sites
    kwh = year.energy_mw * 1e3 / max(year.sites, 1e-9)  # one site
    total = max(float(kwh.sum()), 1e-9)
    peaks = np.array([kwh[m == MONTH].max() for m in range(1, 13)]) * PEAK_SPREAD
    demand = float(peaks.sum()) * s.demand_charge_usd_per_kw
    energy = float((kwh * price).sum()) / 1e3
    cut = min(s.own_battery_kwh / 2, float(peaks.mean()) * 0.4)  # two hours carry the peak
    lower = float(np.maximum(peaks - cut, 0).sum()) * s.demand_charge_usd_per_kw
    shifted = _shift_gain(price, s.own_battery_kwh)
    return SiteCost(
        s.contract_usd_per_kwh + demand / total,
        (energy + demand) / total,
        (energy - shifted + lower) / total,
        demand * year.sites,
    )


def _shift_gain(price: Array, battery_kwh: float) -> float:
    """USD a year from filling in the four cheapest hours and giving in the four dearest of a day."""
    days = np.sort(price.reshape(HOURS // 24, 24), axis=1)
    spread = 0.9 * days[:, -4:].mean(axis=1) - days[:, :4].mean(axis=1) - 20.0
    return float(np.maximum(spread, 0).sum() * battery_kwh / 1e3)
