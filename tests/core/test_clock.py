"""The rules of the simulated clock, and of the wall clock's start and rate."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.clock import SimClock, WallClock, every
from tests.waiting import HANG_S

START = datetime(2026, 6, 1, tzinfo=UTC)


async def test_time_leaps_to_the_earliest_deadline_when_all_sleep() -> None:
    clock, seen = SimClock(START), []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((name, (clock.now() - START).total_seconds()))

    async with asyncio.TaskGroup() as group:
        clock.spawn(group, sleeper("day", 86_400), "day")
        clock.spawn(group, sleeper("hour", 3_600), "hour")
        clock.spawn(group, sleeper("hour too", 3_600), "hour too")
    assert seen == [("hour", 3_600), ("hour too", 3_600), ("day", 86_400)]


async def test_a_participant_counts_from_its_spawn_so_time_does_not_leap_before_it_runs() -> None:
    clock, seen = SimClock(START), []

    async def first(group: asyncio.TaskGroup) -> None:
        clock.spawn(group, second(), "second")
        await clock.sleep(100)

    async def second() -> None:
        seen.append(clock.now())

    async with asyncio.TaskGroup() as group:
        clock.spawn(group, first(group), "first")
    assert seen == [START]


async def test_a_cancelled_sleeper_runs_before_time_moves_on() -> None:
    clock, seen = SimClock(START), []

    async def cancelled() -> None:
        try:
            await clock.sleep(1_000)
        except asyncio.CancelledError:
            seen.append(clock.now())
            raise

    async def canceller(victim: asyncio.Task[None]) -> None:
        await clock.sleep(10)
        victim.cancel()
        await clock.sleep(500)

    async with asyncio.TaskGroup() as group:
        victim = clock.spawn(group, cancelled(), "cancelled")
        clock.spawn(group, canceller(victim), "canceller")
    assert seen == [START + timedelta(seconds=10)]
    assert clock.now() == START + timedelta(seconds=510)


async def test_one_that_waits_on_a_socket_holds_time_still() -> None:
    clock = SimClock(START)
    stamps: list[datetime] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(10)
        for _ in range(20):  # many turns of the event loop before the answer
            await asyncio.sleep(0.001)
        writer.write(data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def asker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        await reader.read(10)
        stamps.append(clock.now())
        writer.close()

    async def other() -> None:
        await clock.sleep(3_600)

    async with asyncio.TaskGroup() as group:
        clock.spawn(group, asker(), "asker")
        clock.spawn(group, other(), "other")
    server.close()
    await server.wait_closed()
    assert stamps == [START]


async def test_a_participant_that_fails_no_longer_holds_time() -> None:
    clock = SimClock(START)

    async def quitter() -> None:
        await clock.sleep(1)

    async def stayer() -> None:
        await clock.sleep(60)

    async with asyncio.TaskGroup() as group:
        clock.spawn(group, quitter(), "quitter")
        clock.spawn(group, stayer(), "stayer")
    assert clock.now() == START + timedelta(seconds=60)


async def test_every_keeps_its_grid_and_skips_what_it_missed() -> None:
    clock = SimClock(START)
    ticks: list[float] = []

    async def ticker() -> None:
        async for now in every(clock, 10):
            ticks.append((now - START).total_seconds())
            if len(ticks) == 2:
                await clock.sleep(25)  # two and a half periods of work
            if len(ticks) == 4:
                return

    async with asyncio.TaskGroup() as group:
        clock.spawn(group, ticker(), "ticker")
    assert ticks == [0, 10, 40, 50]


async def test_the_past_only_yields() -> None:
    clock = SimClock(START)
    await clock.sleep_until(START - timedelta(days=1))
    assert clock.now() == START


async def test_a_wall_clock_starts_where_it_is_told_and_runs_at_its_rate() -> None:
    clock = WallClock(START, rate=36_000)
    await clock.sleep_until(START + timedelta(hours=1))
    assert clock.now() >= START + timedelta(hours=1)
    assert clock.monotonic() >= 3_600


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        SimClock(datetime(2026, 6, 1))  # noqa: DTZ001 - the naive time is the point
    with pytest.raises(ValueError, match="positive"):
        WallClock(rate=0)


class SetBack(WallClock):
    """A machine whose clock somebody sets back."""

    back = timedelta(0)

    def now(self) -> datetime:
        return super().now() - self.back


async def test_a_clock_that_is_set_back_two_days_holds_nobody_for_two_days() -> None:
    clock = SetBack()
    when = clock.now() + timedelta(seconds=0.2)
    waiting = asyncio.ensure_future(clock.sleep_until(when))
    await asyncio.sleep(0.05)
    clock.back = timedelta(days=2)
    await asyncio.wait_for(waiting, HANG_S)
    assert clock.now() < when
