"""Several cars under one fuse: who must begin first does not keep from it who leaves first, and together they do nearly as well
as one programme for all, also with a battery that may help them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from gateway.control.charging import wished
from gateway.domain.intervals import QUARTER, Interval
from gateway.domain.plan import BatterySpec, CarNeed, Forecast, Outlook
from gateway.planner import strategy

NOW = datetime(2026, 6, 1, 18, tzinfo=UTC)
HOUSE_WH, FUSE_W = 100.0, 3_400.0
BATTERY = BatterySpec(10_000, 1_000, 5_000, 5_000)


def test_who_leaves_first_is_not_kept_from_the_fuse() -> None:
    """The later one has the most to charge and must begin first; planned first, it would take the cheap hours that the other
    needs, and leave it 1.5 kWh short."""
    soon = CarNeed(2_613.0, NOW + timedelta(hours=3, minutes=15), 3_700, 0.0, name="soon")
    later = CarNeed(13_500.0, NOW + timedelta(hours=6), 3_700, 0.0, name="later")
    prices = [30.0] * 13 + [200.0] * 11
    forecasts = tuple(
        Forecast(
            Interval(NOW + i * QUARTER, NOW + (i + 1) * QUARTER),
            (HOUSE_WH, HOUSE_WH, HOUSE_WH), (0.0, 0.0, 0.0), price, 0.0, price,
        )
        for i, price in enumerate(prices)
    )  # fmt: skip
    cars = wished({"soon": soon, "later": later})
    assert cars[0] == later, "the order in which they come to the planner"
    outlook = Outlook(NOW, forecasts, None, 0.0, 0.0, cars=cars, import_limit_w=FUSE_W)
    plan = strategy("value").plan(outlook)
    assert not plan.notes
    charged = sum(one.car_wh for one in plan.schedule)
    assert abs(charged - soon.energy_wh - later.energy_wh) < 20
    assert all(one.grid_wh <= FUSE_W / 4 + 1 for one in plan.schedule)


def made_case(rng: np.random.Generator, count: int) -> Outlook:
    """Cars that want a good part of their stay, a fuse for a part of them, and a price for each hour."""
    prices = np.repeat(rng.uniform(20, 250, int(rng.integers(6, 13))), 4).tolist()
    cars = []
    for k in range(count):
        stay, power_w = int(rng.integers(8, len(prices) + 1)), float(rng.choice([3_700, 7_400]))
        energy_wh = float(rng.uniform(0.2, 0.6)) * stay * power_w / 4
        cars.append(CarNeed(energy_wh, NOW + stay * QUARTER, power_w, 0.0, name=f"car{k}"))
    fuse_w = float(rng.uniform(0.5, 1.0)) * sum(c.max_power_w for c in cars) + 4 * HOUSE_WH
    forecasts = tuple(
        Forecast(
            Interval(NOW + i * QUARTER, NOW + (i + 1) * QUARTER),
            (HOUSE_WH, HOUSE_WH, HOUSE_WH), (0.0, 0.0, 0.0), price, 0.0, price,
        )
        for i, price in enumerate(prices)
    )  # fmt: skip
    in_turn = wished({car.name: car for car in cars})
    return Outlook(NOW, forecasts, None, 0.0, 0.0, cars=in_turn, import_limit_w=fuse_w)


def best(highspy: Any, outlook: Outlook) -> tuple[float, float]:
    """Cost of the cars' energy (currency units x 1e6) and what cannot be in them, Wh, by one linear programme."""
    solver = highspy.Highs()
    solver.silent()
    assert outlook.import_limit_w is not None
    missing = [solver.addVariable(lb=0, obj=1e5) for _ in outlook.cars]
    taken = [
        [
            solver.addVariable(
                lb=0,
                ub=car.max_power_w / 4 if f.interval.end <= car.departure else 0,
                obj=f.import_price,
            )
            for f in outlook.forecasts
        ]
        for car in outlook.cars
    ]
    for car, short, energy in zip(outlook.cars, missing, taken, strict=True):
        solver.addConstr(sum(energy) + short >= car.energy_wh)
    for together in zip(*taken, strict=True):
        solver.addConstr(sum(together) <= outlook.import_limit_w / 4 - HOUSE_WH)
    solver.run()
    short_wh = sum(solver.val(short) for short in missing)
    return solver.getObjectiveValue() - 1e5 * short_wh, short_wh


