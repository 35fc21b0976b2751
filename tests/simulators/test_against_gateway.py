"""The gateway's devices against the simulated ones: two readings of the data sheets must agree."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import pytest

from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control
from gateway.domain.readings import Quality
from gateway.errors import DeviceError
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from simulators.devices.faults import Fault, Faults, Kind
from simulators.devices.serve import Choice, Servers, serve_home
from simulators.physics.home import Home
from simulators.physics.values import Commands
from simulators.scenario import Scenario
from tests.devices.conftest import HandClock, Intents

FAMILIES = {  # simulated family -> profile, unit
    "fronius": ("auto", 1),
    "fronius-float": ("fronius-gen24", 1),
    "sunspec-der": ("auto", 1),
    "solaredge": ("solaredge-storedge", 1),
    "sungrow": ("sungrow-sh", 1),
    "huawei": ("huawei-sun2000", 1),
    "goodwe": ("goodwe-et", 247),
}
NEVER_LETS_GO = {"goodwe"}


@dataclass
class Bench:
    """A simulated home with one real gateway device on it."""

    clock: HandClock
    home: Home
    servers: Servers
    intents: Intents
    profile: str
    unit: int
    port: int
    devices: list[ModbusDevice] = field(default_factory=list)

    def device(self, rtu: bool = False, timeout_s: float = 10.0) -> ModbusDevice:
        """A new life of the gateway's device; short of patience only where answers are lost."""
        sheet = profile(self.profile)
        framing: Literal["tcp", "rtu_over_tcp"] = "rtu_over_tcp" if rtu else "tcp"
        connection = Connection(
            BusAddress(framing, host="127.0.0.1", port=self.port), BusTiming(timeout_s=timeout_s)
        )
        device = ModbusDevice(
            "device",
            sheet,
            connection.unit(self.unit),
            self.intents,
            self.clock,
        )
        self.devices.append(device)
        return device


@asynccontextmanager
async def bench(choice: Choice, which: str = "inverter", hour: int = 18) -> AsyncIterator[Bench]:
    clock = HandClock()
    start = clock.now() + timedelta(hours=hour - 12)
    clock.seconds = (hour - 12) * 3600.0
    home = Home(clock, Scenario(start, seed=1, soc_pct=60))
    servers = await serve_home(home, choice=choice)
    if which == "inverter":
        key, unit = FAMILIES[choice.inverter]
        port = servers.ports.inverter
    else:
        key, unit = {"keba": ("keba-p30", 255), "go-e": ("go-e", 1)}[choice.charger]
        port = servers.ports.charger
    clock.seconds += 60
    made = Bench(clock, home, servers, Intents(), key, unit, port)
    try:
        yield made
    finally:
        for device in made.devices:
            await device.close()
        await servers.close()


def true_values(home: Home) -> dict[str, tuple[float, float]]:
    """Metric -> true value and how far a register may be from it."""
    powers, truth = home.powers(), home.truth()
    return {
        "ac_power_w": (powers.inverter_ac, 1.0),
        "pv_power_w": (powers.pv, 2.1),
        "battery_power_w": (powers.battery, 1.0),
        "grid_power_w": (powers.grid, 1.0),
        "battery_soc_pct": (truth.soc_pct, 0.51),
        "charger_power_w": (powers.ev, 1.0),
    }


@pytest.mark.parametrize("hour", [6, 18, 30])
@pytest.mark.parametrize("family", FAMILIES)
async def test_readings_are_true(family: str, hour: int) -> None:
    async with bench(Choice(inverter=family), hour=hour) as b:
        device = b.device()
        readings = {r.metric: r.value for r in await device.poll()}
        for metric, (true, tolerance) in true_values(b.home).items():
            if metric in readings:
                assert readings[metric] == pytest.approx(true, abs=tolerance), metric
        assert {"ac_power_w", "pv_power_w", "battery_power_w"} <= set(readings)


