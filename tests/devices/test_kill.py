"""kill -9 while a setpoint is held, at seeded moments: the next life leaves the device neutral."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep

import pytest

from gateway.clock import WallClock
from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.guard.intents import GuardFile
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from tests.devices.test_transitions import PASSING, image_of
from tests.modbus.server import RegisterServer, serving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside a thread
# Those that are simulated are killed in test_kill_simulated.
FAMILIES = ("foxess-h3", "victron-gx", "heidelberg-ec", "webasto-next", "mennekes-compact")
WATTS = (3000.0, -2000.0, 0.0, 1500.0)
AMPS = (16.0, 6.0, 0.0, 10.0)


@contextmanager
def behind(server: RegisterServer) -> Iterator[int]:
    """The port of a server that runs in a thread of its own."""
    ready, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def run() -> None:
        async with serving(server):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    ready.wait()
    try:
        yield server.port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def life(key: str, port: int, path: Path) -> tuple[ModbusDevice, GuardFile]:
    sheet = profile(key)
    connection = Connection(BusAddress(host="127.0.0.1", port=port), BusTiming(10.0))
    journal = GuardFile(path)
    unit = connection.unit(sheet.communication.unit)
    return ModbusDevice("device", sheet, unit, journal, WallClock()), journal


def hold_for_ever(key: str, port: int, path: Path) -> None:
    """A gateway's life: another setpoint as fast as the wire allows."""

    async def run() -> None:
        one, _ = life(key, port, path)
        battery = Control.BATTERY_POWER in one.controls
        control = Control.BATTERY_POWER if battery else Control.CHARGE_CURRENT
        values = WATTS if battery else AMPS
        while True:
            for value in values:
                await one.hold(control, value)

    asyncio.run(run())


@pytest.mark.parametrize("key", FAMILIES)
def test_the_next_life_leaves_the_device_neutral(key: str, tmp_path: Path) -> None:
    sheet = profile(key)
    words = image_of(sheet)
    before = dict(words)
    rng = random.Random(key)
    unit = sheet.communication.unit
    server = RegisterServer({unit: words}, input={unit: words})
    killed_in_hold = 0
    with behind(server) as port:
        for _ in range(20):
            child = multiprocessing.get_context("fork").Process(
                target=hold_for_ever, args=(key, port, tmp_path / "guard.json")
            )
            written = len(server.writes)
            child.start()
            while len(server.writes) == written and child.is_alive():
                sleep(0.001)
            sleep(rng.uniform(0, 0.01))
            child.kill()
            child.join()
            killed_in_hold += words != before

            async def next_life() -> None:
                one, journal = life(key, port, tmp_path / "guard.json")
                with suppress(DeviceError):  # the image has no registers of measurements
                    await one.poll()
                assert not journal.pending("device")
                await one.close()

            asyncio.run(next_life())
            passing = PASSING.get(key, set())
            assert not {a: w for a, w in words.items() if w != before[a] and a not in passing}
    assert killed_in_hold > 10
