"""A broker that dies for a while: what is lost, how soon it is back, what memory it costs.

    python -m benchmarks.mqtt_outage [seconds]

A house ticks as fast as it can while the broker is away; a bare paho client with its own unlimited
queue (the usual way) does the same beside it, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gateway.config.agent_settings import Mqtt
from gateway.publishing import topics
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from simulators.broker import start_broker
from tests.publishing.homes import snapshot

START = datetime(2026, 6, 1, 6, tzinfo=UTC)
TICKS_PER_S = 500


def rss_mb() -> float:
    """Resident memory now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


async def ours(seconds: int, folder: Path) -> dict[str, Any]:
    broker = await start_broker()
    journal = Journal(folder / "journal.sqlite")
    publisher = Publisher(Mqtt(port=broker.port), "bench", journal)
    async with asyncio.TaskGroup() as group:
        group.create_task(publisher.run())
        await publisher.wait_connected()
        publisher.publish(topics.snapshot_messages(publisher.base, snapshot(0)))
        await publisher.flush()
        await broker.close()
        before, events = rss_mb(), 0
        for step in range(1, seconds * TICKS_PER_S):
            publisher.publish(topics.snapshot_messages(publisher.base, snapshot(step)))
            if step % 100 == 0:
                journal.append("note", {"step": step}, START)
                events += 1
            await asyncio.sleep(1 / TICKS_PER_S if step % 10 == 0 else 0)
        grown = rss_mb() - before
        broker = await start_broker(broker.port)
        returned = time.perf_counter()
        seen: set[int] = set()
        copies = 0
        async with aiomqtt.Client("127.0.0.1", broker.port) as listener:
            await listener.subscribe("energy/bench/#", qos=1)
            state_s = None
            async for message in listener.messages:
                if str(message.topic).endswith("/site/state") and state_s is None:
                    state_s = time.perf_counter() - returned
                if str(message.topic).endswith("/ledger/event"):
                    seq = json.loads(bytes(message.payload))["seq"]
                    copies += seq in seen
                    seen.add(seq)
                if len(seen) == events and state_s is not None:
                    break
        ledger_s = time.perf_counter() - returned
        await publisher.close()
    await broker.close()
    return {
        "ledger_events": events,
        "lost": events - len(seen),
        "duplicates": copies,
        "state_back_s": round(state_s or 0, 2),
        "ledger_back_s": round(ledger_s, 2),
        "rss_growth_mb": round(grown, 2),
    }


def bare_paho(seconds: int) -> dict[str, Any]:
    """QoS 1 into paho's own queue while nobody is there."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect_async("127.0.0.1", 1)
    client.loop_start()
    before = rss_mb()
    count = refused = 0
    for step in range(1, seconds * TICKS_PER_S):
        for message in topics.snapshot_messages("energy/bench", snapshot(step)):
            count += 1
            refused += client.publish(message.topic, message.payload, 1, True).rc == 15
    grown = rss_mb() - before
    client.loop_stop()
    return {"messages": count, "refused_by_full_queue": refused, "rss_growth_mb": round(grown, 2)}


async def main(seconds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        result = {"ours": await ours(seconds, Path(folder))}
    floor = [sys.executable, "-m", "benchmarks.mqtt_outage", str(seconds), "floor"]
    process = await asyncio.create_subprocess_exec(*floor, stdout=subprocess.PIPE)
    said, _ = await process.communicate()
    result["bare_paho_queue"] = json.loads(said)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    if "floor" in sys.argv:
        print(json.dumps(bare_paho(wanted)))
    else:
        asyncio.run(main(wanted))
