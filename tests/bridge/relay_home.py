"""A Shelly by its maker's document, over real HTTP; the bridge in front of it, and the guard's device that reads and steers it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from gateway.bridge.serve import Bridge
from gateway.config.agent_settings import Mqtt
from gateway.devices.build import build_devices
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control
from gateway.domain.readings import Quality
from gateway.errors import DeviceError
from tests.bridge.conftest import PatientClock, device_settings
from tests.devices.conftest import Intents
from tests.waiting import HANG_S, eventually

BOILER_W = 1_900.0


@dataclass
class Shelly:
    """Two relays: ``toggle_after`` turns one back after so many seconds of the test's clock."""

    clock: PatientClock
    lit: list[bool] = field(default_factory=lambda: [False, False])
    off_at: list[float | None] = field(default_factory=lambda: [None, None])
    said: list[str] = field(default_factory=list)
    seen: list[tuple[bool, bool]] = field(
        default_factory=list
    )  # each pair of states that there was
    broken: bool = False
    stuck: bool = False  # it answers, and no contact moves
    looks: int = 0  # how often its state was asked for

    def on(self, which: int = 0) -> bool:
        ends = self.off_at[which]
        if ends is not None and self.clock.seconds >= ends:
            self.lit[which], self.off_at[which] = False, None
        return self.lit[which]

    def pair(self) -> tuple[bool, bool]:
        return self.on(0), self.on(1)

    async def reply(self, request: web.Request) -> web.Response:
        self.looks += request.path.endswith("GetStatus")
        if self.broken:
            return web.Response(status=500)
        if request.path == "/rpc/Shelly.GetStatus":
            return web.json_response({f"switch:{i}": self._status(i) for i in range(2)})
        which = int(request.query["id"])
        if request.path == "/rpc/Switch.Set":
            return self._set(which, request.query["on"], request.query.get("toggle_after"))
        assert request.path == "/rpc/Switch.GetStatus"
        return web.json_response(self._status(which))

    def _set(self, which: int, on: str, after: str | None) -> web.Response:
        was = self.on(which)
        if self.stuck:
            return web.json_response({"was_on": was})
        self.lit[which] = {"true": True, "false": False}[on]
        self.off_at[which] = None if after is None else self.clock.seconds + float(after)
        self.said.append("on" if self.lit[which] else "off")
        self.seen.append(self.pair())
        return web.json_response({"was_on": was})

    def _status(self, which: int) -> dict[str, object]:
        on = self.on(which)
        return {"id": which, "output": on, "apower": BOILER_W if on else 0.0}


@dataclass
class Home:
    clock: PatientClock
    relays: Shelly
    guard: ModbusDevice
    metric: str
    control: Control

    async def now(self) -> object:
        readings = {r.metric: r for r in await self.guard.poll()}
        one = readings.get(self.metric)
        return one.value if one and one.quality is Quality.GOOD else None

    async def look(self) -> None:
        """Two seconds later: the bridge has looked once more, however long that takes here."""
        before = self.relays.looks
        self.clock.seconds += 2
        await eventually(lambda: self.relays.looks > before)

    async def until(self, value: object) -> None:
        """Let the bridge's looks come round until the guard reads that."""
        async with asyncio.timeout(HANG_S):
            while await self.now() != value:
                await self.look()

    async def pass_s(self, seconds: float, renew: float | None = None) -> None:
        """Time goes on; the guard renews its lease as it does every tick, if it lives."""
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            await self.look()
            if renew is not None:
                await self.guard.hold(self.control, renew)


@asynccontextmanager
async def home(
    tmp_path: Path, profile: str, metric: str, control: Control, still: object
) -> AsyncIterator[Home]:
    """``still`` is what ``metric`` reads while nobody asks for anything."""
    clock = PatientClock()
    relays = Shelly(clock)
    app = web.Application()
    app.router.add_get("/{rest:.*}", relays.reply)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    settings = device_settings(profile, runner.addresses[0][1], tmp_path, steer="always")
    bridge = Bridge([settings], Mqtt(), clock)
    try:
        async with bridge.running(clock) as port:
            (guard,) = build_devices([settings.through_bridge(1, port)], Intents(), clock)
            here = Home(clock, relays, guard, metric, control)
            try:
                await here.until(still)
                yield here
            finally:
                with suppress(DeviceError):
                    await guard.close()
    finally:
        await runner.cleanup()
