"""A small Modbus TCP server: frames in, frames out, for any number of units on one port.

Written by hand because the faults that a real network and real devices show need it, and because
it answers every request of a TCP segment, as real devices do.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from typing import Protocol

HOLDING, INPUT = 3, 4  # function codes of the two register tables

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 1, 2, 3, 4
NO_SUCH_UNIT = 11  # gateway target device failed to respond

_MAX_READ, _MAX_WRITE = 125, 123


class ModbusError(Exception):
    """A device refuses a request; ``code`` is the Modbus exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


class Unit(Protocol):
    """The registers behind one unit id."""

    def read(self, table: int, address: int, count: int) -> bytes:
        """``count`` registers of ``table`` (`HOLDING` or `INPUT`), big-endian; may raise ModbusError."""

    def write(self, address: int, values: tuple[int, ...], function: int) -> None:
        """Write holding registers by ``function`` 6 or 16; may raise ModbusError."""


def answer(unit: Unit | None, pdu: bytes) -> bytes:
    """The reply PDU to a request PDU."""
    function = pdu[0] if pdu else 0
    try:
        if unit is None:
            raise ModbusError(NO_SUCH_UNIT)
        if function in (HOLDING, INPUT):
            return _read(unit, function, pdu)
        if function == 6:
            return _write_one(unit, pdu)
        if function == 16:
            return _write_many(unit, pdu)
        raise ModbusError(ILLEGAL_FUNCTION)
    except ModbusError as refusal:
        return bytes((function | 0x80, refusal.code))


def _read(unit: Unit, function: int, pdu: bytes) -> bytes:
    if len(pdu) != 5:
        raise ModbusError(ILLEGAL_VALUE)
    address, count = struct.unpack_from(">HH", pdu, 1)
    if not 1 <= count <= _MAX_READ:
        raise ModbusError(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise ModbusError(ILLEGAL_ADDRESS)
    data = unit.read(function, address, count)
    return bytes((function, len(data))) + data


def _write_one(unit: Unit, pdu: bytes) -> bytes:
    if len(pdu) != 5:
        raise ModbusError(ILLEGAL_VALUE)
    address, value = struct.unpack_from(">HH", pdu, 1)
    unit.write(address, (value,), 6)
    return pdu


def _write_many(unit: Unit, pdu: bytes) -> bytes:
    if len(pdu) < 6:
        raise ModbusError(ILLEGAL_VALUE)
    address, count, size = struct.unpack_from(">HHB", pdu, 1)
    if not 1 <= count <= _MAX_WRITE or size != 2 * count or len(pdu) != 6 + size:
        raise ModbusError(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise ModbusError(ILLEGAL_ADDRESS)
    unit.write(address, struct.unpack_from(f">{count}H", pdu, 6), 16)
    return pdu[:5]


class _Connection(asyncio.Protocol):
    """One client: cuts the stream into frames and answers each at once."""

    def __init__(self, server: ModbusServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP always is one
        self._transport = transport
        self._server.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        transport, buffer = self._transport, self._buffer
        if transport is None:
            return
        buffer += data
        replies = []
        while len(buffer) >= 8:
            transaction, protocol, length, unit = struct.unpack_from(">HHHB", buffer)
            if protocol != 0 or not 2 <= length <= 254:
                transport.abort()  # not Modbus: a real device drops the line too
                return
            if len(buffer) < 6 + length:
                break
            pdu = bytes(buffer[7 : 6 + length])
            del buffer[: 6 + length]
            reply = self._server.reply(unit, pdu)
            replies.append(struct.pack(">HHHB", transaction, 0, len(reply) + 1, unit) + reply)
        if replies:
            transport.write(b"".join(replies))


class ModbusServer:
    """Units behind one TCP port. ``requests`` counts what was asked."""

    def __init__(self, units: Mapping[int, Unit]) -> None:
        self.units = dict(units)
        self.requests = 0
        self.connections: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the actual port (``port`` 0 picks a free one)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port)
        actual: int = self._server.sockets[0].getsockname()[1]
        return actual

    def reply(self, unit: int, pdu: bytes) -> bytes:
        self.requests += 1
        return answer(self.units.get(unit), pdu)

    async def close(self) -> None:
        """Stop listening and hang up on every client."""
        if self._server is None:
            return
        self._server.close()
        for transport in tuple(self.connections):
            transport.abort()
        await self._server.wait_closed()
        self._server = None
