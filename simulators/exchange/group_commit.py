"""Many requests in one commit: batches that come while the store is busy are stored together.

So a request is answered only after its commit, the event loop never waits for the disk, and the
more is asked the fewer commits are made for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from gateway.errors import StorageError
from simulators.exchange.rows import Batch

_CALM_ROUNDS = (
    2  # of the loop; more would keep a disk waiting, which costs more than another commit
)
_ENOUGH = 64  # so many wait no longer for others

_Waiting = tuple[Batch, "asyncio.Future[None]"]


class GroupCommit:
    """``store`` keeps all batches or none. ``on_failure`` throws away what the memory holds more than
    the store; where it fails too (the store is away), it is tried again before anything is stored."""

    def __init__(
        self,
        store: Callable[[Sequence[Batch]], asyncio.Future[None]],
        on_failure: Callable[[], None],
    ) -> None:
        self._store = store
        self._on_failure = on_failure
        self._waiting: list[_Waiting] = []
        self._storing = self._closed = self._stale = False

    async def append(self, batch: Batch) -> None:
        """See the port."""
        if self._closed:
            raise StorageError("the exchange's store is closed")
        if self._stale:
            self._forget()
            raise StorageError("the exchange's store was away; what was decided meanwhile is void")
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        self._waiting.append((batch, stored))
        if not self._storing:
            self._storing = True
            loop.call_soon(self._gather, loop, 0, 0)
        await stored

    def close(self) -> None:
        """Nothing more is stored; who waits for that is told."""
        self._closed = True
        taken, self._waiting = self._waiting, []
        _tell(taken, StorageError("the exchange's store is closed"))

    def _gather(self, loop: asyncio.AbstractEventLoop, known: int, calm: int) -> None:
        """Store as soon as for some rounds of the loop nobody has come: a commit for one request costs
        what a commit for twenty costs, and who was answered together comes again together."""
        count = len(self._waiting)
        calm = calm + 1 if count == known else 0
        if calm < _CALM_ROUNDS and count < _ENOUGH and not self._closed:
            loop.call_soon(self._gather, loop, count, calm)
        else:
            self._flush()

    def _flush(self) -> None:
        taken, self._waiting = self._waiting, []
        if not taken:
            self._storing = False
            return
        work = self._store([batch for batch, _ in taken])
        work.add_done_callback(lambda done: self._stored(taken, done))

    def _stored(self, taken: list[_Waiting], done: asyncio.Future[None]) -> None:
        error = (
            StorageError("the exchange cannot store: it was cut off")
            if done.cancelled()
            else done.exception()
        )
        if error is None:
            for _, future in taken:
                if not future.done():
                    future.set_result(None)
            self._gather(asyncio.get_running_loop(), -1, 0)
            return
        # What was decided since rests on rows that do not exist.
        taken, self._waiting, self._storing = taken + self._waiting, [], False
        if not self._closed:
            self._forget()
        known = isinstance(error, StorageError)
        _tell(taken, StorageError(f"{error}" if known else f"the exchange cannot store: {error}"))

    def _forget(self) -> None:
        self._stale = True
        try:
            self._on_failure()
        except StorageError:
            return
        self._stale = False


def _tell(waiting: Sequence[_Waiting], error: StorageError) -> None:
    for _, future in waiting:
        if not future.done():
            future.set_exception(error)
