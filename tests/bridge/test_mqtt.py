"""What a broker tells: fresh messages count, what it had kept does not, another unit is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiomqtt

from gateway.config.agent_settings import Mqtt
from gateway.config.device_settings import DeviceSettings
from gateway.domain.readings import Quality
from simulators.broker import start_broker
from tests.bridge.conftest import PatientClock, bridged
from tests.bridge.test_bridge import polled
from tests.waiting import HANG_S

VALUES = {
    "grid_power_w": "tele/meter/SENSOR#SML.Power W",
    "grid_import_wh": "tele/meter/SENSOR#SML.Total kWh",
    "grid_frequency_hz": "grid/hertz",
}


async def test_messages_become_readings_until_they_are_too_old(
    standing: PatientClock, tmp_path: Path
) -> None:
    broker = await start_broker()
    settings = DeviceSettings(name="thing", profile="mqtt-json", values=VALUES)
    own = Mqtt(host="127.0.0.1", port=broker.port)
    try:
        async with aiomqtt.Client("127.0.0.1", broker.port, timeout=HANG_S) as client:
            await client.publish("grid/hertz", b"49.98", retain=True)
            async with bridged(settings, standing, own) as (bridge, one):

                async def told() -> None:
                    while not bridge._values[0].now("grid_power_w"):
                        await client.publish(
                            "tele/meter/SENSOR", b'{"SML": {"Power": -812.5, "Total": 1234.5}}'
                        )
                        await asyncio.sleep(0.05)

                async with asyncio.timeout(HANG_S):
                    await told()
                got = await polled(one)
                assert got["grid_power_w"].value == -812.5
                assert got["grid_import_wh"].value == 1_234_500
                assert got["grid_frequency_hz"].quality is Quality.BAD, "kept, of unknown age"
                standing.seconds += 61
                assert (await polled(one))["grid_power_w"].quality is Quality.BAD
    finally:
        await broker.close()
