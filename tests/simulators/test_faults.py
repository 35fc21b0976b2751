"""Every fault can be switched on, does what it says, and is gone when it is switched off."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from simulators.devices.faults import Fault, Faults, Kind, Reply, changed, mangle, parse_fault
from simulators.devices.framing import RtuFraming, crc16
from simulators.devices.serve import Choice, Servers, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.simulators.conftest import HandClock, RawClient
from tests.waiting import HANG_S

READ = struct.pack(">BHH", 3, 40069, 10)


@pytest.fixture
def home(clock: HandClock) -> Home:
    clock.forward(13 * 3600)
    return Home(clock, Scenario(clock.time, seed=1, soc_pct=60))


@pytest.fixture
async def servers(home: Home) -> AsyncIterator[Servers]:
    running = await serve_home(home)
    yield running
    await running.close()


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[RawClient]:
    raw = await RawClient.connect(servers.ports.inverter)
    yield raw
    await raw.close()


async def stream(servers: Servers, fault: Fault, asks: int = 1) -> bytes:
    """What arrives after ``asks`` requests and one good one, as bytes, until the good reply."""
    raw = await RawClient.connect(servers.ports.inverter)
    servers.inverter.requests = 0
    servers.inverter.faults = Faults([replace(fault, last=asks)], seed=3)
    for _ in range(asks + 1):
        raw.writer.write(raw.frame(1, READ))
    got = bytearray()
    good = struct.pack(">HHHB", asks + 1, 0, 23, 1) + b"\x03\x14"
    async with asyncio.timeout(HANG_S):
        while good not in got or len(got) < got.index(good) + 29:
            piece = await raw.reader.read(4096)
            if not piece:
                break
            got += piece
    await raw.close()
    return bytes(got)


async def test_without_faults_the_reply_is_right(servers: Servers, client: RawClient) -> None:
    servers.inverter.faults = Faults([Fault(Kind.SILENT, probability=0.0)])
    assert (await client.read(1, 40069, 2)) == (103, 50)


@pytest.mark.parametrize("kind", [Kind.LATE, Kind.SPLIT, Kind.SLOW])
async def test_delayed_replies_are_whole_and_after_quicker_ones(
    servers: Servers, kind: Kind
) -> None:
    raw = await RawClient.connect(servers.ports.inverter)
    servers.inverter.faults = Faults([Fault(kind, seconds=0.01, last=1)])
    raw.writer.write(raw.frame(1, READ))
    transaction, unit, pdu = await raw.answer()
    assert (transaction, unit, len(pdu), pdu[:2]) == (1, 1, 22, b"\x03\x14")
    assert servers.inverter.hits == {kind: 1}
    await raw.close()


async def test_a_late_reply_comes_after_the_next(servers: Servers, client: RawClient) -> None:
    servers.inverter.faults = Faults([Fault(Kind.LATE, seconds=0.05, last=1)])
    client.writer.write(client.frame(1, READ))
    client.writer.write(client.frame(1, READ))
    assert [(await client.answer())[0], (await client.answer())[0]] == [2, 1]


@pytest.mark.parametrize(
    ("fault", "transaction", "unit", "start"),
    [
        (Fault(Kind.WRONG_UNIT, last=1), 1, 2, b"\x03\x14"),
        (Fault(Kind.WRONG_TRANSACTION, last=1), 2, 1, b"\x03\x14"),
        (Fault(Kind.WRONG_FUNCTION, last=1), 1, 1, b"\x04\x14"),
        (Fault(Kind.BYTE_COUNT, last=1), 1, 1, None),
        (Fault(Kind.SHORT, last=1), 1, 1, None),
        *((Fault(Kind.EXCEPTION, code=c, last=1), 1, 1, bytes((0x83, c))) for c in (1, 2, 3, 4)),
        *((Fault(Kind.EXCEPTION, code=c, last=1), 1, 1, bytes((0x83, c))) for c in (5, 6, 10, 11)),
    ],
)
async def test_wrong_content(
    servers: Servers,
    client: RawClient,
    fault: Fault,
    transaction: int,
    unit: int,
    start: bytes | None,
) -> None:
    servers.inverter.faults = Faults([fault], seed=1)
    client.writer.write(client.frame(1, READ))
    got = await client.answer()
    assert got[:2] == (transaction, unit)
    if start is not None:
        assert got[2].startswith(start)
    if fault.kind is Kind.BYTE_COUNT:
        assert len(got[2]) == 22
        assert got[2][1] in (18, 22)
    if fault.kind is Kind.SHORT:
        assert got[2][1] == len(got[2]) - 2 < 20
    assert (await client.ask(1, READ))[:2] == b"\x03\x14"  # and the next is right


async def test_low_transaction_zeroes_the_high_byte(servers: Servers, client: RawClient) -> None:
    servers.inverter.faults = Faults([Fault(Kind.LOW_TRANSACTION)])
    client.transaction = 0x1233
    client.writer.write(client.frame(1, READ))
    assert (await client.answer())[0] == 0x34


@pytest.mark.parametrize("kind", [Kind.SILENT, Kind.LOST])
async def test_nothing_comes(servers: Servers, client: RawClient, kind: Kind) -> None:
    servers.inverter.faults = Faults([Fault(kind, last=1)])
    client.writer.write(client.frame(1, READ))
    client.writer.write(client.frame(1, READ))
    assert (await client.answer())[0] == 2


async def test_lost_is_done_and_silent_is_not(servers: Servers, client: RawClient) -> None:
    ramp = 40227 + 8  # WMaxLimPct_RmpTms: harmless
    servers.inverter.faults = Faults(
        [Fault(Kind.LOST, first=0, last=1), Fault(Kind.SILENT, first=2, last=3)]
    )
    for value in (7, 9):
        client.writer.write(client.frame(1, struct.pack(">BHH", 6, ramp, value)))
        assert await client.read(1, ramp, 1) == (7,)


@pytest.mark.parametrize("kind", [Kind.CLOSE, Kind.RESET, Kind.REBOOT])
async def test_hang_up(servers: Servers, client: RawClient, kind: Kind) -> None:
    servers.inverter.faults = Faults([Fault(kind, seconds=0.0, last=1)], seed=1)
    client.writer.write(client.frame(1, READ))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await client.answer()
    again = await RawClient.connect(servers.ports.inverter)
    assert (await again.read(1, 40069, 2)) == (103, 50)
    await again.close()


@pytest.mark.parametrize("kind", [Kind.TRUNCATED, Kind.GARBAGE, Kind.HUGE, Kind.DUPLICATE])
async def test_broken_streams(servers: Servers, kind: Kind) -> None:
    clean = await stream(servers, Fault(Kind.SPLIT, probability=0.0))
    broken = await stream(servers, Fault(kind))
    assert len(clean) == 58
    assert broken.endswith(clean[29:])
    first = broken[:-29]
    if kind is Kind.DUPLICATE:
        assert first == clean[:29] * 2
    elif kind is Kind.TRUNCATED:
        assert clean.startswith(first)
        assert len(first) < 29
    else:
        assert first != clean[:29]


async def test_one_client(servers: Servers, client: RawClient) -> None:
    await client.read(1, 40069, 2)
    servers.inverter.faults = Faults([Fault(Kind.ONE_CLIENT)])
    second = await RawClient.connect(servers.ports.inverter)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await second.ask(1, READ)
    await second.close()
    assert (await client.read(1, 40069, 2)) == (103, 50)


async def test_ignored_write(servers: Servers, client: RawClient) -> None:
    servers.inverter.faults = Faults([Fault(Kind.IGNORED_WRITE)])
    echo = await client.write(1, 40227 + 5, 5000)
    assert echo == struct.pack(">BHH", 16, 40227 + 5, 1)
    assert await client.read(1, 40227 + 5, 1) == (10000,)


async def test_nan_shows_not_implemented_everywhere(servers: Servers, client: RawClient) -> None:
    servers.inverter.faults = Faults([Fault(Kind.NAN, last=2)])
    ac = await client.read(1, 40069, 52)
    assert (ac[14], ac[16], ac[24], ac[25], ac[31]) == (0x8000, 0xFFFF, 0, 0, 0x8000)
    storage_meter = await client.read(200, 40069, 107)
    assert (storage_meter[18], storage_meter[38:40]) == (0x8000, (0, 0))
    assert (await client.read(1, 40069, 52))[14] != 0x8000
    servers.inverter.faults = Faults([Fault(Kind.NAN)])
    assert (await client.read(1, 40069, 52))[14] == 0x8000
    servers.inverter.faults = None
    assert (await client.read(1, 40069, 52))[14] != 0x8000


async def test_zero_counters_sign_and_scale(servers: Servers, client: RawClient) -> None:
    truth = await client.read(200, 40069, 107)
    servers.inverter.faults = Faults([Fault(Kind.ZERO)])
    zero = await client.read(200, 40069, 107)
    assert zero[38:40] == zero[46:48] == (0, 0)
    servers.inverter.faults = Faults([Fault(Kind.SIGN)])
    turned = await client.read(200, 40069, 107)
    assert turned[18] == -truth[18] & 0xFFFF
    servers.inverter.faults = Faults([Fault(Kind.SCALE)])
    scales = {(await client.read(200, 40069, 107))[22] for _ in range(6)}
    assert len(scales) > 1


async def test_wrap(servers: Servers, client: RawClient, clock: HandClock) -> None:
    servers.inverter.faults = Faults([Fault(Kind.WRAP, wh=50)])
    before = await client.read(200, 40069, 107)
    assert (before[38] << 16 | before[39]) == (1 << 32) - 50
    clock.forward(3600)
    after = await client.read(200, 40069, 107)
    assert (after[38] << 16 | after[39]) < 10_000


async def test_reboot_loses_the_setpoint(servers: Servers, home: Home, client: RawClient) -> None:
    storage = 40227 + 26 + 90
    assert (await client.read(1, storage, 1)) == (124,)
    await client.write(1, storage + 12, -5000)
    await client.write(1, storage + 5, 2)
    assert home.commands.discharge_limit_w == -2500
    servers.inverter.faults = Faults([Fault(Kind.REBOOT, seconds=0.0)])
    client.writer.write(client.frame(1, READ))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await client.answer()
    assert home.commands.discharge_limit_w is None


async def rtu_answer(raw: RawClient) -> bytes:
    async with asyncio.timeout(HANG_S):
        head = await raw.reader.readexactly(3)
        return head + await raw.reader.readexactly(head[2] + 2)


async def test_rtu_over_tcp_with_late_and_duplicate_replies(home: Home) -> None:
    servers = await serve_home(home, choice=Choice(rtu=True))
    raw = await RawClient.connect(servers.ports.inverter)

    def ask(unit: int, address: int, count: int) -> None:
        body = struct.pack(">BBHH", unit, 3, address, count)
        raw.writer.write(body + crc16(body).to_bytes(2, "little"))

    ask(1, 40069, 2)
    good = await rtu_answer(raw)
    assert good[:3] == b"\x01\x03\x04"
    assert crc16(good[:-2]).to_bytes(2, "little") == good[-2:]
    ask(9, 40069, 2)  # nobody there: silence, as on a bus
    servers.inverter.faults = Faults([Fault(Kind.DUPLICATE)])
    ask(1, 40000, 2)
    assert await rtu_answer(raw) == await rtu_answer(raw)
    servers.inverter.faults = Faults([Fault(Kind.LATE, seconds=0.05, last=4)])
    ask(1, 40069, 2)
    ask(1, 40000, 2)
    first, second = await rtu_answer(raw), await rtu_answer(raw)
    assert first[3:7] == b"SunS"  # the later question is answered first: nothing tells them apart
    assert second == good
    await raw.close()
    await servers.close()


def test_crc_is_that_of_modbus() -> None:
    assert crc16(b"123456789") == 0x4B37


def test_rtu_drops_a_frame_with_a_bad_crc() -> None:
    buffer = bytearray(b"\x01\x03\x00\x00\x00\x01\x00\x00")
    assert RtuFraming().take(buffer) is None
    assert buffer == b""


replies = st.builds(
    Reply,
    transaction=st.integers(0, 0xFFFF),
    unit=st.integers(0, 247),
    pdu=st.binary(min_size=20, max_size=20).map(lambda data: b"\x03\x14" + data),
)


@given(replies, st.sampled_from(list(Kind)), st.integers(0, 10**6), st.integers(0, 10**6))
def test_mangling_is_repeatable_and_never_longer_than_twice(
    reply: Reply, kind: Kind, number: int, seed: int
) -> None:
    fault = Fault(kind)
    assert changed(fault, reply, number, seed) == changed(fault, reply, number, seed)
    delivery = mangle(fault, reply.pdu, number, seed)
    assert delivery == mangle(fault, reply.pdu, number, seed)
    assert sum(len(piece) for _wait, piece in delivery.pieces) <= max(2 * len(reply.pdu), 64)


def hits(faults: Faults, numbers: Sequence[int]) -> list[bool]:
    return [faults.pick(number, 1, 3) is not None for number in numbers]


def test_schedules_are_seeded_and_keep_their_probability() -> None:
    fault, numbers = Fault(Kind.SILENT, probability=0.1), range(10_000)
    first = hits(Faults([fault], seed=1), numbers)
    assert first == hits(Faults([fault], seed=1), numbers)
    assert first != hits(Faults([fault], seed=2), numbers)
    assert 800 < sum(first) < 1200
    assert hits(Faults([Fault(Kind.SILENT, first=3, last=5)]), range(7)) == [
        False, False, False, True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "device", "fault"),
    [
        ("inverter:late=2.0,probability=0.1", "inverter", Fault(Kind.LATE, 0.1, 2.0)),
        ("meter:exception=11", "meter", Fault(Kind.EXCEPTION, code=11)),
        ("charger:wrap=50,unit=255", "charger", Fault(Kind.WRAP, wh=50, unit=255)),
        ("meter:silent,first=10,last=20", "meter", Fault(Kind.SILENT, first=10, last=20)),
    ],
)
def test_faults_can_be_typed(text: str, device: str, fault: Fault) -> None:
    assert parse_fault(text) == (device, fault)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("late", "write DEVICE:KIND"),
        ("inverter:lazy", "KIND is one of late, short"),
        ("inverter:late=x", "seconds is 'x'; a number"),
        ("inverter:late,speed=3", "'speed' is not known"),
        ("inverter:late,probability=3", "between 0 and 1"),
        ("inverter:exception=9", "code is one of 1, 2"),
        ("inverter:late=-1", "not negative"),
        ("inverter:late,kind=short", "'kind' is not known"),
    ],
)
def test_mistyped_faults_are_explained(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_fault(text)
