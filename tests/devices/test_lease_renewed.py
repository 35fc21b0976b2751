"""A lease that is renewed only when something changes runs out while everything changes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from gateway.clock import SimClock
from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control, Setpoints
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from gateway.site.site import Site
from tests.devices.conftest import HandClock, Intents, device
from tests.devices.sunspec_images import hybrid
from tests.devices.vendor_images import goodwe
from tests.modbus.server import RegisterServer, serving

MODE, OUT_RATE, REVERT = 40368, 40375, 40378
LEASE_S = 60
EMS_MODE, DISCHARGE, AUTO = 47511, 12, 1


@pytest.mark.parametrize("every_s", [2, 7, 20])
async def test_a_setpoint_that_changes_all_the_time_keeps_its_lease(
    every_s: int, clock: HandClock, intents: Intents
) -> None:
    """The timer starts anew only with the write of its own register; a changed rate is none."""
    words = hybrid()[1]
    async with serving(RegisterServer({1: words})) as server:
        one = device(server, "fronius-gen24", clock, intents)
        renewed = clock.seconds
        for step in range(300 // every_s):
            server.writes.clear()
            await one.hold(Control.BATTERY_POWER, 1000 + 256 * (step % 20))
            assert OUT_RATE in [address for _, address, _ in server.writes]
            if REVERT in [address for _, address, _ in server.writes]:
                renewed = clock.seconds
            assert clock.seconds - renewed < LEASE_S / 2
            clock.seconds += every_s
        await one.close()


def test_a_battery_that_cannot_be_read_any_more_is_let_go_by_the_polling(
    intents: Intents,
) -> None:
    """GoodWe has no dead-man: whoever forced it must free it, also when only writes still work."""
    clock = SimClock(datetime(2026, 6, 1, 12, tzinfo=UTC))
    words = goodwe().holding
    modes: list[int] = []

    async def work() -> None:
        async with serving(RegisterServer({247: words})) as server:
            connection = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(10))
            one = ModbusDevice("roof", profile("goodwe-et"), connection.unit(247), intents, clock)
            site = Site([one], clock, period_s=5)

            async def watch() -> None:
                await clock.sleep(20)
                await site.apply(Setpoints(batteries_w={one.name: 2000}))
                modes.append(words[EMS_MODE])
                for address in [a for a in words if 35_000 <= a < 37_100]:
                    del words[address]  # a new firmware refuses all measurements
                await clock.sleep(600)
                modes.append(words[EMS_MODE])
                raise asyncio.CancelledError

            with suppress(asyncio.CancelledError):
                async with asyncio.TaskGroup() as group:
                    site.start(group)
                    await clock.spawn(group, watch(), "watch")
            await one.close()

    asyncio.run(work())
    assert modes == [DISCHARGE, AUTO]
