"""Guard and agent in one process on one clock, over the same messages: for the demo and for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.agent.compose import Agent
from gateway.bridge.serve import Bridge
from gateway.clock import Clock
from gateway.config.settings import Settings
from gateway.domain.order import Order
from gateway.guard.compose import Guard
from gateway.ipc.messages import ORDERS, REPORTS, GuardReport


class Gateway:
    """Both, wired as the socket wires them: what passes between them is encoded and decoded."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Nothing runs yet. Raises ConfigError."""
        self.settings, self.clock = settings, clock
        self.guard = Guard(settings.for_guard(), clock, self._report)
        self.agent = Agent(settings, clock, self._order)

    async def run(self, ready: Callable[[], object] = lambda: None) -> None:
        """Until cancelled. However it ends, the devices are released and the outbox is flushed."""
        listening = asyncio.Event()
        bridged = self.settings.bridged()
        async with asyncio.TaskGroup() as group:
            if bridged:
                name = f"energy-gateway-{self.settings.site.name}-bridge"
                bridge = Bridge(bridged, self.settings.mqtt, self.clock, name, self.settings.ocpp)
                group.create_task(bridge.run(self.settings.bridge.port), name="bridge")
            group.create_task(self.guard.run(listening.set), name="guard")
            await listening.wait()
            await self.agent.run(ready)

    def _report(self, report: GuardReport) -> None:
        self.agent.hear(REPORTS.decode(REPORTS.encode(report)))

    def _order(self, order: Order) -> None:
        self.guard.intake.take(ORDERS.decode(ORDERS.encode(order)))
