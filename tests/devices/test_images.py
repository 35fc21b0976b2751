"""Every image of the folder over real Modbus TCP: found, told from all others, read right, steered right."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway.devices.catalogue import all_profiles, profile
from gateway.devices.identify import identify
from gateway.devices.scan import scan
from gateway.domain.control import Control
from gateway.domain.readings import Quality
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from tests.devices.conftest import HandClock, Intents, impatient
from tests.devices.image_files import FILES, ImageFile
from tests.modbus.server import RegisterServer, serving

STEERED = [f.name for f in FILES.values() if f.steer]
pytestmark = pytest.mark.parametrize("name", FILES)


def server_of(file: ImageFile, unit: int | None = None) -> RegisterServer:
    number = file.image.unit if unit is None else unit
    return RegisterServer(
        {number: dict(file.image.holding)},
        input={number: dict(file.image.input)},
        max_read=file.max_read,
    )


async def test_it_is_read_right(name: str, clock: HandClock, intents: Intents) -> None:
    file = FILES[name]
    async with serving(server_of(file)) as server:
        one = impatient(server, file.profile, clock, intents, unit=file.image.unit)
        readings = {r.metric: r for r in await one.poll()}
        await one.close()
        assert not server.writes
    got = {m: r.value for m, r in readings.items() if m in file.image.readings}
    assert got == pytest.approx(dict(file.image.readings))
    assert {m: readings[m].quality for m in file.absent} == dict.fromkeys(
        file.absent, Quality.ABSENT
    )
    assert {m: readings[m].quality for m in file.bad} == dict.fromkeys(file.bad, Quality.BAD)
    told = {*file.image.readings, *file.absent, *file.bad}
    assert {m for m, r in readings.items() if r.quality is Quality.GOOD} <= told, (
        "say what is right"
    )


async def test_a_scan_finds_it(name: str) -> None:
    file = FILES[name]
    async with serving(server_of(file)) as server:
        found = [f async for f in scan("127.0.0.1", server.port, [file.image.unit])]
    assert [f.profile.key for f in found] == ([file.found_as] if file.found_as else [])
    for one in found:
        assert one.identity.serial == file.image.serial
        assert not file.image.model or one.identity.model == file.image.model


async def test_no_other_profile_takes_it_for_its_own(name: str) -> None:
    file = FILES[name]
    others = [p for key, p in all_profiles().items() if key not in (file.profile, file.found_as)]
    if profile(file.profile).sunspec:
        pytest.skip("what speaks SunSpec is read by it, whatever it is")
    async with serving(server_of(file, unit=1)) as server:
        connection = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(5.0))
        assert await identify(connection.unit(1), others) is None
        await connection.close()


class Everywhere(dict[int, int]):
    """Registers that hold one word wherever nothing else stands."""

    def __init__(self, words: Mapping[int, int], word: int) -> None:
        super().__init__(words)
        self.word = word

    def __contains__(self, address: object) -> bool:
        return True

    def __missing__(self, address: int) -> int:
        return self.word


@pytest.mark.parametrize("word", [0, 0xFFFF])
async def test_a_device_that_answers_everywhere_is_still_what_it_is(name: str, word: int) -> None:
    """Many refuse nothing: they say 0, or all ones, where a sister has registers."""
    file = FILES[name]
    holding, inputs = Everywhere(file.image.holding, word), Everywhere(file.image.input, word)
    async with serving(RegisterServer({1: holding}, input={1: inputs})) as server:
        connection = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(5.0))
        found = await identify(connection.unit(1), all_profiles().values())
        await connection.close()
    assert (found[0].key if found else "") == file.found_as


async def test_what_is_written_is_right(name: str, clock: HandClock, intents: Intents) -> None:
    file = FILES[name]
    if not file.steer:
        pytest.skip("not steered by its image")
    async with serving(server_of(file)) as server:
        one = impatient(server, file.profile, clock, intents, unit=file.image.unit)
        await one.poll()
        words = server.units[file.image.unit]
        before = dict(words)
        for steered in file.steer:
            await one.hold(Control(steered.control), steered.value)
            assert {a: words.get(a) for a in steered.words} == steered.words, steered
            clock.seconds += 1
        report = await one.release()
        assert report.neutral, report.problems
        left = {a: w for a, w in words.items() if w != before.get(a) and a not in file.passing}
        assert not left
        await one.close()
