"""Sheets of the owner and of installed packages: read like ours, refused alone where they are broken, never in our place."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.config.guard import DeviceConfig
from gateway.devices import catalogue
from gateway.devices.build import build_devices
from gateway.devices.scan import scan
from gateway.domain.control import Control
from gateway.domain.readings import Quality
from gateway.errors import ConfigError, DeviceError
from gateway.guard.proofs import VERSION, Proof, ProofFolder
from tests.devices.conftest import HandClock, Intents, device, values
from tests.devices.vendor_images import Image, sdm630, text
from tests.modbus.server import RegisterServer, serving

GOOD = """\
key = "acme-h1"
title = "Acme H1 hybrid"
kind = "hybrid"
identify = [{ register = "serial", match = '^ACM[0-9]{7}$' }]
says = { serial = "serial" }
[registers]
serial = { at = 3, type = "str", count = 5 }
[readings]
battery_soc_pct = { at = 20, type = "u16" }
"""
WORDS = dict.fromkeys(range(3), 0) | dict(enumerate(text("ACM0000001", 5), 3)) | {20: 77}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "devices.d"
    place.mkdir()
    monkeypatch.setenv(catalogue.VARIABLE, str(place))
    catalogue.forget()
    yield place
    catalogue.forget()


async def test_an_owners_family_is_found_and_read(
    folder: Path, clock: HandClock, intents: Intents
) -> None:
    (folder / "acme-h1.toml").write_text(GOOD)
    async with serving(RegisterServer({1: dict(WORDS)})) as server:
        found = [f async for f in scan("127.0.0.1", server.port, [1])]
        assert [(f.profile.key, f.identity.serial) for f in found] == [("acme-h1", "ACM0000001")]
        for key in ("acme-h1", "auto"):
            one = device(server, key, clock, intents)
            assert values(await one.poll()) == {"battery_soc_pct": 77}
            await one.close()


async def test_a_broken_sheet_costs_its_own_device_only(
    folder: Path, clock: HandClock, intents: Intents
) -> None:
    (folder / "acme-h1.toml").write_text(GOOD.replace("type =", "typ ="))
    (folder / "acme-h2.toml").write_text("key = [")
    meter: Image = sdm630()
    async with serving(RegisterServer({2: dict(WORDS)}, input={1: dict(meter.input)})) as server:
        entries = [
            DeviceConfig(name="own", profile="acme-h1", host="127.0.0.1", port=server.port, unit=2),
            DeviceConfig(name="meter", profile="sdm630", host="127.0.0.1", port=server.port),
            DeviceConfig(name="any", profile="auto", host="127.0.0.1", port=server.port, unit=1),
        ]
        own, other, found = build_devices(entries, intents, clock)
        with pytest.raises(
            DeviceError, match=r"own: .*acme-h1\.toml:7: registers\.serial\.typ: .*'type'"
        ):
            await own.poll()
        assert not own.controls
        for good in (other, found):
            assert values(await good.poll())["grid_power_w"] == -1234.5
        assert (await own.release()).problems
        for one in (own, other, found):
            await one.close()


async def test_what_was_proved_by_a_sheet_is_not_proved_by_another_text_of_it(
    folder: Path, tmp_path: Path, clock: HandClock, intents: Intents
) -> None:
    proofs = ProofFolder(tmp_path / "state")
    missing: list[object] = []
    for sheet in (GOOD, GOOD.replace("at = 20", "at = 21"), GOOD):
        (folder / "acme-h1.toml").write_text(sheet)
        catalogue.forget()
        async with serving(RegisterServer({1: dict(WORDS) | {21: 5}})) as server:
            one = device(server, "acme-h1", clock, intents)
            await one.poll()
            who = one.fingerprint
            await one.close()
        if not missing:
            time = clock.now()
            proofs.store(Proof(VERSION, "x", who, Control.BATTERY_POWER, time, "1", ""))
        missing.append(proofs.missing(who, Control.BATTERY_POWER))
    assert missing[0] is missing[2] is None
    assert missing[1] is not None


def test_what_is_no_file_is_left_out_and_never_waited_for(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(folder / "pipe.toml")
    (folder / "endless.toml").symlink_to("/dev/zero")
    (folder / "inner.toml").mkdir()
    assert not {"pipe", "endless", "inner"} & catalogue.all_profiles().keys()
    assert caplog.text.count("is no file") == 3


def test_an_unknown_profile_is_still_a_fault_of_the_configuration(clock: HandClock) -> None:
    with pytest.raises(ConfigError, match="acme-h9"):
        build_devices([DeviceConfig(name="x", profile="acme-h9", host="h")], None, clock)


def test_ours_is_never_replaced_and_it_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "sdm630.toml").write_text(GOOD.replace("acme-h1", "sdm630"))
    with caplog.at_level(logging.WARNING):
        assert catalogue.profile("sdm630").title == "Eastron SDM630 meter"
        assert catalogue.all_profiles()["sdm630"].kind == "meter"
    assert [r for r in caplog.records if "sdm630 is a profile of the package" in r.message]


async def test_a_greedy_sheet_takes_no_device_of_ours(folder: Path) -> None:
    greedy = GOOD.replace("acme-h1", "aaa-greedy").replace("^ACM[0-9]{7}$", ".")
    greedy = greedy.replace(
        'at = 3, type = "str", count = 5', 'at = 52, type = "u16", table = "input"'
    )
    (folder / "aaa-greedy.toml").write_text(greedy)
    async with serving(RegisterServer({}, input={1: dict(sdm630().input)})) as server:
        found = [f.profile.key async for f in scan("127.0.0.1", server.port, [1])]
    assert found == ["sdm630"]


def test_a_file_is_named_after_its_key(folder: Path) -> None:
    (folder / "acme-h2.toml").write_text(GOOD)
    with pytest.raises(ConfigError, match="named after its key"):
        catalogue.profile("acme-h2")


def test_the_list_shows_what_is_good_and_says_what_is_not(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "acme-h1.toml").write_text(GOOD)
    (folder / "acme-h2.toml").write_text(GOOD)
    told = CliRunner().invoke(make_app("gateway.cli", ""), ["profiles"])
    assert told.exit_code == 0
    assert "acme-h1 " in told.output
    assert "acme-h2 " not in told.output
    assert "acme-h2.toml" in caplog.text


def test_a_package_brings_sheets_and_none_of_its_code_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    package, told = site / "acme_sheets", site / "acme_sheets-1.0.dist-info"
    package.mkdir(parents=True)
    told.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('run')")
    (package / "acme-h1.toml").write_text(GOOD)
    (package / "more").mkdir()
    (package / "more" / "acme-h2.toml").write_text(GOOD.replace("acme-h1", "acme-h2"))
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-sheets\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(
        "[energy_gateway.sheets]\nacme = acme_sheets\nmore = acme_sheets.more\nnone = no_such_package\n"
    )
    monkeypatch.syspath_prepend(str(site))
    catalogue.forget()
    assert catalogue.profile("acme-h1").title == "Acme H1 hybrid"
    assert catalogue.profile("acme-h2").key == "acme-h2"
    assert "acme_sheets" not in sys.modules


PARTS = (
    GOOD
    + """
