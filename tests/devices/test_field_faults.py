"""What was read or steered wrongly on real devices, on images of our own: each row once went wrong."""

from __future__ import annotations

import pytest

from gateway.devices.scan import scan
from gateway.domain.control import Control
from gateway.domain.readings import Quality
from gateway.errors import DeviceError
from tests.devices import vendor_images as images
from tests.devices.conftest import HandClock, Intents, impatient, values
from tests.devices.sunspec_images import Words, chain, common, hybrid, model, u32
from tests.devices.test_sunspec_variants import inverter
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


# -- steering --


@pytest.mark.parametrize("watts", [2000, -2000, 0, 40_000, -40_000])
async def test_foxess_takes_one_number_of_32_bits_for_panels_and_battery(
    watts: float, clock: HandClock, intents: Intents
) -> None:
    image = images.foxess()
    sun = 900 + 800
    async with serving(server_of(image)) as server:
        one = impatient(server, "foxess-h3", clock, intents)
        await one.release()
        await one.hold(BATTERY, watts)
        assert i32(image.holding, 44002) == watts + sun
        assert image.holding[44000] == 1
        one_request = [w for _, address, w in server.writes if address == 44002 and len(w) == 2]
        assert one_request
        assert (await one.release()).neutral
        assert (image.holding[44000], image.holding[44001]) == (0, 0)
        await one.close()


@pytest.mark.parametrize("watts", [2000, -2000, 0])
async def test_an_sma_setpoint_leaves_the_sun_alone_and_follows_it(
    watts: float, clock: HandClock, intents: Intents
) -> None:
    """40149 is the AC output of panels and battery: 2 kW told at 5 kW of sun would charge 3 kW."""
    image = images.sma()
    words = image.holding
    words.update(
        images.table(
            {30773: images.u32(3000), 30961: images.u32(2000), 30775: images.u32(3000)}
            | {31393: images.u32(2000), 31395: images.u32(0)}
            | {40149: [0, 0], 40151: [0, 803]}
        )
    )
    async with serving(server_of(image)) as server:
        one = impatient(server, "sma-hybrid", clock, intents)
        await one.hold(BATTERY, watts)
        assert i32(words, 40149) == 5000 + watts
        assert words[40152] == 802
        words.update(images.table({30773: images.u32(1000), 30961: images.u32(500)}))
        clock.seconds += 2
        await one.hold(BATTERY, watts)
        assert i32(words, 40149) == pytest.approx(1500 + watts, abs=350)  # less the losses measured
        words.update(images.table({30773: images.u32(0x8000_0000), 30961: images.u32(0x8000_0000)}))
        clock.seconds += 2
        await one.hold(BATTERY, watts)  # night, or a battery inverter: no input is there
        assert i32(words, 40149) == pytest.approx(watts, abs=350)
        assert (await one.release()).neutral
        assert words[40152] == 803
        await one.close()


async def test_an_ac_setpoint_is_not_made_up_where_the_panels_cannot_be_read(
    clock: HandClock, intents: Intents
) -> None:
    image = images.foxess()
    for address in (31002, 31005):
        del image.holding[address]
    async with serving(server_of(image)) as server:
        one = impatient(server, "foxess-h3", clock, intents)
        with pytest.raises(DeviceError, match="panels' power cannot be read"):
            await one.hold(BATTERY, 1000)
        assert not [w for w in server.writes if w[1] in (44000, 44002)]
        await one.close()


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


@pytest.mark.parametrize(("safe_ma", "safe_s"), [(10_000, 0), (0, 0), (6_000, 120)])
@pytest.mark.parametrize("product", [317_240, 4_012_345])
async def test_the_owners_fail_safe_comes_back(
    product: int, safe_ma: int, safe_s: int, clock: HandClock, intents: Intents
) -> None:
    image = images.keba(product, safe_ma, safe_s)
    words = image.holding
    shown = {5016: 1601, 5018: 1603}  # written here, read there
    words.update({5004: 32_000, 5014: 1, 5016: safe_ma, 5018: safe_s})

    def written(_unit: int, address: int, new: list[int]) -> None:
        if address in shown:
            words[shown[address]] = new[0]

    server = server_of(image)
    server.on_write = written
    async with serving(server):
        for killed in (False, True):
            one = impatient(server, "keba-p30", clock, intents)
            await one.hold(CURRENT, 10)
            assert words[5018] == 60
            assert words[5016] == (safe_ma or 32_000)  # else the car would stop when we die
            if killed:
                await one.close()
                one = impatient(server, "keba-p30", clock, intents)
                await one.poll()
            else:
                assert (await one.release()).neutral
            assert (words[5016], words[5018]) == (safe_ma, safe_s)
            await one.close()


