"""The clock of a machine that somebody sets, on top of the world's simulated one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from gateway.clock import SimClock

_LONGEST_NAP_S = 30.0  # as the wall clock's


class SetClock:
    """Implements `gateway.clock.Clock`: ``ahead`` is how far it is off; its monotonic time never jumps."""

    def __init__(self, true: SimClock) -> None:
        self.true, self.ahead = true, timedelta(0)

    def now(self) -> datetime:
        return self.true.now() + self.ahead

    def monotonic(self) -> float:
        return self.true.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.true.sleep(seconds)

    async def sleep_until(self, when: datetime) -> None:
        """As `gateway.clock.WallClock` does it on a machine whose clock is set meanwhile."""
        latest = self.monotonic() + (when - self.now()).total_seconds()
        if when <= self.now():
            await asyncio.sleep(0)
        while (left := min((when - self.now()).total_seconds(), latest - self.monotonic())) > 0:
            await self.true.sleep(min(left, _LONGEST_NAP_S))

    def spawn(
        self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        return self.true.spawn(group, work, name)
