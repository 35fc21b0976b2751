"""A home by its seed: what stands there, what it pays, which limits hold, who comes with a car.

``calm`` gives it without the troubles of a day (`benchmarks.random_homes.troubles`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from math import cos, pi
from typing import Any

from benchmarks.random_homes.troubles import troubled
from simulators.lab import (
    Battery,
    Car,
    Day,
    Equipment,
    House,
    Inverter,
    Lab,
    Script,
    Visit,
    broken_clouds,
    clear_day,
    steady,
)
from simulators.lab.feed import Prices
from simulators.physics.noise import smooth

SUMMER = Day()
# Both nights on which the clock of middle Europe changes, and one in Texas where it does not.
OTHER_DAYS = (
    Day("2026-03-28", "Europe/Berlin"),
    Day("2026-10-24", "Europe/Berlin"),
    Day("2026-06-01", "America/Chicago"),
)


def home(seed: int, *, calm: bool = False) -> Lab:
    """A home of that seed."""
    other = random.Random(f"day {seed}")
    day = SUMMER if calm or other.random() < 0.6 else other.choice(OTHER_DAYS)
    lab = _home(random.Random(seed), seed, day)
    return lab if calm else troubled(lab, seed, day)


def _home(rng: random.Random, seed: int, day: Day) -> Lab:
    equipment = Equipment(
        battery=rng.random() > 0.1,
        roof=rng.random() < 0.3,
        keeps_export=rng.random() < 0.3,
        switches_phases=rng.random() < 0.4,
    )
    chargers = rng.choice((1, 1, 2))
    visits = tuple(_visit(rng, n, day) for n in range(chargers) if rng.random() < 0.6)
    peak_w = rng.choice((0, 2_000, 6_000, 9_000, 14_000))
    cloudy = rng.random() < 0.5
    script = Script(
        sun_w=broken_clouds(peak_w, day, seed, minutes=rng.choice((1, 4, 8)))
        if cloudy
        else clear_day(peak_w, day),
        load_w=_load(rng, day),
        ac_sun_w=clear_day(rng.choice((1_500, 4_000)), day) if equipment.roof else steady(0),
        visits=visits,
        chargers=chargers,
    )
    power_w = rng.choice((1_500, 2_500, 5_000, 8_000))
    battery = Battery(rng.choice((2_500, 5_000, 10_000, 13_500, 20_000)), power_w, power_w)
    if not equipment.battery:
        battery = replace(battery, max_charge_w=0.0, max_discharge_w=0.0, standby_w=0.0)
    inverter = Inverter(ac_rating_w=rng.choice((3_000, 5_000, 10_000)))
    settings: dict[str, Any] = {
        "site": {**_site(rng), "time_zone": day.zone},
        "car": _car(rng, visits),
        "control": {"period_s": 20},
    }
    prices = None
    if rng.random() < 0.5:
        settings["tariff"] = retail_tariff(rng)
    else:
        prices = Prices(_posted(rng, day))
    coupled = equipment.roof and rng.random() < 0.7
    return Lab(
        day.at("05:30"), 25.5, script, House(battery, inverter, ac_coupled=coupled), equipment,
        soc_pct=rng.choice((8, 30, 60, 95)), settings=settings, prices=prices, past_days=4,
    )  # fmt: skip


def _visit(rng: random.Random, charger: int, day: Day) -> Visit:
    at = day.at
    arrives, leaves = rng.choice(
        (
            (at("17:30"), at("07:00", 1)),
            (at("08:00"), at("16:00")),
            (at("22:00"), at("06:30", 1)),
        )
    )
    car = Car(phases=rng.choice((1, 3, 3)))
    return Visit(arrives, leaves, charger, car, stored_wh=rng.choice((0, 10_000, 30_000)))


def _load(rng: random.Random, day: Day) -> Callable[[datetime], float]:
    """People who cook and heat water, some with much that comes and goes by the minute."""
    base, evening, most = rng.choice((150, 300, 500, 900)), rng.choice((400, 1_500, 4_000)), 0
    seed = rng.randrange(10**6)
    if rng.random() < 0.5:
        most = rng.choice((2_000, 3_500, 7_000))

    def load_w(time: datetime) -> float:
        hour, minute = day.hour(time), int(time.timestamp() // 60)
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


def retail_tariff(
    rng: random.Random, fed_in: Sequence[str] = ("0.08", "0.05", "0.27", "0")
) -> dict[str, Any]:
    """Flat, or with a cheap night and a dear evening; feeding in earns one of ``fed_in``: nothing, little, or more than
    the night costs."""
    bought: dict[str, Any] = {"kind": "flat", "per_kwh": "0.30"}
    if rng.random() < 0.7:
        night = {"from": "00:00", "to": "06:00", "per_kwh": rng.choice(("0.08", "0.20"))}
        peak = {"from": "17:00", "to": "20:00", "per_kwh": "0.42"}
        bought = {"kind": "time_of_use", "otherwise_per_kwh": "0.28", "periods": [night, peak]}
    sold = {"kind": "flat", "per_kwh": rng.choice(fed_in)}
    return {"import_price": bought, "export_price": sold}


def _posted(rng: random.Random, day: Day) -> Callable[[datetime], tuple[float, float]]:
    """Hourly prices of a market; in some below 0 at noon."""
    swing, noise = rng.choice(((0.1, 0.2), (0.2, 0.1), (0.3, 0.05)))
    seed, below_0, adder = rng.randrange(10**6), rng.random() < 0.5, rng.choice((0.02, 0.06, 0.2))

    def posted(time: datetime) -> tuple[float, float]:
        hour = day.hour(time)
        price = 0.18 + swing * cos((hour - 19) / 24 * 2 * pi)
        price += noise * (smooth(time.timestamp() / 3600, seed, 5) - 0.5)
        price -= 0.35 if below_0 and 11 <= hour < 15 else 0.0
        return price + adder, price

    return posted
