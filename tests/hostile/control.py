"""The guard's control beside an act, in the same event loop: nothing that strangers do is waited for.

In a real home the guard is a process of its own (`tests/safety/test_flooded.py` and its neighbours try
that). Here it shares descriptors, memory and event loop with what is attacked, so that an act which
exhausts one of them, or which somebody waits for, makes a tick late or has it read something else.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.control import ControlSettings
from gateway.domain.order import StandingSettings
from gateway.domain.readings import Quality
from gateway.guard.intents import GuardFile
from gateway.guard.loop import GuardLoop
from gateway.guard.orders import OrderIntake
from gateway.ipc.messages import GuardReport
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from gateway.site.site import Site
from tests.devices.conftest import Intents
from tests.devices.sunspec_images import hybrid
from tests.modbus.server import RegisterServer, serving

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
PERIOD_S = 0.5
PROFILE = "fronius-gen24"
GOOD, TRUE_W = "inverter", -8240.0  # what its battery does


class LoopClock:
    """Implements `gateway.clock.Clock` on the event loop's time, which a slow machine does not move."""

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    async def sleep_until(self, when: datetime) -> None:
        await self.sleep((when - self.now()).total_seconds())

    def spawn(
        self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        return group.create_task(work, name=name)


@dataclass
class Control:
    """What the guard has done so far."""

    reports: list[GuardReport] = field(default_factory=list)

    async def ticks(self, count: int) -> None:
        """Until it has ticked so often more."""
        wanted = len(self.reports) + count
        while len(self.reports) < wanted:
            await asyncio.sleep(PERIOD_S)

    def read_of(self, name: str) -> list[dict[str, float | str | None]]:
        """What was read of a device, tick by tick: good values, and None for what is not."""
        states = (report.snapshot.devices[name] for report in self.reports)
        return [
            {m: r.value if r.quality is Quality.GOOD else None for m, r in state.readings.items()}
            for state in states
        ]

    def late(self) -> list[str]:
        """Ticks that were missed, or at which the device beside the act was not read as ever."""
        found = []
        for report in self.reports:
            if report.late_s >= PERIOD_S:
                found.append(f"tick {report.tick} is {report.late_s:.2f} s late")
            seen = report.snapshot.devices[GOOD]
            power_w = seen.number("battery_power_w")
            if not seen.online or power_w != TRUE_W:
                found.append(f"tick {report.tick} reads {power_w} W, not {TRUE_W}")
        return found


@asynccontextmanager
async def control_beside(others: Mapping[str, int] | None = None) -> AsyncIterator[Control]:
    """A guard that steers a real inverter; ``others``: more devices by name, and their ports."""
    clock, control = LoopClock(), Control()
    with tempfile.TemporaryDirectory() as folder:
        async with serving(RegisterServer(hybrid())) as server:
            ports = {GOOD: server.port, **(others or {})}
            devices = [_device(name, port, clock) for name, port in ports.items()]
            site = Site(devices, clock, PERIOD_S)
            intake = OrderIntake(
                GuardFile(Path(folder) / "guard.json"), StandingSettings(20), clock
            )
            loop = GuardLoop(
                site,
                intake,
                ControlSettings(zone=ZoneInfo("UTC")),
                clock,
                PERIOD_S,
                control.reports.append,
            )
            async with asyncio.TaskGroup() as group:
                site.start(group)
                await site.looked_at(5.0)
                running = group.create_task(loop.run(), name="control")
                await control.ticks(2)
                try:
                    yield control
                finally:
                    running.cancel()
                    for task in asyncio.all_tasks():
                        if task.get_name().startswith("poll "):
                            task.cancel()
            await site.close()


def _device(name: str, port: int, clock: LoopClock) -> ModbusDevice:
    sheet = profile(PROFILE)
    link = Connection(BusAddress(host="127.0.0.1", port=port), BusTiming(0.3))
    return ModbusDevice(name, sheet, link.unit(sheet.communication.unit), Intents(), clock)
