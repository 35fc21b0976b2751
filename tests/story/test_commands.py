"""What a person may ask of the home over MQTT, at a running gateway with real (simulated) devices."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiomqtt

from gateway.domain.intervals import iso
from simulators.demo.options import Options
from simulators.demo.world import World, run_world
from tests.waiting import HANG_S


class Asker:
    """Sends commands as other software does, and lets simulated time pass until the answer is there."""

    def __init__(self, world: World, client: aiomqtt.Client) -> None:
        self.world, self.client, self.count, self.echoes = world, client, 0, 0

    async def ask(self, name: str, value: Any, **changes: Any) -> dict[str, Any]:
        self.count += 1
        now = self.world.clock.now()
        body = {"id": f"t-{self.count}", "ts": iso(now), "ttl_s": 600, "value": value} | changes
        topic = f"energy/home/cmd/{name}"
        await self.client.publish(topic, json.dumps(body), qos=1)
        for _ in range(60):
            if answer := await self._heard(topic + "/result"):
                return answer
            await self.world.play(self.world.clock.now() + timedelta(seconds=10), lambda _: None)
        raise AssertionError("no answer within ten simulated minutes")

    async def _heard(self, topic: str) -> dict[str, Any] | None:
        """The answer, if the broker has it by now. No simulated time passes.

        The echo of our own message comes after all that the broker had before it.
        """
        self.echoes += 1
        echo = f"{self.echoes}".encode()
        await self.client.publish("test/echo", echo, qos=1)
        answer = None
        async with asyncio.timeout(HANG_S):
            async for message in self.client.messages:
                if message.payload == echo:
                    return answer
                if str(message.topic) == topic and isinstance(message.payload, bytes):
                    body: dict[str, Any] = json.loads(message.payload)
                    answer = body if body["id"] == f"t-{self.count}" else answer
        raise AssertionError("the broker hung up")


async def test_commands_take_effect_and_are_answered_after_read_back(tmp_path: Path) -> None:
    said: dict[str, dict[str, Any]] = {}

    async def referee(world: World) -> None:
        await world.play(world.start + timedelta(minutes=30), lambda _: None)
        async with aiomqtt.Client("127.0.0.1", world.broker_port, timeout=HANG_S) as client:
            await client.subscribe([("energy/home/cmd/+/result", 1), ("test/echo", 1)])
            asker = Asker(world, client)
            said["hold"] = await asker.ask("battery", "hold")
            said["battery"] = {"w": world.home.powers().battery}
            said["auto"] = await asker.ask("battery", "auto")
            said["reserve"] = await asker.ask("backup_reserve_pct", 55)
            await world.play(world.clock.now() + timedelta(minutes=10), lambda _: None)
            said["kept"] = {"w": world.home.powers().battery, "soc": world.home.truth().soc_pct}
            said["range"] = await asker.ask("backup_reserve_pct", 150)
            said["late"] = await asker.ask("trading", False, ts="2026-06-01T00:00:00Z", ttl_s=5)
            said["wide"] = await asker.ask("export_limit_w", 20_000)
            said["narrow"] = await asker.ask("export_limit_w", 3_000)
            said["none"] = await asker.ask("export_limit_w", None)
            limit = {"limit_w": 0, "duration_s": 1800}
            said["operator"] = await asker.ask("operator_import_limit", limit)
            said["endless"] = await asker.ask("operator_export_limit", {"limit_w": 0})
            said["trading"] = await asker.ask("trading", "off")
            await world.play(world.clock.now() + timedelta(minutes=15), lambda _: None)
            said["open"] = {"n": world.gateway.agent.journal.book.open_tenders(world.clock.now())}

    await run_world(Options(seed=3), tmp_path, referee)
    assert said["hold"]["status"] == "ok", said["hold"]
    assert abs(said["battery"]["w"]) < 200
    assert said["auto"]["status"] == "ok"
    assert said["reserve"] == {
        "id": said["reserve"]["id"], "status": "ok", "code": "", "message": "", "applied": 55,
    }  # fmt: skip
    assert said["kept"]["soc"] < 55
    assert said["kept"]["w"] <= 50, "below the reserve the battery no longer gives"
    assert said["range"]["status"] == "rejected"
    assert said["late"]["status"] == "expired"
    assert said["wide"]["status"] == "error"
    assert "8000 W" in said["wide"]["message"]
    assert said["narrow"]["applied"] == 3_000
    assert said["none"]["applied"] == 8_000, "without one of one's own the connection's holds"
    assert said["operator"]["status"] == "ok"
    assert said["operator"]["applied"]["limit_w"] == 4_200, "so much §14a leaves to one device"
    assert said["operator"]["applied"]["state"] == "limited"
    assert "duration_s" in said["endless"]["message"], "without heartbeats a limit has to end"
    assert said["trading"]["status"] == "ok"
    assert said["open"]["n"] == 0
