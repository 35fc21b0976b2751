"""The event loop of the tests: its time moves only while nothing is left to do.

A test that waits for a device which keeps silent for 5 s should not take 5 s, and a time-out of
50 ms should not strike because the machine was busy with something else. So `loop.time()` stands
while anything can be done, and leaps to the next timer when this process is idle. Sockets between
two ends in this process are quiet when the selector says so; where somebody outside takes part (a
thread, a child process) time passes as we wait for them, and only then.

Time-outs, pauses and retries become exact: what a test sees does not depend on the machine.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any

_GRACE_S = 0.002  # real time in which the kernel may still hand over what is on its way
_TURN_S = 1e-5  # each turn of the loop takes this long, so that endless traffic meets its time-out


class _Selector(selectors.EpollSelector):
    loop: LeapingLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.loop.now += _TURN_S
        events: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            return super().select(None)
        if self.loop.others:
            began = time.monotonic()
            events = super().select(timeout)
            self.loop.now += min(timeout, time.monotonic() - began)
            return events
        events = super().select(min(timeout, _GRACE_S))
        if not events:
            self.loop.now += timeout
        return events


class LeapingLoop(asyncio.SelectorEventLoop):
    """See the module. ``others`` counts the threads and child processes that take part."""

    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self.now = 0.0
        self.others = 0
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(  # type: ignore[override] # narrower than typeshed's generic
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        work = super().run_in_executor(executor, func, *args)
        self.others += 1
        work.add_done_callback(self._one_less)
        return work

    async def subprocess_exec(self, *args: Any, **options: Any) -> Any:
        self.others += 1  # for good: what it listens on outlives our knowledge of it
        return await super().subprocess_exec(*args, **options)

    async def subprocess_shell(self, *args: Any, **options: Any) -> Any:
        self.others += 1
        return await super().subprocess_shell(*args, **options)

    def _one_less(self, _work: object) -> None:
        self.others -= 1


def others() -> None:
    """Somebody outside takes part in what runs now, to its end: a thread, a server."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, LeapingLoop):
        loop.others += 1


def run(main: Coroutine[Any, Any, None]) -> None:
    """`asyncio.run` on this loop, for a test that is no coroutine itself."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        runner.run(main)
