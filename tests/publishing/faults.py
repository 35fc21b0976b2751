"""A TCP proxy that breaks what passes through it, on command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Stands before a broker. ``chunk`` bytes pass at a time; each waits for ``gate``."""

    port: int = 0
    chunk: int = 65536
    refuse: bool = False
    cut_after: Callable[[], int | None] = lambda: None  # bytes towards us; then it is cut
    change: Callable[[bytes], bytes] = lambda data: data  # of what comes towards us
    connections: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _towards_us: asyncio.StreamWriter | None = None  # of the newest connection

    async def say(self, parts: Iterable[bytes]) -> None:
        """What the broker never said, to us; as much of it as we take."""
        writer = self._towards_us
        with suppress(OSError):
            for part in parts:
                if writer is None or writer.is_closing():
                    return
                writer.write(part)
                await writer.drain()

    def cut(self) -> None:
        """Break all connections without a goodbye."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def serve(
        self, target: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        if self.refuse:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target)
        self._writers += [writer, there_writer]
        self._towards_us = writer
        with suppress(OSError):
            await asyncio.gather(
                self._pass(reader, there_writer, None, lambda data: data),
                self._pass(there_reader, writer, self.cut_after(), self.change),
            )
        for end in (writer, there_writer):
            end.transport.abort()

    async def _pass(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        budget: int | None,
        change: Callable[[bytes], bytes],
    ) -> None:
        while data := await source.read(self.chunk):
            await self.gate.wait()
            if budget is not None:
                budget -= len(data)
                if budget < 0:
                    self.cut()
                    return
            sink.write(change(data))
            await sink.drain()
        sink.close()


@asynccontextmanager
async def proxy(target: int) -> AsyncIterator[Proxy]:
    between = Proxy()
    between.gate.set()
    server = await asyncio.start_server(lambda r, w: between.serve(target, r, w), "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        between.gate.set()
        between.cut()
        server.close()
        await server.wait_closed()
