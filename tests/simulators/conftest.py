"""What the simulator tests share: a clock set by hand and raw Modbus clients."""

from __future__ import annotations

import asyncio
import os
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.waiting import HANG_S

START = datetime(2026, 6, 1, 5, 0, tzinfo=UTC)  # midnight in Texas


@dataclass
class HandClock:
    """A clock that stands until a test moves it."""

    time: datetime = START

    def now(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class RawClient:
    """Modbus TCP from the protocol's text: nothing checked, nothing hidden."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.transaction = reader, writer, 0

    @classmethod
    async def connect(cls, port: int) -> RawClient:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def frame(self, unit: int, pdu: bytes) -> bytes:
        self.transaction += 1
        return struct.pack(">HHHB", self.transaction, 0, len(pdu) + 1, unit) + pdu

    async def answer(self) -> tuple[int, int, bytes]:
        """Transaction id, unit and PDU of the next frame."""
        async with asyncio.timeout(HANG_S):
            head = await self.reader.readexactly(7)
            transaction, _protocol, length, unit = struct.unpack(">HHHB", head)
            return transaction, unit, await self.reader.readexactly(length - 1)

    async def ask(self, unit: int, pdu: bytes) -> bytes:
        self.writer.write(self.frame(unit, pdu))
        return (await self.answer())[2]

    async def read(self, unit: int, address: int, count: int, function: int = 3) -> tuple[int, ...]:
        pdu = await self.ask(unit, struct.pack(">BHH", function, address, count))
        assert pdu[0] == function, f"exception {pdu[1]}"
        return struct.unpack(f">{count}H", pdu[2:])

    async def write(self, unit: int, address: int, *values: int) -> bytes:
        raw = [value & 0xFFFF for value in values]
        head = struct.pack(">BHHB", 16, address, len(raw), 2 * len(raw))
        return await self.ask(unit, head + struct.pack(f">{len(raw)}H", *raw))

    async def write_one(self, unit: int, address: int, value: int) -> bytes:
        return await self.ask(unit, struct.pack(">BHH", 6, address, value & 0xFFFF))

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def real_csv() -> Path:
    """The recorded home beside the project, or a skip."""
    root = Path(__file__).resolve().parents[2]
    shared = Path(os.environ.get("HEG_SHARED", root.parent / "shared"))
    path = shared / "data" / "ercot_south_2024_jun_oct.csv"
    if not path.exists():
        pytest.skip(f"no recorded data at {path}; set HEG_SHARED")
    return path
