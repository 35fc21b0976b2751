"""Homes with hot water that nobody thought of: a boiler (a rod, or behind a plug), sometimes a heat pump, a car, sun, a connection of 4.2 kW and no exchange.

Each is made by seed, lived for a day with guard and agent, and judged at the meter and in the tank; beside it the same home on its own: boiler
and heat pump by their thermostats, the car at once, the battery by its inverter's rule. What an owner or a grid operator would complain of is a fault.

    python -m benchmarks.random_heat --homes 10 [--first 0]

Ends with 1 where a fault was found.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from gateway.domain.intervals import quarter_of
from gateway.tariff import TariffRules
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
)
from simulators.lab.site import BOILER, HEAT_PUMP
from simulators.physics.heat import Boiler, HeatPump
from simulators.physics.home import Home
from simulators.physics.noise import smooth

at = DAY.at
LIMIT_W, OVER_W, OVER_S = 4_200, 150, 60
READY = ("06:30", "18:00")
TARGET_C, LEAST_C, BAND_K, SLACK_K = 55.0, 42.0, 5.0, 2.0
WANTED_WH, PLUG_W = 4_000.0, 2_000.0
MOST_SWITCHES = {"the plug": 40, "the heat pump": 16}  # on and off in a day
LOST, LOST_PART = 0.15, 0.03
STEP_S = 20
VISITS = tuple(
    Visit(at(arrives), leaves, 0, Car(phases=phases), stored_wh=10_000)
    for arrives, leaves in (
        ("17:30", at("07:00", 1)),
        ("22:00", at("06:40", 1)),
        ("08:00", at("16:00")),
    )
    for phases in (1, 3)
)


def home(seed: int) -> Lab:
    """A home of that seed. Its own load leaves room below the limit most of the time."""
    rng = random.Random(seed)
    peak_w = rng.choice((0, 3_000, 6_000, 9_000))
    visits = (rng.choice(VISITS),) if rng.random() < 0.7 else ()
    sun_w = broken_clouds(peak_w, seed=seed, minutes=4) if rng.random() < 0.5 else clear_day(peak_w)
    script = Script(sun_w=sun_w, load_w=_load(rng), visits=visits)
    power_w = rng.choice((2_500, 5_000))
    battery = Battery(rng.choice((5_000, 10_000)), power_w, power_w)
    plug, pump = rng.random() < 0.4, rng.random() < 0.4
    water = {"ready_by": list(READY)}
    rod = {
        "power_w": 3_500,
        "litres": 300,
        "target_c": TARGET_C,
        "min_c": LEAST_C,
        "max_c": 65,
        "loss_w": 55,
    }
    switched = {"power_w": PLUG_W, "step_w": PLUG_W, "energy_wh": WANTED_WH}
    warm = {"power_w": 1_800, "step_w": 1_800, "litres": 250, "target_c": 52, "min_c": 40, "max_c": 57,
            "heat_per_electricity": 3, "min_on_s": 900, "min_off_s": 900}  # fmt: skip
    heat = {BOILER: (switched if plug else rod) | water} | (
        {HEAT_PUMP: warm | water} if pump else {}
    )
    wish_wh = rng.choice((5_000, 10_000)) if visits else 0
    return Lab(
        at("05:30"), 25.5, script, House(battery, Inverter(ac_rating_w=10_000)),
        Equipment(battery=rng.random() < 0.6, thermometer=not plug),
        soc_pct=rng.choice((10, 50, 90)), past_days=4,
        settings={"site": {"reserve_pct": 10, "import_limit_w": LIMIT_W}, "control": {"period_s": STEP_S},
                  "car": {"energy_wh": wish_wh, "departure": "06:30"}, "tariff": _tariff(rng)},
        boiler=Boiler(most_w=PLUG_W, thermostat_c=60.0) if plug else Boiler(),
        heat_pump=HeatPump() if pump else None, heat=heat,
    )  # fmt: skip


def _load(rng: random.Random) -> Callable[[datetime], float]:
    """People who cook in the evening; what their water takes is not in it."""
    base, evening = rng.choice((150, 300, 500)), rng.choice((400, 1_500, 2_500))
    seed = rng.randrange(10**6)

    def load_w(time: datetime) -> float:
        hour = DAY.hour(time)
        watts = base + (evening if 17.5 <= hour < 20 else 0)
        return watts * (0.7 + 0.6 * smooth(time.timestamp() / 600, seed, 3))

    return load_w


def _tariff(rng: random.Random) -> dict[str, Any]:
    """Flat, or with a cheap night and a dear evening."""
    bought: dict[str, Any] = {"kind": "flat", "per_kwh": "0.30"}
    if rng.random() < 0.7:
        night = {"from": "00:00", "to": "06:00", "per_kwh": rng.choice(("0.08", "0.20"))}
        peak = {"from": "17:00", "to": "20:00", "per_kwh": "0.42"}
        bought = {"kind": "time_of_use", "otherwise_per_kwh": "0.28", "periods": [night, peak]}
    sold = {"kind": "flat", "per_kwh": rng.choice(("0.08", "0.05", "0"))}
    return {"import_price": bought, "export_price": sold}


@dataclass
class Alone:
    """The same day without a gateway: what it cost, and what is held at its end."""

    cost: float
    water_c: float
    pump_c: float | None
    stored_wh: float
    car_wh: float


T = TypeVar("T")


def _there(it: T | None) -> T:
    """Each of these homes has a boiler."""
    if it is None:
        raise ValueError("a home without a boiler")
    return it


@dataclass
class _Time:
    moment: datetime

    def now(self) -> datetime:
        return self.moment


def alone(lab: Lab) -> Alone:
    """By thermostats, at once, and by the inverter's own rule."""
    time, cost, heats = _Time(lab.start), 0.0, False
    home = Home(time, lab.scenario())
    home.command(reserve_pct=lab.settings["site"]["reserve_pct"])
    with tempfile.TemporaryDirectory() as folder:
        settings = lab.made_settings(Path(folder), [{"name": "x", "host": "x"}])
    tariff, wish_wh = TariffRules(settings.tariff, ZoneInfo("UTC")), settings.car.energy_wh
    boiler = _there(lab.boiler)
    while time.moment < lab.end:
        state, before = home.state(), home.totals()
        heats = _there(state.boiler).temperature_c < (TARGET_C if heats else TARGET_C - BAND_K)
        rod_w = boiler.most_w if heats else 0.0
        home.command(rod_w=rod_w, charger_enabled=state.session_wh < wish_wh)
        interval = quarter_of(time.moment)
        time.moment += timedelta(seconds=STEP_S)
        after = home.totals()
        bought, sold = (
            tariff.import_price(interval, None, None),
            tariff.export_price(interval, None, None),
        )
        cost += (bought or 0.0) * (after.grid_import - before.grid_import) / 1e6
        cost -= (sold or 0.0) * (after.grid_export - before.grid_export) / 1e6
    end = home.state()
    pump_c = end.pump.temperature_c if end.pump else None
    return Alone(cost, _there(end.boiler).temperature_c, pump_c, end.stored_wh, home.totals().ev)


