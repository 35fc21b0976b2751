"""gateway.toml: the usual home is short; every fault names file, line, key and what would be right."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from gateway.config.load import load_settings
from gateway.errors import ConfigError

USUAL = """
[site]
name = "home"
time_zone = "America/Chicago"
reserve_pct = 20
export_limit_w = 5000

[[device]]
name = "inverter"
profile = "fronius-gen24"
host = "inverter.lan"

[[device]]
name = "meter"
profile = "sunspec-meter"
host = "inverter.lan"
unit = 200

[mqtt]
host = "127.0.0.1"

[tariff]
import_price = { kind = "flat", per_kwh = "0.14" }

[market]
exchange = "cts"
url = "https://exchange.example"
"""


def load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return load_settings(path)


def test_the_usual_home(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(USUAL)
    settings = load_settings(path)
    assert [d.name for d in settings.device] == ["inverter", "meter"]
    assert settings.device[1].unit == 200
    assert settings.tariff.import_price.kind == "flat"
    assert settings.tariff.import_price.per_kwh == Decimal("0.14")
    assert settings.battery.wear_per_kwh == Decimal("0.02")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("reserve_pct = 20", "reserve_pc = 20", "gateway.toml:5: site.reserve_pc: unknown key; did you mean 'reserve_pct'?"),
        ("reserve_pct = 20", "reserve_pct = 120", "gateway.toml:5: site.reserve_pct: Input should be less than or equal to 100 (got 120)"),
        ("reserve_pct = 20", "latitude = 52.5", "gateway.toml:2: site: latitude and longitude belong together: set both or none"),
        ('"America/Chicago"', '"America/Chigaco"', "gateway.toml:4: site.time_zone: 'America/Chigaco' is no IANA time zone"),
        ('host = "inverter.lan"\nunit = 200', "unit = 200", "gateway.toml:13: device 'meter': host is missing"),
        ('name = "meter"', 'name = "inverter"', "two devices are named 'inverter'"),
        ('per_kwh = "0.14"', 'per_kwh = "cheap"', "tariff.import_price.per_kwh: 'cheap' is not an amount"),
        ('kind = "flat"', 'kind = "flatt"', "gateway.toml:23: tariff.import_price"),
        ('url = "https://exchange.example"', "", "market.url: is missing"),
        ("[site]", "[site", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_fault_names_line_key_and_what_would_be_right(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in USUAL
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, USUAL.replace(old, new))
    assert message in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it is not there"):
        load_settings(tmp_path / "nowhere.toml")


def test_a_charger_that_could_never_charge_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('[[device]]\nname = "x"\nhost = "x"\n[car]\nmax_current_a = 2\n')
    with pytest.raises(ConfigError, match="max_current_a is below min_current_a = 6"):
        load_settings(config)


@pytest.mark.parametrize(
    "line",
    [
        "charge_efficiency_by_power = [[300, 0.8], [nan, 0.9]]",
        "discharge_efficiency_by_power = [[inf, 0.9]]",
        "max_charge_w = inf",
    ],
)
def test_what_is_no_number_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"battery.{line.partition(' ')[0]}.*finite number"):
        load(tmp_path, f"{USUAL}\n[battery]\n{line}\n")


def test_where_no_known_key_is_near_all_are_named(tmp_path: Path) -> None:
    text = USUAL.replace('name = "home"', 'name = "home"\nid = "x"', 1)
    with pytest.raises(ConfigError, match=r"site\.id: unknown key; known here: name, time_zone"):
        load(tmp_path, text)
