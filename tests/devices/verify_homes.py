"""A home in which steering is proved or is not: its configuration, a guard that holds, and one trial."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.config.guard import FILE, DeviceConfig, GuardSettings, Steer
from gateway.devices.build import build_devices
from gateway.devices.datasheet import Communication
from gateway.domain.control import ChargerAssumptions, Control
from gateway.domain.order import StandingSettings
from gateway.domain.readings import Role
from gateway.guard.intents import GuardFile
from gateway.modbus.address import BusTiming
from gateway.verify.run import Bench as HomeBench
from gateway.verify.run import Outcome, verify
from gateway.verify.walk import Limits
from simulators.devices.family_file import family_files
from simulators.devices.serve import CHARGERS, Choice, Ports, Servers, serve_home
from simulators.physics.home import Home
from simulators.physics.script import Script
from simulators.rehearsal import rehearse
from simulators.scenario import Scenario
from tests.devices.guard_bench import Bench, on_bench
from tests.devices.test_simulated_families import INVERTERS, simulated

EVENING = datetime(2026, 6, 2, 2, tzinfo=UTC)  # 21:00 in Austin
NOON = datetime(2026, 6, 1, 18, tzinfo=UTC)
BATTERY = Control.BATTERY_POWER
NO_LIMITS = Limits()
FILES = family_files()
UNITS = {"goodwe": 247, "sma": 3, **{name: file.unit for name, file in FILES.items()}}
CHARGER_PROFILES = {"keba": "keba-p30", "go-e": "go-e"} | {
    name: file.profile for name, file in FILES.items() if file.kind == "charger"
}
CHARGER_UNITS = {"go-e": 1, **{name: file.unit for name, file in FILES.items()}}
PAIRS = [  # every inverter that is steered and every charger, at least once
    (inverter, charger)
    for inverter, charger, _ in zip(
        cycle(INVERTERS), cycle(CHARGERS), range(max(len(INVERTERS), len(CHARGERS)))
    )
]


def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those between two requests pass by the real clock."""
    timing = property(lambda c: BusTiming(c.timeout_s, tid_mode=c.tid_mode))
    monkeypatch.setattr(Communication, "timing", timing)


def of_home(
    servers_ports: Ports,
    family: str,
    folder: Path,
    steer: Steer = "proved",
    charger: str = "keba",
) -> GuardSettings:
    """The configuration of a home with an inverter of ``family``, the meter and a charger."""
    here, key = "127.0.0.1", INVERTERS[family][0]
    return GuardSettings(
        (
            DeviceConfig(
                "inverter", key, here, servers_ports.inverter, UNITS.get(family, 1), steer=steer
            ),
            DeviceConfig("meter", "sunspec-meter", here, servers_ports.meter, 200, role=Role.GRID),
            DeviceConfig(
                "charger",
                CHARGER_PROFILES[charger],
                here,
                servers_ports.charger,
                CHARGER_UNITS.get(charger, 255),
                steer=steer,
            ),
        ),
        str(folder),
    )


def held(bench: Bench) -> bool:
    """Whether the battery rests as the guard is told; left to itself it serves the house in the evening."""
    assert bench.home.powers().load > 200
    return abs(bench.home.powers().battery) < 100


def guarded(
    family: str,
    folder: Path,
    work: Callable[[Bench], Awaitable[None]],
    steer: Steer = "proved",
    settings: Callable[[GuardSettings], GuardSettings] = lambda s: s,
) -> None:
    """A guard that is told to hold the battery at rest, in the evening."""
    scenario = Scenario(EVENING, seed=1, soc_pct=60)

    async def play(bench: Bench) -> None:
        bench.guard.intake.settings = StandingSettings(20, battery="hold")
        await bench.clock.sleep(60)
        await work(bench)

    on_bench(
        scenario,
        Choice(inverter=family),
        lambda servers: settings(of_home(servers.ports, family, folder, steer)),
        play,
    )


def proved(family: str, folder: Path) -> None:
    asyncio.run(
        rehearse(of_home(Ports(1, 2, 3), family, folder), Ports(1, 2, 3), Choice(inverter=family))
    )


@dataclass
class Trial:
    """A simulated home in which one control is verified."""

    clock: SimClock
    home: Home
    servers: Servers
    bench: HomeBench
    folder: Path


def tried(
    family: str,
    folder: Path,
    work: Callable[[Trial], Awaitable[None]],
    soc_pct: float = 60.0,
    limits: Limits = NO_LIMITS,
    start: datetime = EVENING,
    script: Script | None = None,
) -> None:
    clock = SimClock(start)

    async def run() -> None:
        home = Home(clock, Scenario(start, seed=1, soc_pct=soc_pct, car=None, script=script))
        servers = await serve_home(home, choice=Choice(inverter=family))
        await clock.sleep(60)
        file = GuardFile(folder / FILE)
        configs = [d for d in of_home(servers.ports, family, folder).devices if d.name != "charger"]
        devices = build_devices(configs, file, clock)
        roles = {"meter": Role.GRID}
        bench = HomeBench(devices, clock, 2.0, limits, ChargerAssumptions(), roles)
        await work(Trial(clock, home, servers, bench, folder))
        assert not file.pending("inverter"), "whatever came of it, nothing is owed"
        for device in devices:
            await device.close()
        await servers.close()

    simulated(clock, run())


async def outcome(trial: Trial, control: Control = BATTERY) -> Outcome:
    await trial.bench.look()
    return await verify(trial.bench, trial.bench.devices[0], control, lambda _: None)
