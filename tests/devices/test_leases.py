"""Take, hold, renew, lose, release: on a hybrid's registers behind a real socket."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress

import pytest

from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control
from gateway.errors import DeviceError
from tests.devices.conftest import HandClock, Intents, device
from tests.devices.sunspec_images import hybrid
from tests.modbus.faults import exception, silent
from tests.modbus.server import RegisterServer, serving

MODE, OUT_RATE, IN_RATE, REVERT = 40368, 40375, 40376, 40378
LIMIT, LIMIT_REVERT, LIMIT_ON = 40232, 40234, 40236
BATTERY, PV = Control.BATTERY_POWER, Control.PV_LIMIT


def signed(word: int) -> int:
    return word - 65536 if word >= 32768 else word


@pytest.fixture
def words() -> dict[int, int]:
    return hybrid()[1]


def gen24(server: RegisterServer, clock: HandClock, intents: Intents) -> ModbusDevice:
    return device(server, "fronius-gen24", clock, intents)


async def test_discharge_and_charge_are_opposite_rates_written_before_the_mode(
    words: dict[int, int], clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer({1: words})) as server:
        one = gen24(server, clock, intents)
        await one.hold(BATTERY, 2560)  # 10 % of 25600 W, two decimals
        assert (signed(words[OUT_RATE]), signed(words[IN_RATE])) == (1000, -1000)
        assert (words[REVERT], words[MODE]) == (60, 3)
        assert [address for _, address, _ in server.writes] == [OUT_RATE, REVERT, MODE]
        await one.hold(BATTERY, -5120)
        assert (signed(words[OUT_RATE]), signed(words[IN_RATE])) == (-2000, 2000)
        await one.hold(BATTERY, 0)
        assert (words[OUT_RATE], words[IN_RATE], words[MODE]) == (0, 0, 3)
        await one.hold(BATTERY, 1e6)
        assert signed(words[OUT_RATE]) == 10000  # never more than 100 %
        await one.close()


async def test_nothing_is_written_while_nothing_changes_and_the_lease_is_fresh(
    words: dict[int, int], clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer({1: words})) as server:
        one = gen24(server, clock, intents)
        await one.hold(BATTERY, 1000)
        server.writes.clear()
        renewals = []
        for _ in range(600):
            clock.seconds += 1
            await one.hold(BATTERY, 1000)
            if server.writes:
                renewals.append(clock.seconds)
                assert MODE in [address for _, address, _ in server.writes]
                server.writes.clear()
        assert len(renewals) <= 600 / 20
        assert all(b - a <= 30 for a, b in zip([0, *renewals], renewals, strict=False))
        await one.close()


async def test_release_is_neutral_first_puts_back_and_reads_back(
    words: dict[int, int], clock: HandClock, intents: Intents
) -> None:
    words[REVERT] = 3600  # a timer that somebody set
    before = dict(words)
    async with serving(RegisterServer({1: words})) as server:
        one = gen24(server, clock, intents)
        await one.hold(BATTERY, -3000)
        await one.hold(PV, 5000)
        assert (await one.release()).neutral
        assert words == before
        assert not intents.stored
        server.writes.clear()
        assert (await one.release()).neutral
        assert not server.writes
        await one.close()


async def test_a_limit_that_was_there_before_us_is_never_loosened_and_comes_back(
    words: dict[int, int], clock: HandClock, intents: Intents
) -> None:
    assert (words[LIMIT], words[LIMIT_ON]) == (4645, 1)
    async with serving(RegisterServer({1: words})) as server:
        one = gen24(server, clock, intents)
        await one.release()
        assert words[LIMIT_ON] == 1
        await one.hold(PV, 15_000)
        assert words[LIMIT] == 4645
        await one.hold(PV, 1_500)
        assert (words[LIMIT], words[LIMIT_REVERT]) == (1000, 60)
        await one.release([PV])
        assert (words[LIMIT], words[LIMIT_REVERT], words[LIMIT_ON]) == (4645, 0, 1)
        await one.close()


async def test_after_a_crash_the_next_life_puts_back_what_the_last_one_found(
    words: dict[int, int], clock: HandClock, intents: Intents
) -> None:
    before = dict(words)
    async with serving(RegisterServer({1: words})) as server:
        first = gen24(server, clock, intents)
        await first.hold(BATTERY, 4000)
        await first.close()  # as if killed: no release
        assert words[MODE] == 3
        second = gen24(server, clock, intents)
        await second.poll()
        assert words == before
        assert not intents.stored
        await second.close()


@pytest.mark.parametrize("kill_at", range(1, 12))
async def test_a_crash_at_any_request_of_a_takeover_is_undone_by_the_next_life(
    kill_at: int, words: dict[int, int], clock: HandClock, intents: Intents
) -> None:
    before = dict(words)
    async with serving(RegisterServer({1: words})) as server:
        first = gen24(server, clock, intents)
        await first.poll()
        server.faults = [None] * (kill_at - 1) + [silent] * 50
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):  # the kill: nothing of ours runs after it
                for watts in (4000, -2000, 1000, 0):
                    await first.hold(BATTERY, watts)
        await first.close()
        server.faults = []
        second = gen24(server, clock, intents)
        await second.poll()
        report = await second.release()
        assert report.neutral
        assert words == before
        await second.close()


async def test_another_controller_is_reported_once_and_not_fought(
    words: dict[int, int],
    clock: HandClock,
    intents: Intents,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(RegisterServer({1: words})) as server:
        one = gen24(server, clock, intents)
        await one.hold(BATTERY, 1000)
        words[OUT_RATE] = 5000  # the other one
        server.writes.clear()
        with caplog.at_level(logging.WARNING):
            for _ in range(5):
                clock.seconds += 30
                with pytest.raises(DeviceError, match="another controller"):
                    await one.hold(BATTERY, 1000)
        assert not server.writes
        assert len(caplog.records) == 1
        clock.seconds += 1000
        await one.hold(BATTERY, 1000)  # later we may try again
        await one.close()


async def test_a_reboot_that_lost_the_setpoint_is_healed_at_the_next_renewal(
    words: dict[int, int], clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer({1: words})) as server:
        one = gen24(server, clock, intents)
        await one.hold(BATTERY, 1000)
        words.update({MODE: 0, OUT_RATE: 10000, IN_RATE: 10000, REVERT: 0})
        clock.seconds += 30
        await one.hold(BATTERY, 1000)
        assert (words[MODE], words[REVERT]) == (3, 60)
        await one.close()


async def test_an_ignored_write_is_an_error_not_a_success(
    words: dict[int, int], clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer({1: words}, on_write=lambda *_: -1)) as server:
        one = gen24(server, clock, intents)
        with pytest.raises(DeviceError, match=r"wrote 3 to register|but it reads"):
            await one.hold(BATTERY, 1000)
        await one.close()


async def test_a_refused_step_of_the_release_does_not_stop_the_others(
    words: dict[int, int], clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer({1: words})) as server:
        one = gen24(server, clock, intents)
        await one.hold(BATTERY, 1000)
        server.on_write = lambda _u, address, _w: 4 if address == OUT_RATE else None
        report = await one.release()
        assert not report.neutral
        assert "register 40375" in report.problems[0]
        assert (words[MODE], words[REVERT]) == (0, 0)
        server.on_write = None
        assert (await one.release()).neutral
        await one.close()


async def test_a_setpoint_without_effect_is_said_once(
    words: dict[int, int],
    clock: HandClock,
    intents: Intents,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """This battery goes on charging at 8240 W whatever is written."""
    async with serving(RegisterServer({1: words})) as server:
        one = gen24(server, clock, intents)
        with caplog.at_level(logging.WARNING):
            for _ in range(20):
                await one.hold(BATTERY, 5000)
                await one.poll()
                clock.seconds += 10
        said = [r.message for r in caplog.records if "no effect" in r.message]
        assert len(said) == 1
        await one.close()


async def test_a_read_only_device_is_never_written(
    words: dict[int, int], clock: HandClock, intents: Intents
) -> None:
    intents.remember("device", BATTERY, json.dumps({}), clock.now())
    async with serving(RegisterServer({1: words})) as server:
        one = device(server, "fronius-gen24", clock, intents, steer="never")
        await one.poll()
        assert not one.controls
        with pytest.raises(DeviceError, match="cannot set"):
            await one.hold(BATTERY, 100)
        await one.release()
        assert not server.writes
        await one.close()


async def test_release_of_a_lost_device_says_so_and_keeps_the_intent(
    words: dict[int, int], clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer({1: words})) as server:
        one = gen24(server, clock, intents)
        await one.hold(BATTERY, 1000)
        server.faults = [exception(11)] * 10
        report = await one.release()
        assert not report.neutral
        assert intents.stored
        await one.close()
