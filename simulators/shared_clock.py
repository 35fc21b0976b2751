"""One simulated clock for several processes: it leaps when every participant in each of them sleeps.

The process that leads has a `LeadClock`; the others join by its socket with a `MemberClock`. The time itself
lies in a file that all of them map, so that reading it costs nothing and a process that was killed and
starts again finds the time of the others. Only who sleeps until when goes over the socket.

A process that is starting does not hold time up before it has joined: its starter does, by staying
awake until `LeadClock.joined`. What is neither a participant nor waited for by one (a message that was
sent and forgotten) may arrive a leap late.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import mmap
import os
import socket
import struct
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIMES = struct.Struct("<qq")  # start and present, microseconds since the epoch
_WORD = struct.Struct(
    "<q"
)  # a member's earliest deadline, or: it is awake; from the lead: look at the time
_NEVER, _AWAKE = 2**62, -1


def _stamp(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


class _SharedClock:
    """Implements `gateway.clock.Clock`; what happens when all of this process sleeps is the heirs' own."""

    def __init__(self, folder: Path) -> None:
        with (folder / "time").open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _TIMES.size)
        self._start = int(_TIMES.unpack(self._map[:])[0])
        self._awake = 0
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self._present())

    def monotonic(self) -> float:
        return (self._present() - self._start) / 1e6

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.now() + timedelta(seconds=max(0.0, seconds)))

    async def sleep_until(self, when: datetime) -> None:
        due = _stamp(when)
        if due <= self._present():
            await asyncio.sleep(0)  # noqa: TID251 - this is a clock
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due, next(self._order), woken))
        self._awake -= 1
        self._look()
        try:
            await woken
        except asyncio.CancelledError:
            if not woken.done() or woken.cancelled():
                self._awake += 1
            raise

    def spawn(
        self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        self._awake += 1
        if self._awake == 1:
            self._woke_up()
        task = group.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._awake -= 1
        self._look()

    def _look(self) -> None:
        if self._awake == 0:
            asyncio.get_running_loop().call_soon(self._maybe_asleep)

    def _maybe_asleep(self) -> None:
        if self._awake == 0:
            self._asleep(self._earliest())

    def _asleep(self, earliest: int) -> None:
        raise NotImplementedError

    def _woke_up(self) -> None:
        """Somebody is awake who was not."""

    def _present(self) -> int:
        return int(_TIMES.unpack(self._map[:])[1])

    def _earliest(self) -> int:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else _NEVER

    def _wake_due(self) -> None:
        present = self._present()
        while self._sleepers and self._sleepers[0][0] <= present:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                self._awake += 1
                woken.set_result(None)


class MemberClock(_SharedClock):
    """Joins the clock whose lead made ``folder``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(folder / "clock"))
        self._listening = False

    def as_words(self) -> tuple[str, ...]:
        """As `gateway.clock.WallClock` has them: whoever reads them has joined too."""
        return ("--clock", "shared")

    def _asleep(self, earliest: int) -> None:
        if not self._listening:
            self._listening = True
            asyncio.get_running_loop().add_reader(self._socket, self._hear)
        self._say(earliest)

    def _woke_up(self) -> None:
        self._say(_AWAKE)

    def _say(self, word: int) -> None:
        try:
            self._socket.sendall(_WORD.pack(word))
        except ConnectionError:
            _without_time()

    def _hear(self) -> None:
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            _without_time()
        self._wake_due()
        self._look()


def _without_time() -> NoReturn:
    """The lead is gone, and time with it: a process that stayed would start its children over and over."""
    os._exit(1)


class LeadClock(_SharedClock):
    """The clock of the process that leads. `serve` first, then others may join."""

    def __init__(self, folder: Path, start: datetime) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "time").write_bytes(_TIMES.pack(_stamp(start), _stamp(start)))
        super().__init__(folder)
        self._folder = folder
        self._members: dict[asyncio.StreamWriter, int] = {}
        self._changed = asyncio.Event()

    async def serve(self) -> asyncio.Server:
        """Let others join; close what it returns at the end."""
        return await asyncio.start_unix_server(self._member, self._folder / "clock")

    @property
    def taking_part(self) -> int:
        """How many others have something to do."""
        return sum(at != _AWAKE for at in self._members.values())

    async def joined(self, count: int) -> None:
        """Until exactly so many others take part, each of them with something to do."""
        while self.taking_part != count:
            self._changed.clear()
            await self._changed.wait()

    async def _member(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._members[writer] = _AWAKE
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    (self._members[writer],) = _WORD.unpack(await reader.readexactly(_WORD.size))
                    self._changed.set()
                    self._look()
        finally:
            del self._members[writer]
            writer.close()
            self._changed.set()
            self._look()

    def _asleep(self, earliest: int) -> None:
        due = min([earliest, *self._members.values()])
        if due in (_AWAKE, _NEVER):
            return
        self._map[:] = _TIMES.pack(self._start, max(due, self._present()))
        for writer, at in self._members.items():
            if at <= due:
                self._members[writer] = _AWAKE
                writer.write(_WORD.pack(due))
        self._wake_due()
        self._look()
