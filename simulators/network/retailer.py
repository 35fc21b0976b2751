"""The retailer: what it buys, what it sells, and the night plan's own profit and loss. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.network.homes import Shapes
from simulators.network.market import Tariffs, in_window
from simulators.network.scenario import Scenario
from simulators.network.series import HOUR, Array


@dataclass(frozen=True, slots=True)
class NightPlanYear:
    """The plan's subscribers in a year, without those who have a battery. USD, all of them."""

    homes: float
    fees: float
    day_sales: float
    purchase: float
    delivery: float
    extra_mw: Array  # [hour] what they use more (or less) than on another tariff

    @property
    def margin(self) -> float:
        return self.fees + self.day_sales - self.purchase - self.delivery


def night_plan(
    scenario: Scenario, shapes: Shapes, tariffs: Tariffs, price: Array, homes: float
) -> NightPlanYear:
    """Free energy in the window for a fee; use moves there, and more is used since it is free."""
    plan = scenario.night_plan
    usual, changed, free = plan_load_kw(scenario, shapes)
    mwh = changed * homes / 1e3
    return NightPlanYear(
        homes,
        homes * 12 * plan.fee_usd_per_month,
        float(mwh[~free].sum()) * (tariffs.energy + tariffs.delivery) * 1e3,
        float((mwh * price).sum()),
        float(mwh.sum()) * tariffs.delivery * 1e3,
        (changed - usual) * homes / 1e3,
    )


def plan_load_kw(
    scenario: Scenario, shapes: Shapes
) -> tuple[Array, Array, np.typing.NDArray[np.bool_]]:
    """A subscriber's load on another tariff and on the plan, and which hours are free.

    The car is in both: on another tariff it charges evenly from 18:00 to midnight.
    """
    plan = scenario.night_plan
    free = in_window(plan.begins, plan.ends)[HOUR]
    base = shapes.load.mean(axis=0).astype(float) * scenario.homes.load_mwh / 8.76
    usual = base + np.where(HOUR >= 18, plan.car_kwh / 6, 0.0)
    window_hours = max(int(in_window(plan.begins, plan.ends).sum()), 1)
    moved = plan.shifted * base[~free].sum() / max(free.sum(), 1)
    in_night = base * (1 + plan.rebound) + moved + plan.car_kwh / window_hours
    return usual, np.where(free, in_night, base * (1 - plan.shifted)), free


def next_tariffs(scenario: Scenario, now: Tariffs, cost: float) -> Tariffs:
    """Next year's tariffs when this year's purchase cost was ``cost`` USD/kWh."""
    r = scenario.retail
    if not scenario.switches.retail_feedback:
        return now
    energy = r.energy_usd_per_kwh + r.pass_on * (cost - r.reckoned_usd_per_kwh)
    return Tariffs(max(energy, 0.01), now.delivery, now.adder, now.sell_back)
