"""The clock of a machine that somebody sets, on top of the world's simulated one: in one process, or in several."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.clock import Clock, SimClock
from simulators.shared_clock import MemberClock

_LONGEST_NAP_S = 30.0  # as the wall clock's
AHEAD = "ahead"  # seconds, in the shared clock's folder


class _OffClock:
    """Implements `gateway.clock.Clock`: ``ahead`` is how far it is off; its monotonic time never jumps."""

    ahead: timedelta

    def __init__(self, true: Clock) -> None:
        self.true = true

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


class SetClock(_OffClock):
    """Of one process."""

    def __init__(self, true: SimClock) -> None:
        super().__init__(true)
        self.ahead = timedelta(0)


class SetMember(_OffClock):
    """Of a process that takes part in a shared clock; all of the machine have ``AHEAD`` in its folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(MemberClock(folder))
        self._file = folder / AHEAD

    @property
    def ahead(self) -> timedelta:  # type: ignore[override]
        return timedelta(seconds=int(self._file.read_text()))

    def as_words(self) -> tuple[str, ...]:
        """As the member's."""
        return ("--clock", "shared")


def member(folder: Path) -> MemberClock | SetMember:
    """The clock of a process of the machine: right, where nobody has set it."""
    return SetMember(folder) if (folder / AHEAD).exists() else MemberClock(folder)


def set_machine(folder: Path, ahead: timedelta) -> None:
    """As if somebody set the machine's clock; whole at every moment."""
    fresh = folder / f"{AHEAD}.new"
    fresh.write_text(str(int(ahead.total_seconds())))
    fresh.rename(folder / AHEAD)
