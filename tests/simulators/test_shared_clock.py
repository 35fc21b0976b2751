"""Processes on one simulated clock: nobody is overtaken, and one that dies holds nobody up."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from simulators.shared_clock import LeadClock
from tests.waiting import HANG_S

START = datetime(2026, 6, 1, tzinfo=UTC)
MEMBER = """
import asyncio, sys
from pathlib import Path
from simulators.shared_clock import MemberClock

async def main():
    clock = MemberClock(Path(sys.argv[1]))
    async def ticks():
        while True:
            await clock.sleep(float(sys.argv[2]))
            print(clock.monotonic(), flush=True)
    async with asyncio.TaskGroup() as group:
        clock.spawn(group, ticks(), "ticks")

asyncio.run(main())
"""


async def member(folder: Path, period_s: float) -> asyncio.subprocess.Process:
    words = (sys.executable, "-c", MEMBER, str(folder), str(period_s))
    return await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)


async def said(process: asyncio.subprocess.Process) -> list[float]:
    """What it had said when it was ended."""
    process.kill()
    out, _ = await process.communicate()
    return [float(line) for line in out.split()]


async def test_two_processes_and_the_lead_go_on_together(tmp_path: Path) -> None:
    clock = LeadClock(tmp_path, START)
    seen: list[float] = []

    async def lead() -> None:
        server = await clock.serve()
        quick, slow = await member(tmp_path, 10), await member(tmp_path, 60)
        await clock.joined(2)
        assert clock.now() == START, "who is awake holds time"
        for _ in range(4):
            await clock.sleep(25)
            seen.append(clock.monotonic())
        await clock.joined(2)
        first, second = await said(quick), await said(slow)
        assert first == [10.0 * n for n in range(1, 11)]
        assert second == [60.0]
        await clock.sleep(3600)
        assert clock.now() == START + timedelta(seconds=3700), "the dead hold nobody up"
        again = await member(tmp_path, 10)
        await clock.joined(1)
        await clock.sleep(15)
        assert await said(again) == [3710.0], "it finds the time of the others"
        server.close()

    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        clock.spawn(group, lead(), "lead")
    assert seen == [25, 50, 75, 100]
