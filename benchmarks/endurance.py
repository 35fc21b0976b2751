"""Memory of guard and agent over simulated days, each measured in its own process.

Devices, exchange and buyers run in another process (this one), the broker is a real one; all are on one
simulated clock that leaps. The slope is the regression of the daily figures from the third day on.

    python -m benchmarks.endurance --days 30 [--period 10]

Ends with 1 where one of the slopes is above 0.2 MB a day.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from tests.safety.two_processes import NOON, Town, in_town, resident_mb

TARGET_MB = 0.2
SETTLES = 3  # days in which caches fill


async def days(count: int, period_s: float) -> list[tuple[float, float]]:
    """Resident memory of guard and agent at the end of each day, MB."""
    found: list[tuple[float, float]] = []

    async def story(town: Town) -> None:
        await town.start()
        first = town.pids()
        for day in range(1, count + 1):
            began = time.perf_counter()
            await town.play(timedelta(days=1))
            if town.pids() != first:
                raise SystemExit(f"the agent was started anew: {town.log.read_text()[-1000:]}")
            found.append((resident_mb(first["guard"]), resident_mb(first["agent"])))
            print(
                f"day {day}: guard {found[-1][0]:.1f} MB, agent {found[-1][1]:.1f} MB"
                f" ({time.perf_counter() - began:.0f} s)",
                flush=True,
            )
        await town.stop()

    with tempfile.TemporaryDirectory() as folder:
        await in_town(Path(folder), story, period_s=period_s, with_broker=True)
    return found


def slope(values: list[float]) -> float:
    """MB a day."""
    return statistics.linear_regression(range(len(values)), values).slope


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--days", type=int, default=3)
    words.add_argument("--period", type=float, default=10.0, help="s between two control ticks")
    asked = words.parse_args()
    began = time.perf_counter()
    found = asyncio.run(days(asked.days, asked.period))
    print(
        f"{asked.days} days from {NOON:%Y-%m-%d} on, a control tick every {asked.period:g} s:"
        f" {(time.perf_counter() - began) / 60:.1f} min"
    )
    late = found[SETTLES - 1 :]
    if len(late) < 2:
        return 0
    worst = 0.0
    for name, values in zip(("guard", "agent"), zip(*late, strict=True), strict=True):
        worst = max(worst, rise := slope(list(values)))
        print(f"{name}: {rise:+.3f} MB a day from day {SETTLES} on (target <= {TARGET_MB})")
    return 1 if worst > TARGET_MB else 0


if __name__ == "__main__":
    sys.exit(main())
