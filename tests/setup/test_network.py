"""Who listens in a network, and who makes itself known there."""

from __future__ import annotations

import asyncio
import socket

import pytest
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from gateway.clock import WallClock
from gateway.devices.network import Place, listening, places
from gateway.errors import ConfigError
from gateway.setup.finder import Finder
from gateway.setup.mdns import named
from simulators.broker import free_port
from simulators.devices.serve import serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario


def test_what_a_target_means() -> None:
    assert places(["inverter.lan", "10.0.0.5:1502"]) == [
        Place("inverter.lan", 502),
        Place("10.0.0.5", 1502),
    ]
    assert len(places(["192.168.1.0/24"])) == 2 * 254
    assert places(["10.0.0.0/30:5020"]) == [Place("10.0.0.1", 5020), Place("10.0.0.2", 5020)]
    for wrong in ("10.0.0.0/8", "host:0", "nothing/24", ":502"):
        with pytest.raises(ConfigError, match=r"e\.g\."):
            places([wrong])


async def test_only_who_opens_is_asked() -> None:
    """The devices of a home at one address of a network whose others refuse."""
    clock = WallClock()
    servers = await serve_home(Home(clock, Scenario(start=clock.now())), host="127.0.0.6")
    told: list[tuple[int, int]] = []
    try:
        asked = places([f"127.0.0.0/29:{servers.ports.inverter}"])
        assert await listening(asked, lambda *at: told.append(at)) == [
            Place("127.0.0.6", servers.ports.inverter)
        ]
        assert told[-1] == (6, 6)
        finder = Finder(clock)
        await finder.search([f"127.0.0.0/29:{servers.ports.inverter}"], multicast=False)
        await finder.read()
        found = {one.chosen.profile: one for one in finder.wanted}
        assert found["fronius-gen24"].number("battery_soc_pct") is not None
        assert finder.has == {"battery", "panels"}
        await finder.close()
    finally:
        await servers.close()


async def test_a_host_that_does_not_answer_is_named() -> None:
    finder = Finder(WallClock())
    port = free_port()
    await finder.search([f"127.0.0.1:{port}"], multicast=False)
    assert finder.problems == [f"127.0.0.1:{port}: nobody answers"]
    assert finder.wanted == []


async def test_devices_that_say_what_they_are() -> None:
    """A HomeWizard P1, a Shelly with three phases and a web server, as their makers announce them."""
    network = AsyncZeroconf(interfaces=["127.0.0.1"])
    made = [
        ("_hwenergy._tcp.local.", "p1meter-1A2B3C", "127.0.0.21", {"product_type": "HWE-P1"}),
        ("_shelly._tcp.local.", "shellypro3em-ab12", "127.0.0.22", {"gen": "2", "app": "Pro3EM"}),
        ("_http._tcp.local.", "inverter", "127.0.0.23", {}),
    ]
    try:
        for kind, name, host, told in made:
            info = AsyncServiceInfo(
                kind, f"{name}.{kind}", 80, addresses=[socket.inet_aton(host)], properties=told
            )
            await (await network.async_register_service(info))
        async with asyncio.timeout(60):
            while len(found := await named(WallClock(), ["127.0.0.1"], for_s=1.0)) < 3:
                pass
    finally:
        await network.async_close()
    assert {one.host: one.profile for one in found} == {
        "127.0.0.21": "homewizard-p1", "127.0.0.22": "shelly-pro-3em-http", "127.0.0.23": "",
    }  # fmt: skip
