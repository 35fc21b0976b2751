"""`energy-gateway capture`: a dump that reads as the device does, and from which nobody learns whose it is."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.devices.capture import Captured, capture
from gateway.devices.catalogue import all_profiles
from gateway.devices.device import ModbusDevice
from gateway.devices.dump import DumpBus, read_dump
from gateway.devices.identify import identify
from gateway.devices.masking import Masker, mask_runs
from gateway.devices.scan import Finding, scan
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from gateway.modbus.registers import Block
from gateway.modbus.unit import Unit
from simulators.devices.serve import CHARGERS, INVERTERS, Choice, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.devices import vendor_images as images
from tests.devices.conftest import HandClock
from tests.devices.test_field_faults import server_of
from tests.modbus.server import serving

SECRET = Masker(b"s" * 32)
FAMILIES = [*INVERTERS, *CHARGERS]


async def captured(family: str, folder: Path) -> tuple[Captured, Finding]:
    clock = HandClock()
    home = Home(clock, Scenario(clock.now(), seed=1, soc_pct=60))
    choice = Choice(charger=family) if family in CHARGERS else Choice(inverter=family)
    servers = await serve_home(home, choice=choice)
    port = servers.ports.charger if family in CHARGERS else servers.ports.inverter
    clock.seconds += 60
    looking = scan("127.0.0.1", port)
    found = await anext(looking)
    await looking.aclose()
    connection = Connection(BusAddress(host="127.0.0.1", port=port), BusTiming(10.0))
    try:
        kept = await capture(connection, found.unit, clock, found.profile)
    finally:
        await connection.close()
        await servers.close()
    return kept, found


def texts(kept: Captured) -> str:
    """All that can be read as text in the registers, one or two characters a register."""
    data = b"".join(
        words[a].to_bytes(2, "big") for words in kept.tables.values() for a in sorted(words)
    )
    return data.decode("latin-1") + data.replace(b"\0", b"").decode("latin-1")


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_dump_reads_as_the_device_and_says_nothing_of_its_owner(
    family: str, tmp_path: Path
) -> None:
    kept, found = await captured(family, tmp_path)
    serial = found.identity.serial
    if serial:  # some tell none
        assert serial not in texts(kept)
        assert serial not in kept.as_json()
    assert len(kept.about["serial"]) == len(serial)
    if found.profile.says:  # else the model is but the family's title
        assert kept.about["model"] == found.identity.model

    path = tmp_path / "dump.json"
    path.write_text(kept.as_json())
    dump = read_dump(path)
    unit = Unit(DumpBus(dump), found.unit)
    again = await identify(unit, all_profiles().values())
    assert again is not None
    assert again[0].key == found.profile.key
    assert again[1].serial == kept.about["serial"]
    device = ModbusDevice("device", found.profile, unit, None, HandClock())
    readings = {r.metric: r.value for r in await device.poll()}
    assert readings == dump.readings[found.unit]
    assert any(readings.values())


async def test_registers_of_an_unknown_device_are_captured_in_parts(tmp_path: Path) -> None:
    """Its holes are left out; a name that stands there becomes another."""
    image = images.foxess(" WHO-10.0-E")
    name = [ord(a) << 8 | ord(b) for a, b in ("Sm", "it", "h,", " O", "ak", " S", "tr", "ee", "t ")]
    image.holding.update(enumerate(name, 900))
    image.holding.update({910: 1234, 911: 230})
    async with serving(server_of(image)) as server:
        connection = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(10.0))
        blocks = [Block("holding", 890, 40)]
        kept = await capture(connection, image.unit, HandClock(), None, blocks)
        await connection.close()
    words = kept.tables["holding"]
    assert {a for a in words if a < 1000} == {*range(900, 909), 910, 911}
    assert (words[910], words[911]) == (1234, 230)
    assert "Smith" not in texts(kept)
    assert "Street" not in texts(kept)


def test_the_command_writes_what_sheet_test_reads(tmp_path: Path) -> None:
    """From a device to a file, and from the file to its readings by the family's own sheet."""

    async def work() -> str:
        image = images.foxess()
        async with serving(server_of(image)) as server:
            command = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "from gateway.cli import main; main()",
                "capture", f"127.0.0.1:{server.port}", "--out", str(out),
            )  # fmt: skip
            assert await command.wait() == 0
        return image.serial

    out = tmp_path / "dump.json"
    serial = asyncio.run(work())
    dump = read_dump(out)
    assert dump.readings[247]["battery_power_w"] == -600
    assert serial not in out.read_text()
    sheet = Path(__file__).parents[2] / "gateway" / "devices" / "sheets" / "foxess-h3.toml"
    said = CliRunner().invoke(
        make_app("gateway.cli", ""), ["sheet", "test", str(sheet), "--capture", str(out)]
    )
    assert said.exit_code == 0, said.output
    assert "WRONG" not in said.output


@given(st.text(st.characters(codec="ascii", categories=("Lu", "Ll", "Nd", "Pd")), max_size=30))
def test_masked_text_is_of_the_same_kind(text: str) -> None:
    masked = SECRET.text(text)
    assert len(masked) == len(text)
    for before, after in zip(text, masked, strict=True):
        assert before.isdigit() == after.isdigit()
        assert before.isupper() == after.isupper()
        assert before.isalnum() or before == after
    assert masked == SECRET.text(text)
    assert Masker(b"t" * 32).text(text + "0" * 12) != SECRET.text(text + "0" * 12)


@given(st.integers(1, 2**32 - 1))
def test_a_masked_number_has_as_many_digits_and_begins_the_same(number: int) -> None:
    masked = SECRET.number(number)
    assert len(str(masked)) == len(str(number))
    assert str(masked)[0] == str(number)[0]


@given(st.dictionaries(st.integers(0, 200), st.integers(0x7F00, 0xFFFF), max_size=60))
def test_what_is_no_text_stays(words: dict[int, int]) -> None:
    before = dict(words)
    mask_runs(words, SECRET)
    assert words == before


@pytest.mark.parametrize("name", ["Meier", "Mueller", "Huber-Graf"])
def test_a_short_name_in_a_register_that_nobody_knows_is_masked(name: str) -> None:
    words = {7: 230} | dict(enumerate(images.text(name, 6), 500))
    mask_runs(words, SECRET)
    assert name.encode() not in b"".join(w.to_bytes(2, "big") for _, w in sorted(words.items()))
    assert words[7] == 230