async def test_a_locked_heidelberg_is_no_error_and_can_be_asked_to_charge(
    clock: HandClock, intents: Intents
) -> None:
    image = images.heidelberg(state=10)
    async with serving(server_of(image)) as server:
        one = impatient(server, "heidelberg-ec", clock, intents)
        assert values(await one.poll())["charger_state"] == "idle"
        await one.hold(CURRENT, 0)
        assert image.holding[259] == 0  # a pause unlocks nothing
        await one.hold(CURRENT, 10)
        assert (image.holding[259], image.holding[261]) == (1, 100)
        assert (await one.release()).neutral
        assert image.holding[259] == 0  # locked as before
        await one.close()


def kostal(order: int | None) -> dict[int, int]:
    """A Plenticore with a battery by model 802, and its own map in the order that it is set to."""
    bank: Words = {3: 10_000, 11: 5000, 16: 4, 47: -500, 56: -2, 63: 0}
    words = chain(common("KOSTAL", "PLENTICORE"), inverter(), model(802, 62, bank))
    turn = 1 if order == 1 else -1
    points: Words = {
        1034: [0, 0],
        1046: images.f32(1_111.5)[::turn],
        1048: images.f32(2_222.5)[::turn],
        1056: images.f32(3_333.5)[::turn],
        1080: 2,
    }
    return words | images.table(points) | ({} if order is None else {5: order})


@pytest.mark.parametrize("order", [0, 1])
async def test_kostals_order_of_words_is_read_and_not_assumed(
    order: int, clock: HandClock, intents: Intents
) -> None:
    words = kostal(order)
    async with serving(RegisterServer({71: words})) as server:
        one = impatient(server, "kostal-plenticore", clock, intents)
        got = values(await one.poll())
        assert got["pv_energy_wh"] == 3_333.5
        assert got["battery_charge_wh"] == 1_111.5
        await one.hold(BATTERY, -1500)
        sent = images.f32(-1500.0)
        assert [words[1034], words[1035]] == (sent if order else sent[::-1])
        await one.close()


@pytest.mark.parametrize("order", [None, 7])
async def test_kostal_is_not_steered_in_an_order_that_nobody_knows(
    order: int | None, clock: HandClock, intents: Intents
) -> None:
    words = kostal(order)
    async with serving(RegisterServer({71: words})) as server:
        one = impatient(server, "kostal-plenticore", clock, intents)
        assert values(await one.poll())["pv_energy_wh"] is None
        with pytest.raises(DeviceError, match="order of its words"):
            await one.hold(BATTERY, 1500)
        assert not server.writes
        await one.close()


async def test_victrons_setpoint_is_not_written_where_it_is_ignored(
    clock: HandClock, intents: Intents
) -> None:
    image = images.victron()
    image.holding.update({2902: 3})
    async with serving(server_of(image)) as server:
        one = impatient(server, "victron-gx", clock, intents)
        with pytest.raises(DeviceError, match="external control"):
            await one.hold(BATTERY, 1000)
        assert not server.writes
        image.holding[2902] = 1
        await one.hold(BATTERY, 1000)
        assert server.writes
        await one.close()


async def test_a_growatt_that_forgets_its_export_limit_is_given_it_back(
    clock: HandClock, intents: Intents
) -> None:
    """A WIT drops the limit of 122 as 30100 is taken back; others keep it, and it is not written there."""
    for kind, keeps in ((5603, False), (3601, True)):
        image = images.growatt()
        words = image.holding
        words.update({122: 1, 30000: kind, 30026: 0, 30027: 50_000, 30100: 0, 30410: 0})
        words.update(dict.fromkeys((30407, 30408, 30409), 0))
        server = server_of(image)

        def forget(
            _unit: int,
            address: int,
            new: list[int],
            words: dict[int, int] = words,
            keeps: bool = keeps,
        ) -> None:
            if (address, new) == (30100, [0]) and not keeps:
                words[122] = 0

        server.on_write = forget
        async with serving(server):
            one = impatient(server, "growatt-sph", clock, intents)
            await one.hold(BATTERY, -1000)
            assert (await one.release()).neutral
            await one.close()
        assert (words[30100], words[122]) == (0, 1)
        assert (122 in [address for _, address, _ in server.writes]) != keeps


