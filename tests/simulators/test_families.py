"""Each family at its data sheet's addresses: values, word order, control, and who lets go by itself."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

import pytest

from simulators.devices.family_file import family_files
from simulators.devices.faults import Fault, Faults, Kind
from simulators.devices.serve import INVERTERS, Choice, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.simulators.conftest import START, HandClock, RawClient
from tests.simulators.test_devices import chain, i16

NOON = START.replace(hour=18)


def i32(high: int, low: int) -> int:
    value = high << 16 | low
    return value - (1 << 32) if value >> 31 else value


def f32(high: int, low: int) -> float:
    value: float = struct.unpack(">f", struct.pack(">HH", high, low))[0]
    return value


def words(value: float, kind: str, little: bool = False) -> list[int]:
    pair = list(struct.unpack(">HH", struct.pack(f">{kind}", value)))
    return pair[::-1] if little else pair


class Start(Protocol):
    def __call__(self, inverter: str, charger: str = "keba") -> Awaitable[RawClient]: ...


@pytest.fixture
def home(clock: HandClock) -> Home:
    clock.time = NOON
    home = Home(clock, Scenario(NOON, seed=1, soc_pct=60))
    clock.forward(60)
    return home


@pytest.fixture
async def start(home: Home) -> AsyncIterator[Start]:
    running = []

    async def run(inverter: str, charger: str = "keba") -> RawClient:
        servers = await serve_home(home, choice=Choice(inverter=inverter, charger=charger))
        port = servers.ports.inverter if charger == "keba" else servers.ports.charger
        client = await RawClient.connect(port)
        running.append((servers, client))
        return client

    yield run
    for servers, client in running:
        await client.close()
        await servers.close()


async def test_float_variant(start: Start, home: Home) -> None:
    client = await start("fronius-float")
    models = await chain(client, 1)
    assert set(models) == {1, 113, 120, 121, 122, 123, 124, 160}
    ac = await client.read(1, models[113], 62)
    assert ac[:2] == (113, 60)
    assert f32(*ac[22:24]) == pytest.approx(home.powers().inverter_ac, rel=1e-6)
    meter = await client.read(200, (await chain(client, 200))[213], 100)
    assert f32(*meter[28:30]) == pytest.approx(home.powers().grid, rel=1e-6)


async def test_der_generation(start: Start, home: Home, clock: HandClock) -> None:
    client = await start("sunspec-der")
    models = await chain(client, 1)
    assert set(models) == {1, *range(701, 707), *range(710, 716)}
    assert models[701] == 40002 + 68  # model 1 of length 66
    ac = await client.read(1, models[701], 125)
    factor = (await client.read(1, models[701] + 116, 1))[0]
    assert i16(ac[10]) * 10.0 ** i16(factor) == pytest.approx(home.powers().inverter_ac, abs=0.6)
    ports = await client.read(1, models[714], 95)
    watts = [i16(ports[20 + 25 * n + 12]) * 10.0 ** i16(ports[17]) for n in range(3)]
    assert watts[2] == pytest.approx(home.powers().battery, abs=0.6)
    assert watts[0] + watts[1] == pytest.approx(home.powers().pv, abs=1.2)
    at = models[704]
    await client.write(1, at + 31, *words(90, "I"))  # WSetRvrtTms
    await client.write(1, at + 22, 1, 1, *words(2000, "i"))
    clock.forward(30)
    assert home.powers().inverter_ac == pytest.approx(2000)
    assert (await client.read(1, at + 33, 2)) == (0, 60)
    clock.forward(61)
    assert home.commands.ac_power_w is None
    await client.write(1, at + 15, 300)
    await client.write(1, at + 14, 1)
    clock.forward(10)
    assert home.powers().inverter_ac <= 3000.001


async def test_solaredge(start: Start, home: Home, clock: HandClock) -> None:
    client = await start("solaredge")
    assert await client.read(1, 40121, 2) == (1, 65)
    meter = await client.read(1, 40188, 60)
    assert meter[:2] == (203, 105)
    assert i16(meter[18]) * 10.0 ** i16(meter[22]) == pytest.approx(-home.powers().grid, abs=0.6)
    low, high = await client.read(1, 0xE174, 2)
    assert f32(high, low) == pytest.approx(-home.powers().battery, rel=1e-6)
    low, high = await client.read(1, 0xE184, 2)
    assert f32(high, low) == pytest.approx(home.truth().soc_pct, rel=1e-6)
    charged = await client.read(1, 0xE17A, 4)
    assert charged[2:] == (0, 0)
    assert charged[1] << 16 | charged[0] == 2_345_678 + int(home.totals().charge)
    assert await client.read(1, 0xE00B, 2) == (3600, 0)  # little: low word first

    await client.write(1, 0xE004, 4)
    await client.write(1, 0xE00B, 60, 0)
    await client.write(1, 0xE00E, *words(1500.0, "f", little=True))
    await client.write(1, 0xE00D, 3)  # charge from PV and grid
    clock.forward(50)
    assert home.powers().battery == pytest.approx(-1500)
    await client.write(1, 0xE00D, 3)
    clock.forward(50)
    assert home.powers().battery == pytest.approx(-1500)
    clock.forward(20)
    assert await client.read(1, 0xE00D, 1) == (7,)
    assert home.powers().battery != pytest.approx(-1500)
    assert await client.write(1, 0xE00E, 0, 0x7FC0) == b"\x90\x03"  # NaN is refused


async def test_solaredge_takes_one_client(home: Home) -> None:
    servers = await serve_home(home, choice=Choice(inverter="solaredge"))
    first = await RawClient.connect(servers.ports.inverter)
    await first.read(1, 40000, 2)
    second = await RawClient.connect(servers.ports.inverter)
    assert await second.reader.read(1) == b""
    await first.close()
    await second.close()
    await servers.close()


async def test_sungrow(start: Start, home: Home, clock: HandClock) -> None:
    client = await start("sungrow")
    powers = home.powers()
    low, high = await client.read(1, 5016, 2, function=4)
    assert high << 16 | low == round(powers.pv)
    low, high = await client.read(1, 13009, 2, function=4)
    assert i32(high, low) == round(-powers.grid)
    values = await client.read(1, 13019, 4, function=4)
    assert i16(values[2]) == round(powers.battery)
    assert values[3] == round(home.truth().soc_pct * 10)
    # forced without heartbeat: it stays
    await client.write(1, 13049, 2, 0xBB, 2000)
    clock.forward(7200)
    assert home.powers().battery == pytest.approx(2000)
    await client.write(1, 13049, 0)
    # external with heartbeat: it falls back
    await client.write(1, 13079, 60)
    await client.write(1, 13049, 3, 0xAA, 1000)
    clock.forward(45)
    assert home.powers().battery == pytest.approx(-1000)
    assert await client.read(1, 13079, 1) == (15,)
    clock.forward(30)
    assert await client.read(1, 13049, 2) == (0, 0xCC)


async def test_huawei(start: Start, home: Home, clock: HandClock) -> None:
    client = await start("huawei")
    powers = home.powers()
    assert i32(*await client.read(1, 32064, 2)) == round(powers.pv)
    assert i32(*await client.read(1, 37113, 2)) == round(-powers.grid)
    assert i32(*await client.read(1, 37765, 2)) == round(-powers.battery)
    assert (await client.read(1, 37760, 1)) == (round(home.truth().soc_pct * 10),)
    await client.write(1, 47249, *words(2000, "I"))
    await client.write(1, 47246, 0)
    await client.write(1, 47083, 2)
    await client.write(1, 47100, 2)
    clock.forward(100)
    assert home.powers().battery == pytest.approx(2000)
    await client.write(1, 47083, 2)  # renewed
    clock.forward(100)
    assert home.powers().battery == pytest.approx(2000)
    clock.forward(30)
    assert await client.read(1, 47100, 1) == (0,)
    assert await client.write(1, 47247, *words(9000, "I")) == b"\x90\x03"
    assert await client.read(1, 47247, 2) == (0, 0)


async def test_goodwe_never_lets_go(start: Start, home: Home, clock: HandClock) -> None:
    client = await start("goodwe")
    powers = home.powers()
    one, two = await client.read(247, 35105, 2), await client.read(247, 35109, 2)
    assert i32(*one) + i32(*two) == pytest.approx(powers.pv, abs=1.1)
    assert i32(*await client.read(247, 35182, 2)) == round(powers.battery)
    assert i32(*await client.read(247, 36025, 2)) == round(-powers.grid)
    assert (await client.read(247, 37007, 1)) == (round(home.truth().soc_pct),)
    await client.write(247, 47511, 12, 1500)
    clock.forward(3 * 3600)
    assert home.powers().battery == pytest.approx(1500)
    assert await client.read(247, 47511, 2) == (12, 1500)
    await client.write(247, 47511, 1)
    clock.forward(10)
    assert home.commands.charge_limit_w is None
    assert await client.write(247, 47511, 7) == b"\x90\x03"
    assert await client.read(247, 47511, 1) == (1,)


async def test_goe(start: Start, home: Home, clock: HandClock) -> None:
    clock.forward(8 * 3600)  # the car is back
    client = await start("fronius", "go-e")
    clock.forward(10)
    assert await client.read(1, 100, 1, function=4) == (2,)
    high, low = await client.read(1, 120, 2, function=4)
    assert (high << 16 | low) / 100 == pytest.approx(home.powers().ev, abs=0.01)
    assert await client.write_one(1, 299, 8) == b"\x86\x01"  # function 16 only
    await client.write(1, 299, 8)
    clock.forward(10)
    assert home.powers().ev == pytest.approx(5520)
    await client.write(1, 337, 1)
    clock.forward(10)
    assert home.powers().ev == 0
    assert await client.read(1, 100, 1, function=4) == (4,)
    assert await client.write(1, 299, 5) == b"\x90\x03"


@pytest.mark.parametrize("family", INVERTERS)
async def test_a_fresh_inverter_of_any_family_zeroes_the_meter(
    start: Start, home: Home, clock: HandClock, family: str
) -> None:
    await start(family)
    clock.forward(20)
    assert home.powers().grid == pytest.approx(0, abs=1e-6)
    assert home.powers().battery < 0


SENTINEL_OF_POWER = {  # family -> unit, function, address of a measured power, what it shows
    "fronius": (1, 3, 40069 + 14, (0x8000,)),
    "fronius-float": (1, 3, 40069 + 22, (0x7FC0, 0)),
    "sunspec-der": (1, 3, 40070 + 10, (0x8000,)),
    "solaredge": (1, 3, 0xE174, (0, 0x7FC0)),
    "goodwe": (247, 3, 35182, (0x7FFF, 0xFFFF)),
    "sungrow": (1, 4, 13021, (0x7FFF,)),
    "huawei": (1, 3, 37765, (0x7FFF, 0xFFFF)),
    "growatt": (1, 4, 1009, (0xFFFF, 0xFFFF)),
    "solax": (1, 4, 22, (0x7FFF,)),
    "sma": (3, 3, 30775, (0x8000, 0)),
    "foxess": (247, 3, 31036, (0x7FFF,)),
}


def test_every_family_has_its_sentinel_told() -> None:
    assert set(INVERTERS) <= {*SENTINEL_OF_POWER, *family_files()}


@pytest.mark.parametrize("family", SENTINEL_OF_POWER)
async def test_a_blind_inverter_shows_no_measured_power(home: Home, family: str) -> None:
    blind = {"inverter": Faults([Fault(Kind.NAN)])}
    servers = await serve_home(home, choice=Choice(inverter=family), faults=blind)
    client = await RawClient.connect(servers.ports.inverter)
    unit, function, address, expected = SENTINEL_OF_POWER[family]
    shown = await client.read(unit, address, len(expected), function)
    assert shown == expected
    await client.close()
    await servers.close()


async def test_a_write_after_the_timer_ended_is_not_undone_by_it(
    start: Start, clock: HandClock
) -> None:
    client = await start("fronius")
    at = (await chain(client, 1))[124]
    await client.write(1, at + 15, 30)
    await client.write(1, at + 12, 0)
    await client.write(1, at + 5, 2)
    clock.forward(100)
    await client.write(1, at + 12, -4000)  # nobody has looked since the timer ended
    assert (await client.read(1, at + 12, 1)) == (-4000 & 0xFFFF,)
    assert (await client.read(1, at + 5, 1)) == (0,)


async def test_the_curves_of_the_der_generation_are_whole(start: Start) -> None:
    """Each as the model's definition lays it out: its lengths follow from its numbers of points."""
    client = await start("sunspec-der")
    models = await chain(client, 1)
    for number, (points_at, size, fixed) in {
        705: (5, 2, 13 + 10),
        706: (5, 2, 13 + 5),
        712: (5, 2, 12 + 4),
    }.items():
        words = await client.read(1, models[number], 100)
        assert words[1] == fixed + size * words[points_at]
        assert words[2] == 0  # not enabled
    trip = await client.read(1, models[710], 40)
    assert trip[1] == 7 + 1 + 3 * (1 + 4 * trip[5])
    droop = await client.read(1, models[711], 40)
    assert droop[1] == 12 + 10 * droop[5]
    service = await client.read(1, models[703], 19)
    assert service[2:5] == (1, 1050, 917)


