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
from tests.devices import vendor_images as images
from tests.devices.conftest import HandClock, Intents
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