@pytest.mark.parametrize("locked", [True, False])
async def test_a_locked_solax_is_unlocked_before_it_is_steered(
    locked: bool, clock: HandClock, intents: Intents
) -> None:
    image = images.solax()
    image.input.update({0x54: int(not locked), 0x100: 0})
    image.holding.update(dict.fromkeys(range(0x7C, 0x8B), 0))
    async with serving(server_of(image)) as server:
        one = impatient(server, "solax-x", clock, intents)
        await one.hold(BATTERY, 1000)
        first = next((address, words) for _, address, words in server.writes)
        assert (first == (0, [2014])) == locked
        await one.close()


@pytest.mark.parametrize(
    "name", [" H3-10.0-Smart", " H3-10.0-M", " H3-Pro-20.0", " P3-8.0-SH", " SK-HWR-8 SMART"]
)
async def test_a_foxess_with_another_map_is_not_taken_for_an_h3(name: str) -> None:
    image = images.foxess(name)
    async with serving(server_of(image)) as server:
        found = [f.profile.key async for f in scan("127.0.0.1", server.port, (image.unit,))]
    assert "foxess-h3" not in found


@pytest.mark.parametrize(
    "name", [" H3-10.0-E", " AIO-H3-8.0-E", " STAR-H3-12.0-E", " Kuara 8.0-3-H", " SK-HWR-8"]
)
async def test_an_h3_under_another_name_is_found(name: str) -> None:
    image = images.foxess(name)
    async with serving(server_of(image)) as server:
        found = [f.profile.key async for f in scan("127.0.0.1", server.port, (image.unit,))]
    assert found == ["foxess-h3"]


async def test_solax_keeps_its_own_fall_back(clock: HandClock, intents: Intents) -> None:
    image = images.solax()
    image.input.update({0x100: 0, 0x124: 450})
    image.holding.update(dict.fromkeys(range(0x7C, 0x8B), 0))
    async with serving(server_of(image)) as server:
        one = impatient(server, "solax-x", clock, intents)
        assert values(await one.poll())["pv_power_w"] == 1500 + 450  # with the third input
        await one.hold(BATTERY, 1000)
        assert image.holding[0x88] > 0  # 0 would switch it off
        await one.close()


@pytest.mark.parametrize("allowed", [0, 1])
async def test_charging_from_the_grid_is_permitted_first_and_forbidden_again(
    allowed: int, clock: HandClock, intents: Intents
) -> None:
    words = hybrid()[1]
    permit, rate = 40380, 40375
    words[permit] = allowed
    before = dict(words)
    async with serving(RegisterServer({1: words})) as server:
        one = impatient(server, "fronius-gen24", clock, intents)
        await one.hold(BATTERY, 2000)
        assert words[permit] == allowed  # discharging needs none
        server.writes.clear()
        await one.hold(BATTERY, -2000)
        order = [address for _, address, _ in server.writes]
        assert words[permit] == 1
        assert (permit in order) == (not allowed)
        assert allowed or order.index(permit) < order.index(rate)
        assert (await one.release()).neutral
        assert words == before
        await one.close()


async def test_a_device_that_takes_single_registers_by_function_6_only_is_steered(
    clock: HandClock, intents: Intents
) -> None:
    words = hybrid()[1]
    server = Singles({1: words})
    async with serving(server):
        one = impatient(server, "sunspec-inverter", clock, intents)
        await one.poll()
        await one.hold(Control.PV_LIMIT, 1500)
        assert (words[40232], words[40236]) == (1000, 1)
        await one.close()


class Singles(RegisterServer):
    """Refuses function 16, as a Kostal without a battery does."""

    def answer(self, unit: int, pdu: bytes) -> bytes:
        return bytes((pdu[0] | 0x80, 1)) if pdu[0] == 16 else super().answer(unit, pdu)


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
