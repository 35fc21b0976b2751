"""A Modbus TCP server that can only be read: the guard's door to what has none. On this machine's own address only.

Each unit is a device. Whatever is asked beyond reading its registers is refused as the standard says.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_READS = (3, 4)
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _NO_PATH = 1, 2, 0x0A
_MOST_WORDS, _MOST_BYTES, _MOST_CLIENTS = 125, 254, 8
Image = Callable[[], bytes]  # all registers of a unit, as they are now


class ModbusServer:
    """``units``: number -> what makes its registers."""

    def __init__(self, units: Mapping[int, Image]) -> None:
        self._units = dict(units)
        self._clients: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> int:
        """Listen; the port that it is. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, HOST, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._clients):
                writer.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= _MOST_CLIENTS:
            writer.close()
            return
        self._clients.add(writer)
        try:
            while True:
                head = await reader.readexactly(7)
                tid, protocol, length, unit = struct.unpack(">HHHB", head)
                if protocol != 0 or not 2 <= length <= _MOST_BYTES:
                    return
                pdu = await reader.readexactly(length - 1)
                answer = self.answer(unit, pdu)
                writer.write(struct.pack(">HHHB", tid, 0, len(answer) + 1, unit) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self._clients.discard(writer)
            writer.close()

    def answer(self, unit: int, pdu: bytes) -> bytes:
        """The answer's PDU to a request's."""
        function = pdu[0]
        if unit not in self._units:
            return bytes((function | 0x80, _NO_PATH))
        if function not in _READS or len(pdu) != 5:
            return bytes((function | 0x80, _ILLEGAL_FUNCTION))
        first, count = struct.unpack(">HH", pdu[1:])
        image = self._units[unit]()
        data = image[2 * first : 2 * (first + count)]
        if not 1 <= count <= _MOST_WORDS or len(data) != 2 * count:
            return bytes((function | 0x80, _ILLEGAL_ADDRESS))
        return bytes((function, len(data))) + data
