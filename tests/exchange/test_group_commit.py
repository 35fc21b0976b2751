"""Many requests in one commit: who comes together is stored together, and nobody waits for ever for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from simulators.exchange.group_commit import GroupCommit
from simulators.exchange.rows import Batch


class Disk:
    """Notes the batches of every commit; a commit takes some rounds of the event loop."""

    def __init__(self) -> None:
        self.commits: list[int] = []
        self.group = GroupCommit(self.store, lambda: None)

    def store(self, batches: Sequence[Batch]) -> asyncio.Future[None]:
        self.commits.append(len(batches))
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        _after(10, partial(stored.set_result, None))
        return stored


def _after(rounds: int, then: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    if rounds:
        loop.call_soon(_after, rounds - 1, then)
    else:
        then()


async def _rounds(count: int) -> None:
    done = asyncio.Event()
    _after(count, done.set)
    await done.wait()


async def test_one_alone_is_stored() -> None:
    disk = Disk()
    await disk.group.append(Batch())
    assert disk.commits == [1]


async def test_who_comes_one_after_the_other_within_a_moment_is_stored_together() -> None:
    disk = Disk()

    async def late(n: int) -> None:
        await _rounds(n)  # as answers leave one after the other, so do the next requests come
        await disk.group.append(Batch())

    async with asyncio.TaskGroup() as group:
        for n in range(16):
            group.create_task(late(n))
    assert disk.commits == [16]


async def test_a_stream_without_a_gap_does_not_put_a_commit_off_for_ever() -> None:
    disk, stored = Disk(), 0

    async def one() -> None:
        nonlocal stored
        await disk.group.append(Batch())
        stored += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(1_000):
            group.create_task(one())
            await _rounds(1)
        assert stored > 800  # though one came in every round of the loop
