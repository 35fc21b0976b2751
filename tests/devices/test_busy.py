"""A device that is busy, or loses an answer now and then, is read and steered all the same.

HEG_SEEDS sets how many seeded schedules are tried for each share (200 for the record).
"""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from gateway.domain.control import Control
from gateway.domain.readings import Quality
from gateway.errors import DeviceError
from tests.devices import vendor_images as images
from tests.devices.conftest import HandClock, Intents, impatient, values
from tests.devices.sunspec_images import hybrid
from tests.modbus.faults import exception, silent
from tests.modbus.server import Fault, RegisterServer, serving

SEEDS = int(os.environ.get("HEG_SEEDS", "10"))
POLLS = 3
BATTERY = Control.BATTERY_POWER
# share of busy answers -> least share of polls that give every value
SHARES = {0.0: 0.999, 0.03: 0.995, 0.1: 0.99, 0.3: 0.9}


def huawei_units() -> dict[int, dict[int, int]]:
    image = images.huawei()
    image.holding[47100] = 0
    return {1: image.holding}


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("key", ["huawei-sun2000", "fronius-gen24"])
async def test_a_busy_device_is_asked_again_within_the_poll(key: str, share: float) -> None:
    units = huawei_units() if key.startswith("huawei") else hybrid()
    whole = 0
    async with serving(RegisterServer(units)) as server:
        for seed in range(SEEDS):
            rng, clock = random.Random(f"{seed} {share}"), HandClock()
            one = impatient(server, key, clock, Intents())
            truth = values(await one.poll())
            for _ in range(POLLS):
                clock.seconds += 61  # what is read once a minute, too
                server.faults = [
                    exception(rng.choice((5, 6))) if rng.random() < share else None
                    for _ in range(100)
                ]
                got = values(await one.poll())
                assert all(v in (None, truth[m]) for m, v in got.items())
                whole += got == truth
            server.faults = []
            await one.close()
    assert whole >= SHARES[share] * SEEDS * POLLS


@pytest.mark.parametrize("seed", range(8))
async def test_a_busy_device_is_steered_and_let_go(seed: int) -> None:
    units = huawei_units()
    before = dict(units[1])
    rng, clock = random.Random(seed), HandClock()
    async with serving(RegisterServer(units)) as server:
        one = impatient(server, "huawei-sun2000", clock, Intents())
        await one.poll()
        server.faults = [exception(6) if rng.random() < 0.2 else None for _ in range(1000)]
        await one.hold(BATTERY, 2000)
        assert units[1][47100] == 2
        report = await one.release()
        assert report.neutral, report.problems
        timer = {47083}  # means nothing while nothing is forced
        assert {a for a, w in units[1].items() if w != before[a]} <= timer
        await one.close()


async def test_a_block_that_is_refused_for_good_costs_its_own_readings_alone(
    clock: HandClock, intents: Intents
) -> None:
    """One block answers 'device failure' for ever: the others are read, and it is never absent."""
    units = huawei_units()
    async with serving(Sick(units, bad=range(37_100, 37_140))) as server:
        one = impatient(server, "huawei-sun2000", clock, intents)
        readings = await one.poll()
        got = values(readings)
        assert got["grid_power_w"] is None
        grid = next(r for r in readings if r.metric == "grid_power_w")
        assert grid.quality is Quality.BAD  # not 'there is no meter'
        assert got["pv_power_w"] == 4000
        assert got["battery_soc_pct"] == 55.5
        await one.close()


async def test_a_block_that_is_refused_keeps_no_battery_forced(
    clock: HandClock, intents: Intents
) -> None:
    """The permission to charge from the grid cannot be read in the release: the battery is freed first."""
    units = huawei_units()
    server = Sick(units, bad=range(0))
    async with serving(server):
        one = impatient(server, "huawei-sun2000", clock, intents)
        await one.hold(BATTERY, -2000)
        assert (units[1][47100], units[1][47087]) == (1, 1)
        server.bad = range(47_087, 47_088)
        report = await one.release()
        assert not report.neutral
        assert units[1][47100] == 0
        assert intents.stored  # and the rest is still owed
        server.bad = range(0)
        assert (await one.release()).neutral
        assert units[1][47087] == 0
        await one.close()


async def test_a_status_that_is_refused_for_a_moment_takes_no_battery_away(
    clock: HandClock, intents: Intents
) -> None:
    """Whether a battery is there is not concluded from a refusal: what is held stays held."""
    units = huawei_units()
    server = Sick(units, bad=range(0))
    async with serving(server):
        one = impatient(server, "huawei-sun2000", clock, intents)
        await one.poll()
        await one.hold(BATTERY, 2000)
        server.bad = range(37_758, 37_790)
        clock.seconds += 2
        assert values(await one.poll())["battery_soc_pct"] is None
        assert BATTERY in one.controls
        await one.hold(BATTERY, 2000)
        assert units[1][47100] == 2
        server.bad = range(0)
        await one.release()
        await one.close()


class Sick(RegisterServer):
    """Refuses some registers with exception 4."""

    def __init__(self, units: dict[int, dict[int, int]], bad: range) -> None:
        super().__init__(units)
        self.bad = bad

    def answer(self, unit: int, pdu: bytes) -> bytes:
        first, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        if pdu[0] == 3 and first < self.bad.stop and self.bad.start < first + count:
            return bytes((pdu[0] | 0x80, 4))
        return super().answer(unit, pdu)


async def garbage(_frame: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x13\x37" * 9)


@pytest.mark.parametrize("fault", [garbage, silent], ids=["garbage", "lost"])
async def test_a_single_lost_answer_loses_no_poll(
    fault: Fault, clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer(hybrid())) as server:
        one = impatient(server, "fronius-gen24", clock, intents, timeout_s=1.0)
        truth = values(await one.poll())
        for place in range(3):
            clock.seconds += 2
            server.faults = [*[None] * place, fault]
            got = values(await one.poll())
            assert got == {m: truth[m] for m in got}
        await one.close()


async def test_it_is_back_with_the_first_poll_that_it_answers(
    clock: HandClock, intents: Intents
) -> None:
    """Refusals and lost connections cost no time, so each poll asks; nothing is waited out."""
    async with serving(RegisterServer(hybrid())) as server:
        one = impatient(server, "fronius-gen24", clock, intents)
        truth = values(await one.poll())
        for _ in range(20):
            clock.seconds += 5
            server.faults = [exception(11)] * 20
            with pytest.raises(DeviceError):
                await one.poll()
        server.faults = []
        clock.seconds += 5
        got = values(await one.poll())
        assert got == {m: truth[m] for m in got}
        await one.close()
