"""The fast kind: the guard's loop and the agent over the physics, in one process, without a wire.

A day takes some seconds. What passes between guard and agent is encoded and decoded as on the socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

from gateway.agent.compose import Agent
from gateway.agent.trade_parts import ASK_AGAIN_S
from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.domain.plan import Observed
from gateway.guard.intents import GuardFile
from gateway.guard.loop import GuardLoop
from gateway.guard.orders import OrderIntake
from gateway.ipc.messages import ORDERS, REPORTS, GuardReport
from gateway.supervise import Backoff, supervise
from simulators.lab.lab import Lab
from simulators.lab.recorder import Recorder, given, listening
from simulators.lab.result import Result
from simulators.lab.site import LabSite
from simulators.physics.home import Home


async def play(lab: Lab, folder: Path) -> Result:
    """Play ``lab``; the gateway's state goes to ``folder``."""
    return await _Run(lab, folder).played()


class _Run:
    """The fast kind."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab, self._folder = lab, folder
        self._clock = SimClock(lab.start)
        self._home = Home(self._clock, lab.scenario())
        self._site = LabSite(self._home, lab.equipment)

    async def played(self) -> Result:
        lab, url = self._lab, ""
        async with AsyncExitStack() as stack:
            if lab.prices is not None:
                url, close = await lab.prices.serve(self._clock.now)
                stack.push_async_callback(close)
            settings = lab.made_settings(self._folder, [{"name": "x", "host": "x"}], url)
            self._recorder = recorder = Recorder(lab, self._home, settings)
            async with listening(recorder, self._clock), asyncio.TaskGroup() as group:
                watching = self._clock.spawn(group, recorder.run(self._clock), "recorder")
                playing = self._clock.spawn(group, self._play(settings), "play")
                playing.add_done_callback(lambda _: watching.cancel())
        return recorder.result()

    async def _play(self, settings: Settings) -> None:
        past = self._lab.past()
        for begin, end in self._lab.lives():
            await self._clock.sleep_until(begin)
            await self._life(settings, past, end)
            past = []

    async def _life(self, settings: Settings, past: Sequence[Observed], end: datetime) -> None:
        """From a start of the gateway to its stop."""
        own, clock, recorder = settings.for_guard(), self._clock, self._recorder
        intake = OrderIntake(GuardFile(self._folder / "guard.json"), own.standing(), clock)
        agent: Agent | None = None
        if self._lab.agent:
            agent = Agent(settings, clock, lambda o: intake.take(ORDERS.decode(ORDERS.encode(o))))
            agent.trading.plan_period = timedelta(minutes=self._lab.plan_minutes)
            for row in past:
                agent.history.add_quarter(row)

        def heard(report: GuardReport) -> None:
            recorder.report = report
            if agent is not None:
                agent.hear(REPORTS.decode(REPORTS.encode(report)))
                recorder.plan(agent.keeper.state.plan)

        loop = GuardLoop(self._site, intake, own.control(), clock, own.timing.period_s, heard)
        await self._site.release()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [clock.spawn(group, loop.run(), "control")]
                if agent is not None:
                    tasks += self._agent_tasks(agent, group)
                await clock.sleep_until(end)
                for task in tasks:
                    task.cancel()
        finally:
            await self._site.release()
            recorder.report = None
            if agent is not None:
                await agent.close()

    def _agent_tasks(self, agent: Agent, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        clock, patience = self._clock, Backoff(longest_s=ASK_AGAIN_S)
        trading = supervise("exchange", agent.trading.run, clock, patience)
        saying = given(self._lab, agent, self._recorder, clock, group)
        tasks = [clock.spawn(group, trading, "trading"), clock.spawn(group, saying, "commands")]
        return tasks + agent.feeds.spawn(group)
