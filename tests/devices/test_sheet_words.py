"""Every word of a sheet, one row each: what a reading makes of registers, and what a step writes for a setpoint."""

from __future__ import annotations

import struct

import pytest

from gateway.devices.control_sheet import ControlSheet, ReadBack
from gateway.devices.datasheet import Profile, Source
from gateway.devices.sheets.load import profile_of
from gateway.errors import DeviceError
from gateway.modbus.registers import Block, Missing, Value

ABSENT, BAD = Missing.ABSENT, Missing.BAD
HEAD = """\
key = "some"
title = "Somebody's device"
kind = "hybrid"
[registers]
a = { at = 0, type = "u16" }
b = { at = 1, type = "i16" }
c = { at = 2, type = "u16", valid = [0, 100] }
name = { at = 3, type = "str", count = 2 }
rated = { at = 5, type = "u16" }
word = { at = 6, type = "u16", plain = true }
signed = { at = 7, type = "i32" }
tenths = { at = 9, type = "u16", scale = 0.1 }
moved = { at = 10, type = "u16", offset = -32000 }
real = { at = 11, type = "f32", words = "little" }
swapped = { at = 13, type = "u16", bytes = "little" }
limit = { at = 14, type = "u16" }
on = { at = 15, type = "u16" }
"""
# words of a and b, and of c; what is made of them
READINGS: list[tuple[str, tuple[int, int, int], Value]] = [
    ('"a"', (5, 0, 0), 5),
    ('{ of = "-b" }', (0, -7 & 0xFFFF, 0), 7),
    ('{ of = ["a", "-b"] }', (5, 2, 0), 3),
    ('{ of = ["a", "b"] }', (0xFFFF, 2, 0), ABSENT),
    ('{ of = ["a", "b"], by = "sum of present" }', (0xFFFF, 2, 0), 2),
    ('{ of = ["a", "b"], by = "sum of present" }', (0xFFFF, 0x7FFF, 0), ABSENT),
    ('{ of = ["a", "c"], by = "sum of present" }', (1, 0, 101), BAD),
    ('{ of = ["a", "b"], by = "product" }', (3, -4 & 0xFFFF, 0), -12),
    ('{ of = ["a", "b"], by = "first present" }', (0xFFFF, 9, 0), 9),
    ('{ of = ["a", "b"], by = "mean of present" }', (4, 8, 0), 6),
    ('{ of = ["a", "b"], by = "mean of present" }', (0xFFFF, 8, 0), 8),
    ('{ of = ["a", "c"], by = "weighted mean", weights = ["b", "b"] }', (10, 3, 20), 15),
    ('{ of = ["a", "c"], by = "weighted mean", weights = ["b", "b"] }', (10, 0, 20), ABSENT),
    ('{ of = ["a", "c"], by = "weighted mean", weights = ["b", "b"] }', (0xFFFF, 0, 20), 20),
    ('{ of = "a", scale = 0.1, offset = 3 }', (25, 0, 0), 5.5),
    ('{ of = "a", scale = -10 }', (25, 0, 0), -250),
    ('{ of = "a", valid = [0, 10] }', (11, 0, 0), BAD),
    ('{ of = "a", while = { b = 1 } }', (5, 0, 0), ABSENT),
    ('{ of = "a", while = { c = 1 } }', (5, 0, 101), BAD),
    ('{ of = "a", while = [{ b = 1 }, { c = { min = 5, max = 9 } }] }', (5, 0, 9), 5),
    ('{ of = "a", while = { b = [1, 2], c = { not = 3 } } }', (5, 2, 3), ABSENT),
    ('{ of = "a", while = { b = { bits = 6, no_bits = 1 } } }', (5, 14, 0), 5),
    ('{ of = "a", while = { b = { bits = 6, no_bits = 1 } } }', (5, 15, 0), ABSENT),
    ('{ of = "a", while = { b = "absent" } }', (5, 0x7FFF, 0), 5),
    ('{ of = "a", while = { b = "there" } }', (5, 0x7FFF, 0), ABSENT),
    ('{ of = "a", while = { name = { match = "^AB" } } }', (5, 0, 0), 5),
    ('{ cases = [{ when = { b = 1 }, of = "a", scale = 10 }, { of = "a" }] }', (5, 1, 0), 50),
    ('{ cases = [{ when = { b = 1 }, of = "a", scale = 10 }, { of = "a" }] }', (5, 2, 0), 5),
    ('{ cases = [{ when = { b = 1 }, of = "a" }] }', (5, 2, 0), BAD),
    ('{ cases = [{ when = { b = 1 }, of = "a" }, { is = 7 }] }', (5, 0x7FFF, 0), ABSENT),
    ('{ cases = [{ when = { b = 1 }, missing = "absent" }, { is = 7 }] }', (5, 1, 0), ABSENT),
    ('{ at = 0, type = "u16", bits = [4, 8] }', (0x1234, 0, 0), 0x23),
    ('{ at = 0, type = "u16", absent = [7] }', (7, 0, 0), ABSENT),
    ('{ at = 0, type = "u16", scale_at = 1 }', (123, -1 & 0xFFFF, 0), 12.3),
    ('{ at = 0, type = "u16", scale_at = 1 }', (123, 0x8000, 0), ABSENT),
]  # fmt: skip
NAMES: list[tuple[str, int, Value]] = [
    ('{ of = "a", names = { 0 = "off", "1-3" = "on", "0x10" = "odd" } }', 2, "on"),
    ('{ of = "a", names = { 0 = "off", "1-3" = "on", "0x10" = "odd" } }', 16, "odd"),
    ('{ of = "a", names = { 0 = "off", "1-3" = "on", "0x10" = "odd" } }', 4, BAD),
    ('{ of = "a", names = { 0 = "off", "*" = "on" } }', 4, "on"),
    ('{ of = "name", names = { A = "no", AB = "yes" } }', 0, "yes"),
    ('{ of = "name", names = { X = "no" } }', 0, BAD),
]


