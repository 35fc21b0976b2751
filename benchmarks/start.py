"""From start to the first published state, beside a bare script; `--help`; memory of the daemon.

    python benchmarks/start.py [--rounds N]

The gateway is started as a process against a simulated home and a real broker; the clock runs until
a subscriber has the inverter's state. The floor is a bare script in a process of its own that reads
one block with pymodbus and publishes one message with paho: interpreter, imports, two connections.
Targets: first state <= 2 s, `energy-gateway --help` <= 0.5 s.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiomqtt

from gateway.clock import WallClock
from simulators.broker import start_broker
from simulators.devices.serve import serve_home
from simulators.gateway_toml import gateway_toml
from simulators.physics.home import Home
from simulators.scenario import Scenario

GATEWAY = "import sys; from gateway.cli import main; sys.argv[0] = 'energy-gateway'; main()"
BARE = """
import sys
from pymodbus.client import ModbusTcpClient
import paho.mqtt.client as mqtt
modbus = ModbusTcpClient("127.0.0.1", port=int(sys.argv[1]))
modbus.connect()
words = modbus.read_holding_registers(40069, count=50, device_id=1).registers
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.connect("127.0.0.1", int(sys.argv[2]))
client.loop_start()
client.publish("bare/state", str(words[0]), qos=1).wait_for_publish(5)
client.loop_stop()
"""


async def until_message(
    port: int, topic: str, words: list[str]
) -> tuple[float, asyncio.subprocess.Process]:
    """Seconds from the start of the process to a message on ``topic``; the process still runs."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(topic)
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", *words, stderr=subprocess.DEVNULL
        )
        async for message in client.messages:
            if not message.retain:  # not what a former round left at the broker
                return time.perf_counter() - began, process
    raise RuntimeError("the broker hung up")


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def help_s() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", GATEWAY, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


async def measure(rounds: int) -> None:
    clock = WallClock()
    servers = await serve_home(Home(clock, Scenario(start=clock.now())))
    broker = await start_broker()
    ours, bare, helps, memory = [], [], [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        ports = servers.ports
        for i in range(rounds):
            config = Path(folder) / f"{i}.toml"
            config.write_text(
                gateway_toml(Path(folder) / str(i), ports, broker.port), encoding="utf-8"
            )
            spent, process = await until_message(
                broker.port, "energy/home/inverter/state", [GATEWAY, "run", "--config", str(config)]
            )
            ours.append(spent)
            await asyncio.sleep(5)
            memory = rss_mb(process.pid)
            process.terminate()
            await process.wait()
            spent, process = await until_message(
                broker.port, "bare/state", [BARE, str(ports.inverter), str(broker.port)]
            )
            bare.append(spent)
            await process.wait()
            helps.append(await asyncio.to_thread(help_s))
    await servers.close()
    await broker.close()
    first, floor = statistics.median(ours), statistics.median(bare)
    print(f"start to first state: median {first:.2f} s (target 2 s)")
    print(f"bare pymodbus + paho script: median {floor:.2f} s; ratio {first / floor:.1f}")
    print(f"energy-gateway --help: median {statistics.median(helps):.2f} s (target 0.5 s)")
    print(f"daemon after 5 s: {memory:.0f} MB resident")


if __name__ == "__main__":
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=5)
    asyncio.run(measure(words.parse_args().rounds))
