"""The homes, and what they would have cost on their own."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from benchmarks.random_homes.homes import retail_tariff
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
    Script,
    Visit,
    broken_clouds,
    clear_day,
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
                  "car": {"energy_wh": wish_wh, "departure": "06:30"}, "tariff": retail_tariff(rng, ("0.08", "0.05", "0"))},
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


@dataclass
class Alone:
    """The same day without a gateway: what it cost, and what is held at its end."""

    cost: float
    water_c: float
    pump_c: float | None
    stored_wh: float
    car_wh: float


T = TypeVar("T")


def boiler_of(it: T | None) -> T:
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
    boiler = boiler_of(lab.boiler)
    while time.moment < lab.end:
        state, before = home.state(), home.totals()
        heats = boiler_of(state.boiler).temperature_c < (TARGET_C if heats else TARGET_C - BAND_K)
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
    return Alone(cost, boiler_of(end.boiler).temperature_c, pump_c, end.stored_wh, home.totals().ev)