async def test_growatt_follows_the_percent_only_with_authority_and_never_ends_by_itself(
    start: Start, home: Home, clock: HandClock
) -> None:
    client = await start("growatt")
    for address, value in ((30410, 1), (30409, 40), (30408, 2), (30407, 1)):
        await client.write_one(1, address, value)
    clock.forward(10)
    assert home.powers().battery < -2000  # without authority it charges from the sun
    await client.write_one(1, 30100, 1)
    clock.forward(10)
    assert home.powers().battery == pytest.approx(-2000, abs=1)
    await client.write_one(1, 30409, -50 & 0xFFFF)
    clock.forward(600)
    assert home.powers().battery == pytest.approx(2500, abs=1)  # 2 minutes have passed long ago
    await client.write_one(1, 30407, 0)
    clock.forward(10)
    assert home.powers().battery == pytest.approx(0, abs=1)  # authority alone: suspended
    await client.write_one(1, 30100, 0)
    clock.forward(10)
    assert home.powers().battery < -2000
    assert await client.read(1, 1014, 1, function=4) != (0,)


async def test_solax_takes_the_whole_block_and_ends_in_self_consumption(
    start: Start, home: Home, clock: HandClock
) -> None:
    client = await start("solax")
    block = (4, 1, *([0] * 11), 1500, 0)
    assert await client.write(1, 0x7C, *block[:13]) == b"\x90\x03"
    await client.write(1, 0x7C, *block)
    clock.forward(300)
    assert home.powers().battery == pytest.approx(1500, abs=1)
    assert await client.read(1, 0x100, 1, function=4) == (4,)
    assert await client.read(1, 22, 1, function=4) == (-1500 & 0xFFFF,)
    clock.forward(301)
    assert home.powers().battery < 0
    assert await client.read(1, 0x100, 1, function=4) == (6,)


async def test_solax_is_locked_after_a_restart(home: Home) -> None:
    servers = await serve_home(home, choice=Choice(inverter="solax"))
    servers.inverter.units[1].reboot()
    client = await RawClient.connect(servers.ports.inverter)
    assert await client.read(1, 0x54, 1, function=4) == (0,)
    block = (4, 1, *([0] * 11), 1500, 0)
    assert await client.write(1, 0x7C, *block) == b"\x90\x03"
    await client.write_one(1, 0, 2014)
    assert await client.read(1, 0x54, 1, function=4) == (1,)
    assert await client.write(1, 0x7C, *block) != b"\x90\x03"
    await client.close()
    await servers.close()
