"""The daemon as a process: started, seen over MQTT, ended by SIGTERM, killed while it holds a battery."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.clock import WallClock
from gateway.domain.intervals import iso
from simulators.broker import BrokerHandle, start_broker
from simulators.devices.serve import Servers, serve_home
from simulators.gateway_toml import gateway_toml
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.waiting import HANG_S, eventually

QUICK = """publish_s = 0.5
[control]
period_s = 0.5
"""
PROGRAM = "import sys; from gateway.cli import main; sys.argv[0] = 'energy-gateway'; main()"


@dataclass
class House:
    clock: WallClock
    home: Home
    servers: Servers
    broker: BrokerHandle
    config: Path

    async def start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, "run", "--config", str(self.config),
            stderr=subprocess.PIPE,
        )  # fmt: skip

    async def until(self, topic: str, true: Callable[[str], bool]) -> str:
        """Wait for a message on ``topic`` that is as wanted."""
        async with asyncio.timeout(HANG_S), self.client() as client:
            await client.subscribe(topic)
            async for message in client.messages:
                if isinstance(message.payload, bytes) and true(message.payload.decode()):
                    return message.payload.decode()
        raise AssertionError("unreachable")

    async def command(self, name: str, value: Any) -> dict[str, Any]:
        async with asyncio.timeout(HANG_S), self.client() as client:
            await client.subscribe(f"energy/home/cmd/{name}/result")
            body = {"id": f"c-{name}", "ts": iso(self.clock.now()), "ttl_s": 60, "value": value}
            await client.publish(f"energy/home/cmd/{name}", json.dumps(body), qos=1)
            async for message in client.messages:
                if isinstance(message.payload, bytes):
                    result: dict[str, Any] = json.loads(message.payload)
                    return result
        raise AssertionError("unreachable")

    def client(self) -> aiomqtt.Client:
        return aiomqtt.Client("127.0.0.1", self.broker.port, timeout=HANG_S)

    @property
    def held(self) -> bool:
        commands = self.home.commands
        return commands.discharge_limit_w is not None or commands.charge_limit_w is not None


@asynccontextmanager
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock = WallClock()
    home = Home(clock, Scenario(start=clock.now(), soc_pct=60, car=None))
    servers, broker = await serve_home(home), await start_broker()
    config = tmp_path / "gateway.toml"
    config.write_text(gateway_toml(tmp_path / "state", servers.ports, broker.port) + QUICK)
    try:
        yield House(clock, home, servers, broker, config)
    finally:
        await servers.close()
        await broker.close()


async def ended(process: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(HANG_S):
        _, said = await process.communicate()
    return said.decode()


async def test_started_seen_and_ended_by_sigterm(tmp_path: Path) -> None:
    async with house(tmp_path) as place:
        process = await place.start()
        try:
            await place.until("energy/home/inverter/battery_soc_pct", lambda v: float(v) > 50)
            answer = await place.command("battery", "hold")
            assert answer["status"] == "ok", answer
            assert place.held
        finally:
            process.send_signal(signal.SIGTERM)
        said = await ended(process)
        assert process.returncode == 0, said
        assert "all devices are neutral" in said
        assert not place.held
        await place.until("energy/home/status", lambda v: v == "offline")


@pytest.mark.parametrize("wait_s", [0.0, 0.3])
async def test_killed_while_it_holds_the_battery_the_next_start_makes_it_neutral(
    tmp_path: Path, wait_s: float
) -> None:
    async with house(tmp_path) as place:
        process = await place.start()
        await place.until("energy/home/inverter/battery_soc_pct", lambda v: float(v) > 50)
        assert (await place.command("battery", "hold"))["status"] == "ok"
        await asyncio.sleep(wait_s)
        process.kill()
        await process.communicate()
        assert place.held, "killed, it could not release"
        await place.until("energy/home/status", lambda v: v == "offline")  # the will

        seen: list[bool] = []
        again = await place.start()
        try:
            await eventually(lambda: not place.held)
            seen.append(True)
            await place.until("energy/home/settings/battery", lambda v: v == "hold")
        finally:
            again.send_signal(signal.SIGTERM)
        await ended(again)
        assert seen == [True]
        assert not place.held


async def test_a_broken_configuration_ends_with_2_and_one_line(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("[site]\nreserve_pct = 200\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "run", "--config", str(path), stderr=subprocess.PIPE
    )
    said = await ended(process)
    assert process.returncode == 2
    assert "reserve_pct: Input should be less than or equal to 100" in said
