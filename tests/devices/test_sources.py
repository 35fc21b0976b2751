"""What is written to a device rests on two independent public sources, or it is not written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.devices.catalogue import all_profiles, profile
from gateway.devices.control_sheet import ControlSheet, voices
from gateway.devices.datasheet import Profile
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from simulators.devices.serve import Choice, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.devices import vendor_images as images
from tests.devices.conftest import HandClock, Intents
from tests.devices.test_simulated_families import CHARGERS
from tests.modbus.server import RegisterServer, serving

SHEETS = [
    (p.key, sheet) for p in all_profiles().values() if p.source for sheet in p.source.controls
]
# The battery's power by a register that means something else is made from what is measured.
ELSEWHERE = ("inverter_ac", "grid")


@pytest.mark.parametrize(
    ("sources", "count"),
    [
        (["evcc", "evcc: charger keba", "evcc-io/evcc"], 1),
        (["nathanmarlor/foxess_modbus", "foxess_modbus", "nathanmarlor"], 1),
        (["one/solax-modbus", "another/solax-modbus"], 1),  # a fork
        (["0xAHA/Growatt_ModbusTCP#306, #373", "Growatt: protocol"], 2),
        (["evcc", "openWB", "OpenEMS"], 3),
        ([], 0),
    ],
)
def test_one_owner_is_one_voice_however_it_is_spelled(sources: list[str], count: int) -> None:
    assert voices(sources) == count


@pytest.mark.parametrize(("key", "sheet"), SHEETS)
def test_two_independent_sources_are_named(key: str, sheet: ControlSheet) -> None:
    assert voices(sheet.sources) >= 2, key
    for address, told in sheet.by_address:
        assert voices(told) >= 2, f"{key}: register {address} is told by {sorted(told)} only"


STEERED = [p for p in all_profiles().values() if p.controls and p.identify and not p.sunspec]


@pytest.mark.parametrize("steered", STEERED, ids=lambda p: p.key)
def test_an_update_is_noticed_or_the_sheet_says_that_it_is_not(steered: Profile) -> None:
    """A proof holds for a firmware: where no two sources name its register, that is said."""
    tells = "version" in {what for what, _ in steered.says}
    assert tells != ("an update is not noticed" in steered.about)


@pytest.mark.parametrize(("key", "sheet"), SHEETS)
def test_a_battery_behind_another_limit_follows_what_is_measured(
    key: str, sheet: ControlSheet
) -> None:
    if sheet.control is Control.BATTERY_POWER:
        assert sheet.recompute == (sheet.limits in ELSEWHERE), key


def with_one_source(whole: Profile) -> Profile:
    assert whole.source
    lonely = tuple(replace(c, sources=c.sources[:1]) for c in whole.source.controls)
    return replace(whole, source=replace(whole.source, controls=lonely))


def at_work(
    server: RegisterServer, sheet: Profile, clock: HandClock, intents: Intents, unit: int = 1
) -> ModbusDevice:
    bus = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(10.0))
    return ModbusDevice("device", sheet, bus.unit(unit), intents, clock)


async def test_a_control_with_one_source_is_not_offered(clock: HandClock, intents: Intents) -> None:
    image = images.foxess()
    image.holding[44000] = 0
    sheet = with_one_source(profile("foxess-h3"))
    assert (profile("foxess-h3").evidence, sheet.evidence) == ("two sources", "one source")
    async with serving(RegisterServer({image.unit: image.holding})) as server:
        one = at_work(server, sheet, clock, intents, image.unit)
        await one.poll()
        assert not one.controls
        with pytest.raises(DeviceError, match="cannot set"):
            await one.hold(Control.BATTERY_POWER, 1000)
        assert not server.writes
        await one.close()


@pytest.mark.parametrize("family", ["vestel", "go-e", "openwb", "amperfied"])
async def test_phases_that_one_project_alone_publishes_are_left_alone(
    family: str, clock: HandClock, intents: Intents
) -> None:
    """The charger offers them, and its current is steered; what one says alone is not written."""
    home = Home(clock, Scenario(clock.now(), seed=1))
    servers = await serve_home(home, choice=Choice(charger=family))
    whole = profile(CHARGERS[family])
    assert whole.source
    for controls in (whole.source.controls, _phases_told_once(whole)):
        sheet = replace(whole, source=replace(whole.source, controls=controls))
        bus = Connection(BusAddress(host="127.0.0.1", port=servers.ports.charger), BusTiming(10.0))
        one = ModbusDevice("device", sheet, bus.unit(sheet.communication.unit), intents, clock)
        await one.poll()
        both = {Control.CHARGE_CURRENT, Control.CHARGE_PHASES}
        assert one.controls == (
            both if controls is whole.source.controls else {Control.CHARGE_CURRENT}
        )
        if controls is not whole.source.controls:
            with pytest.raises(DeviceError, match="cannot set charge_phases"):
                await one.hold(Control.CHARGE_PHASES, 1)
        await one.close()
    assert home.commands.charge_phases == 3
    await servers.close()


def _phases_told_once(whole: Profile) -> tuple[ControlSheet, ...]:
    """The same sheet where of each register of the phases one source tells."""
    assert whole.source
    return tuple(
        replace(c, by_address=tuple((a, frozenset(sorted(told)[:1])) for a, told in c.by_address))
        if c.control is Control.CHARGE_PHASES
        else c
        for c in whole.source.controls
    )
