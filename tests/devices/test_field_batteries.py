"""A battery that is not there, comes, goes, may not charge or is empty, as real devices say it: each row once went wrong."""

from __future__ import annotations

import pytest

from gateway.domain.control import Control
from gateway.errors import DeviceError
from tests.devices import vendor_images as images
from tests.devices.conftest import HandClock, Intents, impatient, values
from tests.devices.test_field_faults import i32, server_of
from tests.devices.vendor_images import Image
from tests.modbus.server import serving

BATTERY, CURRENT = Control.BATTERY_POWER, Control.CHARGE_CURRENT


def bare(image: Image, *registers: int) -> Image:
    """Without a battery: its registers are there, at 0."""
    for table in (image.holding, image.input):
        table.update({a: 0 for a in registers if a in table})
    if image.unit == 1:  # what Growatt and Solax are steered by
        image.holding.update(
            {30026: 1, 30027: 0x86A0} | dict.fromkeys((30100, *range(30407, 30411)), 0)
        )
        image.input.update({0x100: 0})
    return image


ABSENT = [
    ("sungrow-sh", images.sungrow_without_battery()),
    ("huawei-sun2000", images.huawei(storage=0)),
    ("goodwe-et", images.goodwe(mode=0)),
    ("growatt-sph", bare(images.growatt(), 1013, 1014, 1009, 1010, 1011, 1012)),
    ("solax-x", bare(images.solax(), 20, 22, 28)),
    ("foxess-h3", bare(images.foxess(), 31034, 31036, 31038)),
    ("victron-gx", bare(images.victron(), 840, 842, 843)),
]


@pytest.mark.parametrize(("key", "image"), ABSENT, ids=lambda v: str(v)[:12])
async def test_a_battery_that_is_not_there_is_neither_read_nor_steered(
    key: str, image: Image, clock: HandClock, intents: Intents
) -> None:
    async with serving(server_of(image)) as server:
        one = impatient(server, key, clock, intents)
        await one.release()
        got = values(await one.poll())
        assert got["battery_soc_pct"] is None
        assert got["battery_power_w"] is None
        assert BATTERY not in one.controls
        server.writes.clear()
        with pytest.raises(DeviceError, match="nothing there to steer"):
            await one.hold(BATTERY, 1000)
        assert not server.writes
        await one.close()


async def test_a_battery_that_goes_is_let_go_and_one_that_comes_is_steered(
    clock: HandClock, intents: Intents
) -> None:
    image = images.huawei()
    image.holding[47100] = 0
    async with serving(server_of(image)) as server:
        one = impatient(server, "huawei-sun2000", clock, intents)
        await one.poll()
        await one.hold(BATTERY, 1000)
        assert image.holding[47100] == 2
        image.holding[37762] = 0  # the battery's breaker
        clock.seconds += 2
        await one.poll()
        assert BATTERY in one.controls  # still to be let go
        with pytest.raises(DeviceError):
            await one.hold(BATTERY, 1000)
        assert image.holding[47100] == 0
        assert BATTERY not in one.controls
        image.holding[37762] = 2
        clock.seconds += 2
        await one.poll()
        assert BATTERY in one.controls
        await one.hold(BATTERY, 1000)
        assert image.holding[47100] == 2
        await one.release()
        await one.close()


async def test_a_battery_that_may_not_charge_now_is_limited_to_nothing(
    clock: HandClock, intents: Intents
) -> None:
    """Cold or full: its own limit is 0 W. That is a limit, and no unknown size."""
    image = images.huawei()
    image.holding.update(images.table({37046: images.u32(0), 47100: 0}))
    async with serving(server_of(image)) as server:
        one = impatient(server, "huawei-sun2000", clock, intents)
        assert values(await one.poll())["battery_max_charge_w"] == 0
        await one.hold(BATTERY, -3000)
        assert i32(image.holding, 47247) == 0
        await one.release()
        await one.close()


async def test_an_empty_battery_is_there(clock: HandClock, intents: Intents) -> None:
    """0 % beside a voltage, or a charge beside a voltage that is not told."""
    image = images.solax()
    image.input.update({28: 0, 20: 3900, 0x100: 0})
    async with serving(server_of(image)) as server:
        one = impatient(server, "solax-x", clock, intents)
        assert values(await one.poll())["battery_soc_pct"] == 0
        assert BATTERY in one.controls
        image.input.update({28: 40, 20: 0})
        clock.seconds += 2
        assert values(await one.poll())["battery_soc_pct"] == 40
        await one.close()
