"""Two gateways on one inverter: the second says so before it releases anything, and nobody fights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.devices.other_master import QUIET_S, WATCH_S, OtherMaster
from gateway.domain.control import Control
from gateway.errors import ConfigError
from gateway.guard.bus_lock import BusLocks
from gateway.modbus.address import BusAddress
from tests.safety import agents
from tests.safety.guarded import FAMILIES, Guarded, guarded

CHANGES = agents._HEAD + (
    "from gateway.domain.plan import ValueCurve\n"
    "from gateway.domain.intervals import quarter_of\n"
    "n = 0\n"
    "while True:\n"
    "    now, n = datetime.datetime.now(datetime.UTC), n + 1\n"
    "    here = quarter_of(now)\n"
    "    terms = tuple(IntervalTerms(i, import_price=600.0, export_price=500.0,\n"
    "        value=ValueCurve(i, (0.0, 13500.0), (100.0, 100.0))) for i in (here, here.next()))\n"
    "    settings = StandingSettings(reserve_pct=20.0, export_limit_w=400.0 * (n % 5 + 1))\n"
    "    order = Order(now, now + datetime.timedelta(seconds=60), settings, terms)\n"
    "    link.sendall(framed(ORDERS.encode(order)))\n"
    "    time.sleep(1)\n"
)


def second(place: Guarded, folder: Path, host: str, ports: dict[int, int] | None = None) -> Guarded:
    """Another gateway on the same devices, with a state folder of its own; ``ports`` are other doors to them."""
    folder.mkdir()
    config, state = folder / "gateway.toml", folder / "state"
    text = place.config.read_text().replace(str(place.state), str(state))
    text = text.replace('host = "127.0.0.1"', f'host = "{host}"')
    for port, door in (ports or {}).items():
        text = text.replace(f"port = {port}\n", f"port = {door}\n")
    config.write_text(text)
    return replace(place, config=config, state=state, process=None, said=[], _listening=None)


@asynccontextmanager
async def other_doors(*ports: int) -> AsyncIterator[dict[int, int]]:
    """Another port for each: the same devices, as another machine has them."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, back), copy(there, writer))

    async with AsyncExitStack() as stack:
        doors = {}
        for port in ports:
            server = await asyncio.start_server(partial(serve, port), "127.0.0.1", 0)
            stack.callback(server.close)
            doors[port] = server.sockets[0].getsockname()[1]
        yield doors


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_on_one_machine_the_second_names_the_first_and_ends(
    host: str, tmp_path: Path
) -> None:
    """Also where it has another name for the inverter."""
    async with guarded("goodwe", tmp_path) as place:
        await place.start(agents.HOLDS)
        await place.until(lambda: place.held, "held")
        other = second(place, tmp_path / "other", host)
        await other.start(agents.HOLDS)
        assert await other.ended() == 3
        said = "\n".join(other.said)
        assert "another gateway on this machine steers it already" in said
        assert f"process {place.process.pid}" in said if place.process else False
        assert str(place.config) in said
        assert place.held, "nothing was released"
        assert not any("another controller" in line for line in place.said)
        await place.kill()  # however it ended, its place is free at once
        await other.start(agents.HOLDS)
        await other.says("guard runs")  # for the first time
        assert await other.stop() == 0


@pytest.mark.parametrize("family", ["goodwe", "fronius"])
async def test_over_modbus_alone_the_second_leaves_the_first_alone(
    family: str, tmp_path: Path
) -> None:
    """As from another machine: the lock does not see that both ways lead to one device."""
    async with (
        guarded(family, tmp_path) as place,
        other_doors(place.servers.ports.inverter, place.servers.ports.meter) as doors,
    ):
        await place.start(CHANGES)
        await place.until(lambda: place.held, "held")
        other = second(place, tmp_path / "other", "127.0.0.1", doors)
        await other.start(agents.HOLDS)
        await other.says("and not by this gateway")
        await other.says("another controller steers it")
        assert place.held
        assert await other.stop() == 0
        assert not any("another controller" in line for line in place.said), "nothing was written"
        assert place.held, "not even at its end"
        await other.start(agents.HOLDS)
        await other.says("and not by this gateway", since=len(other.said))
        assert await place.stop() == 0
        await other.says("is neutral again; it is released and steered")
        await place.until(lambda: place.held, "held by the second")
        assert await other.stop() == 0
        assert not place.held


