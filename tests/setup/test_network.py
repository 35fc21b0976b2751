"""Who listens in a network, and who makes itself known there."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp.web
import pytest
from typer.testing import CliRunner
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from gateway.cli import make_app
from gateway.clock import WallClock
from gateway.config.load import load_settings
from gateway.devices.network import Place, listening, places
from gateway.errors import ConfigError
from gateway.setup.finder import Finder
from gateway.setup.mdns import named
from gateway.setup.shelly import shellies
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
    assert [str(problem) for problem in finder.problems] == [f"127.0.0.1:{port}: nobody answers"]
    assert finder.wanted == []


@pytest.mark.real_time  # a library's own timers, over the kernel's multicast
async def test_devices_that_say_what_they_are() -> None:
    """A HomeWizard P1, a Shelly with three phases and a web server, as their makers announce them."""
    network = AsyncZeroconf(interfaces=["127.0.0.1"])
    made = [
        ("_hwenergy._tcp.local.", "p1meter-1A2B3C", "127.0.0.21", {"product_type": "HWE-P1"}),
        ("_shelly._tcp.local.", "shellypro3em-ab12", "127.0.0.22", {"gen": "2", "app": "Pro3EM"}),
        ("_http._tcp.local.", "inverter", "127.0.0.23", {}),
        (
            "_shelly._tcp.local.",
            "shellyplusplugs-cd34",
            "127.0.0.24",
            {"gen": "2", "app": "PlusPlugS"},
        ),
        ("_shelly._tcp.local.", "shellyplus1pm-ef56", "127.0.0.25", {"gen": "2", "app": "Plus1PM"}),
    ]
    try:
        for kind, name, host, told in made:
            info = AsyncServiceInfo(
                kind, f"{name}.{kind}", 80, addresses=[socket.inet_aton(host)], properties=told
            )
            await (await network.async_register_service(info))
        async with asyncio.timeout(60):
            while len(found := await named(WallClock(), ["127.0.0.1"])) < 5:
                pass
    finally:
        await network.async_close()
    assert {one.host: one.profile for one in found} == {
        "127.0.0.21": "homewizard-p1", "127.0.0.22": "shelly-pro-3em-http", "127.0.0.23": "",
        "127.0.0.24": "shelly-plug", "127.0.0.25": "",  # a relay may stand before anything
    }  # fmt: skip


ANSWERS: dict[str, Any] = {  # of `/shelly`, by their makers' documents and reports
    "a plug": ({"id": "shellyplusplugs-cd34", "gen": 2, "app": "PlusPlugS", "auth_en": False}, "shelly-plug"),
    "a plug of the third generation": ({"id": "x", "gen": 3, "app": "PlugSG3"}, "shelly-plug"),
    "a three-phase meter": ({"id": "shellypro3em-ab12", "gen": 2, "app": "Pro3EM"}, "shelly-pro-3em-http"),
    "one of the first generation": ({"type": "SHEM-3", "mac": "A", "auth": False}, "shelly-3em-http"),
    "a relay": ({"id": "shellyplus1pm-ef56", "gen": 2, "app": "Plus1PM"}, ""),
    "no object": (["app"], ""),
    "a number": ({"app": 3, "gen": 1e300}, ""),
}  # fmt: skip


@asynccontextmanager
async def web(
    body: bytes, status: int = 200, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[int]:
    async def reply(request: aiohttp.web.Request) -> aiohttp.web.Response:
        found = request.path == "/shelly"
        return aiohttp.web.Response(status=status if found else 404, body=body)

    app = aiohttp.web.Application()
    app.router.add_get("/{rest:.*}", reply)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, host, port).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("who", ANSWERS)
async def test_a_shelly_is_found_by_what_its_page_says(who: str) -> None:
    told, profile = ANSWERS[who]
    async with web(json.dumps(told).encode()) as port:
        finder = Finder(WallClock(), web_port=port)
        await finder.search([f"127.0.0.1:{free_port()}"], multicast=False)
        assert [one.chosen.profile for one in finder.wanted] == ([profile] if profile else [])
        assert bool(finder.problems) != bool(profile), "nobody answers by Modbus, and nobody else"


@pytest.mark.parametrize("who", ["a plug", "a three-phase meter", "a relay"])
async def test_scan_finds_what_the_page_and_init_find(who: str, tmp_path: Path) -> None:
    """At the port of the web: a Shelly has no other."""
    told, profile = ANSWERS[who]
    out, host = tmp_path / "gateway.toml", f"127.0.9.{len(who)}"
    try:
        serving = web(json.dumps(told).encode(), host=host, port=80)
        async with serving:
            words = ["scan", f"{host}/32", "--out", str(out)]
            run = CliRunner().invoke
            network = await asyncio.to_thread(run, make_app("gateway.cli", ""), words)
            words[1] = host
            named = await asyncio.to_thread(run, make_app("gateway.cli", ""), words)
            again = await asyncio.to_thread(run, make_app("gateway.cli", ""), [*words, "--json"])
    except PermissionError:
        pytest.skip("the port of the web is for root here")
    if not profile:
        assert (named.exit_code, out.exists()) == (1, False)
        return
    assert ("left out unless you name its address" in network.stdout) == (profile == "shelly-plug")
    assert f'profile = "{profile}"' in out.read_text()
    assert "port = 80" in out.read_text()
    assert "unit" not in out.read_text()
    assert [row["profile"] for row in json.loads(again.stdout)] == [profile]
    settings = load_settings(out)
    assert [(d.host, d.profile) for d in settings.device] == [(host, profile)]


async def test_a_plug_of_a_network_is_taken_by_its_owner_only() -> None:
    """It may stand before a freezer; one whose address a person named is what they mean."""
    plug, _ = ANSWERS["a plug"]
    async with web(json.dumps(plug).encode()) as port:
        finder = Finder(WallClock(), web_port=port)
        await finder.search([f"127.0.0.0/30:{free_port()}"], multicast=False)
        (found,) = finder.found.values()
        assert (found.kind, found.wanted, finder.has) == ("heater", False, frozenset())
        found.wanted = True
        assert finder.has == {"plug"}, "what it wants is asked, and no litres"
        await finder.search([f"127.0.0.0/30:{free_port()}"], multicast=False)
        assert found.wanted, "another search takes back no choice"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 200), (b"<html>", 200), (b"[" * 60_000, 200), (b"{}" * 60_000, 200), (b'{"app": "PlusPlugS"}', 401)],
)  # fmt: skip
async def test_another_page_is_no_shelly(body: bytes, status: int) -> None:
    async with web(body, status) as port:
        assert await shellies([Place("127.0.0.1", port)]) == []


async def test_a_password_is_said() -> None:
    told = ANSWERS["a plug"][0] | {"auth_en": True}
    async with web(json.dumps(told).encode()) as port:
        (found,) = await shellies([Place("127.0.0.1", port)])
        assert "it has a password: not read" in found.name
