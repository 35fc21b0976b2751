"""What one simulated day costs, and where the time goes.

    python benchmarks/one_day.py [--days N]

Prints wall and CPU seconds of the whole world (gateway, devices, broker's client, exchange, buyers) in
this one process, their ratio to a named floor in the same run, and the share of each room. The
floor is the day's own Modbus requests, sent back to back over one bare asyncio connection to the
same simulated inverter: what the wire alone costs. Shares come from a second, profiled run.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import struct
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from simulators.demo.options import Options
from simulators.demo.run import SETTLED_AFTER
from simulators.demo.world import World, run_world
from simulators.devices.serve import serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario

START = datetime(2026, 6, 1, 5, tzinfo=UTC)


class _Still:
    def now(self) -> datetime:
        return START


async def floor_s(requests: int) -> float:
    """Seconds for so many reads of 50 registers over a bare asyncio stream."""
    servers = await serve_home(Home(_Still(), Scenario(start=START)))
    reader, writer = await asyncio.open_connection("127.0.0.1", servers.ports.inverter)
    ask = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 40069, 50)
    began = time.perf_counter()
    for _ in range(requests):
        writer.write(ask)
        await reader.readexactly(9 + 100)
    spent = time.perf_counter() - began
    writer.close()
    await servers.close()
    return spent


def day(days: int) -> tuple[float, float, int, int]:
    """Wall and CPU seconds, Modbus requests, MQTT messages."""
    counts = [0, 0]

    async def referee(world: World) -> None:
        await world.play(world.end + SETTLED_AFTER, lambda _: None)
        counts[:] = [world.servers.requests, world.gateway.agent.publisher.sent]

    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        asyncio.run(run_world(Options(days=days), Path(folder), referee))
        return time.perf_counter() - wall, time.process_time() - cpu, counts[0], counts[1]


ROOMS = (
    "gateway/modbus", "gateway/devices", "gateway/site", "gateway/control", "gateway/guard",
    "gateway/ipc", "gateway/planner", "gateway/market", "gateway/publishing", "gateway/store",
    "gateway/metering", "gateway/forecasts", "gateway/agent", "simulators/devices",
    "simulators/exchange", "simulators/participants", "simulators/", "pymodbus", "aiohttp",
    "aiomqtt", "paho", "numpy", "sqlite3", "asyncio",
)  # fmt: skip


def shares(days: int) -> list[tuple[str, float]]:
    """The share of own time by room, from a profiled run."""
    profile = cProfile.Profile()
    profile.runcall(day, days)
    spent: Counter[str] = Counter()
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for (file, _, name), (_, _, own, _, _) in stats.items():
        place = f"{file} {name}".replace("\\", "/")
        spent[next((room for room in ROOMS if room in place), "other")] += own
    total = sum(spent.values())
    return [(room, own / total) for room, own in spent.most_common()]


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--days", type=int, default=1)
    days = words.parse_args().days
    wall, cpu, requests, messages = day(days)
    floor = asyncio.run(floor_s(requests))
    print(f"{days} simulated day(s): {wall:.1f} s wall, {cpu:.1f} s CPU")
    print(f"{requests} Modbus requests, {messages} MQTT messages")
    print(f"floor, the same requests bare: {floor:.1f} s; ratio {wall / floor:.1f}")
    print("own time by room (profiled run):")
    for room, share in shares(days):
        print(f"  {room:26s} {share:6.1%}")


if __name__ == "__main__":
    main()
