"""A small Modbus server over register images (TCP or RTU framing), with faults on demand."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Fault = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def crc(data: bytes) -> bytes:
    """The RTU checksum, bit by bit as the standard describes it."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


@dataclass
class RegisterServer:
    """Holding (and input) registers by unit; an address that is not there gives exception 2."""

    units: dict[int, dict[int, int]]
    input: dict[int, dict[int, int]] = field(default_factory=dict)
    rtu: bool = False
    faults: list[Fault | None] = field(default_factory=list)  # one a request; None = answer right
    reads: list[tuple[int, int, int, int]] = field(default_factory=list)
    writes: list[tuple[int, int, list[int]]] = field(default_factory=list)
    on_write: Callable[[int, int, list[int]], int | None] | None = None  # a code; -1 = ignore
    max_read: int = 125
    connections: int = 0
    port: int = 0
    one_client: bool = False
    strange: int = 2  # the exception for an address that is not there; -1 = silence
    _open: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open += 1
        try:
            while not (self.one_client and self._open > 1):
                await self._answer_one(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open -= 1
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.rtu:
            head = await reader.readexactly(2)
            rest = await reader.readexactly(5 if head[1] == 16 else 6)
            if head[1] == 16:
                rest += await reader.readexactly(rest[4] + 2)
            body = bytes((head[0],)) + self.answer(head[0], (head + rest)[1:-2])
            frame = body + crc(body)
        else:
            tid, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
            answer = self.answer(unit, await reader.readexactly(length - 1))
            if not answer:
                return
            frame = struct.pack(">HHHB", tid, 0, len(answer) + 1, unit) + answer
        fault = self.faults.pop(0) if self.faults else None
        if fault:
            await fault(frame, writer)
        else:
            writer.write(frame)
        await writer.drain()

    def answer(self, unit: int, pdu: bytes) -> bytes:
        fc = pdu[0]
        if unit not in self.units and unit not in self.input:
            return bytes((fc | 0x80, 11))
        if fc in (3, 4):
            return self._read(unit, fc, *struct.unpack(">HH", pdu[1:5]))
        if fc in (6, 16):
            return self._write(unit, fc, pdu)
        return bytes((fc | 0x80, 1))

    def _read(self, unit: int, fc: int, address: int, count: int) -> bytes:
        self.reads.append((unit, fc, address, count))
        image = (self.units if fc == 3 else self.input).get(unit, {})
        if not 1 <= count <= self.max_read:
            return bytes((fc | 0x80, 3))
        if any(a not in image for a in range(address, address + count)):
            return bytes((fc | 0x80, self.strange)) if self.strange > 0 else b""
        words = (image[a] for a in range(address, address + count))
        return bytes((fc, 2 * count)) + struct.pack(f">{count}H", *words)

    def _write(self, unit: int, fc: int, pdu: bytes) -> bytes:
        address = struct.unpack(">H", pdu[1:3])[0]
        data = pdu[6:] if fc == 16 else pdu[3:5]
        words = list(struct.unpack(f">{len(data) // 2}H", data))
        self.writes.append((unit, address, words))
        code = self.on_write(unit, address, words) if self.on_write else None
        image = self.units[unit]
        if code is None and any(a not in image for a in range(address, address + len(words))):
            code = 2
        if code is not None and code > 0:
            return bytes((fc | 0x80, code))
        if code is None:
            image.update({address + i: word for i, word in enumerate(words)})
        return pdu[:5]


@asynccontextmanager
async def serving(server: RegisterServer) -> AsyncIterator[RegisterServer]:
    """Listen on a free loopback port while in the context; hang up on every client at its end."""
    writers: set[asyncio.StreamWriter] = set()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            await server.serve(reader, writer)
        finally:
            writers.discard(writer)

    listener = await asyncio.start_server(client, "127.0.0.1", server.port)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for writer in tuple(writers):
            writer.close()
        for _ in range(10):
            await asyncio.sleep(0)
