"""The simulated devices over real Modbus TCP, read at the data sheets' addresses by raw frames."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator

import pytest
from pymodbus.client import AsyncModbusTcpClient

from simulators.devices.serve import Servers, serve_home
from simulators.devices.view import Lifetime
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.simulators.conftest import START, HandClock, RawClient


def i16(value: int) -> int:
    return value - 0x10000 if value & 0x8000 else value


@pytest.fixture
def home(clock: HandClock) -> Home:
    return Home(clock, Scenario(START, seed=1))


@pytest.fixture
async def servers(home: Home) -> AsyncIterator[Servers]:
    running = await serve_home(home)
    yield running
    await running.close()


@pytest.fixture
async def inverter(servers: Servers) -> AsyncIterator[RawClient]:
    client = await RawClient.connect(servers.ports.inverter)
    yield client
    await client.close()


@pytest.fixture
async def charger(servers: Servers) -> AsyncIterator[RawClient]:
    client = await RawClient.connect(servers.ports.charger)
    yield client
    await client.close()


async def chain(client: RawClient, unit: int) -> dict[int, int]:
    """Address of every model, walked as the SunSpec rules say."""
    assert await client.read(unit, 40000, 2) == (0x5375, 0x6E53)
    found: dict[int, int] = {}
    address = 40002
    while True:
        number, length = await client.read(unit, address, 2)
        if number == 0xFFFF:
            return found
        found[number] = address
        address += length + 2


async def test_the_chain_has_the_models_of_a_hybrid_and_of_a_meter(inverter: RawClient) -> None:
    assert set(await chain(inverter, 1)) == {1, 103, 120, 121, 122, 123, 124, 160}
    assert set(await chain(inverter, 200)) == {1, 203}


@pytest.mark.parametrize("hour", [1, 9, 13, 17, 22])
async def test_registers_say_what_is_true(
    inverter: RawClient, home: Home, clock: HandClock, hour: float
) -> None:
    clock.forward(hour * 3600)
    models = await chain(inverter, 1)
    ac = await inverter.read(1, models[103], 52)
    powers, totals = home.powers(), home.totals()
    assert i16(ac[14]) * 10.0 ** i16(ac[15]) == pytest.approx(powers.inverter_ac, abs=0.51)
    energy = (ac[24] << 16 | ac[25]) * 10.0 ** i16(ac[26])
    assert energy == pytest.approx(Lifetime().inverter_out + totals.inverter_out, abs=0.02)

    dc = await inverter.read(1, models[160], 90)
    factor, watts = 10.0 ** i16(dc[4]), {}
    for module in range(dc[8]):
        at = 10 + 20 * module
        name = struct.pack(">8H", *dc[at + 1 : at + 9]).rstrip(b"\0").decode()
        watts[name.split()[0] + name[-1] * (name[0] == "M")] = dc[at + 11] * factor
    assert watts["MPPT1"] + watts["MPPT2"] == pytest.approx(powers.pv, abs=1.1)
    assert watts["StDisCha"] - watts["StCha"] == pytest.approx(powers.battery, abs=0.51)

    storage = await inverter.read(1, models[124], 26)
    assert storage[8] / 100 == pytest.approx(home.truth().soc_pct, abs=0.01)

    meter = await inverter.read(200, (await chain(inverter, 200))[203], 107)
    assert i16(meter[18]) * 10.0 ** i16(meter[22]) == pytest.approx(powers.grid, abs=0.51)
    exported, imported = meter[38] << 16 | meter[39], meter[46] << 16 | meter[47]
    assert i16(meter[54]) == 0
    assert exported == int(Lifetime().grid_export + totals.grid_export)
    assert imported == int(Lifetime().grid_import + totals.grid_import)


async def test_scale_factors_move_with_the_magnitude(
    inverter: RawClient, home: Home, clock: HandClock
) -> None:
    at = (await chain(inverter, 1))[103]
    seen = set()
    for _hour in range(24):
        clock.forward(3600)
        ac = await inverter.read(1, at, 52)
        seen.add(i16(ac[15]))
        assert i16(ac[14]) * 10.0 ** i16(ac[15]) == pytest.approx(
            home.powers().inverter_ac, abs=0.51
        )
    assert len(seen) > 1


async def test_forced_charge_reverts_by_its_own_timer(
    inverter: RawClient, home: Home, clock: HandClock
) -> None:
    at = (await chain(inverter, 1))[124]
    await inverter.write(1, at + 12, -5000, 10000, 0, 60)  # OutWRte -50 %, RvrtTms 60 s
    assert await inverter.write_one(1, at + 5, 2) == struct.pack(">BHH", 6, at + 5, 2)
    clock.forward(30)
    assert home.powers().battery == pytest.approx(-2500)
    await inverter.write_one(1, at + 5, 2)  # the lease is renewed
    clock.forward(50)
    assert home.powers().battery == pytest.approx(-2500)
    clock.forward(30)
    assert home.powers().battery >= 0
    registers = await inverter.read(1, at, 26)
    assert registers[5] == 0
    assert registers[12:14] == (10000, 10000)
    assert registers[15] == 60  # the timer register persists


async def test_without_a_timer_it_stays_forced(
    inverter: RawClient, home: Home, clock: HandClock
) -> None:
    at = (await chain(inverter, 1))[124]
    await inverter.write(1, at + 12, 4000, -4000)  # at most and at least 40 % discharge
    await inverter.write(1, at + 5, 3)
    clock.forward(3600)
    assert home.powers().battery == pytest.approx(2000)


async def test_grid_charge_forbidden_means_panels_only(
    inverter: RawClient, home: Home, clock: HandClock
) -> None:
    at = (await chain(inverter, 1))[124]
    await inverter.write(1, at + 17, 0)
    await inverter.write(1, at + 12, -10000)
    await inverter.write(1, at + 5, 2)
    clock.forward(60)
    assert home.powers().pv == 0
    assert home.powers().battery == pytest.approx(0, abs=0.01)


async def test_generation_limit_and_its_reversion(
    inverter: RawClient, home: Home, clock: HandClock
) -> None:
    clock.forward(13 * 3600)
    free = home.powers().inverter_ac
    assert free > 3000
    at = (await chain(inverter, 1))[123]
    await inverter.write(1, at + 5, 1000, 0, 120, 0, 1)  # 10 %, RvrtTms 120 s, enable
    clock.forward(60)
    assert home.powers().inverter_ac == pytest.approx(1000)
    clock.forward(120)
    assert home.powers().inverter_ac > 1000
    assert (await inverter.read(1, at + 9, 1)) == (0,)


async def test_refusals_are_modbus_exceptions(inverter: RawClient) -> None:
    at = (await chain(inverter, 1))[124]
    read = struct.Struct(">BHH").pack
    assert await inverter.ask(1, read(3, 100, 2)) == b"\x83\x02"  # no such address
    assert await inverter.ask(1, read(4, 40000, 2)) == b"\x84\x02"  # no such table
    assert await inverter.ask(1, read(3, 40000, 126)) == b"\x83\x03"
    assert await inverter.ask(1, read(3, 40000, 0)) == b"\x83\x03"
    assert await inverter.ask(1, b"\x2b\x0e\x01\x00") == b"\xab\x01"
    assert await inverter.ask(7, read(3, 40000, 2)) == b"\x83\x0b"
    assert await inverter.write(1, at + 8, 0) == b"\x90\x02"  # read only
    assert await inverter.write(1, at + 12, 20000) == b"\x90\x03"  # out of range
    # refused writes leave nothing behind, not even their valid part
    assert await inverter.write(1, at + 5, 2, 0) == b"\x90\x02"
    assert (await inverter.read(1, at + 5, 1)) == (0,)


async def test_requests_of_one_segment_are_all_answered_in_order(inverter: RawClient) -> None:
    pdu = struct.pack(">BHH", 3, 40000, 2)
    frames = b"".join(inverter.frame(1, pdu) for _ in range(5))
    inverter.writer.write(frames[:30])
    inverter.writer.write(frames[30:])
    assert [(await inverter.answer())[0] for _ in range(5)] == [1, 2, 3, 4, 5]


async def test_wall_box(charger: RawClient, home: Home, clock: HandClock) -> None:
    async def number(address: int) -> int:
        high, low = await charger.read(255, address, 2)
        return high << 16 | low

    clock.forward(60)
    assert (await number(1000), await number(1004)) == (3, 7)
    assert await number(1020) == 11_040_000
    await charger.write_one(255, 5004, 8000)
    clock.forward(10)
    assert await number(1020) == 5_520_000
    assert await number(1008) == 8000
    assert await number(1502) == int(home.state().session_wh * 10)
    await charger.write_one(255, 5014, 0)
    clock.forward(10)
    assert (await number(1000), await number(1020)) == (5, 0)
    assert await charger.write_one(255, 5004, 3000) == b"\x86\x03"
    assert await charger.ask(255, struct.pack(">BHH", 3, 1002, 2)) == b"\x83\x02"


async def test_wall_box_falls_back_when_nobody_asks(
    charger: RawClient, home: Home, clock: HandClock
) -> None:
    await charger.write_one(255, 5016, 6000)
    await charger.write_one(255, 5018, 30)
    await charger.write_one(255, 5004, 12000)
    clock.forward(25)
    await charger.read(255, 1000, 2)  # any request keeps it alive
    clock.forward(25)
    assert home.powers().ev == pytest.approx(8280)
    clock.forward(60)
    assert home.powers().ev == pytest.approx(4140)
    await charger.write_one(255, 5004, 10000)
    clock.forward(10)
    assert home.powers().ev == pytest.approx(6900)


async def test_an_independent_client_reads_the_same(servers: Servers, clock: HandClock) -> None:
    clock.forward(3600)
    client = AsyncModbusTcpClient("127.0.0.1", port=servers.ports.meter, retries=0, timeout=5)
    assert await client.connect()
    reply = await client.read_holding_registers(40069, count=107, device_id=200)
    assert not reply.isError()
    assert reply.registers[:2] == [203, 105]
    client.close()
    assert servers.requests == 1