def made(text: str) -> Profile:
    return profile_of(HEAD + text, "some.toml")


def own(profile: Profile) -> Source:
    assert profile.source
    return profile.source


def value_of(reading: str, metric: str, words: dict[int, int]) -> Value:
    output = own(made(f"[readings]\n{metric} = {reading}\n")).outputs[0]
    data = struct.pack(">20H", *(words.get(a, 0) for a in range(20)))
    return output.combine(*(field.decode(data, 0) for field in output.fields))


@pytest.mark.parametrize(("reading", "words", "value"), READINGS)
def test_a_reading(reading: str, words: tuple[int, int, int], value: Value) -> None:
    registers = dict(enumerate(words)) | {3: 0x4142, 4: 0x4300}
    got = value_of(reading, "ac_power_w", registers)
    assert got is value if isinstance(value, Missing) else got == pytest.approx(value)


@pytest.mark.parametrize(("reading", "word", "value"), NAMES)
def test_a_state(reading: str, word: int, value: Value) -> None:
    assert value_of(reading, "inverter_state", {0: word, 3: 0x4142, 4: 0x4300}) == value


# -- steps: what is written for a setpoint; registers read so, and stood so before us --
NOW = {0: 1, 5: 4000, 6: 9, 14: 700, 15: 1}
STEPS: list[tuple[str, float, dict[int, list[int]]]] = [
    ('{ write = "word", value = 7 }', 0, {6: [7]}),
    ('{ write = "signed", value = "setpoint" }', -2000, {7: [0xFFFF, -2000 & 0xFFFF]}),
    ('{ write = "signed", value = "setpoint", negate = true }', -2000, {7: [0, 2000]}),
    ('{ write = "word", value = "size" }', -2000, {6: [2000]}),
    ('{ write = "word", value = "size" }', -99_999, {6: [0xFFFF]}),
    ('{ write = "word", value = "size", most = "rated" }', 9000, {6: [4000]}),
    ('{ write = "word", value = "size", most = ["rated", 500] }', 9000, {6: [500]}),
    ('{ write = "word", value = "size", least = 300 }', 20, {6: [300]}),
    ('{ write = "word", value = "size", most = { saved = "limit" } }', 9000, {6: [650]}),
    ('{ write = "word", value = "size", most = { saved = "limit", when_saved = { on = 0 } } }', 9000, {6: [9000]}),
    ('{ write = "signed", value = "setpoint", percent_of = "rated", least = -100, most = 100 }', -1000, {7: [0xFFFF, -25 & 0xFFFF]}),
    ('{ write = "word", value = "size", zero = 1 }', 0, {6: [1]}),
    ('{ write = "tenths", value = "size" }', 12.34, {9: [123]}),
    ('{ write = "tenths", value = "size", round = "down" }', 12.39, {9: [123]}),
    ('{ write = "moved", value = "setpoint" }', -1500, {10: [30_500]}),
    ('{ write = "real", value = "setpoint" }', 1.0, {11: [0, 0x3F80]}),
    ('{ write = "swapped", value = 0x1234 }', 0, {13: [0x3412]}),
    ('{ write = "word", value = { charge = 2, rest = 1, discharge = 3 } }', -50, {6: [2]}),
    ('{ write = "word", value = { charge = 2, rest = 1, discharge = 3 } }', 0.4, {6: [1]}),
    ('{ write = "word", value = { charge = 2, rest = 1, discharge = 3 } }', 50, {6: [3]}),
    ('{ write = "word", value = { charge = "size", rest = 0 } }', -50, {6: [50]}),
    ('{ write = "word", value = { charge = "size", rest = 0 } }', 50, {}),
    ('{ write = "word", value = 1, only = ["charge"] }', 50, {}),
    ('{ write = "word", value = 1, only = ["charge"] }', -50, {6: [1]}),
    ('{ write = "word", value = 1, when = { a = 1 } }', 0, {6: [1]}),
    ('{ write = "word", value = 1, when = { a = 2 } }', 0, {}),
    ('{ write = "word", value = 1, when_saved = { limit = { min = 600 } } }', 0, {6: [1]}),
    ('{ write = "word", value = 1, when_saved = { limit = "absent" } }', 0, {}),
    ('{ write = "word", value = { saved = "limit" } }', 0, {6: [650]}),
    ('{ restore = "limit" }', 0, {14: [650]}),
    ('{ together = [{ write = "word", value = 4 }, { write = "signed", value = "setpoint" }] }', 5, {6: [4, 0, 5]}),
]  # fmt: skip
CONTROL = """
[readings]
battery_power_w = "b"
[controls.battery_power_w]
limits = "battery"
sources = [{{ who = "one", registers = ["all"] }}, {{ who = "two", registers = ["all"] }}]
lease = {{ kind = "none" }}
restore = ["limit", "on"]
hold = [{step}]
neutral = []
"""


