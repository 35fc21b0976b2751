"""Homes that nobody thought of: made by seed, lived for a day with guard and agent, and judged at the meter.

Each is played twice, steered and by its inverter's own rule, with the same sun, load and cars. What an owner or a
grid operator would complain of is a fault, and it is printed with its seed.

    python -m benchmarks.random_homes --homes 20 [--first 0]

About 11 s of processor a home. Ends with 1 where a fault was found.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from math import cos, pi
from pathlib import Path
from typing import Any

from simulators.lab import (
    DAY,
    Battery,
    Car,
    Equipment,
    House,
    Inverter,
    Lab,
    Result,
    Sample,
    Script,
    Visit,
    broken_clouds,
    clear_day,
    play,
    steady,
)
from simulators.lab.feed import Prices
from simulators.physics.noise import smooth

at = DAY.at
READY = at("06:30", 1)
# What is a fault: longer above a limit than three ticks of 20 s; more starts and turns than a day has reasons for; and
# more money lost than the estimate of what is left in battery and car can be wrong by.
OVER_W, OVER_S, RESERVE_PCT, MOST_STARTS, MOST_TURNS, LOST, LOST_PART = (
    150,
    60,
    1.5,
    12,
    90,
    0.15,
    0.03,
)


def home(seed: int) -> Lab:
    """A home of that seed."""
    rng = random.Random(seed)
    equipment = Equipment(
        battery=rng.random() > 0.1,
        roof=rng.random() < 0.3,
        keeps_export=rng.random() < 0.3,
        switches_phases=rng.random() < 0.4,
    )
    chargers = rng.choice((1, 1, 2))
    visits = tuple(_visit(rng, n) for n in range(chargers) if rng.random() < 0.6)
    peak_w = rng.choice((0, 2_000, 6_000, 9_000, 14_000))
    cloudy = rng.random() < 0.5
    script = Script(
        sun_w=broken_clouds(peak_w, seed=seed, minutes=rng.choice((1, 4, 8)))
        if cloudy
        else clear_day(peak_w),
        load_w=_load(rng),
        ac_sun_w=clear_day(rng.choice((1_500, 4_000))) if equipment.roof else steady(0),
        visits=visits,
        chargers=chargers,
    )
    power_w = rng.choice((1_500, 2_500, 5_000, 8_000))
    battery = Battery(rng.choice((2_500, 5_000, 10_000, 13_500, 20_000)), power_w, power_w)
    inverter = Inverter(ac_rating_w=rng.choice((3_000, 5_000, 10_000)))
    settings: dict[str, Any] = {
        "site": _site(rng),
        "car": _car(rng, visits),
        "control": {"period_s": 20},
    }
    prices = None
    if rng.random() < 0.5:
        settings["tariff"] = _tariff(rng)
    else:
        prices = Prices(_posted(rng))
    return Lab(
        at("05:30"), 25.5, script, House(battery, inverter, ac_coupled=equipment.roof and rng.random() < 0.7), equipment,
        soc_pct=rng.choice((8, 30, 60, 95)), settings=settings, prices=prices, past_days=4,
    )  # fmt: skip


def _visit(rng: random.Random, charger: int) -> Visit:
    arrives, leaves = rng.choice(
        ((at("17:30"), at("07:00", 1)), (at("08:00"), at("16:00")), (at("22:00"), READY))
    )
    car = Car(phases=rng.choice((1, 3, 3)))
    return Visit(arrives, leaves, charger, car, stored_wh=rng.choice((0, 10_000, 30_000)))


def _load(rng: random.Random) -> Callable[[datetime], float]:
    """People who cook and heat water, some with much that comes and goes by the minute."""
    base, evening, most = rng.choice((150, 300, 500, 900)), rng.choice((400, 1_500, 4_000)), 0
    seed = rng.randrange(10**6)
    if rng.random() < 0.5:
        most = rng.choice((2_000, 3_500, 7_000))

    def load_w(time: datetime) -> float:
        hour, minute = DAY.hour(time), int(time.timestamp() // 60)
        watts = (
            base + (evening if 17.5 <= hour < 21 else 0) + (evening / 2 if 6.5 <= hour < 8 else 0)
        )
        kettle = most if (minute + seed) * 2_654_435_761 % 997 < 40 else 0
        return (watts + kettle) * (0.7 + 0.6 * smooth(time.timestamp() / 600, seed, 3))

    return load_w


def _site(rng: random.Random) -> dict[str, Any]:
    site: dict[str, Any] = {"reserve_pct": rng.choice((0, 10, 20, 50))}
    if rng.random() < 0.45:
        site["export_limit_w"] = rng.choice((0, 0, 500, 3_000, 6_000))
    if rng.random() < 0.4:
        site["import_limit_w"] = rng.choice((4_000, 7_000, 11_000))
    return site


def _car(rng: random.Random, visits: tuple[Visit, ...]) -> dict[str, Any]:
    if not visits:
        return {"energy_wh": 0}
    car: dict[str, Any] = {
        "energy_wh": rng.choice((0, 5_000, 12_000, 20_000)),
        "departure": "06:30",
    }
    if rng.random() < 0.3:
        car["more_per_kwh"] = rng.choice((0.05, 0.15))
    if rng.random() < 0.3:
        car["surplus_w"] = 3_000
    return car


def _tariff(rng: random.Random) -> dict[str, Any]:
    """Flat, or with a cheap night and a dear evening; feeding in earns nothing, little, or more than the night costs."""
    bought: dict[str, Any] = {"kind": "flat", "per_kwh": "0.30"}
    if rng.random() < 0.7:
        night = {"from": "00:00", "to": "06:00", "per_kwh": rng.choice(("0.08", "0.20"))}
        peak = {"from": "17:00", "to": "20:00", "per_kwh": "0.42"}
        bought = {"kind": "time_of_use", "otherwise_per_kwh": "0.28", "periods": [night, peak]}
    sold = {"kind": "flat", "per_kwh": rng.choice(("0.08", "0.05", "0.27", "0"))}
    return {"import_price": bought, "export_price": sold}


def _posted(rng: random.Random) -> Callable[[datetime], tuple[float, float]]:
    """Hourly prices of a market; in some below 0 at noon."""
    swing, noise = rng.choice(((0.1, 0.2), (0.2, 0.1), (0.3, 0.05)))
    seed, below_0, adder = rng.randrange(10**6), rng.random() < 0.5, rng.choice((0.02, 0.06, 0.2))

    def posted(time: datetime) -> tuple[float, float]:
        hour = DAY.hour(time)
        price = 0.18 + swing * cos((hour - 19) / 24 * 2 * pi)
        price += noise * (smooth(time.timestamp() / 3600, seed, 5) - 0.5)
        price -= 0.35 if below_0 and 11 <= hour < 15 else 0.0
        return price + adder, price

    return posted


def faults(lab: Lab, steered: Result, alone: Result) -> list[str]:
    """What somebody would complain of."""
    return [*_limits(lab, steered), *_reserve(lab, steered), *_calm(lab, steered), *_cars(lab, steered),
            *_money(lab, steered, alone), *_said(steered)]  # fmt: skip


def _limits(lab: Lab, steered: Result) -> list[str]:
    """Beyond a limit, while something could be held back."""
    found, site = [], lab.settings["site"]

    def drawn_w(sample: Sample) -> float:
        held_back_w = sum(sample.cars_w) + max(0.0, -sample.powers.battery)
        return sample.powers.grid if held_back_w > 300 else 0.0

    for name, power_w in (("export", lambda s: -s.powers.grid), ("import", drawn_w)):
        limit_w = site.get(f"{name}_limit_w")
        if limit_w is not None:
            over_wh, longest_s = steered.excess(limit_w, power_w, OVER_W)
            if longest_s > OVER_S:
                found.append(
                    f"{name} limit of {limit_w} W: {over_wh:.0f} Wh over, {longest_s:.0f} s without a break"
                )
    return found


def _reserve(lab: Lab, steered: Result) -> list[str]:
    """Below the reserve only the import limit's need takes something out."""
    site = lab.settings["site"]
    limit_w, least = site.get("import_limit_w", float("inf")), site["reserve_pct"] - RESERVE_PCT
    low = [
        b
        for a, b in pairwise(steered.samples)
        if lab.equipment.battery and b.soc_pct < min(least, a.soc_pct) and b.powers.battery > 150
        and b.powers.grid + b.powers.battery < limit_w - 500
    ]  # fmt: skip
    return (
        [f"{len(low)} times discharged below the reserve, first {low[0].time:%H:%M}"]
        if len(low) > 6
        else []
    )


