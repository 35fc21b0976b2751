"""A heat pump's day by SG Ready over real Modbus: encouraged when a kWh is cheap, long enough, and left normal at the end."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from simulators.physics.heat import HeatPump
from tests.heat.homes import MIDNIGHT, NO_BATTERY, Playing, play, price, scenario

PUMP = {
    "power_w": 1800, "step_w": 1800, "litres": 250, "heat_per_electricity": 3, "target_c": 54,
    "min_c": 35, "max_c": 57, "ready_by": ["18:00"], "min_on_s": 900, "min_off_s": 900, "loss_w": 60,
}  # fmt: skip
STIEBEL: dict[str, Any] = {"family": "stiebel", "profile": "stiebel-isg-wpm"}


async def test_it_is_encouraged_when_it_is_cheap_and_rarely_switched(tmp_path: Path) -> None:
    told_at_the_end: list[int] = []

    async def story(playing: Playing) -> None:
        await playing.clock.sleep_until(MIDNIGHT + timedelta(hours=24))
        told_at_the_end.append(playing.home.commands.sg_ready)

    world = scenario(heat_pump=HeatPump(), house=NO_BATTERY)
    seen = await play(tmp_path, world, story, PUMP, **STIEBEL)
    assert seen.at(seen.pump_c, 18) >= 52
    assert min(seen.pump_c) >= 30, "its own rule keeps it"
    encouraged = [t for t, state in zip(seen.times, seen.sg_ready, strict=True) if state == 3]
    assert encouraged
    dear = [t for t in encouraged if price(t) > 0.4]
    assert len(dear) <= 0.1 * len(encouraged)
    changes = [i for i in range(1, len(seen.sg_ready)) if seen.sg_ready[i] != seen.sg_ready[i - 1]]
    assert len(changes) <= 10
    assert all(b - a >= 14 for a, b in pairwise(changes)), "a quarter-hour each"
    assert not {1, 4} & set(seen.sg_ready)


async def test_when_the_gateway_ends_the_heat_pump_is_normal_again(tmp_path: Path) -> None:
    homes: list[Playing] = []

    async def story(playing: Playing) -> None:
        homes.append(playing)
        await playing.clock.sleep_until(MIDNIGHT + timedelta(hours=13))
        while playing.home.commands.sg_ready != 3:
            await playing.clock.sleep(60)

    await play(tmp_path, scenario(heat_pump=HeatPump(), house=NO_BATTERY), story, PUMP, **STIEBEL)
    assert homes[0].home.commands.sg_ready == 2
