"""What people get wrong in gateway.toml: each is one line that names file, line, key and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load_guard_settings, load_settings
from gateway.errors import ConfigError

HOME = """
[site]
name = "home"
time_zone = "Europe/Berlin"
reserve_pct = 20
export_limit_w = 5000
fuse_a = 35

[[device]]
name = "inverter"
profile = "fronius-gen24"
host = "inverter.lan"

[[device]]
name = "meter"
profile = "sunspec-meter"
host = "inverter.lan"
unit = 200

[battery]
capacity_wh = 13500

[car]
departure = "07:00"
energy_wh = 10000

[mqtt]
host = "127.0.0.1"
port = 1883

[tariff]
currency = "EUR"
import_price = { kind = "flat", per_kwh = "0.32" }

[market]
url = "https://exchange.example"

[dashboard]
port = 8750
"""

# What stands there, what somebody wrote instead, and what is said after "gateway.toml".
MISTAKES: list[tuple[str, str, str]] = [
    # times
    ('"07:00"', '"24:00"', ":24: car.departure: '24:00' is no time of day; from 00:00 to 23:59 in quotes"),
    ('"07:00"', '"7 am"', ":24: car.departure: '7 am' is no time of day"),
    ('"07:00"', '"7:00"', ":24: car.departure: '7:00' is no time of day"),
    ('"07:00"', '"07.00"', ":24: car.departure: '07.00' is no time of day"),
    ('"07:00"', "7", ":24: car.departure: 7 is no time of day; from 00:00 to 23:59 in quotes"),
    ('"07:00"', "07:00", ":24: not valid TOML"),
    ('departure = "07:00"', 'departure_days = ["monday"]', ":24: car.departure_days 1: Input should be 'mon', 'tue'"),
    # names
    ('"home"', '"my home"', ":3: site.name: 'my home' cannot be a name: small letters, digits, - and _"),
    ('"home"', '"Home"', ":3: site.name: 'Home' cannot be a name"),
    ('"home"', '"häuschen"', ":3: site.name: 'häuschen' cannot be a name"),
    ('"home"', '""', ":3: site.name: '' cannot be a name"),
    ('"meter"', '"smart meter"', ":15: device 'smart meter': name: 'smart meter' cannot be a name"),
    ('"meter"', '"inverter"', ": file: two devices are named 'inverter'; names must differ"),
    ('name = "meter"\n', "", ":14: device 2: name: is missing"),
    # units and numbers
    ("5000", '"5 kW"', ":6: site.export_limit_w: '5 kW' is not a number without unit"),
    ("5000", "5 kW", ":6: not valid TOML"),
    ("5000", "5,000", ":6: not valid TOML"),
    ("5000", "-5000", ":6: site.export_limit_w: "),
    ("20", "120", ":5: site.reserve_pct: "),
    ("20", '"20 %"', ":5: site.reserve_pct: '20 %' is not a number without unit"),
    ("35", "true", ":2: site: fuse_a = true is a switch; here stands a number"),
    ("35", "0", ":7: site.fuse_a: "),
    ("13500", "13.5", ":21: battery.capacity_wh: 13.5 Wh is less than any home's battery; if that is in kWh, write 13500"),
    ("capacity_wh = 13500", "max_charge_w = 5", ":21: battery.max_charge_w: 5 W is less than any home's battery; if that is in kW, write 5000"),
    ("10000", "40", ":25: car.energy_wh: 40 Wh is next to nothing; if that is in kWh, write 40000"),
    ("1883", "70000", ":29: mqtt.port: "),
    ("1883", '"mqtt"', ":29: mqtt.port: 'mqtt' is not a number without unit"),
    ("unit = 200", "unit = 300", ":18: device 'meter': unit: "),
    ("8750", "8750.5", ":39: dashboard.port: "),
    # places, zones, addresses
    ("Europe/Berlin", "Europe/Berln", ":4: site.time_zone: 'Europe/Berln' is no IANA time zone, e.g. 'America/Chicago'"),
    ("Europe/Berlin", "CET+1", ":4: site.time_zone: 'CET+1' is no IANA time zone"),
    ("fuse_a = 35", "latitude = 52.5", ":2: site: latitude and longitude belong together"),
    ("fuse_a = 35", "latitude = 152.5\nlongitude = 13.4", ":7: site.latitude: "),
    ('host = "inverter.lan"\nunit', "unit", ":14: device 'meter': host is missing, e.g. host = 'inverter.lan'"),
    ("https://exchange.example", "exchange.example", ":36: market.url: 'exchange.example' is no address, e.g. 'https://exchange.example'"),
    ('host = "inverter.lan"\nunit', 'host = "http://inverter.lan"\nunit', ":17: device 'meter': host: 'http://inverter.lan' is no name or address"),
    ('host = "127.0.0.1"', 'host = "127.0.0.1:1883"', ":28: mqtt.host: '127.0.0.1:1883' is no name or address; the port is a key of its own"),
    ('host = "inverter.lan"\nunit', 'host = "192.168.1.300"\nunit', ":17: device 'meter': host: '192.168.1.300' is no address; four numbers from 0 to 255"),
    ('host = "inverter.lan"\nunit', 'host = " inverter.lan"\nunit', ":17: device 'meter': host: ' inverter.lan' is no name or address"),
    ("unit = 200", 'serial = "/dev/ttyUSB0"', ":14: device 'meter': serial = '/dev/...' needs framing = 'rtu'"),
    ("https://exchange.example", "https://exchange.example:99999", ":36: market.url: 'https://exchange.example:99999' is no address"),
    ("https://exchange.example", "https://me:hidden@exchange.example", ":36: market.url: an address with a name or password in it"),
    ("https://exchange.example", "ftp://exchange.example", ":36: market.url: 'ftp://exchange.example' is no address"),
    ("Europe/Berlin", "UTC+1", ":4: site.time_zone: 'UTC+1' is no IANA time zone"),
    # thousands and shares
    ("reserve_pct = 20", "reserve_pct = 0.2", ":5: site.reserve_pct: 0.2 % is next to nothing; if that is a share, write 20"),
    ("export_limit_w = 5000", "export_limit_w = 5", ":6: site.export_limit_w: 5 W is next to nothing; if that is in kW, write 5000"),
    ("export_limit_w = 5000", "import_limit_w = 11", ":6: site.import_limit_w: 11 W is next to nothing; if that is in kW, write 11000"),
    ("13500", "1e9", ":21: battery.capacity_wh: "),
    ("13500", "nan", ":21: battery.capacity_wh: nan is no finite number"),
    # money
    ('"EUR"', '"euro"', ":32: tariff.currency: 'euro' is no code of a currency; ISO 4217, e.g. 'EUR'"),
    ('"EUR"', '"€"', ":32: tariff.currency: '€' is no code of a currency"),
    ('"0.32"', '"0,32"', ":33: tariff.import_price.per_kwh: '0,32' is not an amount, e.g. '0.14' (a point, no unit)"),
    ('"0.32"', '"0.32 EUR"', ":33: tariff.import_price.per_kwh: '0.32 EUR' is not an amount"),
    ('"flat"', '"fixed"', ":33: tariff.import_price: kind = 'fixed' is none of 'flat', 'time_of_use', 'wholesale', 'published'"),
    ('kind = "flat", ', "", ":33: tariff.import_price: kind is missing; it is one of 'flat'"),
    ('{ kind = "flat", per_kwh = "0.32" }', '"0.32"', ":33: tariff.import_price: '0.32' is no price; write { kind = 'flat', per_kwh = '0.32' }"),
    ('{ kind = "flat", per_kwh = "0.32" }', '{ kind = "time_of_use", otherwise_per_kwh = "0.3", periods = [], windows = [] }', ":33: tariff.import_price.windows: unknown key; known here: kind, otherwise_per_kwh, periods"),
    ('{ kind = "flat", per_kwh = "0.32" }', '[{ kind = "flat", per_kwh = "0.32" }]', ":33: tariff.import_price: [{'kind': 'flat', 'per_kwh': '0.32'}] is no price; write { kind"),
    # tables and keys
    ("[[device]]\nname = \"inverter\"", "[device]\nname = \"inverter\"", ":14: not valid TOML"),
    ("[car]", "[[car]]", ":23: car: a table: write [car] with one bracket"),
    ("[battery]", "[batery]", ":20: batery: unknown key; did you mean 'battery'?"),
    ("reserve_pct", "reserve_pc", ":5: site.reserve_pc: unknown key; did you mean 'reserve_pct'?"),
    ("unit = 200", "unitt = 200", ":18: device 'meter': unitt: unknown key; did you mean 'unit'?"),
    ("reserve_pct = 20", "reserve_pct = 20\nreserve_pct = 30", ":6: not valid TOML"),
    ("[site]", "[site", ":2: not valid TOML"),
    ('"home"', '"home', ":3: not valid TOML"),
    ('"home"', "home", ":3: not valid TOML"),
    ('"home"', "“home”", ":3: not valid TOML"),
    ('url = "https://exchange.example"\n', "", ":35: market.url: is missing"),
    ("port = 8750", 'enabled = "never"', ":39: dashboard.enabled: 'never' is neither true nor false"),
    ("port = 1883", 'tls = "ssl"', ":29: mqtt.tls: 'ssl' is neither true nor false"),
    ("port = 1883", "username = 5", ":29: mqtt.username: 5 is not text"),
]  # fmt: skip


def said(folder: Path, text: str) -> list[str]:
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    return [line.removeprefix(str(path)) for line in str(caught.value).splitlines()]


def test_the_home_without_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(HOME, encoding="utf-8")
    assert [d.name for d in load_settings(tmp_path / "gateway.toml").device] == [
        "inverter",
        "meter",
    ]


@pytest.mark.parametrize(("right", "wrong", "line"), MISTAKES, ids=[m[1][:30] for m in MISTAKES])
def test_a_mistake_is_one_clear_line(tmp_path: Path, right: str, wrong: str, line: str) -> None:
    assert right in HOME
    lines = said(tmp_path, HOME.replace(right, wrong, 1))
    assert len(lines) == 1, lines
    assert lines[0].startswith(line), lines
    assert len(lines[0]) > len(line.rstrip()) or not line.endswith(" ")


def test_a_mark_at_the_beginning_of_the_file_and_windows_line_ends_are_taken(
    tmp_path: Path,
) -> None:
    """Editors of Windows write both."""
    path = tmp_path / "gateway.toml"
    path.write_bytes(b"\xef\xbb\xbf" + HOME.replace("\n", "\r\n").encode())
    assert load_settings(path).site.name == "home"
    assert load_guard_settings(path).reserve_pct == 20


def test_a_file_in_another_encoding_is_said(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(HOME.encode("utf-16"))
    with pytest.raises(ConfigError, match=r"is not UTF-8 text .*; save it as UTF-8"):
        load_settings(path)


def test_a_newcomer_without_a_file_is_told_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.toml: .* not there; `energy-gateway init` or `setup` writes one"):  # fmt: skip
        load_settings(tmp_path / "nowhere.toml")


def test_no_device_at_all_is_said(tmp_path: Path) -> None:
    (line,) = said(tmp_path, '[site]\nname = "home"\n')
    assert line == ": device: is missing"


def test_several_mistakes_are_said_at_once(tmp_path: Path) -> None:
    wrong = HOME.replace('"07:00"', '"24:00"').replace('"EUR"', '"euro"').replace("1883", "70000")
    assert len(said(tmp_path, wrong)) == 3
