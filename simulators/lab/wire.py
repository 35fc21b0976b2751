"""A scenario over the wire: the simulated devices as Modbus servers, guard and agent as they really run."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.domain.plan import Observed
from gateway.ipc.messages import GuardReport
from gateway.together import Gateway
from simulators.broker import start_broker
from simulators.devices.serve import Choice, Ports, Servers, serve_home
from simulators.lab.lab import Lab
from simulators.lab.recorder import Recorder, given, listening
from simulators.lab.result import Result
from simulators.physics.home import Home


@dataclass(frozen=True, slots=True)
class Wire:
    """Which families the devices are of, and the profiles by which the gateway reads them."""

    choice: Choice = field(default_factory=Choice)
    inverter: str = "fronius-gen24"
    meter: str = "sunspec-meter"
    charger: str = "keba-p30"

    def devices(self, ports: Ports) -> list[dict[str, Any]]:
        """As gateway.toml has them."""
        at = {"host": "127.0.0.1", "steer": "always"}  # what is played is not their proof
        return [
            {"name": "inverter", "profile": self.inverter, "port": ports.inverter, **at},
            {"name": "meter", "profile": self.meter, "port": ports.meter, "unit": 200, **at},
            {"name": "box", "profile": self.charger, "port": ports.charger, **at},
        ]


async def play_on_wire(lab: Lab, folder: Path, wire: Wire = Wire()) -> Result:
    """Play ``lab`` over Modbus TCP, MQTT and HTTP on loopback; one inverter and one charger."""
    clock, url = SimClock(lab.begins), ""
    home = Home(clock, lab.scenario())
    async with AsyncExitStack() as stack:
        broker = await start_broker()
        stack.push_async_callback(broker.close)
        servers = await serve_home(home, choice=wire.choice)
        stack.push_async_callback(servers.close)
        if lab.prices is not None:
            url, close = await lab.prices.serve(clock.now)
            stack.push_async_callback(close)
        settings = lab.made_settings(folder, wire.devices(servers.ports), url, broker.port)
        recorder = Recorder(lab, home, settings)
        run = _Run(lab, settings, servers, recorder, clock)
        async with listening(recorder, clock), asyncio.TaskGroup() as group:
            watching = clock.spawn(group, recorder.run(clock), "recorder")
            playing = clock.spawn(group, run.play(), "play")
            playing.add_done_callback(lambda _: watching.cancel())
    return recorder.result()


@dataclass
class _Run:
    lab: Lab
    settings: Settings
    servers: Servers
    recorder: Recorder
    clock: SimClock

    async def play(self) -> None:
        past = self.lab.past()
        for begin, end in self.lab.lives():
            await self.clock.sleep_until(begin)
            await self._life(past, end)
            past = []

    async def _life(self, past: list[Observed], end: datetime) -> None:
        """From a start of the gateway to its stop, as by SIGTERM."""
        gateway, recorder = Gateway(self.settings, self.clock), self.recorder
        for row in past:
            gateway.agent.history.add_quarter(row)
        hear = gateway.agent.hear

        def heard(report: GuardReport) -> None:
            recorder.report = report
            hear(report)
            recorder.plan(gateway.agent.keeper.state.plan)

        gateway.agent.hear = heard  # type: ignore[method-assign] # listened to, nothing replaced
        started = asyncio.Event()
        async with asyncio.TaskGroup() as own:
            task = own.create_task(gateway.run(started.set), name="gateway")
            await started.wait()
            saying = self.clock.spawn(
                own, given(self.lab, gateway.agent, recorder, self.clock, own), "commands"
            )
            await self.clock.sleep_until(end)
            recorder.report = None
            for one in (saying, task):
                one.cancel()
                with suppress(asyncio.CancelledError):
                    await one
