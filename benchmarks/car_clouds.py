"""How often broken clouds switch a car, and what it gets: our default beside evcc's rule on the same sun.

    python benchmarks/car_clouds.py [SEEDS]

Ten hours, 9 kW of panels under clouds of four and six minutes, a three-phase car that is worth 0.15 a kWh
beyond its wish, a battery of 10 kWh nearly full. One line a sun: starts, starts of less than five minutes, kWh.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from simulators.lab import DAY, Battery, House, Lab, Script, Visit, broken_clouds, play, steady
from simulators.lab.evcc_rule import play_evcc_rule
from simulators.lab.result import Result

SHORT = timedelta(minutes=5)


def lab(seed: int, minutes: float) -> Lab:
    """One sun; as in tests/lab/test_car.py."""
    script = Script(
        sun_w=broken_clouds(9_000, seed=seed, minutes=minutes),
        load_w=steady(500),
        visits=(Visit(DAY.at("07:00"), DAY.at("20:00"), stored_wh=0),),
    )
    tariff = {
        "import_price": {"kind": "flat", "per_kwh": "0.30"},
        "export_price": {"kind": "flat", "per_kwh": "0.08"},
    }
    settings = {"car": {"energy_wh": 0, "more_per_kwh": 0.15}, "tariff": tariff}
    house = House(battery=Battery(10_000))
    return Lab(DAY.at("08:00"), 10, script, house, soc_pct=95, settings=settings, past_days=3)


def line(result: Result) -> str:
    spans = result.spans()
    short = sum(span < SHORT for span in spans)
    return f"{len(spans):3d} starts, {short:2d} short, {result.car_wh() / 1000:5.1f} kWh"


async def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    for minutes in (4.0, 6.0):
        for seed in range(1, seeds + 1):
            sun = lab(seed, minutes)
            with tempfile.TemporaryDirectory() as folder:
                peer = await play_evcc_rule(sun, Path(folder))
                ours = await play(sun, Path(folder))
            print(f"{minutes:g} min, seed {seed}:  evcc's rule {line(peer)};  ours {line(ours)}")


if __name__ == "__main__":
    asyncio.run(main())
