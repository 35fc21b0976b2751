"""Sheets as data: what is wrong is said with file, line, key and what would be right; what is right becomes a profile."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.devices import catalogue
from gateway.devices.sheets import load, schema
from gateway.devices.sheets.format import Sheet
from gateway.devices.sheets.problem import blame
from gateway.domain.control import Control
from gateway.errors import ConfigError, DeviceError
from gateway.modbus.registers import Field, Missing
from tests.devices.conftest import HandClock, Intents
from tests.devices.test_sources import at_work
from tests.modbus.server import RegisterServer, serving

SHEETS = sorted(Path(load.__file__).parent.glob("*.toml"))
WHOLE = """\
key = "some-meter"
title = "Somebody's meter"
kind = "hybrid"
identify = [{ register = "serial", match = "." }]

[communication]
max_gap = 10

[registers]
serial = { at = 3, type = "str", count = 5 }
soc = { at = 588, type = "u16", valid = [0, 100] }
power = { at = 590, type = "i16" }
mode = { at = 100, type = "u16" }
setpoint = { at = 101, type = "i32", words = "little" }
rated = { at = 20, type = "u16" }
locked = { at = 21, type = "u16" }

[readings]
battery_soc_pct = "soc"
battery_power_w = { of = "-power" }

[controls.battery_power_w]
limits = "battery"
sources = [
  { who = "maker", where = "paper", registers = ["all"] },
  { who = "project", registers = ["mode", "setpoint"] },
]
lease = { kind = "none", refresh_s = 60 }
is_neutral = { mode = 0 }
restore = ["setpoint"]
refuse = [{ when = { locked = 1 }, because = "it is locked on its page" }]
hold = [
  { write = "setpoint", value = "setpoint", most = "rated" },
  { write = "mode", value = { charge = 2, rest = 1, discharge = 3 } },
]
neutral = [{ write = "mode", value = 0 }, { restore = "setpoint" }]
"""


def wrong(old: str, new: str) -> str:
    """The error of the whole sheet with one line changed."""
    assert WHOLE.count(old) == 1, old
    with pytest.raises(ConfigError) as error:
        load.profile_of(WHOLE.replace(old, new), "some.toml")
    return str(error.value)


def line(text: str) -> int:
    return next(i for i, one in enumerate(WHOLE.splitlines(), 1) if text in one)


WRONG = [
    ("max_gap = 10", "maxgap = 10", "max_gap = 10", ("communication.maxgap", "'max_gap'")),
    ('type = "i16"', 'type = "s16"', "power = {", ("registers.power.type", "s16")),
    ("at = 588", "at = 70000", "soc = {", ("registers.soc.at", "65535")),
    ('kind = "hybrid"', 'kind = "thing"', "kind =", ("kind", "thing")),
    ('of = "-power"', 'of = "-powr"', "battery_power_w = {", ("'powr'", "'power'")),
    ("battery_soc_pct =", "battery_soc =", "battery_soc_pct =", ("no metric", "battery_soc_pct")),
    ('write = "mode", value = { ch', 'writ = "mode", value = { ch', "charge = 2", ("hold[1].writ", "'write'")),
    ('at = 101, type = "i32"', 'at = 101, type = "u32"', 'value = "setpoint"', ("holds no sign",)),
    ('restore = ["setpoint"]', 'restore = ["set"]', "restore = [", ("'set'", "'setpoint'")),
    ('match = "."', 'match = "("', "identify", ("regular expression",)),
    ('of = "-power"', 'of = ["serial", "power"]', "battery_power_w = {", ("serial is a text",)),
    ('of = "-power"', 'of = "power", scale = 0', "battery_power_w = {", ("every value 0",)),
    ("is_neutral = { mode = 0 }", 'is_neutral = { mode = { match = "(" } }', "is_neutral", ("regular",)),
    ('lease = {', 'flash = ["mode"]\nlease = {', "sources", ("max_per_day",)),
    ('match = "."', 'match = "^(a+)+$"', "identify", ("never end",)),
    ("mode = { at = 100,", "mode = { bits = [-1, 4], at = 100,", "mode = {", ("bits 0 to 15",)),
    ("mode = { at = 100,", "mode = { bits = [10, 8], at = 100,", "mode = {", ("bits 0 to 15",)),
    ("rated = { at = 20,", "rated = { scale_at = 900, at = 20,", "rated = {", ("max_read is 125",)),
    ("at = 590, type = \"i16\"", "at = 65535, type = \"i32\"", "power = {", ("65535",)),
    ('kind = "none", refresh_s = 60', 'kind = "reversion", seconds = 60, refresh_s = 30', "lease", ("less than half",)),
    ('type = "i32", words = "little"', 'type = "str", count = 2', "hold", ("a text",)),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "where", "says"), WRONG, ids=lambda v: str(v)[:20])
def test_an_error_names_file_line_key_and_what_would_be_right(
    old: str, new: str, where: str, says: tuple[str, ...]
) -> None:
    told = wrong(old, new)
    assert told.startswith("some.toml:"), told
    if where != "sources":
        assert told.startswith(f"some.toml:{line(where)}:"), told
    for word in says:
        assert word in told


def test_no_toml_is_told_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"some\.toml: .*line 2"):
        load.profile_of('key = "a"\ntitle = \n', "some.toml")


def test_a_value_that_is_made_from_itself_is_refused() -> None:
    loop = '[values]\na = { of = "b" }\nb = { of = "a" }\n[readings]\npv_power_w = "a"\n'
    with pytest.raises(ConfigError, match="made from itself"):
        load.profile_of(WHOLE.replace("[readings]\n", loop), "some.toml")


@pytest.mark.parametrize("path", SHEETS, ids=lambda p: p.stem)
def test_a_sheet_of_the_package_is_right_and_named_by_its_key(path: Path) -> None:
    assert load.load(path).key == path.stem
    assert catalogue.profile(path.stem).key == path.stem


def test_no_key_stands_twice() -> None:
    assert not catalogue._modules().keys() & catalogue._sheets().keys()


def test_the_schema_is_that_of_the_format() -> None:
    """Made anew by `energy-gateway sheet schema`."""
    assert schema.FILE.read_text(encoding="utf-8") == schema.schema_text()


def test_one_profile_loads_no_other() -> None:
    text = (
        "from gateway.devices.catalogue import profile, _sheets\n"
        "from gateway.devices.sheets import load\n"
        "seen = []\nreal = load.sheet_of\n"
        "load.sheet_of = lambda text, file: seen.append(file) or real(text, file)\n"
        "profile('sdm630'); profile('auto')\nprint(*seen)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert [Path(file).name for file in done.stdout.split()] == ["sdm630.toml"]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_sheet_that_is_changed_anyhow_is_taken_or_refused_and_never_stumbles(
    data: st.DataObject,
) -> None:
    """Any key of any sheet replaced, renamed or left out: a profile, or an error of ours."""
    raw = tomllib.loads(data.draw(st.sampled_from(SHEETS)).read_text(encoding="utf-8"))
    inside = data.draw(st.sampled_from(list(tables(raw))))
    key = data.draw(st.sampled_from(sorted(inside)))
    value = inside.pop(key)
    other = data.draw(st.one_of(ODD, st.sampled_from([value])))
    inside[data.draw(st.sampled_from([key, f"{key}x"]))] = other
    try:
        sheet = msgspec.convert(raw, Sheet)
    except msgspec.ValidationError:
        wrong = blame(raw, Sheet)
        assert wrong
        assert wrong.path
        return
    try:
        profile = load.made(sheet, "", "some.toml")
    except ConfigError:
        return
    for output in profile.source.outputs if profile.source else ():
        texts = st.sampled_from(["", "A1", "055.5"])
        numbers = st.sampled_from([0, 1, 3, -5, 2.5, 40_000, 1e30])
        missing = st.sampled_from(Missing)
        values = [
            data.draw(missing | (texts if f.kind == "str" else numbers)) for f in output.fields
        ]
        assert isinstance(output.combine(*values), int | float | str | Missing)


def tables(raw: Any) -> Iterator[dict[str, Any]]:
    """Every table of a sheet that holds something."""
    if isinstance(raw, dict):
        if raw:
            yield raw
        raw = list(raw.values())
    for inner in raw if isinstance(raw, list) else ():
        yield from tables(inner)


ODD = st.sampled_from(
    [0, -1, 70_000, 2.5, True, "", "x", "-x", "setpoint", "(", [], ["x"], [1, 2], {}, {"x": 1}]
)


# -- what is written --


def image() -> dict[int, int]:
    return dict.fromkeys(range(700), 0) | {3: 0x4142, 20: 3000, 101: 7, 588: 50}


async def test_a_setpoint_is_written_as_the_sheet_has_it_and_undone(
    clock: HandClock, intents: Intents
) -> None:
    words = image()
    async with serving(RegisterServer({1: words})) as server:
        one = at_work(server, load.profile_of(WHOLE, "some.toml"), clock, intents)
        for watts, mode, low, high in (
            (-2000.0, 2, -2000 & 0xFFFF, 0xFFFF),
            (1500.0, 3, 1500, 0),
            (9000.0, 3, 3000, 0),  # not more than it is rated for
            (0.0, 1, 0, 0),
        ):
            await one.hold(Control.BATTERY_POWER, watts)
            assert (words[100], words[101], words[102]) == (mode, low, high)
        assert (await one.release()).neutral
        assert words == image()
        words[21] = 1
        clock.seconds += 100
        with pytest.raises(DeviceError, match="locked on its page"):
            await one.hold(Control.BATTERY_POWER, 1000)
        await one.close()


async def test_a_register_with_one_source_is_not_written(
    clock: HandClock, intents: Intents
) -> None:
    text = WHOLE.replace('registers = ["mode", "setpoint"]', 'registers = ["mode"]')
    sheet = load.profile_of(text, "some.toml")
    assert sheet.evidence == "one source"
    async with serving(RegisterServer({1: image()})) as server:
        one = at_work(server, sheet, clock, intents)
        await one.poll()
        assert not one.controls
        assert not server.writes
        await one.close()


# -- registers --


def test_bits_bytes_and_offset_of_a_register() -> None:
    assert Field(0, "u16", bits=(8, 7)).decode(b"\x84\x12", 0) == 4
    assert Field(0, "u16", byte_order="little").decode(b"\x12\x34", 0) == 0x3412
    swapped = Field(0, "u32", byte_order="little", words="little")
    assert swapped.decode(b"\x04\x03\x02\x01", 0) == 0x01020304
    assert Field(0, "u16", offset=-32_000).decode((32_500).to_bytes(2, "big"), 0) == 500
    assert Field(0, "str", count=2, byte_order="little").decode(b"BADC", 0) == "ABCD"
    assert Field(0, "u16", offset=-32_000).decode(b"\xff\xff", 0) is Missing.ABSENT
