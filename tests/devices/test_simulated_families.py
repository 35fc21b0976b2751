"""Our profiles against devices that somebody else built from the data sheets, over real sockets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.config.guard import DeviceConfig
from gateway.devices.build import build_devices
from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.devices.scan import scan
from gateway.domain.control import Control
from gateway.domain.readings import Quality
from gateway.errors import DeviceError
from gateway.guard.intents import GuardFile
from simulators.devices.family_file import family_files
from simulators.devices.serve import Choice, Servers, serve_home
from simulators.physics.home import Home
from simulators.physics.script import Script, Visit
from simulators.scenario import Scenario
from tests import loops
from tests.devices.image_files import FIRST

# Steered by the AC output, without a published register of its AC power: the losses are not known.
AC_WITHOUT_LOSSES = [name for name, file in family_files().items() if not file.losses_known]
LOSSES_W = 350
BY_GRID = ("victron",)  # the battery takes what the home leaves of a setpoint at the meter
MOST_W = {"marstek": 2500}  # what the device itself can
NOON = datetime(2026, 6, 1, 18, tzinfo=UTC)
BATTERY, CHARGER = Control.BATTERY_POWER, Control.CHARGE_CURRENT
INVERTERS = {  # family -> profile, and whether the device drops a setpoint by itself
    "fronius": ("fronius-gen24", True),
    "fronius-float": ("fronius-gen24", True),
    "sunspec-der": ("sunspec-hybrid", True),
    "solaredge": ("solaredge-storedge", True),
    "sungrow": ("sungrow-sh", True),
    "huawei": ("huawei-sun2000", True),
    "goodwe": ("goodwe-et", False),
    "solax": ("solax-x", True),
    "sma": ("sma-hybrid", True),
    **{
        name: (file.profile, file.falls_back_s is not None)
        for name, file in family_files().items()
        if file.kind == "inverter" and file.rules
    },
}


def simulated(clock: SimClock, work: object) -> None:
    """Run ``work`` as the clock's only participant."""

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            clock.spawn(group, work, "test")  # type: ignore[arg-type]

    loops.run(run())


def one_device(port: int, key: str, journal: GuardFile, clock: SimClock) -> ModbusDevice:
    unit = profile(key).communication.unit
    entry = DeviceConfig(name="device", profile=key, host="127.0.0.1", port=port, unit=unit)
    return build_devices([entry], journal, clock)[0]


async def number(device: ModbusDevice, metric: str) -> float:
    reading = next(r for r in await device.poll() if r.metric == metric)
    assert reading.quality is Quality.GOOD
    assert isinstance(reading.value, int | float)
    return reading.value


@pytest.mark.parametrize("family", INVERTERS)
def test_an_inverter_is_found_read_steered_and_let_go(family: str, tmp_path: Path) -> None:
    clock = SimClock(NOON)
    key, reverts = INVERTERS[family]

    async def work() -> None:
        home = Home(clock, Scenario(NOON, seed=1))
        servers: Servers = await serve_home(home, choice=Choice(inverter=family))
        found = [f.profile.key async for f in scan("127.0.0.1", servers.ports.inverter)]
        assert found[:1] == [FIRST[key].found_as if key in FIRST else key]
        journal = GuardFile(tmp_path / "guard.json")
        one = one_device(servers.ports.inverter, key, journal, clock)
        await clock.sleep(60)
        powers = home.state().powers
        told = {r.metric for r in await one.poll()}
        if "pv_power_w" in told:  # a storage on the AC side tells none
            assert await number(one, "pv_power_w") == pytest.approx(powers.pv, abs=60)
        assert await number(one, "battery_soc_pct") == pytest.approx(50.4, abs=1)
        near = LOSSES_W if family in AC_WITHOUT_LOSSES else 60
        for watts in (3000.0, 0.0, 1000.0):
            for _ in range(4):
                await one.hold(BATTERY, watts)
                await clock.sleep(20)
            most = MOST_W.get(family, watts)
            power = await number(one, "battery_power_w")
            assert power == pytest.approx(min(watts, most), abs=near)
        await one.hold(BATTERY, -2000)
        await clock.sleep(10)
        assert await number(one, "battery_power_w") < -1900 + (near - 60)
        await one.hold(BATTERY, 1000)
        await clock.sleep(1000)  # we are dead
        power = await number(one, "battery_power_w")
        if family not in BY_GRID:  # at noon a battery left to itself charges
            assert (power < 0) == reverts
        report = await one.release()
        assert report.neutral, report.problems
        await clock.sleep(20)
        assert await number(one, "battery_power_w") < 0
        assert not journal.pending("device")
        await one.close()
        await servers.close()

    simulated(clock, work())


CHARGERS = {"keba": "keba-p30", "go-e": "go-e"} | {
    name: file.profile for name, file in family_files().items() if file.kind == "charger"
}


@pytest.mark.parametrize(("family", "key"), CHARGERS.items())
def test_a_charger_is_found_and_paused(family: str, key: str, tmp_path: Path) -> None:
    clock = SimClock(NOON)

    async def work() -> None:
        home = Home(clock, Scenario(NOON, seed=1))
        servers = await serve_home(home, choice=Choice(charger=family))
        found = [f.profile.key async for f in scan("127.0.0.1", servers.ports.charger)]
        assert found == [key]
        journal = GuardFile(tmp_path / "guard.json")
        one = one_device(servers.ports.charger, key, journal, clock)
        for amps in (0.0, 10.0, 6.0):
            await one.hold(CHARGER, amps)
            await clock.sleep(10)
            assert await number(one, "charger_power_w") >= 0
        assert (await one.release()).neutral
        assert not journal.pending("device")
        await one.close()
        await servers.close()

    simulated(clock, work())


