"""A small Modbus TCP server over a register image, with faults on demand. Built from the standard."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Fault = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RegisterServer:
    """Holding (and input) registers by unit; an address that is not there gives exception 2."""

    units: dict[int, dict[int, int]]
    input: dict[int, dict[int, int]] | None = None
    faults: list[Fault | None] = field(default_factory=list)  # one a request; None = answer right
    reads: list[tuple[int, int, int, int]] = field(default_factory=list)
    writes: list[tuple[int, int, list[int]]] = field(default_factory=list)
    on_write: Callable[[int, int, list[int]], int | None] | None = None  # an exception code
    max_read: int = 125
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readexactly(7)
                tid, _, length, unit = struct.unpack(">HHHB", head)
                pdu = await reader.readexactly(length - 1)
                answer = self.answer(unit, pdu)
                frame = struct.pack(">HHHB", tid, 0, len(answer) + 1, unit) + answer
                fault = self.faults.pop(0) if self.faults else None
                if fault:
                    await fault(frame, writer)
                else:
                    writer.write(frame)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, unit: int, pdu: bytes) -> bytes:
        fc = pdu[0]
        if unit not in self.units:
            return bytes((fc | 0x80, 11))
        if fc in (3, 4):
            address, count = struct.unpack(">HH", pdu[1:5])
            self.reads.append((unit, fc, address, count))
            image = self.units[unit] if fc == 3 else (self.input or {}).get(unit, {})
            span = range(address, address + count)
            if not 1 <= count <= self.max_read:
                return bytes((fc | 0x80, 3))
            if any(a not in image for a in span):
                return bytes((fc | 0x80, 2))
            return bytes((fc, 2 * count)) + struct.pack(f">{count}H", *(image[a] for a in span))
        if fc in (6, 16):
            address = struct.unpack(">H", pdu[1:3])[0]
            words = list(struct.unpack(f">{(len(pdu) - 6) // 2}H", pdu[6:])) if fc == 16 else []
            words = words or [struct.unpack(">H", pdu[3:5])[0]]
            self.writes.append((unit, address, words))
            code = self.on_write(unit, address, words) if self.on_write else None
            if code:
                return bytes((fc | 0x80, code))
            if any(a not in self.units[unit] for a in range(address, address + len(words))):
                return bytes((fc | 0x80, 2))
            if code is None:
                self.units[unit].update({address + i: w for i, w in enumerate(words)})
            return pdu[:5]
        return bytes((fc | 0x80, 1))


@asynccontextmanager
async def serving(server: RegisterServer) -> AsyncIterator[RegisterServer]:
    """Listen on a free loopback port while in the context."""
    listener = await asyncio.start_server(server.serve, "127.0.0.1", server.port)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await asyncio.sleep(0)
