"""The simulated heaters meet the sheets that are written from other sources: found, read, steered, let go, and left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.devices.scan import scan
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.guard.intents import GuardFile
from simulators.devices.family_file import family_files
from simulators.devices.serve import HEATERS, serve_heater
from simulators.physics.heat import Boiler, HeatPump
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.devices.test_simulated_families import NOON, number, one_device, simulated

HEAT, SG = Control.HEAT_POWER, Control.SG_READY
PROFILES = {name: family_files()[name].profile for name in HEATERS}


async def text(device: ModbusDevice, metric: str) -> object:
    return next(r.value for r in await device.poll() if r.metric == metric)


@pytest.mark.parametrize("family", PROFILES)
def test_a_heater_is_found_and_read(family: str, tmp_path: Path) -> None:
    clock = SimClock(NOON)

    async def work() -> None:
        home = Home(clock, Scenario(NOON, boiler=Boiler(), heat_pump=HeatPump()))
        server, port = await serve_heater(home, family)
        found = [f.profile.key async for f in scan("127.0.0.1", port)]
        assert found == [PROFILES[family]]
        one = one_device(port, PROFILES[family], GuardFile(tmp_path / "guard.json"), clock)
        tank = home.state().boiler if family == "elwa" else home.state().pump
        assert tank is not None
        assert await number(one, "heat_temperature_c") == pytest.approx(tank.temperature_c, abs=0.1)
        await one.close()
        await server.close()

    simulated(clock, work())


def test_a_rod_does_what_it_is_told_and_stops_when_nobody_tells_it(tmp_path: Path) -> None:
    clock = SimClock(NOON)

    async def work() -> None:
        home = Home(clock, Scenario(NOON, boiler=Boiler()))
        server, port = await serve_heater(home, "elwa")
        journal = GuardFile(tmp_path / "guard.json")
        one = one_device(port, PROFILES["elwa"], journal, clock)
        before = await number(one, "heat_temperature_c")
        for _ in range(90):  # a quarter of an hour
            await one.hold(HEAT, 2_000)
            await clock.sleep(10)
        assert await number(one, "heat_power_w") == 2_000
        gained = await number(one, "heat_temperature_c") - before
        assert gained == pytest.approx(2_000 * 0.25 / (300 * 1.163), abs=0.15)
        await clock.sleep(70)  # we are dead
        assert await number(one, "heat_power_w") == 0
        await one.hold(HEAT, 1_000)
        await clock.sleep(1)
        assert (await one.release()).neutral
        await clock.sleep(1)
        assert await number(one, "heat_power_w") == 0
        assert not journal.pending("device")
        await one.close()
        await server.close()

    simulated(clock, work())


def test_a_rod_that_would_heat_on_for_an_hour_is_not_steered(tmp_path: Path) -> None:
    clock = SimClock(NOON)

    async def work() -> None:
        home = Home(clock, Scenario(NOON, boiler=Boiler()))
        server, port = await serve_heater(home, "elwa")
        server.units[1].write(1004, (3_600,), 6)
        one = one_device(port, PROFILES["elwa"], GuardFile(tmp_path / "guard.json"), clock)
        await one.poll()
        with pytest.raises(DeviceError, match="power timeout is longer than 5 minutes"):
            await one.hold(HEAT, 1_000)
        assert home.state().boiler is not None
        assert home.commands.rod_w == 0
        await one.close()
        await server.close()

    simulated(clock, work())


def test_a_heat_pump_follows_its_states_and_the_next_start_makes_it_normal(tmp_path: Path) -> None:
    clock = SimClock(NOON)

    async def work() -> None:
        home = Home(clock, Scenario(NOON, heat_pump=HeatPump(start_c=46.0)))
        server, port = await serve_heater(home, "stiebel")
        journal = GuardFile(tmp_path / "guard.json")
        one = one_device(port, PROFILES["stiebel"], journal, clock)
        assert await text(one, "heat_pump_state") == "normal"
        await clock.sleep(60)
        pump = home.state().pump
        assert pump is not None and pump.power_w == 0, "46 °C are enough for itself"  # noqa: PT018
        await one.hold(SG, 3)
        await clock.sleep(3_600)
        assert await text(one, "heat_pump_state") == "encouraged"
        assert await number(one, "heat_temperature_c") > 53
        await one.hold(SG, 1)
        await clock.sleep(20)
        assert home.commands.sg_ready == 1
        await one.hold(SG, 3)  # and then we are killed
        await one.close()
        assert home.commands.sg_ready == 3
        again = one_device(port, PROFILES["stiebel"], GuardFile(tmp_path / "guard.json"), clock)
        assert (await again.release()).neutral
        assert home.commands.sg_ready == 2
        await again.close()
        await server.close()

    simulated(clock, work())


def test_sg_ready_that_its_owner_has_not_switched_on_is_not_steered(tmp_path: Path) -> None:
    clock = SimClock(NOON)

    async def work() -> None:
        home = Home(clock, Scenario(NOON, heat_pump=HeatPump()))
        server, port = await serve_heater(home, "stiebel")
        server.units[1].write(4000, (0,), 6)
        one = one_device(port, PROFILES["stiebel"], GuardFile(tmp_path / "guard.json"), clock)
        await one.poll()
        assert one.controls == frozenset()
        await one.close()
        await server.close()

    simulated(clock, work())


def test_every_steered_heater_is_simulated() -> None:
    assert all(profile(key).controls for key in PROFILES.values())
