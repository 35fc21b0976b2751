"""One connection to one bus: one request at a time, every reply checked, ours the only reconnect.

The only file that speaks pymodbus. pymodbus connects, frames and sends; each reply's raw bytes are
judged by `gateway.modbus.frames` before pymodbus sees them. After a timeout, a cancelled request,
a malformed reply or unasked bytes the connection is closed: over RTU an old answer would otherwise
be taken for the next one, for ever. Waits here are real seconds, because a real device has them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from gateway.domain.sentences import other, sentence
from gateway.modbus.address import USUAL_TIMING, BusAddress, BusTiming, Table
from gateway.modbus.exceptions import (
    EXCEPTIONS,
    NO_PATH,
    HungUp,
    Lost,
    Refused,
    Silent,
    Unreachable,
)
from gateway.modbus.frames import Malformed, TidMode, answer_rtu, answer_tcp
from gateway.modbus.unit import Unit

# pymodbus logs each lost request as an error; a loss is logged once, by the device that has it.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_CLOSED = "the device closed the connection"
_RTU_GAP_S = 0.02  # RTU frames are told apart by silence; a doubled answer shows up in it


class Connection:
    """Reads and writes registers of the units on one bus. All methods raise DeviceError.

    Concurrent callers are served one after the other. ``requests`` counts what was sent.
    """

    def __init__(self, address: BusAddress, timing: BusTiming = USUAL_TIMING) -> None:
        self.address = address
        self.timing = timing
        self.requests = 0
        self._gap_s = max(timing.min_gap_s, 0.0 if address.framing == "tcp" else _RTU_GAP_S)
        self._lock = asyncio.Lock()
        self._client: AsyncModbusTcpClient | AsyncModbusSerialClient | None = None
        self._sent = b""  # the request that awaits its answer; empty = none does
        self._pdu = b""
        self._fault = ""
        self._heard = False  # anything, on this connection
        self._noise = asyncio.Event()
        self._last_end = 0.0
        self._alive: set[int] = set()  # units that answered when they were asked last

    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes:
        """``count`` registers from ``address`` (0-based) as the 2 x count bytes of the wire.

        A coil or discrete input is one register that holds 0 or 1.
        """
        async with self._lock:
            client = await self._ready()
            ask = {
                "holding": client.read_holding_registers,
                "input": client.read_input_registers,
                "coil": client.read_coils,
                "discrete": client.read_discrete_inputs,
            }[table]
            pdu = await self._exchange(
                unit, address, lambda: ask(address, count=count, device_id=unit)
            )
            return pdu[2:] if table in ("holding", "input") else _as_registers(pdu[2:], count)

    async def write(self, unit: int, address: int, words: Sequence[int], fc: int = 16) -> None:
        """Write registers (function 16, or 6 for one); returns when the echo was right."""
        if fc not in (6, 16) or (fc == 6 and len(words) != 1):
            raise ValueError("write with function 16, or function 6 for exactly one register")
        async with self._lock:
            client = await self._ready()

            def ask() -> Awaitable[Any]:
                if fc == 6:
                    return client.write_register(address, words[0], device_id=unit)
                return client.write_registers(address, list(words), device_id=unit)

            await self._exchange(unit, address, ask)

    async def close(self) -> None:
        """Let go of the connection; a later request opens it again."""
        async with self._lock:
            self._drop()
            self._noise.clear()
            await self._silence(0.001)  # the event loop closes the socket in its next turn

    def unit(self, number: int) -> Unit:
        """The device that answers to ``number`` on this bus."""
        return Unit(self, number)

    async def _exchange(self, unit: int, address: int, ask: Callable[[], Awaitable[Any]]) -> bytes:
        where = sentence(
            "lost.where", address=str(self.address), unit=str(unit), register=str(address)
        )
        self._fault = ""
        try:
            await ask()
            # asyncio.wait_for of Python 3.11, inside the library, forgets a cancel that comes in the
            # same moment as the answer; a task that was told to end must end.
            if (task := asyncio.current_task()) and task.cancelling():
                raise asyncio.CancelledError
        except (ModbusException, OSError) as error:
            self._drop()
            again = unit in self._alive
            self._alive.discard(unit)
            if self._fault == _CLOSED and not self._heard:
                raise HungUp(sentence("lost.hangs_up", where=str(self.address))) from error
            if self._fault == _CLOSED:
                raise Lost(sentence("lost.closed", where=where), again) from error
            if self._fault:
                why = other(self._fault)
                raise Lost(sentence("lost.malformed", where=where, why=why), again) from error
            seconds = f"{self.timing.timeout_s:g}"
            raise Silent(sentence("lost.silent", where=where, seconds=seconds), again) from error
        except BaseException:  # cancelled in mid-request: the answer may still come
            self._drop()
            raise
        finally:
            self._sent = b""
            self._last_end = asyncio.get_running_loop().time()
        pdu = self._pdu
        self._alive.add(unit)
        if pdu[0] & 0x80:
            meaning = EXCEPTIONS.get(pdu[1], "unknown exception")
            code = "lost.no_path" if pdu[1] in NO_PATH else "lost.refused"
            said = sentence(code, where=where, number=str(pdu[1]), meaning=meaning)
            raise Refused(said, pdu[1])
        return pdu

    async def _ready(self) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        """The open connection, after the silence that the bus needs."""
        if self._client is not None:
            now = asyncio.get_running_loop().time()
            await self._silence(self._last_end + self._gap_s - now)
            if self._noise.is_set() or not self._client.connected:
                self._drop()
        if self._client is None:
            client = self._make_client()
            try:
                connected = await client.connect()
            except BaseException:
                client.close()
                raise
            if not connected:
                client.close()
                raise Unreachable(sentence("lost.unreachable", where=str(self.address)))
            self._client, self._heard = client, False
            await self._silence(self.timing.connect_delay_s)
            self._noise.clear()
            if not client.connected:
                self._drop()
                raise HungUp(sentence("lost.hangs_up", where=str(self.address)))
        self.requests += 1
        return self._client

    async def _silence(self, seconds: float) -> None:
        """Wait, but no longer than until something arrives that nobody asked for."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._noise.wait()
        except TimeoutError:
            return

    def _make_client(self) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        """A pymodbus client without any retry or reconnect of its own, with our check hooked in."""
        where = self.address
        common: dict[str, Any] = {
            "timeout": self.timing.timeout_s,
            "retries": 0,
            "reconnect_delay": 0,
            "trace_packet": self._on_bytes,
            "trace_connect": self._on_connect,
        }
        self._noise = asyncio.Event()
        if where.framing == "rtu":
            return AsyncModbusSerialClient(
                where.serial, baudrate=where.baud, parity=where.parity, **common
            )
        framer = FramerType.SOCKET if where.framing == "tcp" else FramerType.RTU
        return AsyncModbusTcpClient(where.host, port=where.port, framer=framer, **common)

    def _on_bytes(self, sending: bool, data: bytes) -> bytes:
        """See every packet. Of what was received only the whole right answer goes on to pymodbus."""
        if sending:
            self._sent = data
            return data
        self._heard = True
        if not self._sent:
            self._noise.set()
            return b""
        try:
            if self.address.framing == "tcp":
                pdu = answer_tcp(self._sent, data, self.timing.tid_mode)
            else:
                pdu = answer_rtu(self._sent, data)
        except Malformed as error:
            self._fail(str(error))
            return b""
        if pdu is None:
            return b""
        self._pdu, self._sent = pdu, b""
        if self.timing.tid_mode is not TidMode.STRICT and self.address.framing == "tcp":
            return b"\x00\x00" + data[2:]  # pymodbus takes transaction 0 for any
        return data

    def _on_connect(self, connected: bool) -> None:
        if not connected:
            self._fail(_CLOSED)

    def _fail(self, why: str) -> None:
        """End the waiting request now; pymodbus itself would wait for its timeout."""
        self._fault = why
        client = self._client
        if client is None or not self._sent:
            return
        waiting = client.ctx.response_future
        if not waiting.done():
            waiting.set_exception(ModbusException(why))

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _as_registers(bits: bytes, count: int) -> bytes:
    """Bits of the wire (the first is the lowest of the first byte), a register each."""
    return b"".join(bytes((0, bits[i // 8] >> i % 8 & 1)) for i in range(count))
