"""Simulated families as data: what a file may say, and that a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.devices.data_unit import DataUnit
from simulators.devices.family_file import family_files, load
from simulators.devices.protocol import HOLDING, INPUT, ModbusError
from simulators.devices.view import View
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.simulators.conftest import START, HandClock

WHOLE = """\
about = "a device"
kind = "inverter"
profile = "some"
sources = ["a paper"]
unit = 1
areas = [["holding", 100, 120], ["input", 0, 20]]
whole = [[104, 108]]

[holding]
110 = { setting = "mode" }
111 = { remaining = true }

[input]
0 = { of = "soc_pct", step = 0.1 }
1 = { of = "battery_w", type = "i16", sign = -1 }
2 = { of = "pv_wh", type = "u32", step = 100, words = "little" }
4 = { of = "battery_direction", names = { charging = 1, discharging = 2, resting = 0 } }
6 = { text = "AB", count = 2 }

[settings]
mode = { at = 100, allowed = [0, 1, 2, 3], kept = false }
seconds = { at = 101, start = 60 }
power = { at = 102, type = "i32", min = -5000, max = 5000, words = "little" }
block = { at = 104, type = "u64" }
grid = { at = 108, type = "i16" }
locked = { at = 112, shown = false }

[[command]]
when = { mode = 1 }
battery_w = { setting = "power" }

[[command]]
when = { mode = 2 }
grid_power_w = { setting = "grid", sign = -1 }
grid_charge = 1

[timeout]
seconds = { setting = "seconds" }
while = { mode = { not = 0 } }
restarts = ["power", "mode"]
then = { mode = 0 }
"""


@pytest.fixture
def clock() -> HandClock:
    return HandClock(START.replace(hour=18))


def unit(tmp_path: Path, clock: HandClock, text: str = WHOLE) -> DataUnit:
    file = tmp_path / "some.toml"
    file.write_text(text)
    home = Home(clock, Scenario(clock.now(), seed=1, soc_pct=60))
    return DataUnit(load(file), View(home))


def number(one: DataUnit, table: int, address: int) -> int:
    return int.from_bytes(one.read(table, address, 1), "big")


def test_it_obeys_shows_and_falls_back(tmp_path: Path, clock: HandClock) -> None:
    one = unit(tmp_path, clock)
    home = one.view.home
    one.write(102, (1500, 0), 16)
    one.write(100, (1,), 6)
    clock.forward(30)
    assert home.powers().battery == pytest.approx(1500)
    assert number(one, INPUT, 1) == -1500 & 0xFFFF
    assert number(one, INPUT, 4) == 2
    assert (number(one, HOLDING, 110), number(one, HOLDING, 111)) == (1, 30)
    one.write(102, (-2000 & 0xFFFF, 0xFFFF), 16)
    clock.forward(59)
    assert home.powers().battery == pytest.approx(-2000)
    clock.forward(2)
    assert number(one, HOLDING, 100) == 0
    assert home.commands.charge_limit_w is None


def test_a_power_at_the_meter_is_kept(tmp_path: Path, clock: HandClock) -> None:
    one = unit(tmp_path, clock)
    one.write(108, (-700 & 0xFFFF,), 6)
    one.write(100, (2,), 6)
    clock.forward(20)
    assert one.view.home.powers().grid == pytest.approx(700, abs=30)  # but for its own use


def test_what_it_does_not_take_is_refused_and_undone(tmp_path: Path, clock: HandClock) -> None:
    one = unit(tmp_path, clock)
    for address, words in ((100, (9,)), (102, (6000, 0)), (105, (1,)), (119, (1,))):
        with pytest.raises(ModbusError):
            one.write(address, words, 16)
    assert number(one, HOLDING, 100) == 0
    assert number(one, HOLDING, 102) == 0
    one.write(104, (1, 2, 3, 4), 16)
    one.write(112, (5,), 6)
    assert number(one, HOLDING, 112) == 0  # it can be written and reads something else


def test_counters_wrap_and_texts_are_filled(tmp_path: Path, clock: HandClock) -> None:
    one = unit(tmp_path, clock)
    one.near_wrap(1000)
    low, high = number(one, INPUT, 2), number(one, INPUT, 3)
    assert (high << 16 | low) * 100 == pytest.approx((1 << 32) * 100 - 1000, abs=100)
    assert one.read(INPUT, 6, 2) == b"AB\0\0"
    one.view.blind = True
    assert number(one, INPUT, 1) == 0x7FFF
    assert number(one, INPUT, 0) == 0xFFFF


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('of = "soc_pct"', 'of = "soc"', "nothing true is called 'soc'"),
        ("sign = -1 }\n2", "sgn = -1 }\n2", "unknown"),
        ('setting = "power" }', 'setting = "powr" }', "no setting 'powr'"),
        ('sources = ["a paper"]', "sources = []", "needs sources"),
        ("6 = {", "5000 = {", "stands in no area"),
        ("4 = {", "3 = {", "or on another"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert WHOLE.count(old) == 1
    file = tmp_path / "some.toml"
    file.write_text(WHOLE.replace(old, new))
    with pytest.raises(ValueError, match=r"some\.toml: .*" + says):
        load(file)


def test_every_family_is_read() -> None:
    assert {"foxess", "growatt"} <= set(family_files())
