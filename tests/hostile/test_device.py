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
from tests.hostile import five
from tests.hostile.control import control_beside
from tests.hostile.devices import FLIPS, FLOODS, IMAGES, Image
from tests.hostile.five import Property, Trial
from tests.modbus.faults import FAULTS, exception
from tests.modbus.server import Fault, RegisterServer, serving

MB = 1024 * 1024
PROFILE, TICKS, LOOKS = "fronius-gen24", 40, 60
LONGEST_S = 12.5  # between two tries of a silent device: 10 s, and a fifth more by jitter
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
    trial = Trial(five.WIRE)
    async with (
        serving(RegisterServer(hybrid())) as sick,
        serving(RegisterServer(hybrid())) as well,
        control_beside({"sick": sick.port}) as control,
    ):
        ill = impatient(sick, PROFILE, clock, intents, "ill", 0.1)
        good = impatient(well, PROFILE, clock, intents, "good")
        truth = values(await good.poll())
        read: list[dict[str, float | str | None]] = []
        sick.faults = [WIRE[what]] * 1_000
        tracemalloc.start()
        try:
            for _ in range(5):
                clock.seconds += 2
                with suppress(DeviceError):
                    read.append(values(await ill.poll()))
                assert values(await good.poll()).items() <= truth.items()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        await control.ticks(3)
        trial.saw(Property.CONTROL, control.late())
        read += control.read_of("sick")
        for got in read:
            wrong = {m: v for m, v in got.items() if v not in (None, truth[m])}
            trial.saw(Property.NUMBERS, wrong.items())
            trial.saw(Property.MONEY, (m for m in wrong if m.endswith("_wh")))
        trial.saw(Property.NUMBERS, [f"{peak} bytes"] if peak >= 8 * MB else ())
        trial.saw(Property.MONEY)
        sick.faults = []
        trial.saw(Property.BACK, await not_back(ill, clock, truth))
        trial.logged([r.getMessage() for r in caplog.records if ours(r)])
        await ill.close()
        await good.close()
    trial.judge()


@pytest.mark.parametrize("what", IMAGES)
async def test_in_its_registers(
    what: str, clock: HandClock, intents: Intents, caplog: pytest.LogCaptureFixture
) -> None:
    """Well-formed answers of nonsense: what is read is finite and believable, or none."""
    caplog.set_level(logging.INFO)
    trial = Trial(five.REGISTERS)
    change: Image = IMAGES[what]
    units = hybrid()
    async with (
        serving(RegisterServer(change(hybrid()))) as server,
        control_beside({"sick": server.port}) as control,
    ):
        ill = impatient(server, PROFILE, clock, intents, "ill", 1.0)
        read: list[dict[str, float | str | None]] = []
        for _ in range(3):
            clock.seconds += 2
            with suppress(DeviceError):
                read.append(values(await ill.poll()))
        await control.ticks(3)
        trial.saw(Property.CONTROL, control.late())
        for got in (*read, *control.read_of("sick")):
            trial.saw(Property.NUMBERS, impossible(got))
        trial.saw(Property.NUMBERS)
        server.units.clear()
        server.units.update(units)
        trial.saw(Property.BACK, await not_back(ill, clock, None))
        trial.logged([r.getMessage() for r in caplog.records if ours(r)])
        await ill.close()
    trial.judge()


@pytest.mark.parametrize("what", FLIPS)
async def test_in_what_it_is(
    what: str, clock: HandClock, intents: Intents, caplog: pytest.LogCaptureFixture
) -> None:
    """Something else at each look: what is read is finite and possible, or none, and the log does not fill."""
    caplog.set_level(logging.INFO)
    trial = Trial(five.REGISTERS)
    async with (
        serving(RegisterServer(hybrid())) as server,
        control_beside({"sick": server.port}) as control,
    ):
        ill = impatient(server, PROFILE, clock, intents, "ill", 1.0)
        read: list[dict[str, float | str | None]] = []
        for look in range(LOOKS):
            images = FLIPS[what]
            server.units.clear()
            server.units.update(images[look % len(images)](hybrid()))
            clock.seconds += 2
            with suppress(DeviceError):
                read.append(values(await ill.poll()))
        await control.ticks(3)
        trial.saw(Property.CONTROL, control.late())
        for got in (*read, *control.read_of("sick")):
            trial.saw(Property.NUMBERS, impossible(got))
        trial.saw(Property.NUMBERS)
        server.units.clear()
        server.units.update(hybrid())
        trial.saw(Property.BACK, await not_back(ill, clock, None))
        trial.logged([r.getMessage() for r in caplog.records if ours(r)])
        await ill.close()
    trial.judge()


def ours(record: logging.LogRecord) -> bool:
    """Said by the gateway of the device that is asked by hand; the guard beside it says as much again."""
    return record.name.startswith("gateway") and "sick" not in record.getMessage()


def impossible(read: dict[str, float | str | None]) -> list[str]:
    """Numbers that no home can have."""
    numbers = {m: v for m, v in read.items() if isinstance(v, float | int)}
    return [
        f"{metric} {value}"
        for metric, value in numbers.items()
        if not math.isfinite(value)
        or (metric.endswith("_w") and abs(value) > 1e6)
        or (metric.endswith("_pct") and not 0 <= value <= 100)
    ]


async def not_back(
    ill: ModbusDevice, clock: HandClock, truth: dict[str, float | str | None] | None
) -> list[str]:
    """Empty if it is back, with the truth, at the first try after the longest pause (and its jitter)."""
    clock.seconds += LONGEST_S
    try:
        got = values(await ill.poll())
    except DeviceError as error:
        return [f"it is not back: {error}"]
    if all(value is None for value in got.values()):
        return ["it is back without a value"]
    return [f"{m}: {v}" for m, v in got.items() if truth is not None and v != truth.get(m)]


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
    assert len(caplog.records) <= five.MOST_LINES, [r.getMessage() for r in caplog.records]


def test_the_images_differ_from_the_truth() -> None:
    for what, change in IMAGES.items():
        assert change(hybrid()) != hybrid(), what
