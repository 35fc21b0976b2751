"""Serial RTU through a pseudo terminal: the real driver path, with a device on the other end."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import DeviceError
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from gateway.modbus.registers import words_of
from tests.modbus.server import RegisterServer, crc
from tests.waiting import HANG_S

pytestmark = pytest.mark.real_time  # the kernel hands over a terminal's bytes when it has time
IMAGE = {a: a + 1 for a in range(200)}


@asynccontextmanager
async def line(server: RegisterServer, broken: list[int]) -> AsyncIterator[str]:
    """The name of a serial port behind which ``server`` answers RTU requests.

    ``broken`` holds the numbers of the requests (from 0) whose answer has a wrong checksum.
    """
    master, slave = os.openpty()
    tty.setraw(slave)
    loop = asyncio.get_running_loop()
    received = bytearray()
    count = 0

    def answer() -> None:
        nonlocal count
        received.extend(os.read(master, 512))
        while len(received) >= 8:
            size = 9 + received[6] if received[1] == 16 else 8
            if len(received) < size:
                return
            frame = bytes(received[:size])
            del received[:size]
            body = bytes((frame[0],)) + server.answer(frame[0], frame[1:-2])
            end = crc(body) if count not in broken else b"\0\0"
            count += 1
            os.write(master, body + end)

    loop.add_reader(master, answer)
    try:
        yield os.ttyname(slave)
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)


async def test_registers_are_read_and_written_over_a_serial_line() -> None:
    async with line(RegisterServer({7: dict(IMAGE)}), []) as port:
        connection = Connection(BusAddress("rtu", serial=port, baud=9600), BusTiming(HANG_S))
        assert words_of(await connection.read(7, "holding", 10, 3)) == (11, 12, 13)
        await connection.write(7, 20, (5, 6))
        assert words_of(await connection.read(7, "holding", 20, 2)) == (5, 6)
        await connection.close()


async def test_a_broken_checksum_is_an_error_and_the_next_answer_is_right() -> None:
    async with line(RegisterServer({7: dict(IMAGE)}), [0]) as port:
        connection = Connection(BusAddress("rtu", serial=port, baud=9600), BusTiming(HANG_S))
        with pytest.raises(DeviceError, match="checksum"):
            await connection.read(7, "holding", 10, 3)
        assert words_of(await connection.read(7, "holding", 30, 2)) == (31, 32)
        await connection.close()


async def test_a_port_that_is_not_there_is_one_clear_line() -> None:
    connection = Connection(BusAddress("rtu", serial="/dev/not-there"), BusTiming(1.0))
    with pytest.raises(DeviceError, match=r"^/dev/not-there: cannot connect$"):
        await connection.read(1, "holding", 0, 1)