[readings.pv_power_w]
of = ["east", "west"]
by = "sum of present"
[registers.east]
at = 30
type = "u16"
[registers.west]
at = 40
type = "u16"
"""
)


@pytest.mark.parametrize(
    ("may_lack", "west", "value", "quality"),
    [
        (False, 700, 1200.0, Quality.GOOD),
        (False, None, None, Quality.BAD),  # refused from the first poll: not 0 W
        (True, None, 500.0, Quality.GOOD),  # the sheet says that a model may have no second input
        (False, 0xFFFF, 500.0, Quality.GOOD),  # the device says so itself
    ],
)
async def test_a_part_that_is_refused_is_missing_unless_a_model_may_lack_it(
    may_lack: bool,
    west: int | None,
    value: float | None,
    quality: Quality,
    folder: Path,
    clock: HandClock,
    intents: Intents,
) -> None:
    text = PARTS + ("may_lack = true\n" if may_lack else "")
    (folder / "acme-h1.toml").write_text(text)
    catalogue.forget()
    words = dict(WORDS) | {30: 500} | ({} if west is None else {40: west})
    async with serving(RegisterServer({1: words})) as server:
        one = device(server, "acme-h1", clock, intents)
        found = {r.metric: r for r in await one.poll()}["pv_power_w"]
        await one.close()
    assert (found.value, found.quality) == (value, quality)
