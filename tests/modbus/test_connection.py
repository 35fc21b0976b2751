"""No fault of line or firmware may ever pass as a value: real sockets, real faults."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.errors import DeviceError
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from gateway.modbus.exceptions import Refused
from gateway.modbus.frames import TidMode
from gateway.modbus.registers import words_of
from tests.modbus.faults import FAULTS, RTU_FAULTS, exception, silent
from tests.modbus.server import Fault, RegisterServer, serving
from tests.waiting import HANG_S

IMAGE = {a: (a * 7919) % 65536 for a in range(1000)}


def connection_to(server: RegisterServer, timeout_s: float = 5.0, **timing: float) -> Connection:
    framing = "rtu_over_tcp" if server.rtu else "tcp"
    address = BusAddress(framing, host="127.0.0.1", port=server.port)  # type: ignore[arg-type]
    return Connection(address, BusTiming(timeout_s, **timing))  # type: ignore[arg-type]


def right(address: int, count: int) -> tuple[int, ...]:
    return tuple(IMAGE[a] for a in range(address, address + count))


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_gives_an_error_or_the_right_value_and_then_the_right_ones(
    name: str,
) -> None:
    async with serving(RegisterServer({1: IMAGE})) as server:
        connection = connection_to(server, timeout_s=0.5)
        server.faults = [FAULTS[name]]
        try:
            got = words_of(await connection.read(1, "holding", 100, 10))
            assert got == right(100, 10)
            assert name in ("split", "doubled later"), "an error was due"
        except DeviceError:
            assert name not in ("split", "doubled later")
        for address in (200, 300):  # one more may be lost to a second copy, none may be wrong
            try:
                assert words_of(await connection.read(1, "holding", address, 10)) == right(
                    address, 10
                )
            except DeviceError:
                assert (name, address) == ("doubled later", 200)
        await connection.close()


@pytest.mark.parametrize("rtu", [False, True])
@pytest.mark.parametrize("seed", range(20))
async def test_seeded_schedules_of_faults_never_give_a_wrong_value(rtu: bool, seed: int) -> None:
    rng = random.Random(seed)
    faults = list((RTU_FAULTS if rtu else FAULTS).values())
    async with serving(RegisterServer({1: IMAGE}, rtu=rtu)) as server:
        connection = connection_to(server, timeout_s=0.05)
        answered = 0
        for _ in range(12):
            server.faults = [rng.choice(faults) if rng.random() < 0.4 else None]
            address = rng.randrange(900)
            try:
                got = words_of(await connection.read(1, "holding", address, 10))
            except DeviceError:
                continue
            assert got == right(address, 10)
            answered += 1
        assert answered
        await connection.close()


async def test_over_rtu_a_late_answer_is_never_taken_for_the_next_one() -> None:
    async def later(frame: bytes, writer: asyncio.StreamWriter) -> None:
        asyncio.get_running_loop().call_later(0.35, writer.write, frame)

    async with serving(RegisterServer({1: IMAGE}, rtu=True)) as server:
        connection = connection_to(server, timeout_s=0.3)
        server.faults = [later]
        with pytest.raises(DeviceError, match="no answer"):
            await connection.read(1, "holding", 100, 10)
        for address in range(200, 240, 10):
            assert words_of(await connection.read(1, "holding", address, 10)) == right(address, 10)
        await connection.close()


async def test_a_cancelled_request_closes_the_connection() -> None:
    async with serving(RegisterServer({1: IMAGE}, rtu=True)) as server:
        connection = connection_to(server, timeout_s=5)
        server.faults = [silent]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await connection.read(1, "holding", 100, 10)
        assert words_of(await connection.read(1, "holding", 200, 10)) == right(200, 10)
        assert server.connections == 2
        await connection.close()


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 10, 11])
async def test_an_exception_is_named_and_keeps_the_connection(code: int) -> None:
    async with serving(RegisterServer({1: IMAGE})) as server:
        connection = connection_to(server)
        server.faults = [exception(code)]
        with pytest.raises(Refused, match=f"exception {code} ") as caught:
            await connection.read(1, "holding", 1, 1)
        assert caught.value.code == code
        await connection.read(1, "holding", 1, 1)
        assert server.connections == 1
        await connection.close()


async def test_a_lost_connection_is_noticed_before_the_timeout() -> None:
    async with serving(RegisterServer({1: IMAGE})) as server:
        connection = connection_to(server, timeout_s=60)
        server.faults = [FAULTS["closed in mid-answer"]]
        async with asyncio.timeout(HANG_S):
            with pytest.raises(DeviceError, match="closed the connection"):
                await connection.read(1, "holding", 1, 10)
        await connection.close()


async def test_a_connection_that_was_closed_meanwhile_is_opened_again_without_an_error() -> None:
    async def answer_and_leave(frame: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(frame)
        await writer.drain()
        writer.close()

    async with serving(RegisterServer({1: IMAGE})) as server:
        link = connection_to(server)
        server.faults = [answer_and_leave]
        assert words_of(await link.read(1, "holding", 10, 10)) == right(10, 10)
        await asyncio.sleep(1)
        assert words_of(await link.read(1, "holding", 20, 10)) == right(20, 10)
        assert server.connections == 2
        await link.close()


async def test_writes_are_echoed_and_a_foreign_echo_is_an_error() -> None:
    async with serving(RegisterServer({1: dict(IMAGE)})) as server:
        connection = connection_to(server)
        await connection.write(1, 10, (1, 2))
        await connection.write(1, 12, (3,), fc=6)
        assert words_of(await connection.read(1, "holding", 10, 3)) == (1, 2, 3)

        async def other(frame: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(frame[:9] + bytes((frame[9] ^ 1,)) + frame[10:])

        server.faults = [other]
        with pytest.raises(DeviceError, match="echo"):
            await connection.write(1, 20, (5,), fc=6)
        await connection.close()


async def test_concurrent_callers_are_served_one_after_the_other() -> None:
    async with serving(RegisterServer({1: IMAGE, 2: IMAGE})) as server:
        connection = connection_to(server)
        reads = (connection.read(1 + i % 2, "holding", 10 * i, 10) for i in range(20))
        got = await asyncio.gather(*reads)
        assert [words_of(g) for g in got] == [right(10 * i, 10) for i in range(20)]
        assert server.connections == 1
        await connection.close()


async def test_a_firmware_that_drops_the_high_byte_of_the_transaction_can_be_served() -> None:
    async def low_byte(frame: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\0" + frame[1:])

    async with serving(RegisterServer({1: IMAGE})) as server:
        address = BusAddress(host="127.0.0.1", port=server.port)
        connection = Connection(address, BusTiming(5.0, tid_mode=TidMode.LOW_BYTE))
        faults: list[Fault | None] = [low_byte] * 300
        server.faults = faults
        for i in range(300):
            assert words_of(await connection.read(1, "holding", i, 2)) == right(i, 2)
        await connection.close()


async def test_an_unreachable_host_is_one_clear_line() -> None:
    connection = Connection(BusAddress(host="127.0.0.1", port=1), BusTiming(0.2))
    with pytest.raises(DeviceError, match=r"^127\.0\.0\.1:1: cannot connect$"):
        await connection.read(1, "holding", 0, 1)


@pytest.mark.parametrize("rtu", [False, True])
async def test_bytes_that_nobody_asked_for_end_the_connection(rtu: bool) -> None:
    """They may be the first half of an old answer: what follows on that connection is not believed."""
    talkers: list[asyncio.StreamWriter] = []

    async def right_answer(frame: bytes, writer: asyncio.StreamWriter) -> None:
        talkers.append(writer)
        writer.write(frame)

    async with serving(RegisterServer({1: IMAGE}, rtu=rtu)) as server:
        connection = connection_to(server)
        server.faults = [right_answer]
        await connection.read(1, "holding", 100, 10)
        talkers[0].write(b"\x01\x03\x14")
        await asyncio.wait_for(connection._noise.wait(), 10)
        assert words_of(await connection.read(1, "holding", 200, 10)) == right(200, 10)
        assert server.connections == 2
        await connection.close()
