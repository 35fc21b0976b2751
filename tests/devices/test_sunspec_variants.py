"""SunSpec as it is met in the field: images written from the standard's tables by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from gateway.domain.control import Control
from gateway.domain.readings import Quality
from gateway.errors import DeviceError
from tests.devices.conftest import HandClock, Intents, device, values
from tests.devices.sunspec_images import Words, chain, common, model, text, u32
from tests.modbus.server import RegisterServer, serving

ABSENT = 0x8000


def f32(value: float) -> list[int]:
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def inverter(watts: int = 3000, sf: int = 0, state: int = 4) -> list[int]:
    points: Words = {14: watts, 15: sf, 16: 5000, 17: -2, 24: u32(123456), 26: 0, 38: state}
    return model(103, 50, points)


def mppt(*named: tuple[str, int]) -> list[int]:
    points: dict[int, int | Sequence[int]] = {2: -1, 3: -1, 4: 0, 5: 0, 8: len(named)}
    for i, (name, watts) in enumerate(named):
        at = 10 + 20 * i
        points |= {at: i + 1, at + 1: text(name, 8), at + 11: watts, at + 12: u32(1000 * (i + 1))}
    return model(160, 8 + 20 * len(named), points)


def storage(soc: int = 5000, state: int = 4) -> list[int]:
    points: Words = {
        2: 5000,
        5: 0,
        8: soc,
        11: state,
        12: 10000,
        13: 10000,
        15: 0,
        18: 0,
        22: -2,
        25: -2,
    }
    return model(124, 24, points)


def nameplate(kind: int) -> list[int]:
    return model(
        120, 26, {2: kind, 3: 5000, 4: 0, 19: 10000, 20: 0, 23: 5000, 24: 0, 25: 4000, 26: 0}
    )


async def read(
    registers: dict[int, int], clock: HandClock, intents: Intents, key: str = "auto", unit: int = 1
) -> tuple[dict[str, float | str | None], dict[str, Quality], frozenset[Control]]:
    async with serving(RegisterServer({unit: registers})) as server:
        one = device(server, key, clock, intents, unit=unit)
        readings = await one.poll()
        await one.close()
    return values(readings), {r.metric: r.quality for r in readings}, one.controls


@pytest.mark.parametrize("base", [0, 40000, 50000])
@pytest.mark.parametrize("length", [65, 66])
@pytest.mark.parametrize("end", [(0xFFFF, 0), (0xFFFF,)])
async def test_the_chain_is_walked_wherever_it_stands_and_however_it_ends(
    base: int, length: int, end: Sequence[int], clock: HandClock, intents: Intents
) -> None:
    vendor = model(64122, 17, {}, fill=1)
    image = chain(common(length=length), vendor, inverter(), base=base, end=end)
    got, _, _ = await read(image, clock, intents)
    assert (got["ac_power_w"], got["grid_frequency_hz"]) == (3000, 50.0)


async def test_an_inverter_without_storage_gives_its_ac_power_as_pv(
    clock: HandClock, intents: Intents
) -> None:
    """Model 124 is there in full and not implemented, as SMA shows it; ids do not rise."""
    dead = model(124, 24, {5: 0, 25: ABSENT, 18: ABSENT, 22: ABSENT})
    extra = model(160, 48, {2: 0, 3: 0, 4: 0, 5: 0, 8: 2, 21: 1500, 41: 1500})
    image = chain(common("SMA"), inverter(3000), nameplate(4), dead, extra, model(129, 60, {}))
    got, _, controls = await read(image, clock, intents)
    assert got["pv_power_w"] == got["ac_power_w"] == 3000
    assert got["pv_energy_wh"] == 123456
    assert not any(m.startswith("battery") for m in got)
    assert Control.BATTERY_POWER not in controls


async def test_float_models_are_read_and_nan_is_absent(clock: HandClock, intents: Intents) -> None:
    points: Words = {22: f32(2950.5), 24: f32(49.98), 32: f32(5e6), 48: 4}
    image = chain(common(), model(113, 60, points))
    got, quality, _ = await read(image, clock, intents)
    assert got["ac_power_w"] == pytest.approx(2950.5)
    assert got["grid_frequency_hz"] == pytest.approx(49.98, abs=1e-5)
    nan = chain(common(), model(113, 60, {22: [0x7FC0, 0], 24: f32(50), 48: 2}))
    got, quality, _ = await read(nan, clock, intents)
    assert (got["ac_power_w"], quality["ac_power_w"]) == (None, Quality.ABSENT)
    assert (got["pv_power_w"], quality["pv_power_w"]) == (None, Quality.ABSENT)


@pytest.mark.parametrize(("sf", "quality"), [(17, Quality.BAD), (ABSENT, Quality.ABSENT)])
async def test_a_senseless_scale_factor_gives_no_number(
    sf: int, quality: Quality, clock: HandClock, intents: Intents
) -> None:
    got, qualities, _ = await read(chain(common(), inverter(3000, sf)), clock, intents)
    assert got["ac_power_w"] is None
    assert qualities["ac_power_w"] is quality


async def test_battery_modules_are_found_wherever_they_stand(
    clock: HandClock, intents: Intents
) -> None:
    modules = mppt(("StDisCha 1", 700), ("MPPT 1", 1000), ("StCha 3", 0), ("MPPT 2", 0xFFFF))
    image = chain(common("Fronius"), inverter(), nameplate(82), modules, storage())
    got, _, controls = await read(image, clock, intents)
    assert got["battery_power_w"] == 700
    assert got["pv_power_w"] == 1000
    assert got["battery_soc_pct"] == 50
    assert (got["battery_discharge_wh"], got["battery_charge_wh"]) == (1000, 3000)
    assert got["battery_max_discharge_w"] == 4000
    assert Control.BATTERY_POWER in controls


@pytest.mark.parametrize(("state", "power"), [(3, 900.0), (4, -900.0), (6, None)])
async def test_one_unsigned_battery_module_gets_its_sign_from_the_charge_status(
    state: int, power: float | None, clock: HandClock, intents: Intents
) -> None:
    modules = mppt(("PV 1", 1000), ("Battery", 900))
    image = chain(common(), inverter(), modules, storage(state=state))
    got, _, _ = await read(image, clock, intents)
    assert got["battery_power_w"] == power
    assert got["pv_power_w"] == 1000


async def test_modules_without_names_on_a_hybrid_are_not_guessed(
    clock: HandClock, intents: Intents
) -> None:
    image = chain(common(), inverter(), nameplate(82), mppt(("", 1000), ("", 900)), storage())
    got, quality, _ = await read(image, clock, intents)
    assert (got["pv_power_w"], quality["pv_power_w"]) == (None, Quality.ABSENT)
    assert got["battery_power_w"] is None


async def test_modules_too_far_from_their_scale_factors_are_not_read_apart(
    clock: HandClock, intents: Intents
) -> None:
    """A value and its scale factor come in one request or not at all."""
    modules = mppt(*((f"PV {i}", 100) for i in range(8)), ("StCha", 50), ("StDisCha", 0))
    image = chain(common(), inverter(), nameplate(82), modules, storage())
    got, quality, _ = await read(image, clock, intents)
    assert quality["pv_power_w"] is quality["battery_power_w"] is Quality.ABSENT
    assert got["battery_soc_pct"] == 50


async def test_a_hybrid_without_its_battery_still_gives_its_panels(
    clock: HandClock, intents: Intents
) -> None:
    modules = mppt(("MPPT 1", 1200), ("MPPT 2", 800), ("StCha 3", 0xFFFF), ("StDisCha 4", 0xFFFF))
    image = chain(common("Fronius"), inverter(), nameplate(82), modules)
    got, _, _ = await read(image, clock, intents)
    assert got["pv_power_w"] == 2000
    assert "battery_power_w" not in got


async def test_a_solaredge_meter_counts_export_as_positive(
    clock: HandClock, intents: Intents
) -> None:
    meter = model(203, 105, {18: 1500, 22: 0, 38: u32(7000), 46: u32(9000), 54: 0})
    image = chain(common("SolarEdge", length=65), inverter(), common("WattNode"), meter)
    got, _, _ = await read(image, clock, intents)
    assert got["grid_power_w"] == -1500
    assert (got["grid_import_wh"], got["grid_export_wh"]) == (9000, 7000)


async def test_a_meter_whose_counters_are_both_zero_counts_nothing(
    clock: HandClock, intents: Intents
) -> None:
    meter = model(203, 105, {18: -20, 22: 0, 38: u32(0), 46: u32(0), 54: 0})
    got, quality, _ = await read(chain(common(), meter), clock, intents, "sunspec-meter")
    assert got["grid_power_w"] == -20
    assert got["grid_import_wh"] is None
    assert quality["grid_export_wh"] is Quality.ABSENT


async def test_the_700_generation_is_read(clock: HandClock, intents: Intents) -> None:
    measured: Words = {
        4: 3,
        10: 2500,
        17: u32(6001),
        19: [0, 0, *u32(777)],
        115: -2,
        116: 0,
        120: 3,
    }
    port: Words = {0: 0, 2: text("PV", 8), 12: 1800, 13: [0, 0, *u32(55)]}
    bank: Words = {0: 1, 2: text("BAT", 8), 12: -600, 13: [0, 0, *u32(44)]}
    ports: dict[int, int | Sequence[int]] = {4: 2, 6: 1200, 15: 0, 16: 0, 17: 0, 18: 0, 19: 0}
    ports |= {20 + k: v for k, v in port.items()} | {45 + k: v for k, v in bank.items()}
    image = chain(
        common("DER"),
        model(701, 153, measured),
        model(702, 50, {26: 5000, 34: 4000, 35: 4500, 45: 0}),
        model(704, 57, {14: 0, 15: 1000, 54: -1}),
        model(713, 7, {2: 100, 3: 50, 4: 505, 5: 990, 6: 0, 7: 2, 8: -1}),
        model(714, 18 + 50, ports),
        model(715, 7, {2: 0, 3: u32(9)}),
    )
    got, _, controls = await read(image, clock, intents)
    assert (got["ac_power_w"], got["inverter_state"]) == (2500, "running")
    assert (got["pv_power_w"], got["battery_power_w"]) == (1800, -600)
    assert (got["battery_soc_pct"], got["battery_capacity_wh"]) == (50.5, 10000)
    assert (got["battery_max_charge_w"], got["battery_max_discharge_w"]) == (4000, 4500)
    assert got["grid_frequency_hz"] == 60.01
    assert got["pv_limit_pct"] == 100
    assert Control.PV_LIMIT in controls


async def test_a_battery_bank_802_gives_power_and_state(clock: HandClock, intents: Intents) -> None:
    bank: Words = {
        3: 10000,
        4: 3000,
        5: 3000,
        11: 640,
        16: 3,
        47: 1100,
        53: 0,
        54: 0,
        56: -1,
        63: 0,
    }
    image = chain(common("KOSTAL"), inverter(), model(802, 62, bank))
    got, _, _ = await read(image, clock, intents, "sunspec-inverter")
    assert (got["battery_power_w"], got["battery_soc_pct"]) == (1100, 64.0)
    assert got["pv_power_w"] is None


async def test_a_sleeping_inverter_says_absent_and_not_zero(
    clock: HandClock, intents: Intents
) -> None:
    got, quality, _ = await read(chain(common(), inverter(ABSENT, state=2)), clock, intents)
    assert got["inverter_state"] == "sleeping"
    assert quality["ac_power_w"] is quality["pv_power_w"] is Quality.ABSENT
    assert got["pv_power_w"] is None


async def test_a_unit_without_sunspec_is_one_clear_line(clock: HandClock, intents: Intents) -> None:
    with pytest.raises(DeviceError, match="no SunSpec map at 40000, 0 or 50000"):
        await read({10: 5}, clock, intents, "sunspec-inverter")
    with pytest.raises(DeviceError, match="none that we know"):
        await read({10: 5}, clock, intents, "auto")


async def test_a_chain_that_points_into_the_void_ends(clock: HandClock, intents: Intents) -> None:
    image = chain(common(), inverter(), [64001, 60000, 1, 2])
    got, _, _ = await read(image, clock, intents)
    assert got["ac_power_w"] == 3000