PHASED = (
    "go-e",
    "alfen",
    "vestel",
    "mennekes",
    "keba-p40",
    "sungrow-ac",
    "openwb",
    "amperfied",
)  # and the P30 once its owner allows it


STOPS_THE_CAR = ("go-e", "openwb")  # for a switch, by itself


@pytest.mark.parametrize("family", [*PHASED, "keba"])
def test_a_charger_switches_to_one_phase_in_a_pause_and_back(family: str, tmp_path: Path) -> None:
    """The car draws 6 A from three phases, then from one; what a dead gateway left is undone at the next start."""
    clock, phases = SimClock(NOON), Control.CHARGE_PHASES
    stay = Visit(NOON - timedelta(hours=1), NOON + timedelta(hours=9), stored_wh=0)

    async def work() -> None:
        home = Home(clock, Scenario(NOON, car=None, script=Script(visits=(stay,))))
        servers = await serve_home(home, choice=Choice(charger=family))
        journal = GuardFile(tmp_path / "guard.json")
        if family == "keba":
            (box,) = servers.charger.units.values()
            box.write(5050, (3,), 6)
        one = one_device(servers.ports.charger, CHARGERS[family], journal, clock)
        await one.poll()
        assert {CHARGER, phases} <= one.controls

        async def draws(amps: float, *, on_one: bool) -> float:
            for _ in range(8):  # within each family's lease
                if on_one:
                    await one.hold(phases, 1)
                await one.hold(CHARGER, amps)
                await clock.sleep(3)
            return await number(one, "charger_power_w")

        assert await draws(6, on_one=False) == pytest.approx(4140, abs=10)
        if family not in STOPS_THE_CAR:
            with pytest.raises(DeviceError, match="in a pause"):
                await one.hold(phases, 1)
            assert home.commands.charge_phases == 3
        assert await draws(0, on_one=False) == 0
        assert await draws(0, on_one=True) == 0
        assert await draws(6, on_one=True) == pytest.approx(1380, abs=10)
        assert await draws(16, on_one=True) == pytest.approx(3680, abs=10)
        await draws(0, on_one=True)
        assert (await one.release((phases,))).neutral
        assert await draws(6, on_one=False) == pytest.approx(4140, abs=10)
        await draws(0, on_one=False)
        await draws(6, on_one=True)
        await one.close()  # killed
        assert home.commands.charge_phases == 1
        after = one_device(servers.ports.charger, CHARGERS[family], journal, clock)
        await after.poll()
        assert home.commands.charge_phases == 3
        assert not journal.pending("device")
        await after.close()
        await servers.close()

    simulated(clock, work())


def test_phases_are_not_offered_where_the_owner_has_not_given_them_to_modbus(
    tmp_path: Path,
) -> None:
    clock = SimClock(NOON)

    async def work() -> None:
        servers = await serve_home(
            Home(clock, Scenario(NOON, seed=1)), choice=Choice(charger="keba")
        )
        journal = GuardFile(tmp_path / "guard.json")
        one = one_device(servers.ports.charger, "keba-p30", journal, clock)
        await one.poll()
        assert one.controls == {CHARGER}
        await one.close()
        await servers.close()

    simulated(clock, work())


def test_the_700_generation_is_found_and_throttled(tmp_path: Path) -> None:
    clock = SimClock(NOON)

    async def work() -> None:
        home = Home(clock, Scenario(NOON, seed=1))
        servers = await serve_home(home, choice=Choice(inverter="sunspec-der"))
        journal = GuardFile(tmp_path / "guard.json")
        one = one_device(servers.ports.inverter, "auto", journal, clock)
        await clock.sleep(60)
        assert await number(one, "pv_power_w") == pytest.approx(home.state().powers.pv, abs=60)
        await one.hold(Control.PV_LIMIT, 2000)
        await clock.sleep(20)
        assert await number(one, "pv_limit_pct") < 100
        assert await number(one, "ac_power_w") <= 2100
        await clock.sleep(1000)
        assert await number(one, "pv_limit_pct") == 100  # the lease has run out
        assert (await one.release()).neutral
        await one.close()
        await servers.close()

    simulated(clock, work())


@pytest.mark.parametrize("base", [0, 40000, 50000])
@pytest.mark.parametrize("family", ["fronius", "fronius-float", "sunspec-der"])
def test_a_chain_is_found_wherever_it_begins(family: str, base: int, tmp_path: Path) -> None:
    """The 7xx device has its grid-support functions (703, 705, 706, 710-712) between the others."""
    clock = SimClock(NOON)

    async def work() -> None:
        home = Home(clock, Scenario(NOON, seed=1))
        servers = await serve_home(home, choice=Choice(inverter=family, sunspec_base=base))
        journal = GuardFile(tmp_path / "guard.json")
        key = INVERTERS[family][0]
        try:
            found = [f async for f in scan("127.0.0.1", servers.ports.inverter)]
            assert [(f.unit, f.profile.key) for f in found] == [(1, key), (200, "sunspec-meter")]
            one = one_device(servers.ports.inverter, key, journal, clock)
            assert await number(one, "pv_power_w") == pytest.approx(home.powers().pv, abs=2)
            assert await number(one, "battery_soc_pct") > 0
            await one.close()
        finally:
            await servers.close()

    simulated(clock, work())
