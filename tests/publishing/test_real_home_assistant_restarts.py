"""A real Home Assistant over what happens in years: the broker starts anew, the gateway does, and a device leaves the home.

Where `HEG_HOME_ASSISTANT` names a Python that has it, as `test_real_home_assistant`. It takes a minute.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulators.broker import BrokerHandle, start_broker
from simulators.demo.options import Options
from simulators.demo.world import World, run_world
from tests.publishing.real_home_assistant import HomeAssistant, home_assistant

PYTHON = os.environ.get("HEG_HOME_ASSISTANT", "")
NOON = datetime(2026, 6, 1, 18, tzinfo=UTC)
LONGEST_S = 240.0  # real seconds until something is seen; what is seen does not rest on it
STEP_S = 0.5
OURS = "energy_gateway_home_"

pytestmark = [
    pytest.mark.real_time,  # another program takes part
    pytest.mark.skipif(not PYTHON, reason="HEG_HOME_ASSISTANT names no Python with homeassistant"),
]


async def states(assistant: HomeAssistant) -> dict[str, str]:
    """Of our entities, by the key that we gave them."""
    known: list[dict[str, Any]] = await assistant.ask("config/entity_registry/list")
    now = await assistant.states()
    ours = [each for each in known if each["platform"] == "mqtt"]
    return {
        e["unique_id"].removeprefix(OURS): now.get(e["entity_id"], {}).get("state", "gone") for e in ours
    }  # fmt: skip


async def until(
    world: World, assistant: HomeAssistant, ready: Callable[[dict[str, str]], bool], what: str
) -> dict[str, str]:
    """Live on, a minute a second, until Home Assistant shows it."""
    seen: dict[str, str] = {}
    try:
        async with asyncio.timeout(LONGEST_S):
            while not ready(seen):
                await asyncio.sleep(STEP_S)
                await world.play(world.clock.now() + timedelta(seconds=60 * STEP_S), lambda _: None)
                seen = await states(assistant)
    except TimeoutError:
        raise AssertionError(f"Home Assistant never showed {what}: {seen}") from None
    return seen


def lives(seen: dict[str, str]) -> bool:
    load = seen.get("site_load_power_w", "unknown")
    return load not in {"unknown", "unavailable", "gone"} and seen["gateway_connected"] == "on"


async def test_restarts_and_a_device_that_is_removed(tmp_path: Path) -> None:
    config, broker = tmp_path / "config", await start_broker()
    config.mkdir()
    shown: list[dict[str, str]] = []
    brokers: list[BrokerHandle] = [broker]
    try:
        async with home_assistant(PYTHON, config, broker.port) as assistant:

            async def with_boiler(world: World) -> None:
                boiler = "boiler_heat_power_w"
                seen = await until(
                    world, assistant, lambda s: lives(s) and s.get(boiler, "") not in {"", "unknown"}, "the boiler"
                )  # fmt: skip
                shown.append(seen)
                await brokers[-1].close()
                await until(
                    world, assistant, lambda s: s.get("gateway_connected") == "unavailable" or s.get(boiler) == "unavailable", "that the broker is away"
                )  # fmt: skip
                brokers.append(await start_broker(broker.port))
                shown.append(
                    await until(world, assistant, lives, "the home after the broker's start")
                )

            async def without(world: World) -> None:
                shown.append(
                    await until(world, assistant, lambda s: lives(s) and not any(k.startswith("boiler") for k in s), "the home without its boiler")
                )  # fmt: skip

            later = NOON + timedelta(days=1)
            for options, referee in (
                (Options(seed=3, broker_port=broker.port, start=NOON, heater=True), with_boiler),
                (Options(seed=3, broker_port=broker.port, start=later, heater=True), with_boiler),
                (
                    Options(seed=3, broker_port=broker.port, start=later + timedelta(days=1)),
                    without,
                ),
            ):
                await run_world(options, tmp_path / "home", referee)
            log = assistant.log
    finally:
        await brokers[-1].close()
    first, again, second, second_again, last = shown
    assert first.keys() == again.keys() == second.keys() == second_again.keys(), "none is doubled"
    assert not any(key.startswith("boiler") for key in last), "no phantom"
    assert last.keys() == {key for key in first if key in last}
    wrong = [x for x in log if any(f" {level} (" in x for level in ("ERROR", "WARNING"))]
    of_ours = [x for x in wrong if "mqtt" in x or "energy" in x]
    assert [x for x in of_ours if "mqtt.client]" not in x] == [], "but that the broker was away"
