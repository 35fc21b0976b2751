"""What a sheet declares is kept: flash budget, stored intent, setpoints that follow the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from gateway.devices import IntentStore
from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write
from gateway.devices.setpoint_lease import SetpointLease
from gateway.domain.control import Control
from gateway.errors import DeviceError, StorageError
from gateway.guard.intents import GuardFile
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from gateway.modbus.registers import Block
from tests.devices.conftest import HandClock, Intents, impatient
from tests.modbus.server import RegisterServer, serving

BATTERY = Control.BATTERY_POWER


def hold(watts: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (Write(10, (int(watts),)),)


def neutral(_read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (Write(10, (0,)),)


FLASH = ControlSheet(
    control=BATTERY,
    limits="battery",
    sources=("one", "another"),
    read_back=(Block("holding", 10, 1),),
    hold=hold,
    neutral=neutral,
    restore_registers=(10,),
    lease=Lease("none", refresh_s=1e9),
    flash=(10,),
    max_per_day=3,
)


def lease(
    server: RegisterServer, sheet: ControlSheet, intents: IntentStore, clock: HandClock
) -> tuple[SetpointLease, Connection]:
    connection = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(10))
    return SetpointLease("battery", sheet, connection.unit(1), intents, clock), connection


async def test_flash_is_written_only_on_change_and_within_the_days_budget(
    clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer({1: {10: 0}})) as server:
        one, connection = lease(server, FLASH, intents, clock)
        for watts in (100, 100, 200, 200, 300):
            await one.hold(watts)
        assert [words for _, _, words in server.writes] == [[100], [200], [300]]
        with pytest.raises(DeviceError, match=r"flash and was written 3 times today"):
            await one.hold(400)
        assert server.units[1][10] == 0  # let go rather than held at an old power
        assert not intents.stored
        with pytest.raises(DeviceError, match="written 3 times today"):
            await one.hold(500)
        clock.seconds += 24 * 3600
        await one.hold(500)
        assert server.units[1][10] == 500
        await connection.close()


async def test_letting_go_is_always_worth_a_write(clock: HandClock, intents: Intents) -> None:
    async with serving(RegisterServer({1: {10: 0}})) as server:
        one, connection = lease(server, FLASH, intents, clock)
        for watts in (100, 200, 300):
            await one.hold(watts)
        assert not await one.release()
        assert server.units[1][10] == 0
        assert intents.writes == {("battery", 10, "2026-06-01"): 4}
        await connection.close()


async def test_a_restart_does_not_begin_the_days_budget_anew(
    clock: HandClock, tmp_path: Path
) -> None:
    async with serving(RegisterServer({1: {10: 0}})) as server:
        for watts in (100, 200, 300):
            journal = GuardFile(tmp_path / "guard.json")
            one, connection = lease(server, FLASH, journal, clock)
            await one.hold(watts)
            await connection.close()
        journal = GuardFile(tmp_path / "guard.json")
        one, connection = lease(server, FLASH, journal, clock)
        with pytest.raises(DeviceError, match="written 3 times today"):
            await one.hold(400)
        assert one.owed
        assert not await one.release()
        assert server.units[1][10] == 0
        await connection.close()


async def test_a_limit_may_always_become_smaller_and_only_so_often_wider(
    clock: HandClock, intents: Intents
) -> None:
    sheet = replace(FLASH, control=Control.EXPORT_LIMIT, max_per_day=4, on_foreign_setpoint="keep")
    async with serving(RegisterServer({1: {10: 9000}})) as server:
        one, connection = lease(server, sheet, intents, clock)
        for watts in (5000, 0, 5000, 0):
            await one.hold(watts)
        with pytest.raises(DeviceError, match="flash"):
            await one.hold(5000)
        assert server.units[1][10] == 0  # kept, not let go: wider is the wrong way
        assert one.value == 0
        clock.seconds += 24 * 3600
        await one.hold(5000)
        await one.hold(4000)
        assert server.units[1][10] == 4000
        await connection.close()


async def test_flash_that_reads_right_is_not_written_at_a_renewal(
    clock: HandClock, intents: Intents
) -> None:
    sheet = replace(FLASH, lease=Lease("none", refresh_s=60))
    async with serving(RegisterServer({1: {10: 0}})) as server:
        one, connection = lease(server, sheet, intents, clock)
        for _ in range(10):
            await one.hold(100)
            clock.seconds += 61
        assert len(server.writes) == 1
        server.units[1][10] = 0  # a reboot lost it
        await one.hold(100)
        assert len(server.writes) == 2
        await connection.close()


async def test_what_outlives_the_devices_timer_is_remembered_or_not_taken(clock: HandClock) -> None:
    sheet = replace(
        FLASH, flash=(), max_per_day=0, lease=Lease("reversion", 60, 20), persists_after_lease=(10,)
    )
    async with serving(RegisterServer({1: {10: 0}})) as server:
        one, connection = lease(server, sheet, Full(), clock)
        with pytest.raises(DeviceError, match="not taken: disk full"):
            await one.hold(100)
        assert not server.writes
        one, connection = lease(server, replace(sheet, persists_after_lease=()), Full(), clock)
        await one.hold(100)
        await connection.close()


class Uncounted(Intents):
    """A store that cannot count any more."""

    def write_count(self, device: str, register: int, day: str) -> int:
        raise StorageError("disk gone")

    def count_write(self, device: str, register: int, day: str) -> None:
        raise StorageError("disk gone")


async def test_a_count_that_is_lost_counts_as_spent(clock: HandClock, intents: Intents) -> None:
    async with serving(RegisterServer({1: {10: 0}})) as server:
        one, connection = lease(server, FLASH, intents, clock)
        await one.hold(100)
        one._budget._intents = Uncounted()
        with pytest.raises(DeviceError, match="cannot be counted: disk gone"):
            await one.hold(200)
        assert server.units[1][10] == 0  # a battery is let go
        limit = replace(FLASH, control=Control.EXPORT_LIMIT, on_foreign_setpoint="keep")
        one, _ = lease(server, limit, intents, clock)
        one._budget._intents = Uncounted()
        await one.hold(500)
        await one.hold(100)  # smaller: always
        with pytest.raises(DeviceError, match="cannot be counted"):
            await one.hold(500)
        assert server.units[1][10] == 100
        await connection.close()


async def test_what_a_model_has_no_registers_for_is_no_control_of_it(
    clock: HandClock, intents: Intents
) -> None:
    """A Growatt with firmware from before the VPP registers: measured only."""
    words = dict.fromkeys(range(1125), 0)
    async with serving(RegisterServer({1: words}, input={1: words})) as server:
        one = impatient(server, "growatt-sph", clock, intents)
        assert one.controls == {BATTERY}  # by the profile, as long as nobody asked
        await one.poll()
        assert not one.controls
        with pytest.raises(DeviceError, match="cannot set battery_power_w"):
            await one.hold(BATTERY, 1000)
        assert (await one.release()).neutral
        assert not server.writes
        await one.close()


class Full(Intents):
    """A store whose disk is full."""

    def remember(self, device: str, control: Control, restore: str, time: datetime) -> None:
        raise StorageError("disk full")


async def test_without_a_dead_man_nothing_is_written_that_could_not_be_remembered(
    clock: HandClock,
) -> None:
    async with serving(RegisterServer({1: {10: 0}})) as server:
        one, connection = lease(server, FLASH, Full(), clock)
        with pytest.raises(DeviceError, match="not taken: disk full"):
            await one.hold(100)
        assert not server.writes
        await connection.close()


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