def faults(lab: Lab, steered: Result, usual: Alone) -> list[str]:
    """What somebody would complain of."""
    return [*_limit(steered), *_water(lab, steered), *_calm(lab, steered), *_car(lab, steered), *_money(lab, steered, usual),
            *(line for line in steered.log if "ERROR" in line and "is not kept" not in line)]  # fmt: skip


def _limit(steered: Result) -> list[str]:
    """Above the connection's limit while something could have given way."""

    def drawn_w(sample: Sample) -> float:
        rod_w = sample.boiler.power_w if sample.boiler else 0.0
        gives_way_w = sum(sample.cars_w) + max(0.0, -sample.powers.battery) + rod_w
        return sample.powers.grid if gives_way_w > 300 else 0.0

    over_wh, longest_s = steered.excess(LIMIT_W, drawn_w, OVER_W)
    if longest_s <= OVER_S:
        return []
    return [f"limit of {LIMIT_W} W: {over_wh:.0f} Wh over, {longest_s:.0f} s without a break"]


def _water(lab: Lab, steered: Result) -> list[str]:
    """Not warm when it was to be, and nobody was told."""
    told = "water_late" in {code for s in steered.samples for code in s.note_codes}
    found = []
    begin = steered.samples[0].time
    for ready in (at("18:00"), at("06:30", 1)):
        sample = min(steered.samples, key=lambda s: abs(s.time - ready))
        boiler = _there(sample.boiler)
        if lab.equipment.thermometer:
            warm = boiler.temperature_c >= TARGET_C - SLACK_K
            says = f"{boiler.temperature_c:.1f} °C"
        else:
            got_wh = _drawn_wh(steered, begin if ready == at("18:00") else at("18:00"), ready)
            full = boiler.temperature_c >= 58
            warm, says = got_wh >= 0.9 * WANTED_WH or full, f"{got_wh:.0f} Wh"
        if not (warm or told):
            found.append(f"the boiler at {ready:%H:%M}: {says}, and nobody was told")
    if lab.equipment.thermometer:
        least = min(s.boiler.temperature_c for s in steered.samples if s.boiler)
        if least < LEAST_C - 4:
            found.append(f"the boiler fell to {least:.1f} °C")
    return found


