"""Inverters that live on their panels: their silence in the dark is no fault, at noon it is."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import pytest

from gateway.clock import SimClock
from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.readings import Quality
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from gateway.site.site import Site
from tests.devices.conftest import HandClock, Intents, impatient
from tests.devices.vendor_images import goodwe, huawei, table, u32
from tests.modbus.server import RegisterServer, serving

DUSK = datetime(2026, 6, 1, 20, tzinfo=UTC)


async def night(
    panels_w: int, caplog: pytest.LogCaptureFixture, hours: float = 8
) -> tuple[list[str], int, bool]:
    """A GoodWe that goes silent with ``panels_w`` and is back after ``hours``.

    What was logged of it, how often it was asked meanwhile, and whether it counted as asleep.
    """
    words = dict(goodwe().holding) | table({35105: u32(panels_w), 35109: u32(0)})
    units = {247: words}
    clock, caplog_level = SimClock(DUSK), logging.INFO
    caplog.set_level(caplog_level)
    seen: list[tuple[bool, bool]] = []
    async with serving(RegisterServer(units)) as server:
        connection = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(5.0))
        one = ModbusDevice("roof", profile("goodwe-et"), connection.unit(247), None, clock)
        site = Site([one], clock, period_s=10)

        async def watch() -> None:
            await clock.sleep(60)
            del units[247]  # exception 11: nobody there
            server.reads.clear()
            await clock.sleep(3600 * hours)
            state = site.observe().devices["roof"]
            seen.append((state.asleep, state.online))
            assert state.readings["pv_power_w"].quality is Quality.STALE
            units[247] = words
            asked = connection.requests
            await clock.sleep(400)
            state = site.observe().devices["roof"]
            assert state.online
            assert not state.asleep
            tries.append(asked)
            raise asyncio.CancelledError

        tries: list[int] = []
        try:
            async with asyncio.TaskGroup() as group:
                site.start(group)
                before = connection.requests
                await clock.spawn(group, watch(), "watch")
        except asyncio.CancelledError:
            pass
        await one.close()
    lines = [f"{r.levelname} {r.getMessage()}" for r in caplog.records if "roof" in r.getMessage()]
    return lines, tries[0] - before, seen[0][0]


async def test_silence_in_the_dark_is_one_line_and_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines, tries, asleep = await night(0, caplog)
    assert asleep
    assert [line.split(":")[0] for line in lines] == ["INFO roof sleeps", "INFO roof is back"]
    assert tries < 8 * 3600 / 60  # gently: less than once a minute


async def test_silence_at_noon_is_a_loss(caplog: pytest.LogCaptureFixture) -> None:
    lines, _, asleep = await night(3000, caplog, hours=0.5)
    assert not asleep
    assert lines[0].startswith("WARNING roof is lost")


@pytest.mark.parametrize(("storage", "sleeps"), [(2, False), (0, True)])
async def test_a_hybrid_that_only_its_battery_keeps_awake_sleeps_without_one(
    storage: int, sleeps: bool
) -> None:
    """A second Huawei without a battery refuses everything with exception 4 at night."""
    image = huawei(storage=storage)
    async with serving(RegisterServer({1: image.holding})) as server:
        one = impatient(server, "huawei-sun2000", HandClock(), Intents())
        await one.poll()
        assert one.sleeps_at_night == sleeps
        await one.close()
