"""A charger that dials in proves that it obeys, as any: `verify` brings a bridge of its own, for the gateway's is stopped."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp

from gateway.clock import WallClock
from simulators.broker import free_port
from tests.bridge.ocpp_charger import PASSWORD, Plug, dialling
from tests.waiting import HANG_S

PROGRAM = "import sys; from gateway.cli import main; sys.argv[0] = 'energy-gateway'; main()"
HOME = """
state_dir = "{folder}/state"
[[device]]
name = "car"
profile = "ocpp"
[device.ocpp]
station = "box"
password_file = "{folder}/password"
[ocpp]
host = "127.0.0.1"
port = {port}
[bridge]
port = {bridge}
[time]
rate = 20
"""


async def charging(port: int, plug: Plug) -> None:
    """A car of three phases that takes what it may, each phase measured again and again; it dials until somebody
    answers."""
    while True:
        try:
            async with dialling(port, "1.6", plug) as charger:
                await charger.boot()
                await charger.begin()
                while True:
                    watts = plug.draw()
                    plug.energy_wh += sum(watts) * 20 * 0.05 / 3600
                    await charger.meter(watts)
                    await asyncio.sleep(0.05)
        except* (aiohttp.ClientError, ConnectionError, TimeoutError):
            await asyncio.sleep(0.1)


async def test_verify_proves_a_charger_that_dials_in(tmp_path: Path) -> None:
    port, bridge = free_port(), free_port()
    config = tmp_path / "gateway.toml"
    config.write_text(HOME.format(folder=tmp_path, port=port, bridge=bridge))
    (tmp_path / "password").write_text(PASSWORD)
    plug = Plug(WallClock().now, switches=True)
    async with asyncio.TaskGroup() as group:
        car = group.create_task(charging(port, plug))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, "verify", "--yes", "--without-meter", "--config", str(config),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(HANG_S):
            said, _ = await process.communicate()
        car.cancel()
    assert process.returncode == 0, said.decode()
    logs = [p.read_text() for p in (tmp_path / "state" / "verified").glob("*.json")]
    assert all("A-1234" in log for log in logs)
    proved = {json.loads(log)["log"]["control"] for log in logs}
    assert proved == {"charge_current_a", "charge_phases"}
    assert not plug.under_load
    assert not plug.profiles, "let go in peace, nothing of ours stays in it"
