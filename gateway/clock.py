"""Time as an argument: the only place that reads the system clock or sleeps.

`WallClock` runs at the world's pace, or from a given start at a given rate. `SimClock` leaps: when
every participant sleeps on it, it moves to the next deadline. A participant is a task spawned by
the clock; it may wait only on the clock or on I/O (while it waits on a socket it counts as awake,
so real I/O is never overtaken), never on another participant's queue: the clock would stand still.

There are two times. `now` is UTC and may jump on a real machine; market times and records use it.
`monotonic` never jumps; periods and leases use it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

_APART_S = 60.0  # machines differ by less
_LONGEST_NAP_S = 30.0  # a wall sleeper looks at the clock again at least this often: it may jump


class Clock(Protocol):
    """What a loop needs of time."""

    def now(self) -> datetime:
        """Aware UTC."""

    def monotonic(self) -> float:
        """Seconds that only ever grow, at the clock's own rate."""

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of `monotonic`; 0 or less only yields once."""

    async def sleep_until(self, when: datetime) -> None:
        """Return when `now` has reached ``when``; in the past it only yields once."""

    def spawn(
        self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        """Start ``work`` in ``group`` as a participant of this clock."""


async def every(clock: Clock, period_s: float) -> AsyncIterator[datetime]:
    """Yield `now` at once and then at each multiple of ``period_s`` (of `monotonic`).

    Missed ticks are skipped and the grid is kept: a tick that took 2.5 periods is followed by the
    next tick on the old grid, not by a burst.
    """
    start = clock.monotonic()
    while True:
        yield clock.now()
        done = int((clock.monotonic() - start) / period_s + 1e-9)
        await clock.sleep(start + (done + 1) * period_s - clock.monotonic())


async def pause(seconds: float) -> None:
    """Wait between two requests on a wire, in real seconds: part of I/O, no clock leaps over it."""
    await asyncio.sleep(seconds)


class WallClock:
    """The machine's clock. With ``start`` it begins there, with ``rate`` it runs faster.

    Two processes agree on such a clock by sharing start, rate and ``anchor``: the machine's monotonic
    time at which it began (Linux has one for all processes).
    """

    def __init__(
        self, start: datetime | None = None, rate: float = 1.0, anchor: float | None = None
    ) -> None:
        if rate <= 0:
            raise ValueError(f"the rate of a clock is positive, not {rate}")
        self._rate = rate
        self._start = start
        self._anchor = time.monotonic() if anchor is None else anchor

    def as_words(self) -> tuple[str, ...]:
        """Options by which another process makes the same clock (`wall_clock_of`)."""
        start = "" if self._start is None else self._start.isoformat()
        return ("--clock", f"{start},{self._rate!r},{self._anchor!r}")

    def now(self) -> datetime:
        if self._start is None:
            return datetime.now(UTC)
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (time.monotonic() - self._anchor) * self._rate

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds / self._rate))

    async def sleep_until(self, when: datetime) -> None:
        """As the protocol says; if the machine's clock is set back meanwhile it returns early, after
        the time that it was asked to wait: the loop looks at the new time and asks again."""
        await asyncio.sleep(0)
        latest = self.monotonic() + (when - self.now()).total_seconds()
        while (left := min((when - self.now()).total_seconds(), latest - self.monotonic())) > 0:
            await asyncio.sleep(min(left / self._rate, _LONGEST_NAP_S))

    def spawn(
        self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        return group.create_task(work, name=name)


def runs_apart(clock: Clock) -> bool:
    """Whether its time is not the world's (another start, another pace), so that nobody outside knows it."""
    return abs((clock.now() - WallClock().now()).total_seconds()) > _APART_S


def wall_clock_of(words: str) -> WallClock:
    """The clock that `WallClock.as_words` describes; raises ValueError."""
    start, rate, anchor = words.split(",")
    return WallClock(datetime.fromisoformat(start) if start else None, float(rate), float(anchor))


class SimClock:
    """Simulated time that leaps to the next deadline when every participant sleeps on it.

    A participant is counted from the moment it is spawned, not from when it first runs, and a leap
    is always asked for through the event loop, so that a sleeper that was just cancelled runs
    first. Sleepers of one deadline wake together, in the order in which they fell asleep.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a simulated clock starts at an aware UTC time")
        self._start = start
        self._now = start
        self._awake = 0
        self._order = itertools.count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self._now + timedelta(seconds=max(0.0, seconds)))

    async def sleep_until(self, when: datetime) -> None:
        if when <= self._now:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (when, next(self._order), woken))
        self._awake -= 1
        self._ask_for_leap()
        try:
            await woken
        except asyncio.CancelledError:
            if not woken.done() or woken.cancelled():
                self._awake += 1  # not woken by the clock: it did not raise the count for us
            raise

    def spawn(
        self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        self._awake += 1
        task = group.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._awake -= 1
        self._ask_for_leap()

    def _ask_for_leap(self) -> None:
        if self._awake == 0:
            asyncio.get_running_loop().call_soon(self._leap)

    def _leap(self) -> None:
        while self._awake == 0 and self._sleepers:
            when = self._sleepers[0][0]
            while self._sleepers and self._sleepers[0][0] == when:
                woken = heapq.heappop(self._sleepers)[2]
                if not woken.done():
                    self._now = max(self._now, when)
                    self._awake += 1
                    woken.set_result(None)
