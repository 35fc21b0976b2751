"""What it costs that heat is planned before the cars: the same homes with the cars first, the better of both, and planned in turns.

Sixty homes by seed, from 18 o'clock to 10, a car and a tank without a battery, under a connection of 4.2 and of 7 kW. Costs are those of the plans
at their prices; what is not there in time is charged with 1 a kWh.

    python benchmarks/heat_order.py
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import mean

from gateway.domain.intervals import QUARTER, Interval
from gateway.domain.plan import CarNeed, Forecast, HeatNeed, Outlook
from gateway.planner import strategy
from gateway.planner.value import heat_plans_of

EVENING = datetime(2026, 4, 14, 18, tzinfo=UTC)
HOMES, STEPS, MISSED = 60, 64, 1.0
Energies = Sequence[float]


def home(seed: int, limit_w: float) -> Outlook:
    """A cheap night and a dear evening, or nearly flat; sun in the morning; both want something by then."""
    rng = random.Random(seed)
    load_wh, night = rng.choice((300, 600, 1_200)) / 4, rng.choice((80.0, 150.0, 200.0))
    noise, pv_w = rng.choice((0.0, 50.0)), rng.choice((0, 3_000, 6_000))
    forecasts = []
    for n in range(STEPS):
        start, hour = EVENING + n * QUARTER, (18 + n / 4) % 24
        price = night if hour < 6 else 420.0 if 17 <= hour < 20 else 280.0
        pv_wh = max(0.0, pv_w * (1 - ((hour - 12) / 5) ** 2)) / 4
        forecasts.append(
            Forecast(
                Interval(start, start + QUARTER),
                (0.8 * load_wh, load_wh, 1.2 * load_wh),
                (0.7 * pv_wh, pv_wh, 1.2 * pv_wh),
                price + noise * rng.random(),
                50.0,
                100.0,
            )
        )
    leaves, warm = (EVENING + timedelta(hours=rng.choice(h)) for h in ((11, 12.5), (6, 12.5)))
    car = CarNeed(rng.choice((5_000, 10_000, 20_000)), leaves, 3_680, min_power_w=1_380, name="car")
    water_wh, rod_w = rng.choice((2_000, 4_000, 8_000)), rng.choice((2_000, 3_500))
    water = HeatNeed(water_wh, warm, rod_w, min_power_w=100, name="boiler", loss_per_h=0.004)
    return Outlook(
        EVENING, forecasts, None, 0.0, 0.0, cars=(car,), heaters=(water,), import_limit_w=limit_w
    )


def heat(asked: Outlook, cars_wh: Energies) -> Energies:
    return heat_plans_of(_beside(asked, cars_wh)).energy_wh


def cars(asked: Outlook, heat_wh: Energies) -> Energies:
    alone = replace(_beside(asked, heat_wh), heaters=())
    return tuple(step.car_wh for step in strategy("value").plan(alone).schedule)


def _beside(asked: Outlook, energies: Energies) -> Outlook:
    """The same with so much more load."""
    rows = [
        replace(f, load_wh=(f.load_wh[0] + wh, f.load_wh[1] + wh, f.load_wh[2] + wh))
        for f, wh in zip(asked.forecasts, energies, strict=True)
    ]
    return replace(asked, forecasts=rows)


def missing_kwh(asked: Outlook, cars_wh: Energies, heat_wh: Energies) -> float:
    """What is not there in time; of heat a twentieth may be lost meanwhile."""
    (car,), (water,) = asked.cars, asked.heaters
    lacks = car.energy_wh - sum(cars_wh), 0.95 * water.energy_wh - sum(heat_wh)
    return sum(max(0.0, wh) for wh in lacks) / 1e3


def cost(asked: Outlook, cars_wh: Energies, heat_wh: Energies) -> float:
    total = MISSED * missing_kwh(asked, cars_wh, heat_wh)
    for f, car, water in zip(asked.forecasts, cars_wh, heat_wh, strict=True):
        net = f.load_wh[1] - f.pv_wh[1] + car + water
        total += net * (f.import_price if net > 0 else f.export_price) / 1e6
    return total


def main() -> None:
    none = (0.0,) * STEPS
    for limit_w in (4_200.0, 7_000.0):
        rows, lacking = [], [0.0, 0.0]
        for seed in range(HOMES):
            asked = home(seed, limit_w)
            heat_first = heat(asked, none)
            cars_after = cars(asked, heat_first)
            cars_first = cars(asked, none)
            heat_after = heat(asked, cars_first)
            again = heat(asked, cars_after)
            turns = cost(asked, cars(asked, again), again)
            ours = cost(asked, cars_after, heat_first)
            other = cost(asked, cars_first, heat_after)
            rows.append((ours, other, min(ours, other), min(ours, turns)))
            lacking[0] += missing_kwh(asked, cars_after, heat_first)
            lacking[1] += missing_kwh(asked, cars_first, heat_after)
        first, second, better, turns_mean = (mean(column) for column in zip(*rows, strict=True))
        print(
            f"{limit_w / 1e3:.1f} kW: heat first {first:.3f}, cars first {second:.3f}, the better of both {better:.3f},"
            f" in turns {turns_mean:.3f}; missing kWh {lacking[0]:.1f} and {lacking[1]:.1f}"
        )


if __name__ == "__main__":
    main()