def held(sheet: ControlSheet, value: float, saved: dict[int, int]) -> dict[int, list[int]]:
    read = {
        block: struct.pack(
            f">{block.count}H", *(NOW.get(a, 0) for a in range(block.address, block.end))
        )
        for block in sheet.read_back
    }
    return {w.address: list(w.words) for w in sheet.hold(value, ReadBack(read), saved)}


@pytest.mark.parametrize(("step", "value", "written"), STEPS)
def test_a_step(step: str, value: float, written: dict[int, list[int]]) -> None:
    sheet = own(made(CONTROL.format(step=step))).controls[0]
    assert held(sheet, value, {14: 650, 15: 1}) == written


@pytest.mark.parametrize(
    "step",
    [
        '{ restore = "limit" }',
        '{ write = "word", value = { saved = "limit" } }',
        '{ write = "word", value = 1, when_saved = { limit = 650 } }',
    ],
)
def test_what_is_not_known_of_before_us_is_not_written(step: str) -> None:
    sheet = own(made(CONTROL.format(step=step))).controls[0]
    assert held(sheet, 100, {}) == {}


def test_another_value_stands_in_for_what_is_not_known() -> None:
    for other, word in (("5", 5), ('"rated"', 4000)):
        step = f'{{ write = "word", value = {{ saved = "limit", or = {other} }} }}'
        assert held(own(made(CONTROL.format(step=step))).controls[0], 100, {}) == {6: [word]}


def test_a_share_of_what_cannot_be_read_is_refused() -> None:
    step = '{ write = "signed", value = "setpoint", percent_of = "rated" }'
    sheet = own(made(CONTROL.format(step=step))).controls[0]
    with pytest.raises(DeviceError, match="rated cannot be read"):
        sheet.hold(100, ReadBack({}), {})


def test_a_setpoint_moves_in_steps_and_a_pause_begins_where_the_sheet_says() -> None:
    text = CONTROL.format(step='{ write = "signed", value = "setpoint" }')
    text = text.replace("lease = {", "step = 100\nlease = {")
    assert held(own(made(text)).controls[0], 149, {}) == {7: [0, 100]}
    charger = CONTROL.format(step='{ write = "word", value = { pause = 0, charge = "size" } }')
    charger = charger.replace("battery_power_w]", "charge_current_a]").replace(
        '"battery"', '"charger"'
    )
    charger = charger.replace("lease = {", "pause_below = 8\nlease = {")
    sheet = own(made(charger)).controls[0]
    assert [held(sheet, amps, {})[6] for amps in (7.9, 8, 16)] == [[0], [8], [16]]


FOLLOWS = [
    ('"grid"', '{ grid = "a", battery = "b" }', {0: 300, 1: 1000}, 500, 800),  # 300 + 1000 - 500
    ('"grid"', '{ loads = ["a"], panels = ["b"] }', {0: 900, 1: 2000}, -500, -600),
    ('"inverter_ac"', '{ panels = ["a", "b"] }', {0: 900, 1: 2000}, -500, 2400),
]


@pytest.mark.parametrize(("limits", "follows", "now", "watts", "power"), FOLLOWS)
def test_a_setpoint_follows_what_is_measured(
    limits: str, follows: str, now: dict[int, int], watts: float, power: int
) -> None:
    text = CONTROL.format(step='{ write = "signed", value = "setpoint" }')
    text = text.replace('limits = "battery"', f"limits = {limits}\nfollows = {follows}")
    sheet = own(made(text)).controls[0]
    assert sheet.recompute
    read = {
        block: struct.pack(
            f">{block.count}H", *(now.get(a, 0) for a in range(block.address, block.end))
        )
        for block in sheet.read_back
    }
    (write,) = sheet.hold(watts, ReadBack(read), {})
    assert write.words == tuple(struct.unpack(">2H", struct.pack(">i", power)))
    with pytest.raises(DeviceError, match="cannot be read"):
        sheet.hold(watts, ReadBack({}), {})


def test_registers_that_are_apart_are_read_by_requests_of_their_own() -> None:
    step = '{ write = "word", value = 1 }, { write = "signed", value = 2 }'
    text = CONTROL.format(step=step)
    assert Block("holding", 6, 3) in own(made(text)).controls[0].read_back
    parted = text.replace("restore =", 'apart = ["word"]\nrestore =')
    assert Block("holding", 6, 1) in own(made(parted)).controls[0].read_back
