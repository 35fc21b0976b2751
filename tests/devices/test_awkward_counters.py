"""Counters over a real restart: the journal's file is closed and opened anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.guard import DeviceConfig
from gateway.devices.build import build_devices
from gateway.guard.intents import GuardFile
from tests.devices.conftest import HandClock, values
from tests.devices.sunspec_images import Words, chain, common, model, u32
from tests.modbus.server import RegisterServer, serving

LAP_WH = 2**32 / 1000  # of a 32-bit count in mWh, as a Fronius Verto has it
IMPORT, EXPORT = 46, 38


def meter(imported: int, exported: int = 9_000_000) -> dict[int, int]:
    """A meter that counts in 0.001 Wh."""
    points: Words = {18: 100, 22: 0, EXPORT: u32(exported), IMPORT: u32(imported), 54: -3}
    return chain(common(), model(203, 105, points))


class Life:
    """The gateway's look at one meter, between two restarts."""

    def __init__(self, server: RegisterServer, folder: Path, clock: HandClock) -> None:
        self.journal = GuardFile(folder / "guard.json")
        entry = DeviceConfig(
            name="meter", profile="sunspec-meter", host="127.0.0.1", port=server.port, unit=1
        )
        self.device = build_devices([entry], self.journal, clock, memory=self.journal)[0]

    async def imported(self) -> float | str | None:
        return values(await self.device.poll())["grid_import_wh"]

    async def end(self) -> None:
        await self.device.close()


async def test_a_lap_is_not_lost_in_a_restart(clock: HandClock, tmp_path: Path) -> None:
    units = {1: meter(0xFFFF_F000)}
    async with serving(RegisterServer(units)) as server:
        first = Life(server, tmp_path, clock)
        before = await first.imported()
        assert before == pytest.approx(LAP_WH - 4.096)
        units[1] |= meter(0x1000)
        clock.seconds += 10
        over = await first.imported()
        assert over == pytest.approx(LAP_WH + 4.096)
        await first.end()
        clock.seconds += 3600
        units[1] |= meter(0x2000)
        second = Life(server, tmp_path, clock)
        assert await second.imported() == pytest.approx(LAP_WH + 8.192)
        await second.end()


async def test_a_wrap_while_the_gateway_was_off_is_seen(clock: HandClock, tmp_path: Path) -> None:
    units = {1: meter(0xFFFF_F000)}
    async with serving(RegisterServer(units)) as server:
        first = Life(server, tmp_path, clock)
        await first.imported()
        clock.seconds += 4000
        await first.imported()  # long enough ago to be stored
        await first.end()
        clock.seconds += 7200
        units[1] |= meter(0x0100_0000)
        second = Life(server, tmp_path, clock)
        assert await second.imported() == pytest.approx(LAP_WH + 2**24 / 1000)
        await second.end()


async def test_a_zero_after_a_restart_is_not_believed(clock: HandClock, tmp_path: Path) -> None:
    """A meter that wakes up with the gateway shows 0 on one side for a moment."""
    units = {1: meter(50_000_000)}
    async with serving(RegisterServer(units)) as server:
        first = Life(server, tmp_path, clock)
        await first.imported()
        clock.seconds += 4000
        assert await first.imported() == 50_000
        await first.end()
        units[1] |= meter(0)
        clock.seconds += 60
        second = Life(server, tmp_path, clock)
        assert await second.imported() is None
        units[1] |= meter(50_010_000)
        clock.seconds += 10
        assert await second.imported() == 50_010
        await second.end()


async def test_what_was_used_while_it_was_off_counts_though_the_clock_is_behind(
    clock: HandClock, tmp_path: Path
) -> None:
    """Three weeks without power; a machine without a battery clock starts with the time of before."""
    units = {1: meter(50_000_000)}
    async with serving(RegisterServer(units)) as server:
        first = Life(server, tmp_path, clock)
        await first.imported()
        clock.seconds += 4000
        assert await first.imported() == 50_000
        await first.end()
        clock.seconds -= 1800
        units[1] |= meter(470_000_000)
        second = Life(server, tmp_path, clock)
        assert await second.imported() == 470_000
        await second.end()


