"""A battery that does not do what its setpoint says is reported: once, not too early, not at its end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.devices.control_sheet import Lease, ReadBack, Write
from gateway.errors import DeviceError
from tests.devices.conftest import HandClock, Intents
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
