"""The time of a cluster's market is the leader's: it closes the gates, so by its clock a tender is late.

Edges and shards ask it for the time and correct their own clocks by it, so that a machine whose clock is
wrong stamps what it takes in as all others do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta

from nats.aio.msg import Msg

from gateway.clock import Clock, pause
from gateway.supervise import Availability
from simulators.exchange.cluster.log import Log

SUBJECT = "time"
_LOOK_S = 1.0  # real: so often is the leader asked
_JUMP = timedelta(seconds=0.5)  # no clock is slewed by so much between two looks
_WORTH_TELLING = timedelta(seconds=1)
_NONE = timedelta(0)


class MarketTime:
    """A clock that is corrected by the leader's. Where no leader was heard yet it is the machine's own."""

    def __init__(self, own: Clock, name: str) -> None:
        self._own = own
        self._behind: timedelta | None = None  # what has to be added to the own clock
        self._at, self._mark_s = own.now(), own.monotonic()
        self._right = Availability(f"the right clock of {name}")

    @property
    def known(self) -> bool:
        """Whether a leader has been heard."""
        return self._behind is not None

    @property
    def ahead_s(self) -> float | None:
        """How far the machine's clock is ahead of the leader's, below 0 if behind; None where none was heard."""
        return None if self._behind is None else -self._behind.total_seconds()

    def now(self) -> datetime:
        """See `Clock.now`; a jump of the machine's clock since the leader was heard is left out."""
        own = self._own.now() + (self._behind or _NONE)
        if self._behind is None:
            return own
        reckoned = self._at + timedelta(seconds=self._own.monotonic() - self._mark_s)
        return reckoned if abs(own - reckoned) > _JUMP else own

    def heard(self, leader: datetime, asked: datetime, asked_s: float) -> None:
        """The leader's time; ``asked``, ``asked_s``: the own clock's `now` and `monotonic` when it was asked.

        While the leader's time lies between question and answer nothing shows that the own is wrong."""
        mark_s = self._own.monotonic()
        took = timedelta(seconds=mark_s - asked_s)
        fits = asked <= leader <= asked + took
        self._behind = _NONE if fits else leader - asked - took / 2
        self._at, self._mark_s = asked + self._behind + took, mark_s
        if abs(self._behind) > _WORTH_TELLING:
            self._right.lost(
                f"it is {self.ahead_s:+.1f} s from the leader's, by which it is corrected"
            )
        else:
            self._right.back()

    async def look(self, log: Log) -> None:
        """Ask the leader once; nothing changes where none answers."""
        asked, asked_s = self._own.now(), self._own.monotonic()
        said = await log.ask(SUBJECT, b"")
        if said is not None:
            self.heard(datetime.fromisoformat(said.decode()), asked, asked_s)

    async def follow(self, log: Log) -> None:
        """Ask again and again, for ever."""
        while True:
            await pause(_LOOK_S)
            await self.look(log)

    def monotonic(self) -> float:
        return self._own.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._own.sleep(seconds)

    async def sleep_until(self, when: datetime) -> None:
        await self._own.sleep_until(when - (self._behind or _NONE))

    def spawn(
        self, group: asyncio.TaskGroup, work: Coroutine[None, None, None], name: str
    ) -> asyncio.Task[None]:
        return self._own.spawn(group, work, name)


async def tell_time(clock: Clock, log: Log) -> None:
    """Answer whoever asks for the leader's time; for the one that leads."""

    async def tell(question: Msg) -> None:
        await question.respond(clock.now().isoformat().encode())

    await log.listen(SUBJECT, tell)