def _drawn_wh(steered: Result, begin: datetime, end: datetime) -> float:
    inside = [s.boiler.total_wh for s in steered.samples if begin <= s.time <= end and s.boiler]
    return inside[-1] - inside[0]


def _calm(lab: Lab, steered: Result) -> list[str]:
    """What is only on or off, and a compressor, is not switched for nothing."""
    told = {
        "the plug": [s.setpoints.heaters_w.get(BOILER, 0) > 0 for s in steered.samples],
        "the heat pump": [s.setpoints.sg_ready.get(HEAT_PUMP, 2) == 3 for s in steered.samples],
    }
    found = []
    for name, on in told.items():
        count = sum(a != b for a, b in pairwise(on))
        if count > MOST_SWITCHES[name] and not (name == "the plug" and lab.equipment.thermometer):
            found.append(f"{name} was switched {count} times")
    return found


def _car(lab: Lab, steered: Result) -> list[str]:
    wish_wh, got_wh = lab.settings["car"]["energy_wh"], steered.car_wh(0)
    told = "car_late" in {c for s in steered.samples for c in s.note_codes} or any(
        "car cannot be" in note for s in steered.samples for note in s.notes
    )
    for visit in lab.script.visits:
        room_wh = (visit.car.capacity_wh - visit.stored_wh) / visit.car.charge_efficiency
        if (
            visit.leaves >= at("06:30", 1)
            and got_wh < 0.97 * min(wish_wh, 0.95 * room_wh)
            and not told
        ):
            return [f"the car has {got_wh:.0f} Wh of {wish_wh}, and nobody was told"]
    return []


def _money(lab: Lab, steered: Result, usual: Alone) -> list[str]:
    """Dearer than on its own; what is left in tanks, battery and car is counted at the least price for more, at the usual for less."""
    prices = sorted(s.prices[0] for s in steered.samples if s.prices[0] is not None)
    dear, cheap = prices[len(prices) // 2] / 1e3, prices[0] / 1e3
    last = steered.samples[-1]
    tank = _there(lab.boiler).tank
    more_kwh = [
        (_there(last.boiler).temperature_c - usual.water_c) * tank.wh_per_k / 1e3,
        (steered.car_wh(0) - usual.car_wh) / 1e3,
    ]
    if lab.equipment.battery:
        stored_wh = last.soc_pct / 100 * lab.house.battery.capacity_wh
        more_kwh.append(0.9 * (stored_wh - usual.stored_wh) / 1e3)
    if last.pump is not None and usual.pump_c is not None and lab.heat_pump is not None:
        wh_per_k = lab.heat_pump.tank.wh_per_k / lab.heat_pump.cop
        more_kwh.append((last.pump.temperature_c - usual.pump_c) * wh_per_k / 1e3)
    # what is lacking could have been bought at the cheapest, what is there more is worth a usual price: in doubt for us
    gained = sum(kwh * (dear if kwh > 0 else cheap) for kwh in more_kwh)
    lost = steered.cost - usual.cost - gained
    if lost <= max(LOST, LOST_PART * abs(usual.cost)):
        return []
    left = ", ".join(f"{kwh:+.1f}" for kwh in more_kwh)
    return [
        f"{lost:.2f} worse than on its own: {steered.cost:.2f} for {usual.cost:.2f}; kWh in water, car, battery, pump: {left}"
    ]


async def lived(seed: int) -> tuple[Lab, Result]:
    lab = home(seed)
    with tempfile.TemporaryDirectory() as folder:
        return lab, await play(lab, Path(folder))


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--homes", type=int, default=5)
    words.add_argument("--first", type=int, default=0, help="the first seed")
    asked = words.parse_args()
    bad = 0
    for seed in range(asked.first, asked.first + asked.homes):
        lab, steered = asyncio.run(lived(seed))
        usual = alone(lab)
        found = faults(lab, steered, usual)
        bad += bool(found)
        kind = "rod" if lab.equipment.thermometer else "plug"
        with_pump = " and heat pump" if lab.heat_pump else ""
        print(
            f"home {seed} ({kind}{with_pump}): {steered.cost:.2f}, on its own {usual.cost:.2f}",
            flush=True,
        )
        for line in found:
            print(f"  {line}", flush=True)
    print(f"{asked.homes} homes, {bad} with a fault")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
