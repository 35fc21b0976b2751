"""The agent's end of the socket to the guard: reports in, orders out."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

from gateway.domain.order import Order
from gateway.ipc.framing import framed, read_frame
from gateway.ipc.messages import ORDERS, REPORTS, GuardReport, MessageError

log = logging.getLogger(__name__)


class GuardLink:
    """One connection for the life of the process; when it ends, the agent ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, fd: int) -> GuardLink:
        """The link over an inherited socket."""
        return cls(*await asyncio.open_connection(sock=socket.socket(fileno=fd)))

    def send(self, order: Order) -> None:
        """Hand an order over; returns at once."""
        with suppress(OSError):  # the guard is gone: `run` ends, and so do we
            self._writer.write(framed(ORDERS.encode(order)))

    async def run(self, hear: Callable[[GuardReport], None]) -> None:
        """Until the guard closes the connection. Raises MessageError for what is no report."""
        while (frame := await read_frame(self._reader)) is not None:
            try:
                report = REPORTS.decode(frame)
            except MessageError:
                log.exception("guard and agent do not understand each other")
                raise
            hear(report)
