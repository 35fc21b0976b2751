"""What was read wrongly on real devices, on images of our own: each row once went wrong."""

from __future__ import annotations

import pytest

from gateway.domain.control import Control
from gateway.domain.readings import Quality
from tests.devices import vendor_images as images
from tests.devices.conftest import HandClock, Intents, impatient, values
from tests.devices.sunspec_images import chain, common, model, u32
from tests.devices.vendor_images import Image
from tests.modbus.server import RegisterServer, serving

BATTERY, CURRENT = Control.BATTERY_POWER, Control.CHARGE_CURRENT


def server_of(image: Image) -> RegisterServer:
    return RegisterServer({image.unit: image.holding}, input={image.unit: image.input})


def i32(words: dict[int, int], address: int) -> int:
    value = words[address] << 16 | words[address + 1]
    return value - (1 << 32) if value >> 31 else value


def ksem(export_wh: int) -> dict[int, int]:
    """A Kostal Smart Energy Meter: export runs down from 0 in an accumulator of 32 bits."""
    meter = model(
        203,
        105,
        {18: [307], 22: [1], 38: u32(-export_wh & 0xFFFF_FFFF), 46: u32(3_018_895), 54: 0},
    )
    return chain(common("KOSTAL", "KSEM"), meter)


READ_WRONGLY: list[tuple[str, str, Image]] = [
    ("go-e V3 counts 0.01 W", "go-e", images.go_e()),
    ("carlo EM24-DIN has other places", "carlo-gavazzi-em", images.em24_din()),
    ("Webasto Next counts Wh", "webasto-next", images.webasto()),
    ("Vestel counts 0.1 kWh", "vestel-evc04", images.vestel()),
    ("Huawei export below 0", "huawei-sun2000", images.huawei(exported=-123_456)),
    ("Sungrow without battery", "sungrow-sh", images.sungrow_without_battery()),
    ("Sigenergy", "sigenergy", images.sigenergy()),
    ("FoxESS name", "foxess-h3", images.foxess()),
]


@pytest.mark.parametrize(("key", "image"), [r[1:] for r in READ_WRONGLY], ids=lambda v: str(v)[:12])
async def test_it_is_read_right(key: str, image: Image, clock: HandClock, intents: Intents) -> None:
    server = server_of(image)
    server.max_read = 11 if key == "carlo-gavazzi-em" else 125
    async with serving(server):
        one = impatient(server, key, clock, intents)
        got = values(await one.poll())
        await one.close()
    assert {m: got[m] for m in image.readings} == pytest.approx(dict(image.readings))


async def test_the_first_go_e_counts_10_watts(clock: HandClock, intents: Intents) -> None:
    async with serving(server_of(images.go_e("041.0", power=368))) as server:
        one = impatient(server, "go-e", clock, intents)
        assert values(await one.poll())["charger_power_w"] == 3680
        await one.close()


async def test_a_go_e_of_unknown_firmware_is_bad_and_never_a_thousand_times_wrong(
    clock: HandClock, intents: Intents
) -> None:
    async with serving(server_of(images.go_e("", power=368))) as server:
        one = impatient(server, "go-e", clock, intents)
        got = {r.metric: r for r in await one.poll()}
        assert got["charger_power_w"].quality is Quality.BAD
        await one.close()


@pytest.mark.parametrize("grown", [0, 5, 4000])
async def test_a_meter_that_counts_export_down_is_read_by_its_size(
    grown: int, clock: HandClock, intents: Intents
) -> None:
    words = ksem(4_793_859)
    async with serving(RegisterServer({200: words})) as server:
        one = impatient(server, "sunspec-meter", clock, intents)
        assert values(await one.poll())["grid_export_wh"] == 4_793_859
        clock.seconds += 60
        words.update(ksem(4_793_859 + grown))
        got = values(await one.poll())
        assert got["grid_export_wh"] == 4_793_859 + grown
        assert got["grid_import_wh"] == 3_018_895
        await one.close()


async def test_a_meter_of_another_maker_that_counts_down_is_bad(
    clock: HandClock, intents: Intents
) -> None:
    meter = model(203, 105, {18: [30], 22: [0], 38: u32(0xFFFF_0000), 46: u32(9_000), 54: 0})
    words = chain(common("Somebody", "Meter"), meter)
    async with serving(RegisterServer({200: words})) as server:
        one = impatient(server, "sunspec-meter", clock, intents)
        assert values(await one.poll())["grid_export_wh"] is None
        await one.close()
