"""Page and broker are flooded: the guard goes on, and the agent serves its owner again afterwards."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import aiomqtt

from gateway.domain.intervals import iso
from simulators.broker import free_port, start_broker
from tests.safety.guarded import Guarded, guarded
from tests.waiting import HANG_S

CONNECTIONS, COMMANDS = 300, 2_000


async def flood_page(port: int) -> list[asyncio.StreamWriter]:
    """Connections that say half a request and nothing more; refused ones are part of it."""
    held = []
    for _ in range(CONNECTIONS):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
            held.append(writer)
        except OSError:
            continue
    return held


async def flood_broker(port: int) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for number in range(COMMANDS):
            body = {"id": f"f{number}", "ts": iso(datetime.now(UTC)), "ttl_s": 5, "value": "?"}
            await client.publish("energy/home/cmd/battery", json.dumps(body), qos=0)
        await client.publish("energy/home/cmd/battery", b"x" * 3_000_000, qos=0)


async def held_by_command(place: Guarded, port: int) -> None:
    async with asyncio.timeout(HANG_S), aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("energy/home/status")
        async for message in client.messages:
            if message.payload == b"online":  # it hears commands from here on
                break
        await client.subscribe("energy/home/cmd/battery/result")
        body = {"id": "hold", "ts": iso(datetime.now(UTC)), "ttl_s": 60, "value": "hold"}
        await client.publish("energy/home/cmd/battery", json.dumps(body), qos=1)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            if json.loads(message.payload)["id"] == "hold":
                break
    await place.until(lambda: place.held, "held")


async def test_floods_of_page_and_broker_reach_no_device(tmp_path: Path) -> None:
    broker, page = await start_broker(), free_port("127.0.0.1")
    more = f"\n[mqtt]\nport = {broker.port}\n"
    try:
        async with guarded("fronius", tmp_path, more, page) as place:
            await place.start()
            await place.says("gateway 'home' runs")
            await held_by_command(place, broker.port)
            held = await flood_page(page)
            await flood_broker(broker.port)
            await place.steers_on(20)
            assert place.held
            for writer in held:
                writer.close()
            async with asyncio.timeout(HANG_S), aiohttp.ClientSession() as session:
                while True:
                    try:
                        async with session.get(f"http://127.0.0.1:{page}/") as answer:
                            if answer.status == 200:
                                break
                    except aiohttp.ClientError:
                        pass
                    await asyncio.sleep(0.1)
            await place.steers_on()
            assert await place.stop() == 0
            assert not place.held
    finally:
        await broker.close()
