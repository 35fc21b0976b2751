"""The guard alone, and what is said of a heater."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from gateway.domain.control import Setpoints
from gateway.domain.heat import HeatReason
from gateway.publishing.outlook import setpoints_message
from simulators.physics.heat import Boiler
from tests.heat.homes import BOILER, Playing, a_day, play, scenario


async def test_without_an_agent_the_water_is_warm_in_time_all_the_same(tmp_path: Path) -> None:
    seen = await play(tmp_path, scenario(replace(Boiler(), start_c=52.0)), a_day, alone=True)
    assert seen.at(seen.boiler_c, 18) >= 54
    assert min(seen.boiler_c) >= 42 - 0.6
    assert max(seen.boiler_c) <= 56


async def test_when_the_gateway_ends_the_rod_is_off(tmp_path: Path) -> None:
    homes: list[Playing] = []

    async def story(playing: Playing) -> None:
        homes.append(playing)
        while not playing.home.commands.rod_w:
            await playing.clock.sleep(60)

    await play(tmp_path, scenario(replace(Boiler(), start_c=30.0)), story, BOILER, alone=True)
    assert homes[0].home.commands.rod_w == 0


def test_what_a_heater_is_told_and_why_is_published() -> None:
    asked = Setpoints(
        heaters_w={"boiler": 1_500},
        sg_ready={"pump": 3},
        heat_reasons={"boiler": HeatReason.SUN, "pump": HeatReason.CHEAP},
    )
    body = json.loads(setpoints_message("energy/home", asked).payload)
    assert body["heaters_w"] == {"boiler": 1500}
    assert body["sg_ready"] == {"pump": 3}
    assert body["heat_reasons"] == {"boiler": "sun", "pump": "cheap"}
