"""What bounds strangers: lines in the log, guesses of a password, commands at once, connections by address."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agent.command_handler import Bucket
from gateway.clock import SimClock
from gateway.dashboard.attempts import Attempts
from gateway.log_budget import LogBudget

log = logging.getLogger("gateway.test")


def clock() -> SimClock:
    return SimClock(datetime(2026, 6, 1, tzinfo=UTC))


async def later(of: SimClock, seconds: float) -> None:
    async with asyncio.TaskGroup() as group:
        of.spawn(group, of.sleep(seconds), "time")


async def test_the_first_lines_are_said_and_the_rest_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = clock()
    budget = LogBudget(log, time, most=2)
    for n in range(50):
        budget.say(logging.WARNING, "guess %d", n)
    assert [r.getMessage() for r in caplog.records] == ["guess 0", "guess 1"]
    await later(time, 60)
    budget.say(logging.WARNING, "guess %d", 50)
    assert [r.getMessage() for r in caplog.records][2:] == [
        "48 lines like the last ones were left out",
        "guess 50",
    ]


async def test_five_guesses_a_minute_of_one_and_thirty_of_all() -> None:
    time = clock()
    attempts = Attempts(time)
    assert [attempts.take("a") for _ in range(7)] == [0, 0, 0, 0, 0, 60, 60]
    assert attempts.take("b") == 0, "others are not kept out by one"
    for n in range(24):
        assert attempts.take(f"c{n}") == 0
    assert attempts.take("d") == 60, "thirty in all"
    await later(time, 59)
    assert attempts.take("a") == pytest.approx(1)
    await later(time, 1)
    assert attempts.take("a") == 0


async def test_the_right_password_starts_anew() -> None:
    attempts = Attempts(clock())
    for _ in range(4):
        attempts.take("a")
    attempts.succeeded("a")
    assert [attempts.take("a") for _ in range(6)] == [0, 0, 0, 0, 0, 60]


@given(st.lists(st.floats(0, 30), max_size=60))
def test_a_bucket_gives_no_more_than_it_refills(pauses: list[float]) -> None:
    time = clock()
    bucket = Bucket(time, most=5, refill_s=2)

    async def taken() -> int:
        count = 0
        for pause in pauses:
            await later(time, pause)
            count += bucket.take()
        return count

    with asyncio.Runner() as runner:
        count = runner.run(taken())
    assert count <= 5 + sum(pauses) / 2
    assert count >= min(5, len(pauses)), "and what was saved is there at once"


@pytest.mark.parametrize("take", [5, 9])
async def test_a_bucket_is_full_again_after_a_while(take: int) -> None:
    time = clock()
    bucket = Bucket(time, most=5, refill_s=2)
    ask: Callable[[], int] = lambda: sum(bucket.take() for _ in range(take))  # noqa: E731
    assert ask() == 5
    assert ask() == 0
    await later(time, 2)
    assert ask() == 1
    await later(time, 100)
    assert ask() == 5