@pytest.mark.parametrize("watts", [-1500, 1500, 0])
@pytest.mark.parametrize("family", FAMILIES)
async def test_a_held_power_is_real_and_ends_when_the_gateway_dies(
    family: str, watts: float
) -> None:
    async with bench(Choice(inverter=family), hour=30) as b:  # night: no sun helps or hinders
        b.home.command(charger_enabled=False)
        device = b.device()
        await device.poll()
        if Control.BATTERY_POWER not in device.controls:
            pytest.skip(f"{b.profile} does not steer the battery")
        for _ in range(20):
            await device.hold(Control.BATTERY_POWER, watts)
            b.clock.seconds += 10
            await device.poll()
        assert b.home.powers().battery == pytest.approx(watts, abs=60)
        await device.close()  # as after kill -9: nothing is released
        b.clock.seconds += 3700
        if family not in NEVER_LETS_GO:
            assert is_free(b.home.commands)
        again = b.device()
        await again.poll()
        report = await again.release()
        assert report.neutral, report.problems
        b.clock.seconds += 60
        assert is_free(b.home.commands)


def is_free(commands: Commands) -> bool:
    """Whether nothing holds or forces the battery (5 kW each way is all that it can)."""
    limits = (commands.charge_limit_w, commands.discharge_limit_w, commands.ac_power_w)
    return limits[2] is None and all(w is None or w >= 5000 for w in limits[:2])


@pytest.mark.parametrize("charger", ["keba", "go-e"])
async def test_a_held_current_is_real(charger: str) -> None:
    async with bench(Choice(charger=charger), "charger", hour=30) as b:
        device = b.device()
        await device.poll()
        for amperes in (8, 0, 16, 6):
            await device.hold(Control.CHARGE_CURRENT, amperes)
            b.clock.seconds += 20
            await device.poll()
            assert b.home.powers().ev == pytest.approx(amperes * 690, abs=1)
        report = await device.release()
        assert report.neutral, report.problems
        b.clock.seconds += 20
        assert b.home.powers().ev == pytest.approx(16 * 690, abs=1)


NOTICED = [
    Kind.LATE, Kind.SHORT, Kind.TRUNCATED, Kind.DUPLICATE, Kind.SPLIT, Kind.GARBAGE, Kind.HUGE,
    Kind.WRONG_UNIT, Kind.WRONG_TRANSACTION, Kind.WRONG_FUNCTION, Kind.BYTE_COUNT, Kind.LOST,
    Kind.CLOSE, Kind.RESET, Kind.EXCEPTION, Kind.SILENT, Kind.ZERO, Kind.SCALE,
]  # fmt: skip


@pytest.mark.parametrize("rtu", [False, True])
@pytest.mark.parametrize("family", ["fronius", "sungrow", "goodwe"])
@pytest.mark.parametrize("seed", range(5))
async def test_no_fault_makes_a_wrong_value(family: str, seed: int, rtu: bool) -> None:
    rng = random.Random(seed)
    async with bench(Choice(inverter=family, rtu=rtu)) as b:
        device = b.device(rtu, timeout_s=0.05)
        await device.poll()
        for _ in range(25):
            b.clock.seconds += 5
            kind = rng.choice(NOTICED)
            fault = Fault(kind, probability=0.4, seconds=0.05, code=rng.choice((1, 2, 4, 6, 11)))
            b.servers.inverter.faults = Faults([fault], seed=rng.randrange(1 << 30))
            with suppress(DeviceError):
                check(b, {r.metric: r.value for r in await device.poll() if good(r.quality)}, kind)
        b.servers.inverter.faults = None
        for _ in range(5):
            b.clock.seconds += 120
            with suppress(DeviceError):
                readings = {r.metric: r.value for r in await device.poll() if good(r.quality)}
                if "battery_power_w" in readings:
                    break
        check(b, readings, None)
        assert "battery_power_w" in readings


@pytest.mark.parametrize("family", FAMILIES)
async def test_not_implemented_is_never_a_number(family: str) -> None:
    async with bench(Choice(inverter=family)) as b:
        device = b.device()
        await device.poll()
        b.servers.inverter.faults = Faults([Fault(Kind.NAN)])
        b.clock.seconds += 300
        readings = {r.metric: r.value for r in await device.poll() if good(r.quality)}
        measured = {"ac_power_w", "pv_power_w", "battery_power_w", "battery_soc_pct"}
        measured |= {"grid_power_w", "grid_import_wh", "pv_energy_wh"}
        assert not measured & set(readings)


