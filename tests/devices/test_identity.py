"""Every family is found by its own registers and by no other's, in whatever way a device is asked."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.checkup import checkup
from gateway.cli import make_app
from gateway.config.load import load_settings
from gateway.devices.catalogue import all_profiles
from gateway.devices.identify import identify
from gateway.devices.scan import Finding, scan
from gateway.errors import DeviceError
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from tests.devices.conftest import HandClock, Intents, device, values
from tests.devices.image_files import FIRST
from tests.devices.sunspec_images import chain, common
from tests.devices.test_sunspec_variants import inverter
from tests.devices.vendor_images import IMAGES, Image, goodwe, sdm630, sma, text
from tests.modbus.server import RegisterServer, serving


@asynccontextmanager
async def served(
    *images: Image, unit: int | None = None, **how: object
) -> AsyncIterator[RegisterServer]:
    holding = {(i.unit if unit is None else unit): dict(i.holding) for i in images}
    inputs = {(i.unit if unit is None else unit): dict(i.input) for i in images}
    async with serving(RegisterServer(holding, input=inputs, **how)) as server:  # type: ignore[arg-type]
        yield server


async def found_at(server: RegisterServer) -> list[Finding]:
    return [f async for f in scan("127.0.0.1", server.port)]


def test_every_profile_can_be_found() -> None:
    """By SunSpec, or by registers that say so: then the images prove it, or that they do not."""
    for key, profile in all_profiles().items():
        if key.startswith("bridge-"):  # found by the configuration only: tests/bridge
            continue
        if profile.sunspec is None and profile.kind != "relay":  # contacts: nobody knows whose
            assert key in IMAGES or key in FIRST, f"{key} has no image"
            assert profile.identify or (key in FIRST and FIRST[key].found_as != key), key


@pytest.mark.parametrize("key", IMAGES)
async def test_a_device_is_found_by_its_registers_and_read_right(
    key: str, clock: HandClock, intents: Intents
) -> None:
    image = IMAGES[key]
    async with served(image) as server:
        found = await found_at(server)
        assert [(f.unit, f.profile.key) for f in found] == [(image.unit, key)]
        if image.model:
            assert found[0].identity.model == image.model
        assert found[0].identity.serial == image.serial
        one = device(server, "auto", clock, intents, unit=image.unit)
        got = values(await one.poll())
        await one.close()
        assert {m: got[m] for m in image.readings} == pytest.approx(dict(image.readings))
        assert not server.writes


@pytest.mark.parametrize("key", IMAGES)
async def test_no_other_profile_takes_it_for_its_own(key: str) -> None:
    others = [p for k, p in all_profiles().items() if k != key]
    async with served(IMAGES[key], unit=1) as server:
        connection = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(5.0))
        assert await identify(connection.unit(1), others) is None
        await connection.close()


@pytest.mark.parametrize(
    "serial", ["929K9ETT00CW0001", "9025KNBG00000001", "58000ESC254S0001", "00000EHU00000001"]
)
async def test_goodwe_of_any_rating_and_generation_is_found(serial: str) -> None:
    async with served(goodwe(serial=serial)) as server:
        assert [f.profile.key for f in await found_at(server)] == ["goodwe-et"]


@pytest.mark.parametrize("word", [0, 1, 2, 5, 100, 0xFFFF, 0x8000])
async def test_a_device_that_has_one_word_everywhere_is_nobody(word: int) -> None:
    """Some answer with 0, or with all ones, where they have nothing."""
    words = dict.fromkeys(range(0x10000), word)
    async with serving(RegisterServer({1: words}, input={1: words})) as server:
        connection = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(5.0))
        found = await identify(connection.unit(1), all_profiles().values())
        await connection.close()
    assert found is None or (word, found[0].key) == (1, "sigenergy")


@pytest.mark.parametrize("key", ["webasto-next", "sungrow-sh", "keba-p30"])
async def test_a_line_that_refuses_now_and_then_hides_nobody(key: str) -> None:
    """Every third question is refused as if there were no such register."""
    image, asked = IMAGES[key], 0

    class Refusing(RegisterServer):
        def answer(self, unit: int, pdu: bytes) -> bytes:
            nonlocal asked
            asked += 1
            right = super().answer(unit, pdu)
            return bytes((pdu[0] | 0x80, 2)) if asked % 3 == 0 else right

    server = Refusing({image.unit: dict(image.holding)}, input={image.unit: dict(image.input)})
    async with serving(server):
        connection = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(5.0))
        found = await identify(connection.unit(image.unit), all_profiles().values())
        await connection.close()
    assert found
    assert found[0].key == key


async def test_an_unknown_device_is_asked_each_question_three_times_at_most() -> None:
    async with serving(RegisterServer({1: {}}, input={1: {}})) as server:
        connection = Connection(BusAddress(host="127.0.0.1", port=server.port), BusTiming(5.0))
        assert await identify(connection.unit(1), all_profiles().values()) is None
        await connection.close()
    asked = Counter(server.reads)
    chain = {(1, 3, base, 2) for base in (0, 1000, 4096, 40000, 50000)}  # where SunSpec may begin
    assert {question for question, times in asked.items() if times > 3} <= chain


async def test_two_maps_of_one_device_are_one_device() -> None:
    """SMA answers as unit 3 with its own map and as unit 126 with SunSpec."""
    own = sma()
    sunspec = chain(common("SMA", "STP10.0-3SE-40", serial=own.serial), inverter())
    async with serving(RegisterServer({3: dict(own.holding), 126: sunspec})) as server:
        found = await found_at(server)
    assert [(f.unit, f.profile.key) for f in found] == [(3, "sma-hybrid")]


async def test_two_meters_without_serial_numbers_are_two_and_an_echo_is_one() -> None:
    """A gateway that answers for every unit number shows one meter many times."""
    one, other = sdm630().input, sdm630().input | {73: 0x1234}
    empty: dict[int, dict[int, int]] = {n: {} for n in range(256)}
    async with serving(RegisterServer({}, input={1: one, 2: other})) as server:
        assert [f.unit for f in await found_at(server)] == [1, 2]
    async with serving(RegisterServer(empty, input=dict.fromkeys(range(256), one))) as server:
        assert [f.unit for f in await found_at(server)] == [1]


async def test_several_inverters_behind_one_address_are_all_found() -> None:
    units = {n: chain(common("Fronius", "Symo", serial=f"S{n}"), inverter()) for n in (1, 2, 4)}
    async with serving(RegisterServer(units)) as server:
        assert [f.unit for f in await found_at(server)] == [1, 2, 4]


@pytest.mark.parametrize("serial", ["", "0000000", "XXXX"])
async def test_inverters_whose_serial_numbers_say_nothing_are_told_apart_by_what_they_counted(
    serial: str,
) -> None:
    one = chain(common("Fronius", "Symo", serial=serial), inverter())
    other = {a: (w if w != 57_920 else 57_921) for a, w in one.items()}  # of 123456 Wh
    assert one != other
    async with serving(RegisterServer({1: one, 2: other})) as server:
        assert [f.unit for f in await found_at(server)] == [1, 2]
    async with serving(RegisterServer({1: one, 2: one})) as server:
        assert [f.unit for f in await found_at(server)] == [1]


@pytest.mark.parametrize("code", [2, 3, 4])
async def test_whatever_exception_a_device_has_for_strange_addresses(code: int) -> None:
    async with served(IMAGES["growatt-sph"]) as server:
        server.strange = code
        assert [f.profile.key for f in await found_at(server)] == ["growatt-sph"]


async def test_a_device_that_keeps_silent_at_strange_addresses_is_found_at_its_usual_unit() -> None:
    async with served(IMAGES["victron-gx"]) as server:
        server.strange = -1
        found = [f async for f in scan("127.0.0.1", server.port, (100,))]
    assert [f.profile.key for f in found] == ["victron-gx"]


class Quiet(RegisterServer):
    """Unknown units keep silent, as on a serial line."""

    def __init__(self, units: dict[int, dict[int, int]]) -> None:
        super().__init__(units)
        self.asked: list[int] = []

    def answer(self, unit: int, pdu: bytes) -> bytes:
        self.asked.append(unit)
        return super().answer(unit, pdu) if unit in self.units else b""


async def test_each_silent_unit_costs_one_question_beside_a_device_that_is_found() -> None:
    words = chain(common("Fronius", "Symo"), inverter())
    told: list[tuple[int, int]] = []
    async with serving(Quiet({2: words})) as server:
        looking = scan("127.0.0.1", server.port, (1, 2, 3), lambda *n: told.append(n))
        found = [f.unit async for f in looking]
    assert found == [2]
    assert isinstance(server, Quiet)
    assert (server.asked.count(1), server.asked.count(3)) == (1, 1)
    assert told[0] == (0, 3)
    assert told[-1] == (3, 3)


# -- one client only --


async def test_no_tool_opens_a_second_connection() -> None:
    """The look for the unit lets go of its connection before the reading begins."""
    async with served(IMAGES["huawei-sun2000"], one_client=True) as server:
        out = await asyncio.to_thread(_run, "read", server.port, "--once", "--json")
        rows = {r["metric"]: r["value"] for r in json.loads(out.stdout)}
    assert rows["pv_power_w"] == 4000


async def test_a_device_that_another_client_holds_is_one_clear_line(
    clock: HandClock, intents: Intents, tmp_path: Path
) -> None:
    async with served(IMAGES["huawei-sun2000"], one_client=True) as server:
        _, other = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.sleep(0)
        one = device(server, "huawei-sun2000", clock, intents)
        with pytest.raises(DeviceError, match=r"hangs up .* one client only, stop the other"):
            await one.poll()
        with pytest.raises(DeviceError, match="one client only, stop the other"):
            await found_at(server)
        out = tmp_path / "gateway.toml"
        result = await asyncio.to_thread(_run, "scan", server.port, "--out", str(out))
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert "one client only" in result.stderr
        assert not out.exists()
        other.close()
        await one.close()


def _run(command: str, port: int, *args: str):  # type: ignore[no-untyped-def]
    where = ["--host", "127.0.0.1", "--port", str(port)]
    if command == "scan":
        where = [f"127.0.0.1:{port}"]
    return CliRunner().invoke(make_app("gateway.cli", ""), [command, *where, *args])


async def test_check_leaves_a_device_of_one_client_to_the_running_gateway(tmp_path: Path) -> None:
    """The lock of the guard's file tells that a gateway runs; it is another process's."""
    state = tmp_path / "state"
    config = tmp_path / "gateway.toml"
    async with served(IMAGES["huawei-sun2000"]) as server:
        config.write_text(
            f'state_dir = "{state}"\n'
            f'[[device]]\nname = "roof"\nprofile = "huawei-sun2000"\nhost = "127.0.0.1"\n'
            f"port = {server.port}\n"
        )
        settings = load_settings(config)
        running = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys; from gateway.clock import WallClock; from gateway.config.guard import *;"
            "from gateway.guard.compose import Guard;"
            "own = GuardSettings((DeviceConfig('x', 'huawei-sun2000', 'x'),), sys.argv[1]);"
            "guard = Guard(own, WallClock(), print); print('held', flush=True); sys.stdin.read()",
            str(state),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert running.stdin
        assert running.stdout
        assert await running.stdout.readline() == b"held\n"
        looking = checkup(config, config.read_text(), settings)
        first = await anext(looking)
        await looking.aclose()  # type: ignore[attr-defined]
        assert first.good
        assert "running gateway" in first.says
        assert not server.reads
        running.stdin.close()
        await running.wait()
        looking = checkup(config, config.read_text(), settings)
        assert "pv_power_w 4000" in (await anext(looking)).says
        await looking.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "serial", ["XB4110A1234567", "XMA05011234567", "MC210TE1234567", "MU802TI1234567"]
)
async def test_a_string_inverter_of_solax_is_no_hybrid_of_it(serial: str) -> None:
    """Its registers have another map; it names the same maker in the same place."""
    image = IMAGES["solax-x"]
    words = image.holding | dict(enumerate(text(serial, 7)))
    async with served(replace(image, holding=words)) as server:
        assert [f async for f in scan("127.0.0.1", server.port, [image.unit])] == []
