"""energy-gateway sheet: from a dump to a reading, as a newcomer does it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import make_app
from gateway.devices.dump import read_dump
from gateway.devices.sheets import schema
from gateway.devices.sheets.load import load
from gateway.devices.sheets.skeleton import find
from gateway.errors import ConfigError
from tests.devices.image_files import FILES
from tests.devices.test_sheets import WHOLE
from tests.devices.vendor_images import Image, f32, sigenergy, u32

SHEETS = Path(load.__code__.co_filename).parent


def sheet(*words: object) -> Result:
    return CliRunner().invoke(make_app("gateway.cli", ""), ["sheet", *map(str, words)])


def dumped(image: Image, path: Path, readings: dict[str, Any]) -> Path:
    tables = {"h": image.holding, "i": image.input}
    path.write_text(
        json.dumps(
            {
                "units": {image.unit: {k: dict(t) for k, t in tables.items()}},
                "readings": {image.unit: readings},
            }
        )
    )
    return path


def test_a_dump_is_read_beside_what_is_right(tmp_path: Path) -> None:
    right = {"battery_soc_pct": 75.5, "pv_power_w": 5600, "inverter_state": "running"}
    dump = dumped(sigenergy(), tmp_path / "dump.json", right)
    done = sheet("test", SHEETS / "sigenergy.toml", "--capture", dump)
    assert done.exit_code == 0, done.output
    assert done.output.count(" ok") == 3
    for wrong in ({"pv_power_w": 5000}, {"charger_power_w": 1}, {"inverter_state": "off"}):
        dump = dumped(sigenergy(), tmp_path / "dump.json", right | wrong)
        done = sheet("test", SHEETS / "sigenergy.toml", "--capture", dump)
        assert done.exit_code == 1
        assert "WRONG" in done.output or "not read" in done.output


def test_a_dump_of_another_family_is_told(tmp_path: Path) -> None:
    dump = dumped(sigenergy(), tmp_path / "dump.json", {})
    done = sheet("test", SHEETS / "sdm630.toml", "--capture", dump)
    assert done.exit_code == 1
    assert "NOT those" in done.output


@pytest.mark.parametrize("name", ["sdm630", "keba-p30", "saj-h2", "victron-grid-meter"])
def test_an_image_reads_the_same_from_a_dump(name: str, tmp_path: Path) -> None:
    file = FILES[name]
    dump = dumped(file.image, tmp_path / "dump.json", dict(file.image.readings))
    done = sheet("test", SHEETS / f"{file.profile}.toml", "--capture", dump)
    assert done.exit_code == 0, done.output
    assert done.output.count(" ok") == len(file.image.readings)


@pytest.mark.parametrize("value", [75.5, 5600, -1100, 1600, 16_120, 11_111_110])
def test_a_value_is_found_where_it_stands(value: float, tmp_path: Path) -> None:
    dump = read_dump(dumped(sigenergy(), tmp_path / "dump.json", {}))
    places = find(dump, 247, value)
    assert places
    assert any(p.value == pytest.approx(value) and p.table == "input" for p in places[:3])


def test_floats_and_swapped_words_are_found(tmp_path: Path) -> None:
    words = dict(enumerate([*f32(231.5), *u32(70_000)[::-1]], 10))
    dump = read_dump(dumped(Image(1, words), tmp_path / "dump.json", {}))
    assert find(dump, 1, 231.5)[0].as_toml() == '{ at = 10, type = "f32" }'
    assert any(
        p.as_toml() == '{ at = 12, type = "u32", words = "little" }' for p in find(dump, 1, 70_000)
    )


def test_a_newcomer_comes_from_a_dump_to_a_reading(tmp_path: Path) -> None:
    dump = dumped(sigenergy(), tmp_path / "dump.json", {"battery_soc_pct": 75.5})
    target = tmp_path / "acme-h1.toml"
    assert sheet("new", "acme-h1", "--capture", dump, "--out", target).exit_code == 0
    text = target.read_text()
    assert tomllib.loads(text)["communication"]["unit"] == 247
    assert "30014" in text
    told = sheet("check", target)
    assert told.exit_code == 2
    assert "acme-h1.toml:" in told.output
    found = sheet("find", dump, 75.5).output.splitlines()[1].strip()
    target.write_text(text.replace("[readings]", f"[readings]\nbattery_soc_pct = {found}\n#"))
    assert sheet("check", target).exit_code == 0
    done = sheet("test", target, "--capture", dump)
    assert "75.5 %   good   ok" in done.output
    assert sheet("new", "acme-h1", "--capture", dump, "--out", target).exit_code != 0


def test_check_says_what_is_not_offered(tmp_path: Path) -> None:
    one = tmp_path / "some-meter.toml"
    one.write_text(WHOLE.replace('registers = ["mode", "setpoint"]', 'registers = ["mode"]'))
    done = sheet("check", one)
    assert done.exit_code == 0
    assert "NOT OFFERED" in done.output
    assert " 101" in done.output
    assert " 100" not in done.output


def test_check_notes_what_is_worth_a_second_look(tmp_path: Path) -> None:
    one = tmp_path / "some-meter.toml"
    careless = WHOLE.replace(", valid = [0, 100] }", " }").replace('restore = ["setpoint"]', "")
    careless = careless.replace(', { restore = "setpoint" }]', "]").replace(
        "is_neutral = { mode = 0 }", ""
    )
    for text, notes in ((careless, 4), (WHOLE, 1)):
        one.write_text(text)
        done = sheet("check", one)
        assert done.exit_code == 0, done.output
        assert done.output.count("note: ") == notes, done.output


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"units": {"1": {"h": {"1": 70000}}}}', '{"units": {"x": {}}}']
)
def test_what_is_no_dump_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="dump"):
        read_dump(path)


def test_the_schema_is_printed() -> None:
    assert sheet("schema").output == schema.schema_text()


def test_all_of_a_profile_is_shown() -> None:
    def shown(*words: str) -> str:
        return CliRunner().invoke(make_app("gateway.cli", ""), ["profiles", *words]).output

    told = shown("growatt-sph")
    assert "writes 30409: told by 0xaha/growatt_modbustcp, growatt" in told
    assert "writes 30100" in told
    assert "flash, 50 a day at most" in told
    assert "reads battery_soc_pct" in told
    assert "told by" in shown("huawei-sun2000")
    assert "SunSpec" in shown("fronius-gen24")
    assert "families are read" in shown()
