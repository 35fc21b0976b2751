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
from gateway.domain.order import Order
from gateway.domain.plan import Observed
from gateway.guard.compose import operator_of
from gateway.guard.intents import GuardFile
from gateway.guard.loop import GuardLoop
from gateway.guard.orders import OrderIntake
from gateway.ipc.messages import ORDERS, REPORTS, GuardReport
from gateway.supervise import Backoff, supervise
from simulators.lab.exchange import RunningExchange
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
        self._clock = SimClock(lab.begins)
        self._home = Home(self._clock, lab.scenario())
        self._site = LabSite(self._home, lab.equipment, self._clock)
        self._agent: Agent | None = None

    async def played(self) -> Result:
        lab, url = self._lab, ""
        async with AsyncExitStack() as stack:
            if lab.prices is not None:
                url, close = await lab.prices.serve(self._clock.now)
                stack.push_async_callback(close)
            async with asyncio.TaskGroup() as group:
                await self._clock.spawn(group, self._day(group, url), "day")
        return self._recorder.result()

    async def _day(self, group: asyncio.TaskGroup, url: str) -> None:
        """The home, what is around it, and who watches; all of it ends when its last hour has been played."""
        lab, clock, around = self._lab, self._clock, list[asyncio.Task[None]]()
        async with AsyncExitStack() as stack:
            exchange = None
            if lab.exchange is not None:
                exchange = RunningExchange(lab.exchange, clock, group, self._folder / "exchange")
                url = await exchange.start()
                stack.push_async_callback(exchange.close)
                around.append(clock.spawn(group, exchange.run(), "exchange"))
            settings = lab.made_settings(self._folder, [{"name": "x", "host": "x"}], url)
            self._recorder = recorder = Recorder(lab, self._home, settings)
            await stack.enter_async_context(listening(recorder, clock))
            around.append(clock.spawn(group, recorder.run(clock), "recorder"))
            around.append(clock.spawn(group, self._outages(), "outages"))
            await self._play(settings)
            for task in around:
                task.cancel()
            if exchange is not None:
                journal = self._folder / "journal.sqlite"
                recorder.account = await exchange.differences(journal, lab.start)

    async def _outages(self) -> None:
        for begin, end in self._lab.outages:
            await self._clock.sleep_until(begin)
            self._home.outage(True)
            await self._clock.sleep_until(end)
            self._home.outage(False)

    async def _play(self, settings: Settings) -> None:
        past = self._lab.past()
        for begin, end in self._lab.lives():
            await self._clock.sleep_until(begin)
            await self._life(settings, past, end)
            past = []

    async def _life(self, settings: Settings, past: Sequence[Observed], end: datetime) -> None:
        """From a start of the gateway to its stop."""
        own, clock, recorder = settings.for_guard(), self._clock, self._recorder
        file = GuardFile(self._folder / "guard.json")
        operator = operator_of(own, file, self._folder)
        intake = OrderIntake(file, own.standing(), clock, operator)
        loop = GuardLoop(self._site, intake, own.control(), clock, own.timing.period_s, self._heard)
        await self._site.release()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    clock.spawn(group, loop.run(), "control"),
                    clock.spawn(group, self._agents(settings, intake, past, end), "agents"),
                ]
                await clock.sleep_until(end)
                for task in tasks:
                    task.cancel()
        finally:
            await self._site.release()
            recorder.report = None

    def _heard(self, report: GuardReport) -> None:
        self._recorder.report = report
        if self._agent is not None:
            self._agent.hear(REPORTS.decode(REPORTS.encode(report)))
            self._recorder.plan(self._agent.keeper.state.plan)

    async def _agents(
        self, settings: Settings, intake: OrderIntake, past: Sequence[Observed], end: datetime
    ) -> None:
        """One after another, as often as it was killed."""
        for begin, until in self._lab.agents(self._clock.now(), end):
            await self._clock.sleep_until(begin)
            await self._one_agent(settings, intake, past, until)
            past = ()

    async def _one_agent(
        self, settings: Settings, intake: OrderIntake, past: Sequence[Observed], until: datetime
    ) -> None:
        def ordered(order: Order) -> None:
            intake.take(ORDERS.decode(ORDERS.encode(order)))

        agent = self._agent = Agent(settings, self._clock, ordered)
        agent.trading.plan_period = timedelta(minutes=self._lab.plan_minutes)
        for row in past:
            agent.history.add_quarter(row)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = self._agent_tasks(agent, group)
                await self._clock.sleep_until(until)
                for task in tasks:
                    task.cancel()
        finally:
            self._agent = None
            await agent.close()

    def _agent_tasks(self, agent: Agent, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        clock, patience = self._clock, Backoff(longest_s=ASK_AGAIN_S)
        trading = supervise("exchange", agent.trading.run, clock, patience)
        saying = given(self._lab, agent, self._recorder, clock, group)
        tasks = [clock.spawn(group, trading, "trading"), clock.spawn(group, saying, "commands")]
        return tasks + agent.feeds.spawn(group)
