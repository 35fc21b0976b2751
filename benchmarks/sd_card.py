"""What the gateway writes to its card in a day, by process and by file, and what that is in a year.

The two real processes trade through simulated days; the kernel counts what each hands to the disk
(``write_bytes`` of /proc/PID/io, whole pages). On a second town ``strace`` tells the bytes and the
flushes by file; without it that table is left out.

    python -m benchmarks.sd_card --days 1 --hours 24

A cheap card of 16 GB bears some 300 to 500 writes of each cell (TLC): at 300 and with the card's own
copying taken as a factor of 5, about 1 TB of the host's writes. The year's share of that is printed, and
the worst case of a card that writes a whole unit anew at every flush.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

from tests.safety.two_processes import Town, in_town, written_bytes

CARD_GB = 16
CYCLES = 300
UNIT_MB = 0.5  # that a simple card writes anew for a little that may not wait
AMPLIFIED = 5  # by the card, which erases larger pieces than it is given
BEARS_GB = CARD_GB * CYCLES / AMPLIFIED
_CALL = re.compile(r"(pwrite64|write|fsync|fdatasync)\(\d+<([^>]*)>.*\) = (-?\d+)")


async def by_process(days: float, period_s: float) -> list[tuple[str, float]]:
    """Bytes a day of each process, after an hour in which files are made."""
    found: list[tuple[str, float]] = []

    async def story(town: Town) -> None:
        await town.start()
        await town.play(timedelta(hours=1))
        pids = town.pids()
        before = {name: written_bytes(pid) for name, pid in pids.items()}
        await town.play(timedelta(days=days))
        for name, pid in pids.items():
            found.append((name, (written_bytes(pid) - before[name]) / days))
        await town.stop()

    with tempfile.TemporaryDirectory() as folder:
        await in_town(Path(folder), story, period_s=period_s, with_broker=True)
    return found


async def by_file(hours: float, period_s: float) -> tuple[Counter[str], Counter[str]]:
    """Bytes and flushes by file, in a day's measure."""
    sizes: Counter[str] = Counter()
    flushes: Counter[str] = Counter()

    async def story(town: Town) -> None:
        await town.start()
        await town.play(timedelta(hours=1))
        out = town.config.parent / "trace"
        tracer = await asyncio.create_subprocess_exec(
            "strace", "-f", "-y", "-e", "trace=pwrite64,write,fsync,fdatasync", "-s", "0",
            "-o", str(out), "-p", ",".join(map(str, town.pids().values())),
            stderr=subprocess.PIPE,
        )  # fmt: skip
        if tracer.stderr is not None:
            await tracer.stderr.readline()  # it is attached
        await town.play(timedelta(hours=hours))
        tracer.terminate()
        await tracer.wait()
        await town.stop()
        for line in out.read_text(errors="replace").splitlines():
            said = _CALL.search(line)
            if said is None or not said[2].startswith(str(town.state)):
                continue
            name = Path(said[2]).name
            if said[1].startswith("f"):
                flushes[name] += 1
            else:
                sizes[name] += int(said[3])

    with tempfile.TemporaryDirectory() as folder:
        await in_town(Path(folder), story, period_s=period_s, with_broker=True)
    share = 24 / hours
    return (
        Counter({name: round(size * share) for name, size in sizes.items()}),
        Counter({name: round(count * share) for name, count in flushes.items()}),
    )


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--days", type=float, default=0.5)
    words.add_argument("--hours", type=float, default=6, help="of the part with strace")
    words.add_argument("--period", type=float, default=10.0, help="s between two control ticks")
    asked = words.parse_args()
    total = 0.0
    for name, size in asyncio.run(by_process(asked.days, asked.period)):
        total += size
        print(f"{name}: {size / 1e6:.1f} MB a day, {size * 365 / 1e9:.1f} GB a year")
    year_gb = total * 365 / 1e9
    print(
        f"both: {year_gb:.1f} GB a year; a cheap card of {CARD_GB} GB bears about {BEARS_GB:.0f} GB:"
        f" {100 * year_gb / BEARS_GB:.1f} % of it a year, {BEARS_GB / year_gb:.0f} years"
    )
    if shutil.which("strace") is None:
        print("by file: strace is not installed")
        return 0
    sizes, flushes = asyncio.run(by_file(asked.hours, asked.period))
    for name in sorted(sizes | flushes, key=lambda n: -sizes[n]):
        print(f"{name:28} {sizes[name] / 1e6:8.2f} MB a day {flushes[name]:6} flushes a day")
    worst_gb = sum(flushes.values()) * UNIT_MB * 365 / 1000
    print(
        f"were each flush to cost the card a whole unit of {UNIT_MB} MB: {worst_gb:.0f} GB a year,"
        f" {100 * worst_gb / (CARD_GB * CYCLES):.1f} % of its {CARD_GB * CYCLES} GB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
