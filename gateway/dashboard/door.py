"""Who may connect to the page, and how many at once: limits before a byte of HTTP is read.

Whoever connects costs a descriptor and memory of the agent. A connection that sends no whole request in
time, that does not read what it asked for, or that is one too many is closed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.log_budget import LogBudget

log = logging.getLogger(__name__)

MOST, MOST_OF_ONE = 160, 64  # connections in all, and of one address
HEADER_S = 15.0  # from the connection, or the answer before, to a whole request
UNREAD_S = 30.0  # an answer that the other side does not take for so long ends the connection
SEND_BYTES = 64 * 1024  # in the kernel, of an answer; a page that is frozen is noticed after them


@dataclass
class Door:
    """Counts connections by address; `watch` puts it before a server's protocols.

    ``shared``: everybody comes from one address (a reverse proxy), which then has no limit of its own.
    """

    clock: Clock
    shared: bool = False
    most: int = MOST
    most_of_one: int = MOST_OF_ONE
    _open: dict[str, set[_Visitor]] = field(default_factory=dict)
    _budget: LogBudget = field(init=False)

    def __post_init__(self) -> None:
        self._budget = LogBudget(log, self.clock, most=1)

    def watch(self, serve: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """A protocol factory that lets in what the limits allow."""
        return lambda: _Visitor(self, serve)

    @property
    def count(self) -> int:
        return sum(map(len, self._open.values()))

    def enter(self, visitor: _Visitor, address: str) -> bool:
        """Whether it may stay. At the limit of all, an address with more gives way to one with fewer."""
        own = self._open.get(address, set())
        if not self.shared and len(own) >= self.most_of_one:
            return self._refuse(address, len(own))
        if self.count >= self.most:
            largest = max(self._open.values(), key=len)
            if len(largest) <= len(own) + 1:
                return self._refuse(address, len(own))
            next(iter(largest)).end()
        self._open.setdefault(address, set()).add(visitor)
        return True

    def leave(self, visitor: _Visitor, address: str) -> None:
        own = self._open.get(address, set())
        own.discard(visitor)
        if not own:
            self._open.pop(address, None)

    def _refuse(self, address: str, count: int) -> bool:
        self._budget.say(
            logging.WARNING,
            "the page refuses connections: %d are open, %d of them from %s",
            self.count,
            count,
            address,
        )
        return False


class _Visitor(asyncio.Protocol):
    """One connection: hands everything on to the server's protocol, once it is let in."""

    def __init__(self, door: Door, serve: Callable[[], asyncio.Protocol]) -> None:
        self._door, self._serve = door, serve
        self._inner: asyncio.Protocol | None = None
        self._address = ""
        self._transport: asyncio.Transport | None = None
        self._unread: asyncio.TimerHandle | None = None

    def end(self) -> None:
        """Close it at once."""
        if self._transport is not None:
            self._transport.abort()
            self._door.leave(self, self._address)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server's
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""
        self._transport = transport
        if not self._door.enter(self, self._address):
            transport.abort()
            return
        link = transport.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; for one that has gone without a word
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_S * 1000))
        self._inner = self._serve()
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self, self._address)
        self._is_read()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        loop = asyncio.get_running_loop()
        self._unread = self._unread or loop.call_later(UNREAD_S, self.end)
        if self._inner is not None:
            self._inner.pause_writing()

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def resume_writing(self) -> None:
        self._is_read()
        if self._inner is not None:
            self._inner.resume_writing()
