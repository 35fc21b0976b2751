"""The installation of the README, line by line, as far as a machine without systemd's booted manager allows."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import aiomqtt
import pytest

from gateway.clock import WallClock
from simulators.broker import free_port, start_broker
from simulators.devices.serve import serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.waiting import HANG_S

ROOT = Path(__file__).parents[2]
NOT_HERE = ("apt", "git", "cd", "systemctl", "journalctl", "cp")  # the machine's own business


def readme_lines() -> list[list[str]]:
    """The commands of the README's installation, without sudo."""
    text = (ROOT / "README.md").read_text()
    block = re.search(r"## Install.*?```sh\n(.*?)```", text, re.DOTALL)
    assert block, "the README has an installation"
    lines = [shlex.split(line, comments=True) for line in block.group(1).splitlines()]
    return [words[1:] if words[0] == "sudo" else words for words in lines if words]


def exec_start() -> list[str]:
    unit = (ROOT / "systemd" / "energy-gateway.service").read_text()
    found = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert found
    return shlex.split(found.group(1))


def here(words: list[str], root: Path) -> list[str]:
    """The same below ``root`` instead of in the machine's own folders."""
    moved = [re.sub(r"^/(opt|etc)/", f"{root}/\\1/", word) for word in words]
    return [sys.executable if word == "python3" else word for word in moved]


async def run(words: list[str], said_in: str = "", **env: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *words, cwd=ROOT, env={**os.environ, **env},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(HANG_S):
        said, _ = await process.communicate(said_in.encode())
    assert process.returncode == 0, f"{words}: {said.decode()}"
    return said.decode()


async def test_the_readme_leads_to_a_running_gateway(tmp_path: Path) -> None:
    if os.environ.get("HEG_NO_INSTALL"):
        pytest.skip("HEG_NO_INSTALL is set: no packages are fetched")
    clock = WallClock()
    servers = await serve_home(Home(clock, Scenario(start=clock.now(), car=None)))
    broker = await start_broker()  # the usual port may be somebody else's
    ports = servers.ports
    answers = [
        f"127.0.0.1:{ports.inverter}",
        *("", "America/Chicago", "", "", "", ""),  # name, zone, place, panels, fuse, feed-in limit
        *("", "", "", "", "0.29", ""),  # reserve, capacity, currency, kind of price, price, feed-in
        *("127.0.0.1", f"{broker.port}", "", "", ""),  # broker
    ]
    (tmp_path / "opt").mkdir()
    try:
        for words in readme_lines():
            if words[0] in NOT_HERE:
                continue
            said_in = "\n".join([*answers, ""]) if "init" in words else ""
            await run(here(words, tmp_path), said_in)
            if "init" in words:  # another test's page may have the usual port
                with (tmp_path / "etc" / "energy-gateway" / "gateway.toml").open("a") as file:
                    file.write(f"\n[dashboard]\nport = {free_port()}\n")
        assert (ROOT / "systemd" / "energy-gateway.service").exists()
        await watched(here(exec_start(), tmp_path), tmp_path, broker.port)
    finally:
        await servers.close()
        await broker.close()
        shutil.rmtree(ROOT / "build", ignore_errors=True)


async def watched(words: list[str], folder: Path, port: int) -> None:
    """Run the unit's command, see the home over MQTT, end it as systemd would."""
    async with (
        asyncio.timeout(2 * HANG_S),
        aiomqtt.Client("127.0.0.1", port, timeout=HANG_S) as client,
    ):
        await client.subscribe("energy/home/site/battery_soc_pct")
        process = await asyncio.create_subprocess_exec(*words, cwd=folder, stderr=subprocess.PIPE)
        try:
            async for message in client.messages:
                if message.payload != b"null":
                    break
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert "no device was steered" in said.decode(), "nobody has verified one yet"
