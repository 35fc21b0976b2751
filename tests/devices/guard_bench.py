"""A simulated home behind real Modbus, and the guard's own loop on the simulated clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.clock import SimClock
from gateway.config.guard import DeviceConfig, GuardSettings
from gateway.guard.compose import Guard
from gateway.ipc.messages import GuardReport
from simulators.devices.serve import Choice, Servers, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.devices.test_simulated_families import simulated


class Over(Exception):
    """Ends the guard's loops."""


@dataclass
class Bench:
    """The home, its guard, and what the guard reported so far."""

    clock: SimClock
    home: Home
    servers: Servers
    guard: Guard
    reports: list[GuardReport] = field(default_factory=list)

    @property
    def last(self) -> GuardReport:
        return self.reports[-1]


def on_bench(
    scenario: Scenario,
    choice: Choice,
    settings: Callable[[Servers], GuardSettings],
    work: Callable[[Bench], Awaitable[None]],
    before: Callable[[Home], Awaitable[None]] | None = None,
) -> None:
    """Run ``work`` beside the guard; the clock leaps while both sleep on it. ``before`` adds to the home."""
    clock = SimClock(scenario.start)

    async def run() -> None:
        home = Home(clock, scenario)
        servers = await serve_home(home, choice=choice)
        if before is not None:
            await before(home)
        reports: list[GuardReport] = []
        guard = Guard(settings(servers), clock, reports.append)
        bench = Bench(clock, home, servers, guard, reports)
        listening = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(guard.run(listening.set), name="guard")
                await listening.wait()
                await work(bench)
                raise Over
        except* Over:
            pass
        await servers.close()

    simulated(clock, run())


def at(
    servers: Servers, port: int, name: str, profile: str, unit: int | None = None
) -> DeviceConfig:
    """A device of the simulated home on this machine."""
    return DeviceConfig(name, profile, "127.0.0.1", port, unit, steer="always")


def state(tmp_path: Path) -> str:
    return str(tmp_path / "state")
