"""`energy-gateway verify` as a person runs it: it ends in good order however it is ended, and gives way to the gateway."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simulators.physics.script import Script
from tests.safety import agents
from tests.safety.guarded import Guarded, guarded
from tests.waiting import HANG_S

COMMAND = "import sys; from gateway.cli import main; sys.argv[0] = 'energy-gateway'; main()"
SUNNY = Script(sun_w=lambda _: 6000.0, load_w=lambda _: 500.0)
QUICK = "\n[time]\nrate = 20\n"  # seconds of the gateway a second


@asynccontextmanager
async def home(family: str, folder: Path, script: Script | None = None) -> AsyncIterator[Guarded]:
    """A home whose inverter is steered only when it is proved."""
    async with guarded(family, folder, QUICK, script=script) as place:
        text = place.config.read_text()
        place.config.write_text(text.replace('steer = "always"', 'steer = "proved"'))
        yield place


async def verifying(place: Guarded) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, "verify", "--yes", "--config", str(place.config),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    async with asyncio.timeout(HANG_S):
        out, err = await process.communicate()
    return process.returncode or 0, (out + err).decode()


async def while_held(place: Guarded) -> asyncio.subprocess.Process:
    process = await verifying(place)
    await place.until(lambda: place.held, "told anything")
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_ended_by_a_signal_it_lets_go(number: signal.Signals, tmp_path: Path) -> None:
    async with home("goodwe", tmp_path) as place:
        process = await while_held(place)
        process.send_signal(number)
        code, said = await ended(process)
        assert code == 1
        assert "the devices were let go" in said
        assert not place.held
        assert not list((place.state / "verified").glob("*"))


async def test_killed_it_is_undone_by_the_gateways_next_start(tmp_path: Path) -> None:
    """Also where the device may not be steered, since nothing was proved."""
    async with home("goodwe", tmp_path) as place:  # it has no timer of its own
        process = await while_held(place)
        process.kill()
        await ended(process)
        assert place.held
        await place.start(agents.HOLDS)
        await place.until(lambda: not place.held, "released")
        await place.steers_on()
        await place.says("not verified")
        assert not place.held
        assert await place.stop() == 0


async def test_what_it_proved_is_steered_by_the_gateways_next_start(tmp_path: Path) -> None:
    async with home("goodwe", tmp_path) as place:
        code, said = await ended(await verifying(place))
        assert "battery_power_w" in said
        assert "it obeys, and is let go" in said
        assert "export_limit_w" in said  # nothing is fed in by night
        assert code == 1
        assert not place.held
        await place.start(agents.HOLDS)
        await place.until(lambda: place.held, "held")
        assert await place.stop() == 0


async def test_what_takes_the_sun_besides_is_asked_to_wait_for_the_evening(tmp_path: Path) -> None:
    """Told to charge with 1 kW a GoodWe stores the sun too: no fault, and no proof."""
    async with home("goodwe", tmp_path, SUNNY) as place:
        code, said = await ended(await verifying(place))
        assert "not now: told to charge" in said
        assert "in the evening, without sun" in said
        assert "FAILED" not in said
        assert code == 1
        assert not place.held
        assert not list((place.state / "verified").glob("*"))


async def test_it_gives_way_to_a_running_gateway(tmp_path: Path) -> None:
    async with home("goodwe", tmp_path) as place:
        await place.start(agents.HOLDS)
        await place.says("guard runs")
        code, said = await ended(await verifying(place))
        assert code == 2
        assert "systemctl stop energy-gateway" in said
        assert await place.stop() == 0
