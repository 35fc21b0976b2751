"""What publishing one simulated day costs, beside bare paho on the same broker in the same run.

    python -m benchmarks.mqtt_rate [ticks]

A tick is one 10 s step of a house with three devices: scalars at QoS 0, states at QoS 1, and a ledger
event in every fourth. The floor sends as many messages of 200 bytes with paho alone.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gateway.config.agent_settings import Mqtt
from gateway.publishing import topics
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from simulators.broker import start_broker
from tests.publishing.homes import snapshot

START = datetime(2026, 6, 1, 6, tzinfo=UTC)


def bare_paho(port: int, count: int, qos: int) -> float:
    """Messages a second of paho's own thread and queue."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    began = time.perf_counter()
    infos = [client.publish("floor", b"x" * 200, qos) for _ in range(count)]
    for info in infos:
        info.wait_for_publish(60)
    took = time.perf_counter() - began
    client.disconnect()
    client.loop_stop()
    return count / took


async def our_day(port: int, ticks: int, folder: Path) -> dict[str, Any]:
    journal = Journal(folder / "journal.sqlite")
    publisher = Publisher(Mqtt(port=port), "bench", journal)
    async with asyncio.TaskGroup() as group:
        group.create_task(publisher.run())
        await publisher.wait_connected()
        began, cpu = time.perf_counter(), time.process_time()
        for step in range(ticks):
            if step % 4 == 0:
                journal.append("note", {"step": step}, START)
            publisher.publish(topics.snapshot_messages(publisher.base, snapshot(step)))
            await publisher.flush()
        took, used = time.perf_counter() - began, time.process_time() - cpu
        sent, left = publisher.sent, len(journal.unsent())
        await publisher.close()
    return {
        "messages": sent,
        "messages_per_s": round(sent / took),
        "ms_per_tick": round(1000 * took / ticks, 3),
        "cpu_ms_per_tick": round(1000 * used / ticks, 3),
        "seconds_per_day": round(took / ticks * 8640, 1),
        "left_in_outbox": left,
    }


async def main(ticks: int) -> None:
    broker = await start_broker()
    with tempfile.TemporaryDirectory() as folder:
        ours = await our_day(broker.port, ticks, Path(folder))
    floor = {f"qos{q}": await asyncio.to_thread(bare_paho, broker.port, 5000, q) for q in (0, 1)}
    await broker.close()
    print(json.dumps({"broker": broker.kind, "ours": ours, "bare_paho_per_s": floor}, indent=2))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
