"""A plug in front of a boiler: switched over real HTTP by the guard's word, and off by itself whoever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from gateway.bridge.load import sheet_of
from gateway.bridge.serve import Bridge
from gateway.config.agent_settings import Mqtt
from gateway.config.device_settings import DeviceSettings
from gateway.devices.build import build_devices
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control
from gateway.domain.readings import Quality
from gateway.errors import ConfigError, DeviceError
from tests.bridge.conftest import PatientClock, device_settings
from tests.devices.conftest import Intents
from tests.waiting import HANG_S, eventually

BOILER_W = 1_900.0


@dataclass
class Shelly:
    """A plug by its maker's document: ``toggle_after`` turns it back after so many seconds of the test's clock."""

    clock: PatientClock
    lit: bool = False
    off_at: float | None = None
    said: list[str] = field(default_factory=list)
    broken: bool = False
    looks: int = 0  # how often its state was asked for

    @property
    def on(self) -> bool:
        if self.off_at is not None and self.clock.seconds >= self.off_at:
            self.lit, self.off_at = False, None
        return self.lit

    async def reply(self, request: web.Request) -> web.Response:
        self.looks += request.path == "/rpc/Switch.GetStatus"
        if self.broken:
            return web.Response(status=500)
        was = self.on
        if request.path == "/rpc/Switch.Set":
            assert request.query["id"] == "0"
            self.lit = {"true": True, "false": False}[request.query["on"]]
            after = request.query.get("toggle_after")
            self.off_at = None if after is None else self.clock.seconds + float(after)
            self.said.append("on" if self.lit else "off")
            return web.json_response({"was_on": was})
        assert request.path_qs == "/rpc/Switch.GetStatus?id=0"
        return web.json_response({"id": 0, "output": was, "apower": BOILER_W if was else 0.0})


@dataclass
class Home:
    clock: PatientClock
    plug: Shelly
    bridge: Bridge
    guard: ModbusDevice
    intents: Intents
    settings: DeviceSettings

    async def power_w(self) -> float | None:
        readings = {r.metric: r for r in await self.guard.poll()}
        one = readings.get("heat_power_w")
        return float(one.value) if one and one.quality is Quality.GOOD else None  # type: ignore[arg-type]

    async def look(self) -> None:
        """Two seconds later: the bridge has looked once more, however long that takes here."""
        before = self.plug.looks
        self.clock.seconds += 2
        await eventually(lambda: self.plug.looks > before)

    async def until_w(self, watts: float | None) -> None:
        """Let the bridge's looks come round until the guard reads that."""
        async with asyncio.timeout(HANG_S):
            while await self.power_w() != watts:
                await self.look()

    async def pass_s(self, seconds: float, renew_w: float | None = None) -> None:
        """Time goes on; the guard renews its lease as it does every tick, if it lives."""
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            await self.look()
            if renew_w is not None:
                await self.guard.hold(Control.HEAT_POWER, renew_w)


@asynccontextmanager
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    clock, intents = PatientClock(), Intents()
    plug = Shelly(clock)
    app = web.Application()
    app.router.add_get("/{rest:.*}", plug.reply)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    settings = device_settings("shelly-plug", runner.addresses[0][1], tmp_path, steer="always")
    bridge = Bridge([settings], Mqtt(), clock)
    try:
        async with bridge.running(clock) as port:
            (guard,) = build_devices([settings.through_bridge(1, port)], intents, clock)
            here = Home(clock, plug, bridge, guard, intents, settings)
            try:
                await here.until_w(0.0)
                yield here
            finally:
                with suppress(DeviceError):
                    await guard.close()
    finally:
        await runner.cleanup()


async def test_it_is_switched_on_and_off_and_let_go(tmp_path: Path) -> None:
    async with home(tmp_path) as here:
        await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        await here.until_w(BOILER_W)
        await here.pass_s(130, renew_w=BOILER_W)
        assert here.plug.on, "renewed beyond its own timer"
        await here.guard.hold(Control.HEAT_POWER, 0)
        await here.until_w(0.0)
        await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        await here.until_w(BOILER_W)
        report = await here.guard.release()
        assert report.neutral, report
        await here.until_w(0.0)
        here.plug.lit = True  # by hand
        await here.pass_s(30)
        assert here.plug.on, "nobody steers it now, so a hand may"


async def test_a_guard_that_dies_leaves_it_off(tmp_path: Path) -> None:
    async with home(tmp_path) as here:
        await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        await here.until_w(BOILER_W)
        await here.pass_s(64)
        await eventually(lambda: not here.plug.on)
        assert here.plug.said[-1] == "off", "said by the bridge when the lease had run out"


async def test_a_bridge_that_dies_leaves_it_to_its_own_timer(tmp_path: Path) -> None:
    async with home(tmp_path) as here:
        await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        await here.until_w(BOILER_W)
        here.plug.broken = True  # from now on the bridge can say nothing more to it
        said = len(here.plug.said)
        await here.pass_s(62, renew_w=None)
        assert not here.plug.on
        assert len(here.plug.said) == said, "it needed no word"


async def test_what_it_did_not_take_is_said_again(tmp_path: Path) -> None:
    async with home(tmp_path) as here:
        await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        await here.until_w(BOILER_W)
        here.plug.broken = True
        await here.guard.hold(Control.HEAT_POWER, 0)
        await here.pass_s(6)
        here.plug.broken = False
        await here.until_w(0.0)
        assert here.plug.said[-1] == "off"


async def test_a_plug_that_does_not_answer_is_not_steered(tmp_path: Path) -> None:
    async with home(tmp_path) as here:
        here.plug.broken = True
        await here.until_w(None)
        with pytest.raises(DeviceError):
            await here.guard.hold(Control.HEAT_POWER, BOILER_W)
        assert "on" not in here.plug.said


def test_a_sheet_that_switches_on_without_an_end_is_refused() -> None:
    text = (
        'key = "x"\ntitle = "x"\ntransport = "http"\nsources = []\n'
        '[switch]\non = "/on"\noff = "/off"\n[readings]\nheat_power_w = { at = "p", unit = "W" }\n'
    )
    with pytest.raises(ConfigError, match=r"needs \{seconds\}"):
        sheet_of(text, "x.toml")