async def test_after_our_own_crash_nothing_waits(tmp_path: Path) -> None:
    async with guarded("goodwe", tmp_path) as place:
        await place.start(CHANGES)  # no user's hold, which would hold again
        await place.until(lambda: place.held, "held")
        await place.kill()
        assert place.held
        before = len(place.said)
        await place.start(agents.SLEEPS.replace("send()", ""))
        await place.says("guard runs", since=before)
        assert not place.held, "released before anything else"
        assert not any("not by this gateway" in line for line in place.said)
        await place.stop()


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_device_that_nobody_steers_is_taken_at_once(family: str, tmp_path: Path) -> None:
    """A first start, and one after a clean stop: neither finds another master where there is none."""
    async with guarded(family, tmp_path) as place:
        for _ in range(2):
            before = len(place.said)
            await place.start(agents.HOLDS)
            await place.says("guard runs", since=before)
            await place.until(lambda: place.held, "held")
            assert await place.stop() == 0
        assert not any("not by this gateway" in line for line in place.said)


# -- what the watch makes of what it sees --


def words(*values: int) -> dict[Control, dict[int, int]]:
    return {Control.BATTERY_POWER: dict(enumerate(values, 47511))}


async def watched(*looks: tuple[float, dict[Control, dict[int, int]]]) -> list[str]:
    """What is said after each look, ``(seconds later, words)``."""
    clock = SimClock(datetime(2026, 6, 1, tzinfo=UTC))
    other, said = OtherMaster("inverter", clock), []

    async def play() -> None:
        for later_s, seen in looks:
            await clock.sleep(later_s)
            said.append(str(other.look(seen) or ""))

    async with asyncio.TaskGroup() as group:
        clock.spawn(group, play(), "play")
    return said


async def test_what_a_dead_program_left_is_released_after_the_watch() -> None:
    said = await watched((0, words(4, 0)), (WATCH_S - 1, words(4, 0)), (2, words(4, 0)))
    assert "register 47511 reads 4" in said[0]
    assert said[1:] == [said[0], ""]


async def test_one_who_lives_is_left_alone_until_it_is_quiet() -> None:
    said = await watched(
        (0, words(4, 700)), (5, words(4, 900)), (QUIET_S - 1, words(4, 900)), (2, words(4, 900))
    )
    assert "register 47512 changed from 700 to 900" in said[1]
    assert said[2]
    assert said[3] == ""


async def test_a_neutral_device_is_nobodys() -> None:
    assert await watched((0, {Control.BATTERY_POWER: {}})) == [""]


def at(host: str, port: int = 502) -> BusAddress:
    return BusAddress(host=host, port=port)


def test_a_bus_is_let_go_with_its_lock() -> None:
    serial = BusAddress("rtu", serial="/dev/ttyUSB0 " + "x" * 200)
    held = BusLocks([at("inverter.lan"), at("inverter.lan"), serial])
    with pytest.raises(ConfigError, match="another gateway on this machine"):
        BusLocks([at("meter.lan"), at("INVERTER.lan")])
    BusLocks([at("meter.lan")]).close()  # what it had got before was given back
    held.close()
    BusLocks([at("inverter.lan")]).close()


async def test_two_names_of_one_device_are_one_bus(tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyUSB0")
    by_id, line = (
        BusAddress("rtu", serial=str(tmp_path / name), baud=baud)
        for name, baud in (("by-id", 9600), ("ttyUSB0", 19200))
    )
    port = 40_000  # nobody has to listen there
    both = BusLocks([at("localhost", port), at("127.0.0.1", port), by_id])
    await both.take_resolved()  # two names of ours do not stand in each other's way
    for same in (at("127.0.0.1", port), line):
        with pytest.raises(ConfigError, match="another gateway on this machine"):
            BusLocks([same])
    other = BusLocks([at("127.1", port), at("no-such-host.invalid", port)])
    with pytest.raises(ConfigError, match=rf"127.0.0.1:{port}: another gateway"):
        await other.take_resolved()
    both.close()
    unknown = BusLocks([at("no-such-host.invalid", port), at("x" * 300, port)])
    await unknown.take_resolved()
    unknown.close()
