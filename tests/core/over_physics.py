"""The agent and the guard's loop over the simulators' physics: weeks in seconds, without a wire."""

from __future__ import annotations

import asyncio

from gateway.agent.compose import Agent
from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.guard.intents import GuardFile
from gateway.guard.loop import GuardLoop, SteeredSite
from gateway.guard.orders import OrderIntake
from gateway.supervise import Availability


class OverPhysics:
    """Both loops on ``clock``; the journal is in the settings' state folder."""

    def __init__(self, site: SteeredSite, settings: Settings, clock: SimClock) -> None:
        own = settings.for_guard()
        intake = OrderIntake(GuardFile(settings.state_dir / "guard.json"), own.standing(), clock)
        self.clock = clock
        self.agent = Agent(settings, clock, intake.take)
        self.loop = GuardLoop(
            site, intake, own.control(), clock, own.timing.period_s, self.agent.hear
        )

    def spawn(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Start both loops."""
        trading = self.agent.trading.run(Availability("plan"))
        return [
            self.clock.spawn(group, self.loop.run(), "control"),
            self.clock.spawn(group, trading, "trading"),
        ]
