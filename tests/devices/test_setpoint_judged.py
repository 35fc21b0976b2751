"""A battery that does not do what its setpoint says is reported: once, not too early, not at its end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.devices.control_sheet import Lease, ReadBack, Write
from gateway.devices.setpoint_lease import IGNORED_S
from gateway.domain.control import Control
from gateway.errors import DeviceError
from tests.devices.conftest import HandClock, Intents, impatient
from tests.devices.sunspec_images import hybrid
from tests.devices.test_setpoint_lease import FLASH, lease
from tests.modbus.server import RegisterServer, serving

SHEET = replace(FLASH, flash=(), settle_s=30.0, lease=Lease("none", refresh_s=1e9))


def hold_signed(watts: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (Write(10, (int(watts) & 0xFFFF,)),)


async def said(
    held_w: float,
    measured: list[tuple[float, float, float]],
    clock: HandClock,
    intents: Intents,
    caplog: pytest.LogCaptureFixture,
) -> list[str]:
    """What the log says of power (W) and state of charge (%), seconds after the setpoint was taken."""
    caplog.set_level(logging.INFO)
    async with serving(RegisterServer({1: {10: 0}})) as server:
        one, connection = lease(server, SHEET, intents, clock)
        await one.hold(held_w)
        taken = clock.seconds
        for after_s, power_w, soc_pct in measured:
            clock.seconds = taken + after_s
            one.judge(power_w, soc_pct)
        await connection.close()
    return [r.getMessage() for r in caplog.records if "setpoint" in r.getMessage()]


async def test_it_is_said_once_when_it_has_had_its_time_and_once_when_it_follows(
    clock: HandClock, intents: Intents, caplog: pytest.LogCaptureFixture
) -> None:
    measured = [(29.0, 0.0, 50.0)]
    assert await said(2000, measured, clock, intents, caplog) == []
    measured += [(30.0, 0.0, 50.0), (40.0, 0.0, 50.0), (50.0, 1900.0, 50.0), (60.0, 1950.0, 50.0)]
    assert await said(2000, measured, clock, intents, caplog) == [
        "battery: the battery setpoint of 2000 W has no effect; measured 0 W",
        "battery: the battery follows its setpoint again",
    ]


@pytest.mark.parametrize(
    ("held_w", "power_w", "soc_pct", "warned"),
    [
        (2000, 1500, 50, False),
        (2000, 150, 50, True),  # a tenth of it is nothing
        (2000, -2000, 50, True),  # the wrong way
        (2000, 0, 2, False),  # empty: it cannot
        (2000, 0, 100, True),  # full, it can
        (40, 0, 50, False),  # too small to be seen
    ],
)
async def test_what_counts_as_following(
    held_w: float,
    power_w: float,
    soc_pct: float,
    warned: bool,
    clock: HandClock,
    intents: Intents,
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = await said(held_w, [(31.0, power_w, soc_pct)], clock, intents, caplog)
    assert bool(lines) == warned


async def test_charging_a_full_battery_is_no_disobedience(
    clock: HandClock, intents: Intents, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(RegisterServer({1: {10: 0}})) as server:
        one, connection = lease(server, replace(SHEET, hold=hold_signed), intents, clock)
        await one.hold(-2000)
        clock.seconds += 31
        one.judge(0.0, 100.0)
        assert not caplog.records
        one.judge(0.0, 2.0)
        assert len(caplog.records) == 1
        await connection.close()


async def test_what_another_controller_has_taken_is_left_to_it_and_never_called_neutral(
    clock: HandClock, intents: Intents
) -> None:
    sheet = replace(
        SHEET, lease=Lease("none", refresh_s=10), is_neutral=lambda now: now.word(10) == 0
    )
    server = RegisterServer({1: {10: 0}})
    async with serving(server):
        one, connection = lease(server, sheet, intents, clock)
        await one.hold(2000)
        server.units[1][10] = 700  # the other one
        clock.seconds += 20
        with pytest.raises(DeviceError, match="taken by another controller"):
            await one.hold(2000)
        server.writes.clear()
        [problem] = await one.release()
        assert str(problem) == "battery_power_w: is held by another controller"
        assert server.writes == [], "it is not ours to clear"
        server.units[1][10] = 0
        assert await one.release() == []
        await connection.close()
    (problem,) = await one.release()
    assert "battery_power_w: cannot be read" in problem


async def test_one_that_ignores_it_for_long_is_shown_until_it_follows_or_is_let_go(
    clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer({1: {10: 0}})) as server:
        one, connection = lease(server, SHEET, intents, clock)

        async def shown(power_w: float, after_s: float) -> tuple[float, float] | None:
            clock.seconds += after_s
            one.judge(power_w, 50.0)
            return one.ignored

        await one.hold(2000)
        assert await shown(0.0, 31) is None
        assert await shown(0.0, IGNORED_S - 2) is None, "a cold battery may come round"
        assert await shown(-5.0, 3) == (2000, -5)
        assert await shown(1900.0, 2) is None
        assert await shown(0.0, 2) is None, "counted anew"
        assert await shown(0.0, IGNORED_S + 1) == (2000, 0)
        assert await one.release() == []
        assert one.ignored is None
        await connection.close()


async def test_its_owner_hears_of_it(clock: HandClock, intents: Intents) -> None:
    """An inverter that takes every write, and whose battery goes on charging with 8.2 kW."""
    async with serving(RegisterServer(hybrid())) as server:
        device = impatient(server, "fronius-gen24", clock, intents)
        await device.poll()
        for _ in range(int(IGNORED_S / 30) + 3):
            await device.hold(Control.BATTERY_POWER, 3000.0)
            await device.poll()
            clock.seconds += 30
        (note,) = device.notes
        assert note.alarm
        assert note.said.code == "battery_ignores"
        assert "told 3000 W for minutes and does -8240 W" in note.said.text
        await device.release()
        assert device.notes == ()
        await device.close()
