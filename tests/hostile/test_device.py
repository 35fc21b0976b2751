"""Devices that mean harm: what they say is wrong, endless or poisoned; the others are read and steered on.

Real Modbus TCP. While the act lasts nothing wrong is read and at most five lines are logged; with the
act's end the device is back at its next try. What it says of itself is harmless wherever it is written.
"""

from __future__ import annotations

import asyncio
import logging
import math
import tracemalloc
from contextlib import suppress

import pytest

from gateway.clock import SimClock
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Setpoints
from gateway.errors import DeviceError
from gateway.site.site import Site
from tests.devices.conftest import HandClock, Intents, impatient, values
from tests.devices.sunspec_images import hybrid
from tests.hostile.devices import FLOODS, IMAGES, Image
from tests.modbus.faults import FAULTS, exception
from tests.modbus.server import Fault, RegisterServer, serving

MB = 1024 * 1024
PROFILE, TICKS, MOST_LINES = "fronius-gen24", 40, 5
WIRE: dict[str, Fault] = {**FAULTS, **FLOODS}


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def intents() -> Intents:
    return Intents()


@pytest.mark.parametrize("what", WIRE)
async def test_on_the_wire(
    what: str, clock: HandClock, intents: Intents, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever comes back instead of an answer: a reading is right or none, and memory is bounded."""
    caplog.set_level(logging.INFO)
    async with serving(RegisterServer(hybrid())) as sick, serving(RegisterServer(hybrid())) as well:
        ill = impatient(sick, PROFILE, clock, intents, "ill", 0.1)
        good = impatient(well, PROFILE, clock, intents, "good")
        truth = values(await good.poll())
        sick.faults = [WIRE[what]] * 1_000
        tracemalloc.start()
        try:
            for _ in range(5):
                clock.seconds += 2
                with suppress(DeviceError):
                    got = values(await ill.poll())
                    assert all(v in (None, truth[m]) for m, v in got.items())
                assert values(await good.poll()).items() <= truth.items()
            assert tracemalloc.get_traced_memory()[1] < 8 * MB
        finally:
            tracemalloc.stop()
        sick.faults = []
        await recovers(ill, clock, truth)
        assert len(caplog.records) <= MOST_LINES
        await ill.close()
        await good.close()


@pytest.mark.parametrize("what", IMAGES)
async def test_in_its_registers(
    what: str, clock: HandClock, intents: Intents, caplog: pytest.LogCaptureFixture
) -> None:
    """Well-formed answers of nonsense: what is read is finite and believable, or none."""
    caplog.set_level(logging.INFO)
    change: Image = IMAGES[what]
    units = hybrid()
    async with serving(RegisterServer(change(hybrid()))) as server:
        ill = impatient(server, PROFILE, clock, intents, "ill", 1.0)
        for _ in range(3):
            clock.seconds += 2
            with suppress(DeviceError):
                for metric, value in values(await ill.poll()).items():
                    if isinstance(value, float | int):
                        assert math.isfinite(value), metric
                        assert not metric.endswith("_w") or abs(value) <= 1e6, (metric, value)
                        assert not metric.endswith("_pct") or 0 <= value <= 100, (metric, value)
        server.units.clear()
        server.units.update(units)
        await recovers(ill, clock, None)
        assert len(caplog.records) <= MOST_LINES, [r.getMessage() for r in caplog.records]
        assert all(r.getMessage().isprintable() for r in caplog.records)
        await ill.close()


async def recovers(
    ill: ModbusDevice, clock: HandClock, truth: dict[str, float | str | None] | None
) -> None:
    """At one of the next tries, with the truth."""
    for _ in range(5):
        clock.seconds += 120
        with suppress(DeviceError):
            got = values(await ill.poll())
            assert truth is None or got.items() <= truth.items()
            assert any(v is not None for v in got.values())
            return
    raise AssertionError("it never came back")


async def test_one_that_flaps_a_thousand_times_is_a_few_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every other poll is refused: lost and back, all day."""
    caplog.set_level(logging.INFO)
    clock = SimClock(HandClock().now())
    async with serving(RegisterServer(hybrid())) as server:
        server.faults = [None, exception(4)] * 3_000
        hand = impatient(server, PROFILE, clock, None, "flapping", 5.0)  # type: ignore[arg-type]
        site = Site([hand], clock, 2.0)
        async with asyncio.TaskGroup() as group, asyncio.TaskGroup() as loops:
            site.start(loops)

            async def play() -> None:
                for _ in range(TICKS):
                    await clock.sleep(2.0)
                    await site.apply(Setpoints())

            await clock.spawn(group, play(), "play")
            for task in asyncio.all_tasks():
                if task.get_name().startswith("poll "):
                    task.cancel()
        await site.close()
    assert len(caplog.records) <= MOST_LINES, [r.getMessage() for r in caplog.records]


def test_the_images_differ_from_the_truth() -> None:
    for what, change in IMAGES.items():
        assert change(hybrid()) != hybrid(), what
