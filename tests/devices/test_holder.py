"""What a sheet declares is kept: flash budget, stored intent, setpoints that follow the house."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pytest

from gateway.devices.holder import Holder
from gateway.devices.profile import ControlSheet, Facts, Lease, Write
from gateway.domain.control import Control
from gateway.errors import DeviceError, StorageError
from gateway.modbus.link import BusAddress, Link, Pace
from gateway.modbus.registers import Block
from tests.devices.conftest import HandClock, Intents, impatient
from tests.modbus.server import RegisterServer, serving

BATTERY = Control.BATTERY_POWER


def hold(watts: float, _facts: Facts, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (Write(10, (int(watts),)),)


def neutral(_facts: Facts, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (Write(10, (0,)),)


FLASH = ControlSheet(
    control=BATTERY,
    facts=(Block("holding", 10, 1),),
    hold=hold,
    neutral=neutral,
    saved=(10,),
    lease=Lease("none", refresh_s=1e9),
    flash=(10,),
    max_per_day=3,
)


def holder(
    server: RegisterServer, sheet: ControlSheet, intents: Intents, clock: HandClock
) -> tuple[Holder, Link]:
    link = Link(BusAddress(host="127.0.0.1", port=server.port), Pace(10))
    return Holder("battery", sheet, link.unit(1), intents, clock), link


async def test_flash_is_written_only_on_change_and_within_the_days_budget(
    clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer({1: {10: 0}})) as server:
        one, link = holder(server, FLASH, intents, clock)
        for watts in (100, 100, 200, 200, 300):
            await one.hold(watts)
        assert [words for _, _, words in server.writes] == [[100], [200], [300]]
        with pytest.raises(DeviceError, match=r"flash and was written 3 times today"):
            await one.hold(400)
        assert not await one.release()  # letting go is always worth a write
        assert server.units[1][10] == 0
        clock.seconds += 24 * 3600
        await one.hold(500)
        assert server.units[1][10] == 500
        await link.close()


class Full(Intents):
    """A store whose disk is full."""

    def remember(self, device: str, control: Control, restore: str, time: datetime) -> None:
        raise StorageError("disk full")


async def test_without_a_dead_man_nothing_is_written_that_could_not_be_remembered(
    clock: HandClock,
) -> None:
    async with serving(RegisterServer({1: {10: 0}})) as server:
        one, link = holder(server, FLASH, Full(), clock)
        with pytest.raises(DeviceError, match="not taken: disk full"):
            await one.hold(100)
        assert not server.writes
        await link.close()


async def test_a_grid_setpoint_follows_loads_and_panels(clock: HandClock, intents: Intents) -> None:
    """Victron: grid = load - pv - battery, made anew at each hold."""
    words = dict.fromkeys((*range(808, 823), *range(840, 852), *range(2700, 2730), 5400), 0)
    words |= {817: 1000, 811: 400, 850: 600, 843: 50}
    async with serving(RegisterServer({100: words})) as server:
        one = impatient(server, "victron-gx", clock, intents)
        await one.hold(BATTERY, 1500)
        assert setpoint(words) == 1000 - 400 - 600 - 1500
        words[817] = 3000
        clock.seconds += 1
        await one.hold(BATTERY, 1500)
        assert setpoint(words) == 3000 - 1000 - 1500
        writes = len(server.writes)
        await one.hold(BATTERY, 1500)
        assert len(server.writes) == writes
        words[5400] = 1
        with pytest.raises(DeviceError, match="Dynamic ESS"):
            await one.hold(BATTERY, 1500)
        words[5400] = 0
        assert (await one.release()).neutral
        assert setpoint(words) == 0
        await one.close()


def setpoint(words: Mapping[int, int]) -> int:
    value = words[2716] << 16 | words[2717]
    return value - 2**32 if value >= 2**31 else value