@pytest.mark.parametrize("count", [2, 3])
def test_cars_in_turn_cost_hardly_more_than_all_at_once(count: int) -> None:
    """Over made-up evenings: 2 % on average, as a share of what the energy costs at the mean price. What is not in the cars
    though it could be is at most a hundredth of all."""
    highspy = pytest.importorskip("highspy")
    rng = np.random.default_rng(count)
    more, left_out_wh, wanted_wh = [], 0.0, 0.0
    for _ in range(30):
        outlook = made_case(rng, count)
        least, missing_wh = best(highspy, outlook)
        schedule = strategy("value").plan(outlook).schedule
        energy_wh = sum(car.energy_wh for car in outlook.cars)
        left_wh = energy_wh - sum(one.car_wh for one in schedule) - missing_wh
        wanted_wh += energy_wh
        left_out_wh += max(left_wh, 0.0)
        if left_wh < 0.002 * energy_wh:
            cost = sum(one.car_wh * one.import_price for one in schedule)
            mean = sum(one.import_price for one in schedule) / len(schedule)
            more.append((cost - least) / (energy_wh * mean))
    assert len(more) >= 25
    assert sum(more) / len(more) < 0.02
    assert left_out_wh < 0.01 * wanted_wh


def harsh_case(rng: np.random.Generator, count: int) -> Outlook:
    """A fuse that leaves the cars a third of what they can draw, and a battery that may feed them."""
    outlook = made_case(rng, count)
    drawn_w = sum(car.max_power_w for car in outlook.cars)
    fuse_w = float(rng.uniform(0.3, 0.4)) * drawn_w + 4 * HOUSE_WH
    stored_wh = float(rng.uniform(BATTERY.reserve_wh, BATTERY.capacity_wh))
    return replace(
        outlook, import_limit_w=fuse_w, battery=BATTERY, stored_wh=stored_wh, resellable_wh=stored_wh, car_from_battery=True
    )  # fmt: skip


def least_missing_wh(highspy: Any, outlook: Outlook) -> float:
    """What one linear programme for cars and battery cannot get into the cars."""
    assert outlook.import_limit_w is not None
    solver = highspy.Highs()
    solver.silent()
    power_wh, stored = BATTERY.max_discharge_w / 4, outlook.stored_wh
    missing = [solver.addVariable(lb=0, obj=1) for _ in outlook.cars]
    taken: list[list[Any]] = [[] for _ in outlook.cars]
    for f in outlook.forecasts:
        out, into = (solver.addVariable(lb=0, ub=power_wh) for _ in range(2))
        after = solver.addVariable(lb=BATTERY.reserve_wh, ub=BATTERY.capacity_wh)
        gained = BATTERY.charge_efficiency * into - (1 / BATTERY.discharge_efficiency) * out
        solver.addConstr(after - gained == stored)
        stored = after
        for car, energy in zip(outlook.cars, taken, strict=True):
            most_wh = car.max_power_w / 4 if f.interval.end <= car.departure else 0
            energy.append(solver.addVariable(lb=0, ub=most_wh))
        drawn = sum(energy[-1] for energy in taken) + into - out
        solver.addConstr(drawn <= outlook.import_limit_w / 4 - HOUSE_WH)
    for car, short, energy in zip(outlook.cars, missing, taken, strict=True):
        solver.addConstr(sum(energy) + short >= car.energy_wh)
    solver.run()
    return float(solver.getObjectiveValue())


@pytest.mark.parametrize("count", [2, 3])
def test_the_battery_helps_cars_that_the_fuse_leaves_short(count: int) -> None:
    """Over 30 harsh evenings hardly a tenth leave out what one programme would get in, 0.3 % of all that is wanted, and no plan draws
    more than the fuse carries. Without the battery's help 3 % are left out."""
    highspy = pytest.importorskip("highspy")
    rng = np.random.default_rng(count)
    shorter, left_out_wh, alone_wh, wanted_wh = 0, 0.0, 0.0, 0.0
    for _ in range(30):
        outlook = harsh_case(rng, count)
        least_wh = least_missing_wh(highspy, outlook)
        energy_wh = sum(car.energy_wh for car in outlook.cars)
        schedule = strategy("value").plan(outlook).schedule
        assert outlook.import_limit_w is not None
        assert max(one.grid_wh for one in schedule) <= outlook.import_limit_w / 4 + 1
        alone = strategy("value").plan(replace(outlook, car_from_battery=False)).schedule
        left_wh, without_wh = (
            energy_wh - sum(one.car_wh for one in s) - least_wh for s in (schedule, alone)
        )
        shorter += left_wh > 0.002 * energy_wh
        left_out_wh, alone_wh = left_out_wh + max(left_wh, 0.0), alone_wh + max(without_wh, 0.0)
        wanted_wh += energy_wh
    assert shorter <= 3
    assert left_out_wh < 0.003 * wanted_wh
    assert alone_wh > 0.02 * wanted_wh
