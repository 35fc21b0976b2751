"""A home with heaters behind real Modbus TCP, the gateway's two processes in one on the simulated clock, and what the meter saw."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.guard.compose import Guard
from gateway.together import Gateway
from simulators.devices.serve import serve_heater, serve_home
from simulators.devices.server import ModbusServer
from simulators.physics.heat import Boiler
from simulators.physics.home import Home
from simulators.physics.script import Script
from simulators.physics.values import Battery, House
from simulators.scenario import Scenario
from tests.waiting import HANG_S

MIDNIGHT = datetime(2026, 4, 14, tzinfo=UTC)
LOOK_S = 60.0
TARIFF = {
    "import_price": {
        "kind": "time_of_use",
        "otherwise_per_kwh": "0.30",
        "periods": [
            {"from": "01:00", "to": "05:00", "per_kwh": "0.16"},
            {"from": "17:00", "to": "21:00", "per_kwh": "0.42"},
        ],
    },
    "export_price": {"kind": "flat", "per_kwh": "0.08"},
}


def sunny(most_w: float) -> Callable[[datetime], float]:
    """A clear day of spring: a bow from seven to seven."""

    def sun_w(time: datetime) -> float:
        hour = time.hour + time.minute / 60
        return most_w * max(0.0, 1 - ((hour - 13) / 6) ** 2)

    return sun_w


def steady(watts: float) -> Callable[[datetime], float]:
    return lambda _time: watts


NO_BATTERY = replace(
    House(), battery=replace(Battery(), capacity_wh=1.0, max_charge_w=0.0, max_discharge_w=0.0)
)


@dataclass
class Seen:
    """What was measured at the meter and in the tank, minute by minute."""

    grid_w: list[float] = field(default_factory=list)
    rod_w: list[float] = field(default_factory=list)
    pump_w: list[float] = field(default_factory=list)
    boiler_c: list[float] = field(default_factory=list)
    pump_c: list[float] = field(default_factory=list)
    sg_ready: list[int] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)

    def look(self, home: Home) -> None:
        state = home.state()
        self.times.append(home.now)
        self.grid_w.append(state.powers.grid)
        self.sg_ready.append(home.commands.sg_ready)
        if state.boiler is not None:
            self.rod_w.append(state.boiler.power_w)
            self.boiler_c.append(state.boiler.temperature_c)
        if state.pump is not None:
            self.pump_w.append(state.pump.power_w)
            self.pump_c.append(state.pump.temperature_c)

    def at(self, what: list[float], hour: float) -> float:
        """The value at that hour of the first day."""
        return what[
            min(
                range(len(what)),
                key=lambda i: abs((self.times[i] - self.times[0]).total_seconds() / 3600 - hour),
            )
        ]

    def switched_on(self, what: list[float]) -> list[datetime]:
        return [self.times[i] for i in range(1, len(what)) if what[i] > 0 and what[i - 1] <= 0]


def price(time: datetime) -> float:
    """What a kWh costs by TARIFF; the home's time is UTC."""
    return 0.16 if 1 <= time.hour < 5 else 0.42 if 17 <= time.hour < 21 else 0.30


def cost(seen: Seen) -> float:
    """The bill of what the meter saw: import at the tariff, export at 0.08."""
    return sum(
        w / 1000 * LOOK_S / 3600 * (price(t) if w > 0 else 0.08)
        for t, w in zip(seen.times, seen.grid_w, strict=True)
    )


def scenario(boiler: Boiler | None = None, **more: Any) -> Scenario:
    return Scenario(
        MIDNIGHT,
        time_zone="UTC",
        car=None,
        boiler=boiler,
        script=more.pop("script", Script(sunny(6_000), steady(400))),
        **more,
    )


BOILER = {
    "power_w": 3500,
    "litres": 300,
    "target_c": 55,
    "min_c": 42,
    "max_c": 65,
    "ready_by": ["18:00"],
    "loss_w": 55,
}


@dataclass
class Playing:
    """The running home."""

    clock: SimClock
    home: Home
    heater: ModbusServer
    seen: Seen


def tables(
    folder: Path, ports: Any, heater: Mapping[str, Any], more: Mapping[str, Any]
) -> Settings:
    there = {"host": "127.0.0.1", "steer": "always"}
    raw: dict[str, Any] = {
        "state_dir": folder,
        "site": {"time_zone": "Etc/UTC"},
        "device": [
            {"name": "inverter", "profile": "fronius-gen24", "port": ports.inverter, **there},
            {
                "name": "meter",
                "profile": "sunspec-meter",
                "port": ports.meter,
                "unit": 200,
                "host": "127.0.0.1",
            },
            {"name": "boiler", **there, **heater},
        ],
        "tariff": TARIFF,
        "control": {"period_s": 30},
        "dashboard": {"enabled": False},
        "planner": {"horizon_h": 24, "first_days": "live"},
    }
    for name, value in more.items():
        raw[name] = {**raw.get(name, {}), **value}
    return Settings.model_validate(raw)


async def play(
    folder: Path,
    world: Scenario,
    story: Callable[[Playing], Awaitable[None]],
    heat: Mapping[str, Any] = BOILER,
    family: str = "elwa",
    profile: str = "my-pv-ac-elwa-2",
    alone: bool = False,
    **more: Any,
) -> Seen:
    """``story`` on the running home; what was seen. ``more`` are further tables of gateway.toml.

    ``alone``: the guard has no agent.
    """
    clock, seen = SimClock(world.start), Seen()

    async def watch(home: Home) -> None:
        while True:
            seen.look(home)
            await clock.sleep(LOOK_S)

    async def stage() -> None:
        async with AsyncExitStack() as stack:
            home = Home(clock, world)
            servers = await serve_home(home)
            stack.push_async_callback(servers.close)
            heater, port = await serve_heater(home, family)
            stack.push_async_callback(heater.close)
            entry = {"profile": profile, "port": port, "heat": dict(heat)}
            settings = tables(folder, servers.ports, entry, more)
            ready = asyncio.Event()
            work = (
                Guard(settings.for_guard(), clock, lambda _: None).run(ready.set)
                if alone
                else Gateway(settings, clock).run(ready.set)
            )
            running = group.create_task(work)  # no participant itself
            await ready.wait()
            watching = clock.spawn(group, watch(home), "watch")
            try:
                await story(Playing(clock, home, heater, seen))
            finally:
                watching.cancel()
                running.cancel()
                await asyncio.wait((running, watching))

    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        clock.spawn(group, stage(), "stage")
    return seen


async def a_day(playing: Playing) -> None:
    """A day passes."""
    await playing.clock.sleep_until(MIDNIGHT + timedelta(hours=24))


def by_thermostat(world: Scenario, low_c: float, high_c: float) -> Seen:
    """The same day without a gateway: a rod on its own thermostat, the battery on its inverter's rule."""

    class Hand:
        seconds = 0.0

        def now(self) -> datetime:
            return world.start + timedelta(seconds=self.seconds)

    clock, seen, on = Hand(), Seen(), False
    home = Home(clock, world)
    while clock.seconds < 86_400:
        boiler = home.state().boiler
        assert boiler is not None
        assert world.boiler is not None
        on = boiler.temperature_c < (high_c if on else low_c)
        home.command(rod_w=world.boiler.most_w if on else 0.0)
        seen.look(home)
        clock.seconds += LOOK_S
    return seen
