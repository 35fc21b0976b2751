"""Phases are never switched under load: not when the gateway ends, and not at the start after it was killed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SimClock
from gateway.devices.device import ModbusDevice
from gateway.devices.sheets import load
from gateway.domain.control import Control
from gateway.errors import ConfigError
from gateway.guard.intents import GuardFile
from simulators.devices.serve import Choice, Servers, serve_home
from simulators.physics.home import Home
from simulators.physics.script import Script, Visit
from simulators.scenario import Scenario
from tests.devices.conftest import HandClock, Intents, impatient
from tests.devices.image_files import FILES
from tests.devices.test_images import server_of
from tests.devices.test_simulated_families import (
    CHARGER,
    CHARGERS,
    NOON,
    PHASED,
    STOPS_THE_CAR,
    number,
    one_device,
    simulated,
)
from tests.modbus.server import serving

PHASES = Control.CHARGE_PHASES
BOTH = frozenset({CHARGER, PHASES})
FAMILIES = [f for f in (*PHASED, "keba") if f not in STOPS_THE_CAR]


class Box:
    """A charger of the family with a car that charges 6 A from one phase, and what it drew at each switch of phases."""

    def __init__(self, family: str, folder: Path, clock: SimClock) -> None:
        stay = Visit(NOON - timedelta(hours=1), NOON + timedelta(hours=9), stored_wh=0)
        self.home = Home(clock, Scenario(NOON, car=None, script=Script(visits=(stay,))))
        self.family, self.clock = family, clock
        self.journal = GuardFile(folder / "guard.json")
        self.at_switches: list[float] = []
        self.obeys = True
        self._command = self.home.command

    async def charging_on_one(self, patch: pytest.MonkeyPatch) -> ModbusDevice:
        patch.setattr(self.home, "command", self._told)
        self.servers: Servers = await serve_home(self.home, choice=Choice(charger=self.family))
        if self.family == "keba":
            (box,) = self.servers.charger.units.values()
            box.write(5050, (3,), 6)  # its owner allows it
        one = self.device()
        await one.poll()
        await self.draw(one, 0)
        await one.hold(PHASES, 1)
        assert await self.draw(one, 6) == pytest.approx(1380, abs=10)
        self.at_switches.clear()
        return one

    def device(self) -> ModbusDevice:
        port = self.servers.ports.charger
        return one_device(port, CHARGERS[self.family], self.journal, self.clock)

    async def draw(self, one: ModbusDevice, amps: float) -> float:
        for _ in range(3):
            await one.hold(CHARGER, amps)
            await self.clock.sleep(3)
        return await number(one, "charger_power_w")

    def _told(self, **changes: Any) -> None:
        if not self.obeys:
            changes = {k: v for k, v in changes.items() if k == "charge_phases"}
        before, watts = self.home.commands.charge_phases, self.home.powers().ev
        self._command(**changes)
        if self.home.commands.charge_phases != before:
            self.at_switches.append(watts)


def on_one(family: str, folder: Path, work: Callable[[Box, ModbusDevice], Awaitable[None]]) -> None:
    """Run ``work`` with a car that charges from one phase, over Modbus TCP."""
    clock = SimClock(NOON)

    async def run() -> None:
        box = Box(family, folder, clock)
        with pytest.MonkeyPatch.context() as patch:
            one = await box.charging_on_one(patch)
            await work(box, one)
            await one.close()
            await box.servers.close()

    simulated(clock, run())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_car_that_charges_is_paused_when_all_is_let_go(family: str, tmp_path: Path) -> None:
    async def work(box: Box, one: ModbusDevice) -> None:
        report = await one.release()
        assert report.neutral, report.problems
        assert box.home.commands.charge_phases == 3
        assert box.at_switches == [0.0]
        assert not box.journal.pending("device")
        await box.clock.sleep(120)  # and then it charges as it likes
        assert box.home.powers().ev > 4_000

    on_one(family, tmp_path, work)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_start_after_a_kill_pauses_the_car_first(family: str, tmp_path: Path) -> None:
    async def work(box: Box, one: ModbusDevice) -> None:
        await one.close()  # killed
        after = box.device()
        await after.poll()
        assert box.home.commands.charge_phases == 3
        assert box.at_switches == [0.0]
        assert not box.journal.pending("device")
        await box.clock.sleep(120)
        assert box.home.powers().ev > 4_000
        await after.close()

    on_one(family, tmp_path, work)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_charger_that_is_told_on_charges_on_after_its_phases_came_back(
    family: str, tmp_path: Path
) -> None:
    """Only the phases are let go: the current that was asked for holds again after the pause."""

    async def work(box: Box, one: ModbusDevice) -> None:
        assert (await one.release((PHASES,))).neutral
        assert box.at_switches == [0.0]
        assert await box.draw(one, 6) == pytest.approx(4140, abs=10)

    on_one(family, tmp_path, work)


@pytest.mark.parametrize("family", ["mennekes", "alfen"])
def test_a_car_that_does_not_stop_keeps_its_phases_until_it_does(
    family: str, tmp_path: Path
) -> None:
    async def work(box: Box, one: ModbusDevice) -> None:
        box.obeys = False
        report = await one.release()
        assert not report.neutral
        assert any("charges on in a pause" in problem for problem in report.problems)
        assert box.at_switches == []
        assert PHASES in box.journal.pending("device"), "it is owed"
        box.obeys = True
        await one.close()
        after = box.device()
        await after.poll()
        assert box.home.commands.charge_phases == 3
        assert box.at_switches == [0.0]
        assert not box.journal.pending("device")
        await after.close()

    on_one(family, tmp_path, work)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "needs one of: charging, pauses_itself"),
        ("charging = { state = 5 }\npauses_itself = true\n", "needs one of"),
    ],
)
def test_a_sheet_says_who_pauses_the_car(said: str, why: str) -> None:
    text = Path(load.__file__).with_name("mennekes-compact.toml").read_text(encoding="utf-8")
    assert "charging = { state = 5 }\n" in text
    with pytest.raises(ConfigError, match=why):
        load.profile_of(text.replace("charging = { state = 5 }\n", said), "some.toml")


def test_only_phases_are_paused_for() -> None:
    text = Path(load.__file__).with_name("mennekes-compact.toml").read_text(encoding="utf-8")
    at = text.index("[controls.charge_current_a]\n") + len("[controls.charge_current_a]\n")
    with pytest.raises(ConfigError, match="are for charge_phases"):
        load.profile_of(text[:at] + "charging = { state = 5 }\n" + text[at:], "some.toml")


async def test_a_trigger_is_not_pulled_again_while_nothing_changes(
    clock: HandClock, intents: Intents
) -> None:
    """openWB stops the car for each trigger: a renewal each minute would never let it charge."""
    file = FILES["openwb-2"]
    async with serving(server_of(file)) as server:
        one = impatient(server, file.profile, clock, intents, unit=file.image.unit)

        def pulled() -> int:
            return sum(address <= 10181 < address + len(w) for _, address, w in server.writes)

        await one.poll()
        for _ in range(10):
            await one.hold(PHASES, 1)
            clock.seconds += 61
        assert pulled() == 1
        assert (await one.release((PHASES,))).neutral
        assert pulled() == 2
        await one.hold(PHASES, 1)
        assert pulled() == 3
        await one.close()
