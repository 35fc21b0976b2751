"""Every controllable profile through every pair of modes: the release leaves nothing of any mode."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest

from gateway.devices.catalogue import all_profiles
from gateway.devices.control_sheet import ControlSheet
from gateway.devices.datasheet import Profile
from gateway.domain.control import Control
from gateway.errors import DeviceError
from tests.devices.conftest import HandClock, Intents, impatient
from tests.devices.image_files import FIRST
from tests.modbus.server import RegisterServer, serving

CONTROLLED = [
    (p, sheet)
    for p in all_profiles().values()
    if p.source and not p.sunspec  # with SunSpec: on simulated devices, test_families
    for sheet in p.source.controls
    if sheet.control
    is not Control.CHARGE_PHASES  # needs a car that pauses: test_simulated_families
]
MODES = {
    Control.BATTERY_POWER: (3000.0, -2000.0, 0.0),
    Control.CHARGE_CURRENT: (16.0, 6.0, 0.0),
    Control.EXPORT_LIMIT: (4000.0, 0.0, 1000.0),
    Control.HEAT_POWER: (3000.0, 1000.0, 0.0),
    Control.SG_READY: (3.0, 1.0, 4.0),
    Control.RESERVE: (20.0, 35.0, 50.0),
}
# What a device shows while nobody controls it, where that is not 0.
NEUTRAL: dict[str, dict[int, int]] = {
    "goodwe-et": {47511: 1, 47510: 10000},
    "keba-p30": {5004: 32000, 5014: 1},
    "huawei-sun2000": {37047: 5000, 37049: 5000, 30074: 10000},
    "mennekes-compact": {0x0302: 0x4180, 0x0D05: 1},
    "sungrow-sh": {13050: 0xCC},
    "sma-hybrid": {40152: 803},
    "heidelberg-ec": {261: 160},
    "webasto-next": {5004: 16},
    "vestel-evc04": {5004: 16},
    "go-e": {299: 16},
    "victron-gx": {817: 500, 818: 400, 819: 300},
    "growatt-sph": {30027: 50000},
    "bridge-heater": {300: 65535, 302: 1},
    "bridge-heat-pump": {300: 65535, 302: 1},
    "bridge-ocpp": {
        300: 65535,
        302: 1,
        305: 1,
    },  # nothing is asked; connected, takes a current, can change its phases
}
# Signs of life, and set-only registers: they say nothing about the mode.
PASSING: dict[str, set[int]] = {
    "keba-p30": {5016},
    "mennekes-compact": {0x0D00},
    "webasto-next": {6000},
    "vestel-evc04": {6000},
    "huawei-sun2000": {47083},
    "kostal-plenticore": {1034, 1035},
    "alfen-eve": {1210, 1211},
    "abb-terra-ac": {0x4100, 0x4101},
    "solax-x": {0, *range(0x7D, 0x8B)},  # 0: the code that unlocks
}
# What a mode may leave for the next one, until all is let go: permissions that are kept in flash,
# and powers of the direction that is not on.
KEPT: dict[str, set[int]] = {
    "growatt-sph": {30410},
    "huawei-sun2000": {47087, *range(47247, 47251)},
    "go-e": {299},
    "mennekes-compact": {0x0302},
    "keba-p30": {5004},
    "heidelberg-ec": {259},  # a charger that was unlocked is locked again when all is let go
}


for _key, _file in FIRST.items():  # families whose facts are data
    NEUTRAL.setdefault(_key, dict(_file.neutral))
    PASSING.setdefault(_key, set(_file.passing))
    KEPT.setdefault(_key, set(_file.kept))


def image_of(profile: Profile) -> dict[int, int]:
    """Every register near those that the sheet touches, 0 except where stated."""
    words = dict.fromkeys(itertools.chain(range(700, 1100), range(5000, 6010)), 0)
    for sheet in sheets(profile):
        for block in sheet.read_back:
            words |= dict.fromkeys(range(block.address - 2, block.end + 30), 0)
    extra = {
        "abb-terra-ac": range(0x4100, 0x4110),
        "mennekes-compact": range(0x0300, 0x0E00),
        "solax-x": (0, *range(0x7C, 0x8B)),
    }
    words |= dict.fromkeys(extra.get(profile.key, ()), 0)
    if profile.key in FIRST:
        words |= FIRST[profile.key].also
    return words | NEUTRAL.get(profile.key, {})


def sheets(profile: Profile) -> tuple[ControlSheet, ...]:
    assert profile.source
    return profile.source.controls


def name(value: object) -> str:
    return value.key if isinstance(value, Profile) else getattr(value, "control", "?")


def changed(profile: Profile, words: dict[int, int], before: dict[int, int]) -> dict[int, int]:
    """What differs, but for what says nothing about the mode."""
    passing = PASSING.get(profile.key, set())
    return {a: w for a, w in words.items() if w != before[a] and a not in passing}


@pytest.mark.parametrize(("profile", "sheet"), CONTROLLED, ids=name)
async def test_all_transitions_end_neutral(
    profile: Profile, sheet: ControlSheet, clock: HandClock, intents: Intents
) -> None:
    words = image_of(profile)
    unit = profile.communication.unit
    before = dict(words)
    async with serving(RegisterServer({unit: words}, input={unit: words})) as server:
        one = impatient(server, profile.key, clock, intents)
        for first, second in itertools.permutations(MODES[sheet.control], 2):
            await one.hold(sheet.control, first)
            assert intents.stored, "the intent is stored before the write"
            assert server.writes
            server.writes.clear()
            clock.seconds += 1
            await one.hold(sheet.control, second)
            assert server.writes, "another value is sent at once"
            passed = changed(profile, words, before)
            report = await one.release()
            assert report.neutral, report.problems
            assert not intents.stored
            assert not changed(profile, words, before)
            await one.hold(sheet.control, second)
            straight, kept = changed(profile, words, before), KEPT.get(profile.key, set())
            assert {a for a, w in passed.items() if straight.get(a) != w} <= kept
            assert (await one.release()).neutral
            clock.seconds += 86_400  # with a day's writes to flash of its own
        await one.close()


@pytest.mark.parametrize(("profile", "sheet"), CONTROLLED, ids=name)
async def test_a_previous_runs_setpoint_is_undone_at_the_next_start(
    profile: Profile, sheet: ControlSheet, clock: HandClock, intents: Intents
) -> None:
    words = image_of(profile)
    unit = profile.communication.unit
    before = dict(words)
    async with serving(RegisterServer({unit: words}, input={unit: words})) as server:
        first = impatient(server, profile.key, clock, intents)
        await first.hold(sheet.control, MODES[sheet.control][1])
        await first.close()
        second = impatient(server, profile.key, clock, intents)
        with suppress(DeviceError):  # the image holds control registers only
            await second.poll()
        assert not changed(profile, words, before)
        assert not intents.stored
        await second.close()


# What is known, or must be feared, to be kept in flash. Whoever adds a control says it here too.
FLASH = {
    ("goodwe-et", Control.EXPORT_LIMIT): {47509, 47510},
    ("goodwe-et", Control.RESERVE): {45356},
    ("victron-gx", Control.RESERVE): {2901},
    ("solaredge-storedge", Control.RESERVE): {0xE008, 0xE009},
    ("growatt-sph", Control.BATTERY_POWER): {122, 30100, 30410},
    ("huawei-sun2000", Control.BATTERY_POWER): {47087, 47246},
    ("alfen-eve", Control.CHARGE_PHASES): {1215},
    ("go-e", Control.CHARGE_PHASES): {332},
    ("heidelberg-ec", Control.CHARGE_PHASES): {501},
    ("keba-p30", Control.CHARGE_PHASES): {5052},
    ("keba-p40", Control.CHARGE_PHASES): {5052},
    ("mennekes-compact", Control.CHARGE_PHASES): {0x0D04},
    ("sungrow-ac", Control.CHARGE_PHASES): {21203},
    ("vestel-evc04", Control.CHARGE_PHASES): {405},
    ("huawei-sun2000", Control.EXPORT_LIMIT): {47415, 47416, 47417, 47418},
    ("solaredge-storedge", Control.BATTERY_POWER): {0xE004, 0xE00A},
    ("solaredge-storedge", Control.EXPORT_LIMIT): {0xE000, 0xE001, 0xE002, 0xE003},
}
# Settings that wear out by every write, and that no sheet may touch at all.
NEVER = {
    "sungrow-sh": {33046, 33047, 13073, 13086},
    "victron-gx": {2700, 2701, 2702, 2703, 2706},
    "go-e": {300},
    "sma-hybrid": set(range(40152, 41000)) - {40152},
    "deye-3p": set(range(60, 500)),
    "solax-x": {0x1F, 0x20, 0x42},
}


def test_flash_is_declared_where_it_is_known() -> None:
    declared = {
        (key, sheet.control): set(sheet.flash)
        for key, profile in all_profiles().items()
        if profile.source
        for sheet in profile.source.controls
        if sheet.flash
    }
    told = {
        (file.profile, Control(control)): set(some)
        for file in FIRST.values()
        for control, some in file.flash.items()
    }
    assert declared == FLASH | told


@pytest.mark.parametrize(("profile", "sheet"), CONTROLLED, ids=name)
async def test_a_day_of_one_setpoint_writes_each_flash_register_once(
    profile: Profile, sheet: ControlSheet, clock: HandClock, intents: Intents
) -> None:
    words = image_of(profile)
    unit = profile.communication.unit
    async with serving(RegisterServer({unit: words}, input={unit: words})) as server:
        one = impatient(server, profile.key, clock, intents)
        for value in MODES[sheet.control]:
            server.writes.clear()
            for _ in range(20):
                await one.hold(sheet.control, value)
                clock.seconds += sheet.lease.refresh_s + 1
            for address in sheet.flash:
                hit = [w for w in server.writes if w[1] <= address < w[1] + len(w[2])]
                assert len(hit) <= 1, address
            first = FIRST.get(profile.key)
            never = NEVER.get(profile.key, first.never if first else set())
            assert not never & {a + i for _, a, sent in server.writes for i in range(len(sent))}
        await one.close()


def test_every_profile_is_whole() -> None:
    for key, profile in all_profiles().items():
        assert profile.sunspec or profile.source, key
        assert 0 <= profile.communication.unit <= 255
        for sheet in profile.source.controls if profile.source else ():
            assert sheet.control in profile.controls
            lease = sheet.lease
            assert lease.kind == "none" or lease.refresh_s < lease.seconds / 2, key
            assert bool(sheet.flash) == (sheet.max_per_day > 0), key
            assert set(sheet.persists_after_lease) <= set(sheet.restore_registers), key
        for output in profile.source.outputs if profile.source else ():
            for field in output.fields:
                assert field.span[1] - field.span[0] <= profile.communication.max_read
