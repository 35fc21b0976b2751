"""From a change at a device to the message at the broker, and what that costs: the real processes beside a simulated home.

A car is switched on and off at random moments; measured is the time until ``charger/charger_power_w`` says so on MQTT, and the
processor time of both processes meanwhile. With a change published at once the median is at most one poll period.

    python -m benchmarks.publish_latency --changes 40 --period 2
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiomqtt

from gateway.clock import WallClock
from simulators.broker import start_broker
from simulators.devices.serve import serve_home
from simulators.gateway_toml import gateway_toml
from simulators.physics.cars import CarSchedule
from simulators.physics.home import Home
from simulators.scenario import Scenario

TOPIC = "energy/home/charger/charger_power_w"
THERE = CarSchedule(depart_h=24, arrive_h=0, jitter_h=0, weekend_depart_h=24, weekend_arrive_h=0)
SETTLED_S = 15.0


async def measured(changes: int, period_s: float) -> tuple[list[float], float]:
    """Latencies, s, and the gateway's processor seconds an hour."""
    clock = WallClock()
    home = Home(clock, Scenario(start=clock.now(), seed=3, soc_pct=60, car=THERE))
    home.command(charger_enabled=False)
    broker, servers = await start_broker(), await serve_home(home)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "gateway.toml"
        text = gateway_toml(Path(folder) / "state", servers.ports, broker.port)
        config.write_text(
            text.replace('steer = "always"', 'steer = "never"')
            + f"[control]\nperiod_s = {period_s}\n"
        )
        gateway = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from gateway.cli import main; main()",
            *("run", "--config", str(config), "--log-level", "error"),
        )
        try:
            async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                await client.subscribe(TOPIC)
                return await _latencies(client, home, gateway.pid, changes, period_s)
        finally:
            gateway.terminate()
            await gateway.wait()
            await servers.close()
            await broker.close()


async def _latencies(
    client: aiomqtt.Client, home: Home, pid: int, changes: int, period_s: float
) -> tuple[list[float], float]:
    rng = random.Random(1)  # the same moments in every run
    await asyncio.sleep(SETTLED_S)
    began, used, found = time.monotonic(), processor_s(pid), []
    on = False
    messages = aiter(client.messages)
    for _ in range(changes):
        await asyncio.sleep(3 * period_s + rng.uniform(0, 5 * period_s))
        on = not on
        home.command(charger_enabled=on)
        changed = time.monotonic()
        while True:
            message = await anext(messages)
            payload = message.payload
            if isinstance(payload, bytes) and payload != b"null" and (float(payload) > 1000) == on:
                break
        found.append(time.monotonic() - changed)
    hours = (time.monotonic() - began) / 3600
    return found, (processor_s(pid) - used) / hours


def processor_s(pid: int) -> float:
    """What a process and its children have used so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = 0
    for one in (str(pid), *children):
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def told(latencies: Sequence[float], period_s: float, cpu_s: float) -> str:
    """The figures in one line."""
    return (
        f"poll period {period_s:g} s: median {statistics.median(latencies):.2f} s, worst {max(latencies):.2f} s "
        f"of {len(latencies)} changes; {cpu_s:.1f} s of processor time an hour"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=40)
    parser.add_argument("--period", type=float, default=2.0)
    words = parser.parse_args()
    latencies, cpu_s = asyncio.run(measured(words.changes, words.period))
    print(told(latencies, words.period, cpu_s))


if __name__ == "__main__":
    main()
