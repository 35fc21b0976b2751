"""A home whose charger dials in: the bridge, and the guard's device that reads it over Modbus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.bridge.serve import Bridge
from gateway.config.agent_settings import Mqtt
from gateway.config.device_settings import DeviceSettings
from gateway.config.home_settings import Ocpp
from gateway.devices.build import build_devices
from gateway.devices.device import ModbusDevice
from gateway.domain.readings import Quality
from tests.bridge.ocpp_charger import PASSWORD
from tests.devices.conftest import HandClock, Intents
from tests.waiting import HANG_S

BOTH = pytest.mark.parametrize("version", ["1.6", "2.0.1"])
SAFE_A = 8.0


@dataclass
class Home:
    clock: HandClock
    bridge: Bridge
    guard: ModbusDevice
    port: int

    async def read(self) -> dict[str, Any]:
        return {
            r.metric: r.value if r.quality is Quality.GOOD else None
            for r in await self.guard.poll()
        }

    async def look_again(self) -> None:
        """Until the guard has asked the device anew who it is and what it can."""
        for _ in range(3):
            self.clock.seconds += 61
            await self.read()

    async def until(self, metric: str, value: object) -> None:
        async with asyncio.timeout(HANG_S):
            while (await self.read()).get(metric) != value:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def home(
    tmp_path: Path, ocpp: dict[str, Any] | None = None, **own: Any
) -> AsyncIterator[Home]:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    station = {"station": "box", "password_file": str(secret), "safe_current_a": SAFE_A, **own}
    device = DeviceSettings.model_validate({"name": "car", "profile": "ocpp", "ocpp": station, "steer": "always"})  # fmt: skip
    clock = HandClock()
    listens = Ocpp.model_validate({"host": "127.0.0.1", "port": 0, **(ocpp or {})})
    bridge = Bridge([device], Mqtt(), clock, ocpp=listens)
    async with bridge.running(clock) as modbus:
        assert bridge.dialled is not None
        async with asyncio.timeout(HANG_S):
            await bridge.dialled.csms.listening.wait()
        (guard,) = build_devices([device.through_bridge(1, modbus)], Intents(), clock)
        try:
            yield Home(clock, bridge, guard, bridge.dialled.csms.port)
        finally:
            await guard.close()


async def refused(port: int, station: str, password: str | None, protocols: tuple[str, ...]) -> int:
    headers = (
        {} if password is None else {"Authorization": aiohttp.encode_basic_auth(station, password)}
    )
    async with aiohttp.ClientSession(headers=headers) as http:
        try:
            async with http.ws_connect(f"ws://127.0.0.1:{port}/{station}", protocols=protocols):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status
