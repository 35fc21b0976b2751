"""The agent in its own process: configuration, link to the guard, loops, signals."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from pathlib import Path

from gateway.agent.compose import Agent
from gateway.agent.guard_link import GuardLink
from gateway.clock import Clock
from gateway.config.load import load_settings

log = logging.getLogger(__name__)


async def serve(config: Path, clock: Clock, fd: int) -> None:
    """Until SIGTERM, or until the guard has gone. Raises ConfigError."""
    link = await GuardLink.over(fd)
    agent = Agent(load_settings(config), clock, link.send, config)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(agent.run(), name="agent")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _end_once, running)
        hearing = group.create_task(link.run(agent.hear), name="guard reports")
        hearing.add_done_callback(lambda _: _end_once(running))
        with suppress(asyncio.CancelledError):
            await running
        hearing.cancel()


def _end_once(task: asyncio.Task[None]) -> None:
    """An impatient second signal must not break the end off."""
    if not task.done() and not task.cancelling():
        task.cancel()
