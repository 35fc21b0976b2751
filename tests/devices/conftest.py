"""What the device tests share: a clock set by hand, a memory of intents, devices on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.config.guard import DeviceConfig
from gateway.devices.build import build_devices
from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control
from gateway.domain.readings import Quality, Reading
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from tests.modbus.server import RegisterServer

START = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class HandClock:
    """Stands until a test moves it."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    async def sleep_until(self, when: datetime) -> None:
        self.seconds = (when - START).total_seconds()

    def spawn(
        self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        return group.create_task(work, name=name)


@dataclass
class Intents:
    """An IntentStore that outlives the devices of a test, as the journal's file does."""

    stored: dict[tuple[str, Control], str] = field(default_factory=dict)
    writes: dict[tuple[str, int, str], int] = field(default_factory=dict)

    def remember(self, device: str, control: Control, restore: str, time: datetime) -> None:
        self.stored.setdefault((device, control), restore)

    def forget(self, device: str, control: Control) -> None:
        self.stored.pop((device, control), None)

    def pending(self, device: str) -> dict[Control, str]:
        return {c: text for (d, c), text in self.stored.items() if d == device}

    def write_count(self, device: str, register: int, day: str) -> int:
        return self.writes.get((device, register, day), 0)

    def count_write(self, device: str, register: int, day: str) -> None:
        self.writes[device, register, day] = self.write_count(device, register, day) + 1


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def intents() -> Intents:
    return Intents()


def device(
    server: RegisterServer,
    profile: str,
    clock: HandClock,
    intents: Intents,
    **settings: Any,
) -> ModbusDevice:
    """A device on the test's server."""
    entry = DeviceConfig(
        name="device", profile=profile, host="127.0.0.1", port=server.port, **settings
    )
    return build_devices([entry], intents, clock)[0]


def impatient(
    server: RegisterServer,
    key: str,
    clock: HandClock,
    intents: Intents | None,
    name: str = "device",
    timeout_s: float = 10.0,
    unit: int | None = None,
) -> ModbusDevice:
    """A device on a connection without the pauses that the real one needs."""
    sheet = profile(key)
    connection = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(timeout_s))
    number = sheet.communication.unit if unit is None else unit
    return ModbusDevice(name, sheet, connection.unit(number), intents, clock)


def values(readings: tuple[Reading, ...]) -> dict[str, float | str | None]:
    """Metric to value; what is not good is None, whatever else it is."""
    for r in readings:
        assert (r.value is not None) == (r.quality is Quality.GOOD)
    return {r.metric: r.value for r in readings}
