"""Release when something else is broken at the same moment: an echo lost, the store gone, a sleeping scale."""

from __future__ import annotations

import asyncio

import pytest

from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control, Setpoints
from gateway.errors import DeviceError, StorageError
from gateway.site.site import Site
from tests.devices.conftest import HandClock, Intents, device, impatient
from tests.devices.sunspec_images import hybrid
from tests.devices.test_awkward_registers import solaredge
from tests.devices.test_transitions import image_of
from tests.modbus.faults import silent
from tests.modbus.server import RegisterServer, serving

BATTERY = Control.BATTERY_POWER
MODE, POWER = 47511, 47512  # of GoodWe: 1 = auto, 12 = discharge; no watchdog of its own


def goodwe() -> dict[int, int]:
    return image_of(profile("goodwe-et"))


async def test_a_setpoint_whose_echo_was_lost_is_still_ours_and_is_released(
    clock: HandClock, intents: Intents
) -> None:
    words = goodwe()
    async with serving(RegisterServer({247: words})) as server:
        one = impatient(server, "goodwe-et", clock, intents)
        await one.hold(BATTERY, 2_000)
        server.faults = [silent]  # the device does it, its answer is lost
        with pytest.raises(DeviceError):
            await one.hold(BATTERY, 1_000)
        clock.seconds += 5
        await one.hold(BATTERY, 1_000)
        assert (words[MODE], words[POWER]) == (12, 1_000)
        assert BATTERY in intents.pending("device")
        report = await one.release()
        assert report.neutral, report
        assert words[MODE] == 1
        assert intents.pending("device") == {}
        await one.close()


async def test_what_another_controller_holds_is_not_called_neutral(
    clock: HandClock, intents: Intents
) -> None:
    words = goodwe()
    async with serving(RegisterServer({247: words})) as server:
        one = impatient(server, "goodwe-et", clock, intents)
        await one.hold(BATTERY, 2_000)
        words[MODE] = 11
        clock.seconds += 3_600
        with pytest.raises(DeviceError):
            await one.hold(BATTERY, 2_000)
        report = await one.release()
        assert not report.neutral
        assert "another controller" in report.problems[0]
        (note,) = one.notes
        assert note.alarm, "a person should know"
        assert "another controller steers its battery too" in note.said.text
        clock.seconds += 901
        assert one.notes == (), "then it is tried again"
        await one.close()


class Broken(Intents):
    """A store whose disk has gone."""

    def pending(self, device: str) -> dict[Control, str]:
        raise StorageError("disk gone")


async def test_a_store_that_cannot_be_read_does_not_keep_the_battery_forced(
    clock: HandClock,
) -> None:
    words, intents = goodwe(), Intents()
    async with serving(RegisterServer({247: words})) as server:
        one = impatient(server, "goodwe-et", clock, intents)
        await one.hold(BATTERY, 2_000)
        intents.__class__ = Broken
        report = await one.release()
        assert report.neutral, report
        assert words[MODE] == 1
        await one.close()


async def test_an_inverter_without_its_scale_factor_is_freed_by_the_mode_alone(
    clock: HandClock, intents: Intents
) -> None:
    words = hybrid()[1]
    mode, scale = 40368, 40388
    async with serving(RegisterServer({1: words})) as server:
        one = device(server, "fronius-gen24", clock, intents)
        await one.hold(BATTERY, 2_560)
        assert words[mode] == 3
        words[scale] = 0x8000  # asleep: not implemented
        report = await one.release()
        assert words[mode] == 0, report
        await one.close()


async def test_a_device_that_refuses_to_be_read_but_takes_writes_is_released(
    clock: HandClock, intents: Intents
) -> None:
    words = goodwe() | dict.fromkeys(range(35_000, 37_020), 0) | {35_184: 2}
    async with serving(RegisterServer({247: words})) as server:
        one = impatient(server, "goodwe-et", clock, intents)
        site = Site([one], clock, period_s=2)
        async with asyncio.TaskGroup() as group:
            site._group = group
            await site._poll(one)
            await site.apply(Setpoints(batteries_w={one.name: 2_000}))
            assert words[MODE] == 12
            for address in [a for a in words if 35_000 <= a < 36_100]:
                del words[address]  # a new firmware refuses these blocks
            with pytest.raises(DeviceError):
                await poll_twice(site, one)
            await site._let_go(one)
        assert words[MODE] == 1
        await one.close()


async def poll_twice(site: Site, one: ModbusDevice) -> None:
    """A single refusal may be chance; the second is believed."""
    for _ in range(3):
        await site._poll(one)


async def test_one_device_that_fails_in_release_does_not_keep_the_others(
    clock: HandClock, intents: Intents
) -> None:
    words = goodwe()
    async with serving(RegisterServer({247: words})) as server:
        good = impatient(server, "goodwe-et", clock, intents)
        bad = impatient(server, "goodwe-et", clock, intents)
        await good.hold(BATTERY, 1_000)

        async def broken(*_: object) -> None:
            raise StorageError("disk gone")

        bad.release = broken  # type: ignore[method-assign, assignment]
        reports = await Site([bad, good], clock, 2).release_all()
        assert [r.neutral for r in reports] == [False, True]
        assert words[MODE] == 1
        await good.close()
        await bad.close()


async def test_a_solaredge_that_rests_when_we_die_works_again_after_the_next_start(
    clock: HandClock, intents: Intents
) -> None:
    """Its command times out, its limits of 0 W do not."""
    words = solaredge((9700, -512, 50))
    before = dict(words)
    async with serving(RegisterServer({1: words})) as server:
        first = impatient(server, "solaredge-storedge", clock, intents)
        await first.poll()
        await first.hold(Control.BATTERY_POWER, 0)
        got = {r.metric: r.value for r in await first.poll()}
        assert got["battery_mode"] == "held"
        await first.close()
        words[0xE00D] = 7  # timed out, by the default mode
        second = impatient(server, "solaredge-storedge", clock, intents)
        await second.poll()
        await second.close()
    after = {a: w for a, w in words.items() if w != before[a] and a != 0xE00D}
    assert after == {}
