"""One device on a bus, whatever carries it: what devices read from and write to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.clock import pause
from gateway.modbus.address import BusAddress, Table
from gateway.modbus.exceptions import BUSY, NOT_THERE, SURE, Lost, Refused

BUSY_PAUSES_S = (0.05, 0.1, 0.2, 0.4)  # real seconds between the tries


class Bus(Protocol):
    """Registers of the units on one bus; requests are served one after the other.

    All methods raise DeviceError.
    """

    @property
    def address(self) -> BusAddress:
        """Where it is."""

    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes:
        """``count`` registers from ``address`` (0-based) as the 2 x count bytes of the wire."""

    async def write(self, unit: int, address: int, words: Sequence[int], fc: int = 16) -> None:
        """Write registers (function 16, or 6 for one); returns when the echo was right."""

    async def close(self) -> None:
        """Let go of the connection; a later request opens it again."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One device on a bus. Errors are those of its `Bus`."""

    bus: Bus
    number: int

    async def read(self, table: Table, address: int, count: int) -> bytes:
        """See `Bus.read`. A busy device is asked again, and so is one whose single answer was lost.

        That is safe: after a lost answer the bus has a new connection, on which no old one can come.
        """
        for pause_s in BUSY_PAUSES_S:
            try:
                return await self.bus.read(self.number, table, address, count)
            except Lost as lost:
                if not lost.again:
                    raise
            except Refused as refusal:
                if refusal.code not in BUSY:
                    raise
                await pause(pause_s)
        return await self.bus.read(self.number, table, address, count)

    async def read_if_there(
        self, table: Table, address: int, count: int, codes: Sequence[int] = NOT_THERE
    ) -> bytes | None:
        """The registers, or None where the device says again and again that it has none such.

        Any other refusal is a passing fault and is raised: what a device is must not be
        concluded from it. A bad line refuses often: with every second request refused, six in a
        row happen once in 64 times.
        """
        for _ in range(SURE):
            try:
                return await self.read(table, address, count)
            except Refused as refusal:
                if refusal.code not in codes:
                    raise
        return None

    async def write(self, address: int, words: Sequence[int], fc: int = 16) -> None:
        """See `Bus.write`. A busy device is told again."""
        for pause_s in BUSY_PAUSES_S:
            try:
                return await self.bus.write(self.number, address, words, fc)
            except Refused as refusal:
                if refusal.code not in BUSY:
                    raise
                await pause(pause_s)
        return await self.bus.write(self.number, address, words, fc)

    def __str__(self) -> str:
        return f"{self.bus.address} unit {self.number}"
