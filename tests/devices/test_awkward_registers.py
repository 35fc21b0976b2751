"""What real devices do with their registers: leave out, refuse, show for what is not there."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gateway.domain.control import Control
from gateway.domain.metrics import METRICS
from gateway.domain.readings import Quality
from gateway.errors import DeviceError
from gateway.modbus.registers import Field, Missing
from tests.devices.conftest import HandClock, Intents, device, impatient, values
from tests.devices.sunspec_images import chain, common, model
from tests.devices.test_sunspec_variants import inverter, mppt, nameplate, storage
from tests.devices.vendor_images import (
    IMAGES,
    Image,
    deye,
    f32,
    goodwe,
    huawei,
    spread,
    table,
    text,
    u32,
    victron,
)
from tests.modbus.server import RegisterServer, serving

Read = dict[str, float | str | None]


async def read(image: Image, key: str, clock: HandClock, intents: Intents, **how: int) -> Read:
    """One poll of ``image`` on a connection without the pauses that the real device needs."""
    units, inputs = {image.unit: dict(image.holding)}, {image.unit: dict(image.input)}
    async with serving(RegisterServer(units, input=inputs, **how)) as server:  # type: ignore[arg-type]
        bind = device if key == "auto" else impatient
        one = bind(server, key, clock, intents)
        try:
            return values(await one.poll())
        finally:
            await one.close()


# -- what a device does not have --


async def test_registers_that_a_device_refuses_are_absent_and_the_others_are_read(
    clock: HandClock, intents: Intents
) -> None:
    whole = goodwe()
    part = {a: w for a, w in whole.holding.items() if a < 36000 or a >= 37000}
    got = await read(replace(whole, holding=part), "goodwe-et", clock, intents)
    assert (got["pv_power_w"], got["battery_power_w"], got["battery_soc_pct"]) == (1500, 820, 68)
    assert got["grid_power_w"] is got["grid_import_wh"] is None


async def test_what_is_refused_is_not_asked_again_for_a_while(
    clock: HandClock, intents: Intents
) -> None:
    words = {a: w for a, w in goodwe().holding.items() if a < 36000 or a >= 37000}
    async with serving(RegisterServer({247: words})) as server:
        one = impatient(server, "goodwe-et", clock, intents)
        await one.poll()
        server.reads.clear()
        clock.seconds += 2
        await one.poll()
        assert not [r for r in server.reads if 36000 <= r[2] < 37000]
        clock.seconds += 700
        await one.poll()
        asked_again = [r for r in server.reads if 36000 <= r[2] < 37000]
        assert 0 < len(asked_again) <= len({r[2] for r in asked_again})  # each once
        words.update(goodwe().holding)  # the owner adds a meter
        clock.seconds += 700
        assert values(await one.poll())["grid_power_w"] == 110
        await one.close()


async def test_a_device_that_refuses_everything_is_at_fault_and_not_empty(
    clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer({247: {1: 1}})) as server:
        one = impatient(server, "goodwe-et", clock, intents)
        for _ in range(2):
            with pytest.raises(DeviceError, match="no such address"):
                await one.poll()
        await one.close()


async def test_what_was_there_and_is_refused_is_a_loss(clock: HandClock, intents: Intents) -> None:
    words = dict(goodwe().holding)
    async with serving(RegisterServer({247: words})) as server:
        one = impatient(server, "goodwe-et", clock, intents)
        await one.poll()
        del words[36025]
        with pytest.raises(DeviceError, match="no such address"):
            await one.poll()
        await one.close()


@pytest.mark.parametrize("longest", [125, 60, 40])
async def test_a_device_that_gives_only_short_answers_is_read_in_parts(
    longest: int, clock: HandClock, intents: Intents
) -> None:
    """Its chain has 24 modules side by side; some gateways stop at 60 or 100 registers."""
    modules = mppt(*((f"MPPT {i}", 100) for i in range(2)), ("StCha", 50), ("StDisCha", 0))
    image = chain(common("Fronius"), inverter(), nameplate(82), storage(), modules)
    async with serving(RegisterServer({1: image}, max_read=longest)) as server:
        one = device(server, "fronius-gen24", clock, intents)
        got = values(await one.poll())
        await one.close()
    assert (got["ac_power_w"], got["battery_soc_pct"]) == (3000, 50)
    if longest > 90:  # the battery's modules stand so far from their scale factors
        assert (got["pv_power_w"], got["battery_power_w"]) == (200, -50)


@pytest.mark.parametrize("raw", [(0, 15_495), (0x8000, 1)])
def test_an_integer_in_the_place_of_a_float_is_no_number(raw: tuple[int, int]) -> None:
    """Newer GoodWe firmware counts in integers where the table has floats: 2e-41 Wh exported."""
    data = b"".join(w.to_bytes(2, "big") for w in raw)
    assert Field(0, "f32").decode(data, 0) is Missing.BAD
    assert Field(0, "f32").decode(b"\0\0\0\0", 0) == 0


# -- batteries: none, one, two, and those that only seem to be --


async def test_a_goodwe_without_battery_says_nothing_of_one(
    clock: HandClock, intents: Intents
) -> None:
    """Its registers hold 0 W and 0 % then: an empty battery would be charged at once."""
    got = await read(goodwe(mode=0), "goodwe-et", clock, intents)
    assert got["battery_power_w"] is got["battery_soc_pct"] is got["battery_mode"] is None
    assert got["pv_power_w"] == 1500


@pytest.mark.parametrize(
    ("mode", "modules", "power", "soc"),
    [
        (2, 10, 320, (68 * 5 + 20 * 10) / 15),
        (0, 0, 820, 68),  # the registers are there, a second battery is not
        (2, 0, 320, None),  # how large it is nobody says
    ],
)
async def test_two_batteries_at_one_goodwe_are_added(
    mode: int, modules: int, power: float, soc: float | None, clock: HandClock, intents: Intents
) -> None:
    second = {35262: [0, 0, *u32(-500 & 0xFFFF_FFFF), mode, 0], 39000: [0] * 22}
    second[39000][5], second[39000][7] = 20, modules
    got = await read(goodwe(second=second), "goodwe-et", clock, intents)
    assert got["battery_power_w"] == power
    assert got["battery_soc_pct"] == (soc if soc is None else pytest.approx(soc))


async def test_a_huawei_without_storage_or_meter_says_nothing_of_them(
    clock: HandClock, intents: Intents
) -> None:
    got = await read(huawei(storage=0, meter=0), "huawei-sun2000", clock, intents)
    assert got["battery_power_w"] is got["battery_soc_pct"] is None
    assert got["grid_power_w"] is got["grid_import_wh"] is None
    assert got["pv_power_w"] == 4000


def le(value: float) -> list[int]:
    return f32(value)[::-1]


def solaredge(*batteries: tuple[float, float, float]) -> dict[int, int]:
    """A StorEdge with ``batteries`` of (rated Wh, power with charge +, state of energy)."""
    direct = [1000, 0]  # DCW and its scale factor
    image = chain(
        common("SolarEdge", length=65),
        model(103, 50, {14: 900, 15: 0, 16: 5000, 17: -2, 31: direct, 38: 4}),
    )
    settings = {0xE004: [4, 0, 0, 0, 0, 0, 7, 3600, 0, 3, *le(5000), *le(5000)]}
    image |= table(settings)
    for base, (rated, power, soc) in zip((0xE100, 0xE200, 0xE400), batteries, strict=False):
        image |= table(
            {
                base: text("SolarEdge", 16),
                base + 0x42: le(rated),
                base + 0x44: [*le(5000), *le(4000)],
                base + 0x74: le(power),
                base + 0x84: le(soc),
            },
            ((base, base + 0x88),),
        )
    return image


@pytest.mark.parametrize(
    ("batteries", "power", "soc", "panels"),
    [
        (((9700, -512, 50),), 512, 50, 488),
        (((9700, -512, 50), (0, 900, 99)), 512, 50, 488),  # firmware 4.18 lists one of 0 Wh
        (((9700, -512, 50), (4850, 1000, 20)), -488, 40, 1488),
        (((9700, -512, 50), (4850, 1000, 20), (4850, 0, 80)), -488, 50, 1488),
        (((9700, -3.4028234663852886e38, 50),), None, 50, None),  # the mark of what is absent
        (((9700, -1030, 50),), 1030, 50, 0),  # some watts below 0 are 0
        (((9700, -2000, 50),), 2000, 50, None),  # panels never take that much
        (((math.nan, -512, 50),), 512, 50, 488),  # it does not say how large it is
    ],
)
async def test_the_batteries_of_a_solaredge_are_added(
    batteries: tuple[tuple[float, float, float], ...],
    power: float | None,
    soc: float,
    panels: float | None,
    clock: HandClock,
    intents: Intents,
) -> None:
    image = Image(1, solaredge(*batteries))
    got = await read(image, "solaredge-storedge", clock, intents)
    assert got["battery_power_w"] == power
    assert got["battery_soc_pct"] == pytest.approx(soc)
    assert got["pv_power_w"] == panels
    assert got["battery_mode"] == "held"
    rated = sum(r for r, _, _ in batteries)
    assert got["battery_capacity_wh"] == (None if math.isnan(rated) else rated)


@pytest.mark.parametrize(("state", "power"), [(3, 304.0), (4, -304.0)])
async def test_the_second_input_of_a_symo_hybrid_is_its_battery(
    state: int, power: float, clock: HandClock, intents: Intents
) -> None:
    """It calls both inputs 'String': at night its panels would give what the battery gives."""
    modules = mppt(("String 1", 0), ("String 2", 304))
    maker = common("Fronius", "Symo Hybrid 5.0-3-S")
    image = Image(1, chain(maker, inverter(290), nameplate(82), modules, storage(state=state)))
    got = await read(image, "auto", clock, intents)
    assert (got["pv_power_w"], got["battery_power_w"]) == (0, power)


async def test_inputs_named_string_beside_an_unknown_battery_are_not_guessed(
    clock: HandClock, intents: Intents
) -> None:
    modules = mppt(("String 1", 700), ("String 2", 304))
    image = Image(1, chain(common("Maker"), inverter(), nameplate(82), modules, storage()))
    got = await read(image, "auto", clock, intents)
    assert got["pv_power_w"] is got["battery_power_w"] is None


async def test_a_storage_model_of_0_wh_is_no_battery(clock: HandClock, intents: Intents) -> None:
    ports = {4: 1, 15: 0, 16: 0, 17: 0, 18: 0, 20: 0, 20 + 12: 9900}
    image = chain(
        common("DER"),
        model(701, 153, {4: 3, 10: 9800, 17: u32(6001), 115: -2, 116: 0}),
        model(713, 7, {2: 0, 3: 0, 4: 0, 5: 0, 6: 0, 7: 0, 8: -1}),
        model(714, 18 + 25, ports),
    )
    got = await read(Image(1, image), "auto", clock, intents)
    assert not any(m.startswith("battery") for m in got)
    assert got["pv_power_w"] == 9800


# -- meters --


async def test_a_production_meter_is_not_the_grid(clock: HandClock, intents: Intents) -> None:
    """SolarEdge puts up to three meters into one chain and says in the options what each is for."""
    produced = model(203, 105, {18: 5000, 22: 0, 38: u32(7), 46: u32(1), 54: 0})
    bought = model(203, 105, {18: -800, 22: 0, 38: u32(7000), 46: u32(9000), 54: 0})
    image = chain(
        common("SolarEdge", length=65),
        inverter(),
        common("WattNode", opt="Production", length=65),
        produced,
        common("WattNode", opt="Export+Import", length=65),
        bought,
    )
    got = await read(Image(1, image), "auto", clock, intents)
    assert (got["grid_power_w"], got["grid_import_wh"]) == (800, 9000)


async def test_a_meter_of_production_alone_gives_no_grid_power(
    clock: HandClock, intents: Intents
) -> None:
    produced = model(203, 105, {18: 5000, 22: 0, 38: u32(7), 46: u32(1), 54: 0})
    image = chain(
        common("SolarEdge", length=65),
        inverter(),
        common("WattNode", opt="Production", length=65),
        produced,
    )
    async with serving(RegisterServer({1: image})) as server:
        one = device(server, "auto", clock, intents)
        readings = {r.metric: r.quality for r in await one.poll()}
        await one.close()
    assert readings.get("grid_power_w", Quality.ABSENT) is Quality.ABSENT
    assert readings["ac_power_w"] is Quality.GOOD


@pytest.mark.parametrize(("raw", "hertz"), [(0, None), (5001, 50.01), (500, None), (6000, 60.0)])
async def test_a_frequency_that_no_grid_has_is_not_shown(
    raw: int, hertz: float | None, clock: HandClock, intents: Intents
) -> None:
    """A sleeping Huawei says 0; other firmware counts in tenths."""
    image = huawei()
    asleep = replace(image, holding=image.holding | {32085: raw})
    got = await read(asleep, "huawei-sun2000", clock, intents)
    assert got["grid_frequency_hz"] == hertz


@pytest.mark.parametrize(
    ("kind", "factor"), [(5, 1), (0x500, 1), (6, 10), (0x600, 10), (0x601, 10)]
)
async def test_a_deye_of_high_voltage_counts_tens_of_watts(
    kind: int, factor: int, clock: HandClock, intents: Intents
) -> None:
    got = await read(deye(kind), "auto", clock, intents)
    assert (got["pv_power_w"], got["battery_power_w"]) == (1350 * factor, -450 * factor)
    assert got["grid_power_w"] == -300


async def test_phases_that_a_victron_does_not_have_are_no_load(
    clock: HandClock, intents: Intents
) -> None:
    """0xFFFF for two phases would make a house of 131 kW, and charge the battery with all it takes."""
    words = dict(victron().holding)
    async with serving(RegisterServer({100: words})) as server:
        one = impatient(server, "victron-gx", clock, intents)
        await one.hold(Control.BATTERY_POWER, -500)
        assert (words[2716] << 16 | words[2717]) - 2**32 == 600 - 1300 + 500
        await one.release()
        await one.close()


async def test_what_was_there_a_moment_ago_is_not_absent(
    clock: HandClock, intents: Intents
) -> None:
    """A device that starts up refuses for some seconds what it has."""
    words = dict(goodwe().holding)
    async with serving(RegisterServer({247: words})) as server:
        one = impatient(server, "goodwe-et", clock, intents)
        await one.poll()
        meter = {a: words.pop(a) for a in list(words) if 36000 <= a < 37000}
        for _ in range(5):
            clock.seconds += 61  # bound anew each time
            with pytest.raises(DeviceError, match="no such address"):
                await one.poll()
        words |= meter
        clock.seconds += 61
        assert values(await one.poll())["grid_power_w"] == 110
        for address in meter:
            del words[address]  # the owner takes the meter away
        clock.seconds += 601
        got = values(await one.poll())
        assert (got["grid_power_w"], got["battery_power_w"]) == (None, 820)
        await one.close()


@pytest.mark.parametrize("word", [0x7FFF, 0x8000, 0xFFFF])
@pytest.mark.parametrize("key", [k for k in IMAGES if k != "sax-power"])
async def test_a_device_that_answers_one_word_everywhere_measures_nothing_of_a_home(
    key: str, word: int, clock: HandClock, intents: Intents
) -> None:
    """Sentinels of 16 bits in places of 32: no power of gigawatts, no panels that draw, no count below 0."""
    words = dict.fromkeys(range(0x10000), word)
    unit = IMAGES[key].unit
    async with serving(RegisterServer({unit: words}, input={unit: words})) as server:
        one = impatient(server, key, clock, intents, unit=unit)
        for reading in await one.poll():
            if reading.quality is not Quality.GOOD or not isinstance(reading.value, int | float):
                continue
            kind = METRICS[reading.metric].unit
            most = {"W": 1e7, "A": 1e4}
            assert abs(reading.value) <= most.get(kind, 2e10), reading
            assert reading.value >= 0 or kind not in {"Wh", "%"}, reading
        await one.close()


async def test_a_foxess_of_which_it_is_known_that_it_does_not_obey_is_not_steered(
    clock: HandClock, intents: Intents
) -> None:
    image = IMAGES["foxess-h3"]
    words = image.holding | table({30000: spread("Kuara 10.0-3-H", 16)})
    async with serving(RegisterServer({image.unit: words})) as server:
        one = impatient(server, "foxess-h3", clock, intents, unit=image.unit)
        await one.poll()
        with pytest.raises(DeviceError, match="does not obey"):
            await one.hold(Control.BATTERY_POWER, -1000)
        await one.close()
        assert not server.writes


@pytest.mark.parametrize(("override", "own", "left"), [(0, -250, -250), (80, -250, 80), (0, 0, 0)])
async def test_a_victron_that_is_let_go_keeps_to_its_owners_setpoint(
    override: int, own: int, left: int, clock: HandClock, intents: Intents
) -> None:
    """The override reads 0 while it is not set; nothing can unset it again."""
    image = IMAGES["victron-gx"]
    words = image.holding | table({2700: own & 0xFFFF, 2716: u32(override)})
    async with serving(RegisterServer({image.unit: words})) as server:
        one = impatient(server, "victron-gx", clock, intents, unit=image.unit)
        await one.poll()
        await one.hold(Control.BATTERY_POWER, 1000)
        assert [words[2716], words[2717]] != u32(override & 0xFFFF_FFFF)
        assert (await one.release()).neutral
        await one.close()
        assert [words[2716], words[2717]] == u32(left & 0xFFFF_FFFF)
        assert words[2700] == own & 0xFFFF
        assert {address for _, address, _ in server.writes} == {2716}
