"""A small Modbus server: frames in, frames out, for any number of units on one port.

Written by hand because the faults that a real network and real devices show need it, and because
it answers every request of a TCP segment, as real devices do. It is a request server, no
participant of the clock; delays of faults are real seconds, like every delay of a network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from simulators.devices.faults import Delivery, Fault, Faults, Kind, Reply, changed, mangle
from simulators.devices.framing import Framing, NotModbus, TcpFraming
from simulators.devices.protocol import Unit, answer


class _Connection(asyncio.Protocol):
    """One client: cuts the stream into requests and answers each at once."""

    def __init__(self, server: ModbusServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP always is one
        if not self._server.admits():
            transport.abort()
            return
        self._transport = transport
        self._server.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._server.connections.discard(self._transport)
            self._transport = None

    def data_received(self, data: bytes) -> None:
        server, transport = self._server, self._transport
        if transport is None:
            return
        self._buffer += data
        replies = bytearray()
        while True:
            try:
                request = server.framing.take(self._buffer)
            except NotModbus:
                transport.abort()  # a real device drops the line too
                return
            if request is None:
                break
            delivery = server.handle(request)
            if isinstance(delivery, bytes):
                replies += delivery
            elif not self._deliver(transport, delivery):
                break
        if replies and self._transport is not None:
            transport.write(replies)

    def _deliver(self, transport: asyncio.Transport, delivery: Delivery) -> bool:
        """Send the pieces of a faulty reply; False when the connection ends with it."""
        loop, delay = asyncio.get_running_loop(), 0.0
        for wait, piece in delivery.pieces:
            delay += wait
            if delay <= 0:
                transport.write(piece)
            else:
                loop.call_later(delay, partial(self._write_later, piece))
        if delivery.hang_up:
            transport.close()
        if delivery.reset:
            transport.abort()
        return not (delivery.hang_up or delivery.reset)

    def _write_later(self, piece: bytes) -> None:
        if self._transport is not None:
            self._transport.write(piece)


class ModbusServer:
    """Units behind one TCP port. ``requests`` counts what was asked, ``writes`` what was written.

    ``faults`` may be exchanged at any time; None = all is well. ``hits`` counts the faults that
    struck, by kind.
    """

    def __init__(
        self,
        units: Mapping[int, Unit],
        faults: Faults | None = None,
        framing: Framing | None = None,
        single_client: bool = False,
    ) -> None:
        self.units = dict(units)
        self.framing: Framing = framing or TcpFraming()
        self.single_client = single_client
        self.requests = 0
        self.writes = 0
        self.hits: dict[Kind, int] = {}
        self.connections: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None
        self._away_until = 0.0  # real seconds of the event loop
        self._struck: frozenset[int] = frozenset()  # units that see wrongly after a fault
        self.faults = faults

    @property
    def faults(self) -> Faults | None:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults | None) -> None:
        self._faults = faults
        self._see_right()
        wrap = faults.has(Kind.WRAP) if faults else None
        if wrap is not None:
            for unit in self.units.values():
                unit.near_wrap(wrap.wh)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the actual port (``port`` 0 picks a free one)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port)
        actual: int = self._server.sockets[0].getsockname()[1]
        return actual

    def admits(self) -> bool:
        """Whether a new connection is taken now."""
        if asyncio.get_running_loop().time() < self._away_until:
            return False
        single = self.single_client or bool(self._faults and self._faults.has(Kind.ONE_CLIENT))
        return not (single and self.connections)

    def handle(self, request: Reply) -> bytes | Delivery:
        """The framed reply to a request, or what a fault makes of it."""
        number = self.requests
        self.requests += 1
        for unit in self.units.values():
            unit.view.home.state()  # timers that are due act before anybody reads or writes
        function = request.pdu[0]
        if function in (6, 16):
            self.writes += 1
        faults = self._faults
        if faults is not None:
            fault = faults.pick(number, request.unit, function)
            if fault is not None:
                return self._struck_by(fault, faults.seed, number, request)
            if self._struck:
                self._see_right()
        asked = self.units.get(request.unit)
        if asked is None and not self.framing.answers_strangers:
            return Delivery(())
        pdu = answer(asked, request.pdu)
        return self.framing.wrap(Reply(request.transaction, request.unit, pdu))

    def _struck_by(self, fault: Fault, seed: int, number: int, request: Reply) -> bytes | Delivery:
        self.hits[fault.kind] = self.hits.get(fault.kind, 0) + 1
        unit = self.units.get(request.unit)
        if fault.kind is Kind.REBOOT:
            return self._reboot(fault.seconds)
        if fault.kind is Kind.SILENT or (unit is None and not self.framing.answers_strangers):
            return Delivery(())
        if unit is not None:
            self._see_wrong(unit, request.unit, fault, number)
        if fault.kind is Kind.EXCEPTION:
            pdu = bytes((request.pdu[0] | 0x80, fault.code))
        elif fault.kind is Kind.IGNORED_WRITE:
            pdu = request.pdu[:5]
        else:
            pdu = answer(unit, request.pdu)
        reply = changed(fault, Reply(request.transaction, request.unit, pdu), number, seed)
        return mangle(fault, self.framing.wrap(reply), number, seed)

    def _see_wrong(self, unit: Unit, unit_id: int, fault: Fault, number: int) -> None:
        unit.view.clear()
        unit.view.blind = fault.kind is Kind.NAN
        unit.view.zeroed = fault.kind is Kind.ZERO
        unit.view.flipped = fault.kind is Kind.SIGN
        unit.view.coarse = number % 3 if fault.kind is Kind.SCALE else 0
        self._struck |= {unit_id}

    def _see_right(self) -> None:
        for unit_id in self._struck:
            self.units[unit_id].view.clear()
        self._struck = frozenset()

    def _reboot(self, seconds: float) -> Delivery:
        for unit in self.units.values():
            unit.reboot()
        self._away_until = asyncio.get_running_loop().time() + seconds
        for transport in tuple(self.connections):
            transport.abort()
        return Delivery((), reset=True)

    async def close(self) -> None:
        """Stop listening and hang up on every client."""
        if self._server is None:
            return
        self._server.close()
        for transport in tuple(self.connections):
            transport.abort()
        await self._server.wait_closed()
        self._server = None
