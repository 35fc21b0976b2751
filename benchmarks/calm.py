"""How calm the battery is, and what calm costs: switches, reversals and money of the same days.

    python -m benchmarks.calm                 the cost of a switch as configured, and none
    python -m benchmarks.calm 0 0.001 0.005   other costs
    python -m benchmarks.calm --demo 3        days of the demo (an exchange and its prices), as configured

Each line: changes of the battery's mode, reversals of its power, those within a quarter-hour of the one
before, and what the days came to: import less export, wear, and what is stored at the end at the mean price.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from gateway.domain.control import Setpoints
from simulators.demo.options import Options
from simulators.demo.world import World, run_world
from simulators.lab import (
    DAY,
    Equipment,
    Lab,
    Result,
    Sample,
    Script,
    broken_clouds,
    every_day,
    play,
)
from simulators.lab.feed import Prices

CLOSE = timedelta(minutes=15)
WEAR_PER_WH = 0.02 / 1000
STEP = timedelta(seconds=30)
at = DAY.at


@dataclass(frozen=True, slots=True)
class Calm:
    """What is counted of some days."""

    modes: int
    reversals: int
    close: int
    money: float

    def __str__(self) -> str:
        return (
            f"{self.modes:4} mode changes {self.reversals:4} reversals {self.close:3} within 15 min "
            f"{self.money:8.3f}"
        )


def counted(result: Result, capacity_wh: float = 13_500.0) -> Calm:
    """The counts of a result; ``money`` is what was paid, less what is stored more than before."""
    first, last = result.samples[0], result.samples[-1]
    bought = [s.prices[0] or 0.0 for s in result.samples]
    stored_wh = (last.soc_pct - first.soc_pct) / 100 * capacity_wh
    stored = stored_wh * sum(bought) / len(bought) / 1e6
    wear = WEAR_PER_WH * result.wh("discharge")
    moved = reversal_times(result.samples)
    close = sum(b - a < CLOSE for a, b in pairwise(moved))
    return Calm(result.mode_changes(), len(moved), close, result.cost + wear - stored)


def reversal_times(samples: Sequence[Sample], least_w: float = 200.0) -> list[datetime]:
    """When the battery's power changed its sign."""
    moving = [s for s in samples if abs(s.powers.battery) > least_w]
    return [b.time for a, b in pairwise(moving) if (a.powers.battery > 0) != (b.powers.battery > 0)]


def by_the_hour(start: datetime) -> tuple[float, float]:
    """A price that changes each hour, two peaks a day; surplus earns 16 ct less."""
    hour = int(DAY.hour(start))
    price = 0.22 + 0.10 * math.sin((hour - 8) / 24 * 4 * math.pi)
    return price, price - 0.16


def cloudy(
    switch_cost: float | None, *, dynamic: bool, hours: float = 24.0, period_s: float = 10.0
) -> Lab:
    """A day of broken clouds in a home that cooks three times."""
    control = {"period_s": period_s}
    if switch_cost is not None:
        control["battery_switch_cost"] = switch_cost
    load = every_day(350, [(6.5, 8, 900), (12, 13, 1_500), (18, 21, 1_100)])
    return Lab(
        at("00:00"), hours,
        Script(sun_w=broken_clouds(7_000), load_w=load),
        equipment=Equipment(), soc_pct=40, settings={"control": control},
        prices=Prices(by_the_hour) if dynamic else None, past_days=3,
    )  # fmt: skip


async def demo(days: int) -> Calm:
    """Days of the demo, looked at every half minute."""
    samples: list[Sample] = []

    async def referee(world: World) -> None:
        while world.clock.now() < world.end:
            await world.play(world.clock.now() + STEP, lambda _: None)
            samples.append(seen(world))

    with tempfile.TemporaryDirectory() as folder:
        await run_world(Options(days=days), Path(folder), referee)
    return counted(Result(samples))


def seen(world: World) -> Sample:
    """The demo's home as a sample; its prices are those of the retailer's flat tariff."""
    report = world.gateway.agent.keeper.state.report
    truth = world.home.truth()
    return Sample(
        time=world.clock.now(),
        powers=truth.state.powers,
        totals=truth.state.totals,
        soc_pct=truth.soc_pct,
        cars_w=(truth.state.powers.ev,),
        cars_wh=(truth.state.totals.ev,),
        setpoints=report.setpoints if report else Setpoints(),
        prices=(140.0, 0.0),
    )


async def main(words: Sequence[str]) -> None:
    if words[:1] == ["--demo"]:
        print(f"demo, {words[1]} days: {await demo(int(words[1]))}")
        return
    costs: list[float | None] = [float(w) for w in words] or [0.0, None]
    for dynamic in (False, True):
        base: Calm | None = None
        for cost in costs:
            with tempfile.TemporaryDirectory() as folder:
                calm = counted(await play(cloudy(cost, dynamic=dynamic), Path(folder)))
            base = base or calm
            name = "as configured" if cost is None else f"cost {cost:g}"
            loss = 100 * (calm.money - base.money) / abs(base.money)
            print(
                f"cloudy day, {'prices by the hour' if dynamic else 'flat'}, {name:14}: {calm} "
                f"({loss:+.2f} %)", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
