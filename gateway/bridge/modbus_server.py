"""A Modbus TCP server, the guard's door to what has none. On this machine's own address only.

Each unit is a device. One that can be steered takes writes, by functions 6 and 16, as far as it says itself; whatever else is asked
beyond reading registers is refused as the standard says.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_READS, _WRITE_ONE, _WRITE_SOME = (3, 4), 6, 16
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE, _NO_PATH = 1, 2, 3, 0x0A
_MOST_WORDS, _MOST_BYTES, _MOST_CLIENTS = 125, 254, 8
Image = Callable[[], bytes]  # all registers of a unit, as they are now
Take = Callable[[int, tuple[int, ...]], bool]  # first register and words; whether they can be taken


class ModbusServer:
    """``units``: number -> what makes its registers; ``takes``: what takes those that are written, where one is steered."""

    def __init__(self, units: Mapping[int, Image], takes: Mapping[int, Take] | None = None) -> None:
        self._units, self._takes = dict(units), dict(takes or {})
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
        if function in (_WRITE_ONE, _WRITE_SOME) and unit in self._takes:
            return self._written(unit, pdu)
        if function not in _READS or len(pdu) != 5:
            return bytes((function | 0x80, _ILLEGAL_FUNCTION))
        first, count = struct.unpack(">HH", pdu[1:])
        image = self._units[unit]()
        data = image[2 * first : 2 * (first + count)]
        if not 1 <= count <= _MOST_WORDS or len(data) != 2 * count:
            return bytes((function | 0x80, _ILLEGAL_ADDRESS))
        return bytes((function, len(data))) + data

    def _written(self, unit: int, pdu: bytes) -> bytes:
        """The echo of a write that was taken."""
        function = pdu[0]
        if function == _WRITE_ONE and len(pdu) == 5:
            data = pdu[3:5]
        elif function == _WRITE_SOME and len(pdu) > 6 and len(pdu) == 6 + pdu[5]:
            data = pdu[6:]
        else:
            return bytes((function | 0x80, _ILLEGAL_FUNCTION))
        (first,) = struct.unpack(">H", pdu[1:3])
        told = int.from_bytes(pdu[3:5], "big") if function == _WRITE_SOME else 1
        if len(data) != 2 * told:
            return bytes((function | 0x80, _ILLEGAL_VALUE))
        words = struct.unpack(f">{told}H", data)
        if not self._takes[unit](first, words):
            return bytes((function | 0x80, _ILLEGAL_VALUE))
        return pdu[:5]