@pytest.mark.parametrize("seed", [0, 14, 24, 29, 56])
async def test_refusals_while_it_is_discovered_leave_nothing_wrong(seed: int) -> None:
    async with bench(Choice()) as b:
        b.profile = "fronius-gen24"
        device = b.device()
        await device.poll()
        code = random.Random(seed).choice((1, 2, 3))
        fault = Fault(Kind.EXCEPTION, probability=0.4, code=code)
        b.servers.inverter.faults = Faults([fault], seed=seed)
        for moment in range(6):
            b.clock.seconds += 5
            if moment == 3:
                b.servers.inverter.faults = None
                b.clock.seconds += 125
            with suppress(DeviceError):
                check(b, {r.metric: r.value for r in await device.poll() if good(r.quality)}, None)


@pytest.mark.parametrize("family", ["fronius", "solaredge", "sunspec-der"])
async def test_a_counter_that_wraps_goes_on(family: str) -> None:
    async with bench(Choice(inverter=family), hour=18) as b:
        b.home.command(charge_limit_w=0.0)
        b.servers.inverter.faults = Faults([Fault(Kind.WRAP, wh=300.0)])
        device = b.device()
        before: dict[str, float] = {}
        for _ in range(40):
            b.clock.seconds += 60
            for reading in await device.poll():
                if reading.metric in ("pv_energy_wh", "grid_export_wh") and good(reading.quality):
                    assert isinstance(reading.value, float | int)
                    last = before.get(reading.metric, float(reading.value))
                    assert last <= reading.value < last + 1000, reading.metric
                    before[reading.metric] = float(reading.value)
        assert before


@pytest.mark.parametrize("family", ["fronius", "solaredge", "huawei"])
async def test_a_rebooted_device_is_held_again(family: str) -> None:
    async with bench(Choice(inverter=family), hour=30) as b:
        b.home.command(charger_enabled=False)
        device = b.device()
        await device.poll()
        for tick in range(30):
            if tick == 5:
                number = b.servers.inverter.requests
                fault = Fault(Kind.REBOOT, seconds=0.0, first=number, last=number + 1)
                b.servers.inverter.faults = Faults([fault])
            with suppress(DeviceError):
                await device.poll()
                await device.hold(Control.BATTERY_POWER, -1500)
            b.clock.seconds += 10
        assert b.servers.inverter.hits == {Kind.REBOOT: 1}
        assert b.home.powers().battery == pytest.approx(-1500, abs=60)


@pytest.mark.parametrize("family", ["fronius", "sungrow", "huawei", "goodwe"])
async def test_an_ignored_write_is_noticed(family: str) -> None:
    async with bench(Choice(inverter=family), hour=30) as b:
        device = b.device()
        await device.poll()
        b.servers.inverter.faults = Faults([Fault(Kind.IGNORED_WRITE)])
        noticed = 0
        for _ in range(6):
            b.clock.seconds += 10
            try:
                await device.poll()
                await device.hold(Control.BATTERY_POWER, -1500)
            except DeviceError:
                noticed += 1
        assert noticed


def good(quality: Quality) -> bool:
    return quality is Quality.GOOD


def check(b: Bench, readings: dict[str, float | str | None], kind: Kind | None) -> None:
    for metric, (true, tolerance) in true_values(b.home).items():
        if metric in readings:
            coarse = 60 if kind is Kind.SCALE else tolerance
            assert readings[metric] == pytest.approx(true, abs=coarse), (metric, kind)
    for metric, at_least in (("grid_import_wh", 6.5e6), ("pv_energy_wh", 8e6)):
        if metric in readings:
            value = readings[metric]
            assert isinstance(value, float | int)
            assert value >= at_least, (metric, kind)


def test_times_are_those_of_the_bench() -> None:
    assert HandClock().now() == datetime.fromisoformat("2026-06-01T12:00:00+00:00")