async def test_a_new_meter_is_believed_after_some_minutes(clock: HandClock, tmp_path: Path) -> None:
    units = {1: meter(50_000_000)}
    async with serving(RegisterServer(units)) as server:
        first = Life(server, tmp_path, clock)
        await first.imported()
        clock.seconds += 4000
        await first.imported()
        await first.end()
        units[1] |= meter(7_000)
        second = Life(server, tmp_path, clock)
        assert await second.imported() is None
        clock.seconds += 301
        assert await second.imported() == 7
        await second.end()


async def test_a_true_zero_of_a_new_home_is_shown_at_once(clock: HandClock, tmp_path: Path) -> None:
    async with serving(RegisterServer({1: meter(0)})) as server:
        first = Life(server, tmp_path, clock)
        assert await first.imported() == 0
        await first.end()


async def test_what_was_stored_may_be_damaged(
    clock: HandClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(RegisterServer({1: meter(5_000)})) as server:
        journal = GuardFile(tmp_path / "guard.json")
        journal.setting("counters meter", '{"time": 3}')
        one = Life(server, tmp_path, clock)
        assert await one.imported() == 5
        assert "stored counters cannot be read" in caplog.text
        await one.end()


@pytest.mark.parametrize(
    "stored",
    [
        '{"time": "2026-06-01T12:00:00+00:00", "laps": {}, "last": {"grid_import_wh": "much"}}',
        '{"time": "2026-06-01T12:00:00+00:00", "laps": {"grid_import_wh 0": {"last": "x", "laps": 0}}}',
    ],
)
async def test_what_was_stored_may_be_no_number(
    stored: str, clock: HandClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(RegisterServer({1: meter(5_000)})) as server:
        journal = GuardFile(tmp_path / "guard.json")
        journal.setting("counters meter", stored)
        one = Life(server, tmp_path, clock)
        assert await one.imported() == 5
        assert "stored counters cannot be read" in caplog.text
        await one.end()


async def test_a_new_meter_that_counts_no_export_yet_is_believed_too(
    clock: HandClock, tmp_path: Path
) -> None:
    units = {1: meter(50_000_000)}
    async with serving(RegisterServer(units)) as server:
        first = Life(server, tmp_path, clock)
        await first.imported()
        clock.seconds += 4000
        await first.imported()
        await first.end()
        units[1] |= meter(7_000, 0)
        second = Life(server, tmp_path, clock)
        assert await second.imported() is None
        clock.seconds += 301
        assert values(await second.device.poll())["grid_export_wh"] == 0
        await second.end()


async def test_a_meter_replaced_by_one_with_a_higher_count_adds_nothing(
    clock: HandClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the other meter counted in another house is nobody's energy here; a restart keeps that."""
    units = {1: meter(50_000_000)}
    async with serving(RegisterServer(units)) as server:
        first = Life(server, tmp_path, clock)
        assert await first.imported() == 50_000
        units[1] |= meter(3_820_000_000)  # 3.77 MWh more
        for _ in range(30):
            clock.seconds += 10
            assert await first.imported() is None
        clock.seconds += 10
        assert await first.imported() == 50_000
        units[1] |= meter(3_820_250_000)
        clock.seconds += 60
        assert await first.imported() == 50_250
        clock.seconds += 4000
        await first.imported()  # stored
        await first.end()
        second = Life(server, tmp_path, clock)
        clock.seconds += 60
        units[1] |= meter(3_820_300_000)
        assert await second.imported() == 50_300
        await second.end()
    said = [r.getMessage() for r in caplog.records if "grid_import_wh" in r.getMessage()]
    assert len(said) == 2  # not believed; starts anew
