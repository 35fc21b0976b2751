"""Let simulated devices prove that they obey, as an owner does with real ones: `energy-gateway verify`, in seconds.

Before a simulated home's first day its devices are verified in a home of their own (the same families, serial numbers and
firmware) at moments that show what they can: a morning with a half-full battery and a car, and a noon with a full battery
and feed-in. What runs is the gateway's own verification over real Modbus TCP; only the clock is simulated.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from gateway.clock import SimClock
from gateway.config.guard import FILE, DeviceConfig, GuardSettings
from gateway.devices.scan import Finding, scan
from gateway.domain.readings import Role
from gateway.guard.intents import GuardFile
from gateway.guard.proofs import ProofFolder
from gateway.verify.home import Asked, verify_home
from simulators.devices.serve import Choice, Ports, Servers, serve_home
from simulators.physics.cars import CarSchedule
from simulators.physics.home import Home
from simulators.scenario import Scenario

log = logging.getLogger(__name__)

_ALWAYS_THERE = CarSchedule(
    depart_h=24, arrive_h=0, jitter_h=0, weekend_depart_h=24, weekend_arrive_h=0
)
MOMENTS = (  # of a June day in Austin
    Scenario(datetime(2026, 5, 31, 14, tzinfo=UTC), soc_pct=55, car=_ALWAYS_THERE, car_soc_pct=20),
    Scenario(datetime(2026, 5, 31, 18, tzinfo=UTC), soc_pct=100, car=None),
)


async def rehearse(settings: GuardSettings, ports: Ports, choice: Choice | None = None) -> None:
    """Verify what the gateway with ``settings`` will steer at ``ports``; the proofs go to its state folder."""
    proofs = ProofFolder(Path(settings.state_dir))
    for scenario in MOMENTS:
        await _at(scenario, settings, ports, choice or Choice(), proofs)


async def rehearse_found(state_dir: Path, choice: Choice) -> None:
    """The same for devices of which no configuration is known: those that a scan finds."""
    clock = SimClock(MOMENTS[0].start)
    servers = await serve_home(Home(clock, MOMENTS[0]), choice=choice)
    ports = servers.ports
    try:
        found = [
            f
            for port in (ports.inverter, ports.meter, ports.charger)
            async for f in scan(servers.host, port)
        ]
    finally:
        await servers.close()
    await rehearse(GuardSettings(tuple(_as_devices(found)), str(state_dir)), ports, choice)


def _as_devices(found: Sequence[Finding]) -> Iterator[DeviceConfig]:
    """One device of each kind; the meter is that of the connection."""
    for kind in ("hybrid", "inverter", "charger", "meter"):
        one = next((f for f in found if f.profile.kind == kind), None)
        if one is not None:
            role = Role.GRID if kind == "meter" else None
            yield DeviceConfig(kind, one.profile.key, one.host, one.port, one.unit, role=role)


async def _at(
    scenario: Scenario, settings: GuardSettings, ports: Ports, choice: Choice, proofs: ProofFolder
) -> None:
    clock = SimClock(scenario.start)
    servers = await serve_home(Home(clock, scenario), choice=choice)
    here = replace(
        settings, devices=tuple(_moved(d, _places(ports, servers)) for d in settings.devices)
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = GuardFile(Path(folder) / FILE)
            async with asyncio.TaskGroup() as group:
                work = _verify(here, clock, file, proofs)
                clock.spawn(group, work, "verify")
    finally:
        await servers.close()


async def _verify(
    settings: GuardSettings, clock: SimClock, file: GuardFile, proofs: ProofFolder
) -> None:
    await clock.sleep(60)  # the home has begun to live
    await verify_home(
        settings, Asked(), clock, file, proofs, lambda line: log.info("rehearsal: %s", line)
    )


def _places(ports: Ports, servers: Servers) -> Mapping[int, int]:
    here = servers.ports
    return {ports.inverter: here.inverter, ports.meter: here.meter, ports.charger: here.charger}


def _moved(device: DeviceConfig, places: Mapping[int, int]) -> DeviceConfig:
    return replace(device, port=places.get(device.port, device.port))
