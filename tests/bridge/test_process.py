"""The bridge as the guard's child: started, killed, started again; the guard reads it as a device all the while."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

from gateway.clock import WallClock
from gateway.config.load import load_bridge_settings, load_guard_settings
from gateway.devices.build import build_devices
from gateway.errors import DeviceError
from gateway.guard.bridge_process import BridgeProcess, bridge_command
from gateway.guard.child import resident_bytes
from tests.bridge.answers import ANSWERS
from tests.bridge.conftest import Device, answering
from tests.waiting import HANG_S


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_a_bridge_that_is_killed_comes_back(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    device = Device(dict(ANSWERS["powerwall"].replies))
    async with answering(device) as port:
        config.write_text(
            f'state_dir = "{tmp_path}"\n[bridge]\nport = {free_port()}\n'
            f'[[device]]\nname = "wall"\nprofile = "powerwall"\nhost = "127.0.0.1"\nport = {port}\n',
            encoding="utf-8",
        )
        guard = load_guard_settings(config)
        assert guard.bridged
        assert [(d.profile, d.unit, d.control) for d in guard.devices] == [
            ("bridge-hybrid", 1, False)
        ]
        assert load_bridge_settings(config).bridged()[0].port == port
        process = BridgeProcess(bridge_command(config, "warning", log_json=False), WallClock())
        one = build_devices(guard.devices, None, WallClock())[0]

        async def soc() -> float | None:
            with suppress(DeviceError):
                readings = {r.metric: r.value for r in await one.poll()}
                value = readings["battery_soc_pct"]
                return value if isinstance(value, float) else None
            return None

        async def until_read() -> None:
            async with asyncio.timeout(HANG_S):
                while await soc() != 69.16:
                    await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as group:
            running = group.create_task(process.run())
            await until_read()
            assert process.pid
            os.kill(process.pid, signal.SIGKILL)
            async with asyncio.timeout(HANG_S):
                while process.starts < 2:
                    await asyncio.sleep(0.1)
            await until_read()
            last = process.pid
            running.cancel()
        await one.close()
        assert last
        assert not resident_bytes(last), "it ends with the guard"
