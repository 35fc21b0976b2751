"""What was steered wrongly on real devices, on images of our own: each row once went wrong."""

from __future__ import annotations

import pytest

from gateway.devices.scan import scan
from gateway.domain.control import Control
from gateway.errors import DeviceError
from tests.devices import vendor_images as images
from tests.devices.conftest import HandClock, Intents, impatient, values
from tests.devices.sunspec_images import Words, chain, common, hybrid, model
from tests.devices.test_field_faults import i32, server_of
from tests.devices.test_sunspec_variants import inverter
from tests.modbus.server import RegisterServer, serving

BATTERY, CURRENT = Control.BATTERY_POWER, Control.CHARGE_CURRENT


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
