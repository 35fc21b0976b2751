"""Inverters that live on their panels: their silence in the dark is no fault, at noon it is."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.readings import DeviceState, Quality, Reading
from gateway.guard.intents import GuardFile
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from gateway.site.night import LearntNight
from gateway.site.site import Site
from tests.devices.conftest import HandClock, Intents, impatient
from tests.devices.sunspec_images import chain, common
from tests.devices.test_sunspec_variants import inverter
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


def sunny(hour: float) -> int:
    """What the roof gives at an hour of the day (UTC): day is from 4 to 20."""
    return round(4000 * max(0.0, 1 - ((hour - 12) / 8) ** 2))


async def test_the_night_is_learnt_from_the_panels_where_no_place_is_configured(
    tmp_path: Path,
) -> None:
    """A string inverter that falls silent each evening: unknown in the first night, 0 W from the second on.

    After a restart it is still known. By day a silence stays unknown, as the power is.
    """
    words = chain(common("FRONIUS", "Primo"), inverter(watts=0, state=2))
    power = next(a for a in words if (words[a], words.get(a + 1)) == (103, 50)) + 14
    units = {1: words}
    clock = SimClock(DUSK.replace(hour=8))
    seen: dict[str, float | None] = {}

    async def sun(until: datetime, site: Site) -> None:
        """The sun's course; below 5 W the inverter is not there."""
        while clock.now() < until:
            now = clock.now()
            watts = sunny(now.hour + now.minute / 60)
            words[power] = watts
            units.clear()
            if watts >= 5:
                units[1] = words
            await clock.sleep(120)
            site.observe()

    async def at(hour: int, day: int, site: Site) -> float | None:
        await sun(DUSK.replace(hour=hour, day=day), site)
        return site.observe().pv_w

    async def live(port: int, hours: list[tuple[str, int, int]], lost: bool = False) -> None:
        connection = Connection(BusAddress(host="127.0.0.1", port=port), BusTiming(5.0))
        one = ModbusDevice("roof", profile("sunspec-inverter"), connection.unit(1), None, clock)
        site = Site([one], clock, 60, LearntNight(GuardFile(tmp_path / "guard.json")))

        async def watch() -> None:
            for name, hour, day in hours:
                seen[name] = await at(hour, day, site)
            if lost:
                units.clear()
                await clock.sleep(1200)
                seen["lost at noon"] = site.observe().pv_w
            raise asyncio.CancelledError

        with suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as group:
                site.start(group)
                await clock.spawn(group, watch(), "watch")
        await one.close()

    async with serving(RegisterServer(units)) as server:
        await live(server.port, [("noon", 12, 1), ("first night", 23, 1), ("second night", 23, 2)])
        await live(
            server.port, [("day", 10, 3), ("after a restart", 23, 3), ("noon again", 12, 4)], True
        )
    assert seen["noon"]
    assert seen["first night"] is None
    assert seen["second night"] == 0.0
    assert seen["after a restart"] == 0.0
    assert seen["noon again"]
    assert seen["lost at noon"] is None


def test_a_summers_night_is_never_taken_for_day_nor_a_day_for_night() -> None:
    """Each quarter-hour of three weeks in which the days get longer by six minutes each."""
    night = LearntNight()
    start = DUSK.replace(month=3, hour=0)
    for quarter in range(96 * 21):
        now = start + timedelta(minutes=15 * quarter)
        hour, longer = now.hour + now.minute / 60, quarter / 96 * 0.05
        light = 6 - longer <= hour < 18 + longer
        assert not (light and night.is_dark(now))
        if quarter > 2 * 96 and not 4 <= hour <= 20:
            assert night.is_dark(now)
        watts = 900.0 if light else 0.0
        reading = Reading("pv_power_w", watts, Quality.GOOD, now)
        night.see(now, [DeviceState("roof", True, {"pv_power_w": reading})])