def _calm(lab: Lab, steered: Result) -> list[str]:
    chargers = ((n, steered.starts(n)) for n in range(lab.script.chargers))
    found = [f"charger {n} began {count} times" for n, count in chargers if count > MOST_STARTS]
    turns = steered.reversals()
    return found + ([f"the battery was turned {turns} times"] if turns > MOST_TURNS else [])


def _cars(lab: Lab, steered: Result) -> list[str]:
    """Each that stays until its departure has its wish, or its owner was told."""
    wish_wh, told = (
        lab.settings["car"]["energy_wh"],
        any("car cannot be" in n for n in steered.notes),
    )
    found = []
    for visit in lab.script.visits:
        room_wh = (visit.car.capacity_wh - visit.stored_wh) / visit.car.charge_efficiency
        wanted_wh, got_wh = min(wish_wh, 0.95 * room_wh), steered.car_wh(visit.charger)
        if visit.leaves >= READY and got_wh < 0.97 * wanted_wh and not told:
            found.append(
                f"the car at {visit.charger} has {got_wh:.0f} of {wanted_wh:.0f} Wh, and nobody was told"
            )
    return found


def _money(lab: Lab, steered: Result, alone: Result) -> list[str]:
    """Worse than the inverter's own rule; what is left in battery and cars is counted at usual prices."""
    bought = sorted(s.prices[0] for s in alone.samples if s.prices[0] is not None)
    sold = sorted(s.prices[1] for s in alone.samples if s.prices[1] is not None)
    usual, least = (
        bought[len(bought) // 2] / 1e3,
        min(bought[0], max(0.0, sold[len(sold) // 2])) / 1e3,
    )
    capacity_kwh = lab.house.battery.capacity_wh / 1e3 if lab.equipment.battery else 0.0
    more_kwh = (steered.samples[-1].soc_pct - alone.samples[-1].soc_pct) / 100 * capacity_kwh
    cars_kwh = sum(steered.car_wh(n) - alone.car_wh(n) for n in range(lab.script.chargers)) / 1e3
    gained = sum(kwh * (usual if kwh > 0 else least) for kwh in (0.9 * more_kwh, cars_kwh))
    lost = steered.cost - alone.cost - gained
    if lost <= max(LOST, LOST_PART * abs(alone.cost)):
        return []
    sums = f"{steered.cost:.2f} for {alone.cost:.2f}"
    left = f"{more_kwh:+.1f} kWh stored, {cars_kwh:+.1f} in cars"
    return [f"{lost:.2f} worse than its inverter's own rule: {sums}, {left}"]


def _said(steered: Result) -> list[str]:
    """Errors in the log, but for limits that the house alone breaks, which are judged above."""
    return [line for line in steered.log if "ERROR" in line and "is not kept" not in line]


async def lived(seed: int) -> tuple[Lab, Result, Result]:
    lab = home(seed)
    with tempfile.TemporaryDirectory() as folder:
        steered = await play(lab, Path(folder) / "steered")
        alone = await play(replace(lab, agent=False), Path(folder) / "alone")
    return lab, steered, alone


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--homes", type=int, default=5)
    words.add_argument("--first", type=int, default=0, help="the first seed")
    asked = words.parse_args()
    bad, saved = 0, 0.0
    for seed in range(asked.first, asked.first + asked.homes):
        lab, steered, alone = asyncio.run(lived(seed))
        found = faults(lab, steered, alone)
        bad, saved = bad + bool(found), saved + alone.cost - steered.cost
        print(
            f"home {seed}: cost {steered.cost:.2f}, by its inverter's own rule {alone.cost:.2f}",
            flush=True,
        )
        for line in found:
            print(f"  {line}", flush=True)
    print(
        f"{asked.homes} homes, {bad} with a fault; {saved / asked.homes:.2f} less a home-day than by its own rule"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
