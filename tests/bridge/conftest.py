"""A device that answers JSON over real HTTP, and the bridge in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.bridge.serve import Bridge
from gateway.config.agent_settings import Mqtt
from gateway.config.device_settings import DeviceSettings
from gateway.devices.build import build_devices
from gateway.devices.device import ModbusDevice
from tests.devices.conftest import HandClock


class Device:
    """Answers what it is told to; `broken` makes it say nonsense."""

    def __init__(self, replies: dict[str, Any], token: str = "") -> None:
        self.replies, self.token, self.body, self.status = replies, token, b"", 200
        self.asked = 0

    async def reply(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401)
        if request.path not in self.replies:
            return web.Response(status=404)
        if self.body or self.status != 200:
            return web.Response(status=self.status, body=self.body)
        return web.json_response(self.replies[request.path])


@asynccontextmanager
async def answering(device: Device) -> AsyncIterator[int]:
    """It over real HTTP; its port."""
    app = web.Application()
    app.router.add_get("/{rest:.*}", device.reply)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


BROKER = Mqtt()


class PatientClock(HandClock):
    """Stands still, but a poll that is due waits until the test lets time pass."""

    async def sleep(self, seconds: float) -> None:
        until = self.seconds + seconds
        while self.seconds < until:
            await asyncio.sleep(0.005)


@pytest.fixture
def standing() -> PatientClock:
    return PatientClock()


@asynccontextmanager
async def bridged(
    settings: DeviceSettings, clock: PatientClock, broker: Mqtt = BROKER
) -> AsyncIterator[tuple[Bridge, ModbusDevice]]:
    """The bridge in front of one device, and the device as the guard reads it."""
    bridge = Bridge([settings.at_its_port()], broker, clock)
    async with bridge.running(clock) as port:
        one = build_devices([settings.through_bridge(1, port)], None, clock)[0]
        try:
            yield bridge, one
        finally:
            await one.close()


def device_settings(key: str, port: int, tmp_path: Path, **more: Any) -> DeviceSettings:
    """As gateway.toml would say it."""
    token = more.pop("token", "")
    if token:
        file = tmp_path / "token"
        file.write_text(f"{token}\n", encoding="utf-8")
        more["token_file"] = file
    if not more.get("values"):
        more.pop("values", None)
    return DeviceSettings(name="thing", profile=key, host="127.0.0.1", port=port, **more)
