"""A home that waits for its set-up: simulated devices, a broker, and the daemon without a configuration."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import WallClock
from simulators.broker import BrokerHandle, start_broker
from simulators.devices.serve import Servers, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.waiting import HANG_S

PROGRAM = "import sys; from gateway.cli import main; sys.argv[0] = 'energy-gateway'; main()"


@dataclass
class NewHome:
    """``address`` is what the terminal says, with its token."""

    address: str
    config: Path
    servers: Servers
    broker: BrokerHandle
    daemon: asyncio.subprocess.Process

    @property
    def devices(self) -> str:
        """What a person would type into the search."""
        return f"127.0.0.1:{self.servers.ports.inverter} 127.0.0.1:{self.servers.ports.charger}"


@asynccontextmanager
async def new_home(folder: Path, *words: str) -> AsyncIterator[NewHome]:
    """``words``: another command than `run`."""
    clock = WallClock()
    servers, broker = (
        await serve_home(Home(clock, Scenario(start=clock.now()))),
        await start_broker(),
    )
    config = folder / "gateway.toml"
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *(words or ("run",)), "--config", str(config), stderr=subprocess.PIPE, cwd=folder
    )  # fmt: skip
    assert daemon.stderr is not None
    said = ""
    try:
        async with asyncio.timeout(HANG_S):
            while not (found := re.search(r"http://\S+", said)):
                line = await daemon.stderr.readline()
                assert line, f"it ended: {said}"
                said += line.decode()
        yield NewHome(found[0], config, servers, broker, daemon)
    finally:
        if daemon.returncode is None:
            daemon.terminate()
        await daemon.communicate()
        await servers.close()
        await broker.close()
