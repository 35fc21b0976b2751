"""A day of light homes at one exchange, and how soon it answers after kill -9.

    python -m benchmarks.exchange_day [--homes 3000] [--hours 24] [--restart-homes 1000]

Homes sign, every answer is checked, the store is on disk with synchronous FULL. Targets: no missed
call, at most 40 kB a home-day; after kill -9 with a day of 1,000 homes the first answer within 2 s.
What a home-day costs is also told for many homes.
Floor of the restart: `python -c "import simulators.exchange.start"` alone, in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import aiohttp

from gateway.domain.intervals import iso
from simulators.load.run import START, Load, Result, as_json, run_load

COMMAND = "from simulators.cli import main; main()"
IMPORTS = "import simulators.exchange.start, simulators.prices"


async def first_answer_s(state: Path, hours: float) -> float:
    """From the start of the process to the first answer that needs the book."""
    begin = iso(START + timedelta(hours=hours + 1))
    words = ("exchange", "--insecure", "--port", "0", "--state", str(state), "--start", begin)
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", COMMAND, *words, "--no-participants"), stdout=subprocess.PIPE
    )
    if process.stdout is None:
        raise SystemExit("its output is a pipe")
    try:
        url = (await process.stdout.readline()).decode().split()[1]
        headers = {"Authorization": "Bearer insecure:home-0"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{url}/cts/tenders") as reply,
        ):
            await reply.json()
        return time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


def imports_s() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.perf_counter() - began


def cost(day: Result) -> str:
    """What a home costs its exchange a day, and what many would need on average, by the same figures."""
    cpu_ms, size, memory = day.cpu_ms_per_home_day, day.bytes_per_home_day, day.memory_mb
    if cpu_ms is None or size is None or memory is None:
        raise SystemExit("only an exchange of our own tells what it cost")
    lines = [f"the exchange: {cpu_ms} ms of processor, {size / 1e3:.1f} kB of store a home-day, {memory:.0f} MB of memory in all"]  # fmt: skip
    for homes in (100_000, 10_000_000):
        cores, kept = cpu_ms / 1e3 * homes / 86_400, size * homes / 1e9
        lines.append(f"{homes:>10,} homes: {cores:7.2f} cores on average, {kept:8.1f} GB a day")
    return "\n".join(lines)


async def measure(homes: int, restart_homes: int, hours: float, folder: Path) -> None:
    day = await run_load(Load(homes, hours, signed=True, folder=folder / "day"))
    print(json.dumps(as_json(day)))
    print(f"missed calls {day.missed_calls} (target 0), {day.bytes_per_home_day} bytes a home-day (target 40000)")  # fmt: skip
    print(cost(day))
    state = folder / "day"
    if restart_homes != homes:
        state = folder / "restart"
        await run_load(Load(restart_homes, hours, signed=True, folder=state, power_safe=False))
    answers = [
        await first_answer_s(state, hours) for _ in range(3)
    ]  # each but the first after kill -9
    print(
        f"first answer of a store of {restart_homes} homes: {sorted(answers)[1]:.2f} s (target 2)"
    )
    print(f"importing alone: {sorted(imports_s() for _ in range(3))[1]:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, default=3_000)
    parser.add_argument("--restart-homes", type=int, default=1_000)
    parser.add_argument("--hours", type=float, default=24.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(args.homes, args.restart_homes, args.hours, Path(folder)))


if __name__ == "__main__":
    main()
