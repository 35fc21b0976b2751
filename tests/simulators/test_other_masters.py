"""Other masters read the simulators right: what evcc and OpenEMS ask of these families, value by value.

`masters.toml` holds the facts (register, type, factor, meaning) as evcc's templates and OpenEMS's tasks have them, none of
ours: a simulator that answers only what our profile asks fails here. Every disagreement is explained there.
"""

from __future__ import annotations

import struct
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import DeviceError
from gateway.modbus.address import BusAddress, BusTiming, Table
from gateway.modbus.connection import Connection
from simulators.devices.serve import CHARGERS, INVERTERS, METERS, Servers, serve_home
from simulators.devices.truths import TRUTHS
from simulators.devices.view import View
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.devices.conftest import HandClock
from tests.simulators.conftest import RawClient
from tests.simulators.test_every_reading import chosen
from tests.simulators.test_sunspec_codec import decoded

STATES = {"noon, the battery charges": (18.0, 30.0), "night, it gives": (30.0, 80.0)}
LITTLE, MARKER_IS_0 = "<", "n"
CODES = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "f32": "f", "f64": "d"}
MARKERS = {"u16": 0xFFFF, "i16": -0x8000, "u32": 0xFFFF_FFFF, "i32": -0x8000_0000, "u64": 2**64 - 1}
SUNSPEC = ("fronius", "fronius-float", "sunspec-der", "solaredge", "sunspec", "sunspec-float")


@dataclass(frozen=True)
class Ask:
    """What one master asks of one family."""

    family: str
    unit: int
    master: str
    rows: tuple[tuple[str, Table, int, str, float], ...]
    blocks: tuple[tuple[Table, int, int], ...]
    differs: Mapping[str, str]


def asks() -> Iterator[Ask]:
    raw = tomllib.loads((Path(__file__).parent / "masters.toml").read_text())
    for one in raw["ask"]:
        rows = tuple(tuple(row) for row in one.get("rows", ()))
        blocks = tuple(tuple(block) for block in one.get("blocks", ()))
        yield Ask(one["family"], one["unit"], one["master"], rows, blocks, one.get("differs", {}))


ASKS = tuple(asks())


async def bench(family: str, state: str) -> tuple[Home, Servers, Connection]:
    hour, soc_pct = STATES[state]
    clock = HandClock((hour - 12) * 3600)
    home = Home(clock, Scenario(clock.now() - timedelta(seconds=1), seed=5, soc_pct=soc_pct))
    home.command(charge_current_a=16.0, charger_enabled=True)
    which, choice = chosen(family)
    servers = await serve_home(home, choice=choice)
    port = getattr(servers.ports, which)
    clock.seconds += 600
    return home, servers, Connection(BusAddress(host="127.0.0.1", port=port), BusTiming(10.0))


def number(data: bytes, kind: str) -> float:
    """The value that these registers mean to a master."""
    plain = kind.rstrip(LITTLE + MARKER_IS_0)
    if LITTLE in kind:
        data = b"".join(data[i : i + 2] for i in range(len(data) - 2, -2, -2))
    value: float = struct.unpack(f">{CODES[plain]}", data)[0]
    return 0.0 if MARKER_IS_0 in kind and value == MARKERS.get(plain) else value


def true_of(name: str, home: Home) -> float:
    """What is true in the simulated home; currents have no sign where a master takes none."""
    return TRUTHS[name.partition("#")[0]](View(home))


def size(kind: str) -> int:
    return struct.calcsize(CODES[kind.rstrip(LITTLE + MARKER_IS_0)]) // 2


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("ask", ASKS, ids=lambda a: f"{a.family}, {a.master.split(':')[0]}")
async def test_what_others_read_is_true(ask: Ask, state: str) -> None:
    home, servers, connection = await bench(ask.family, state)
    wrong: dict[str, str] = {}
    try:
        for name in dict.fromkeys(row[0] for row in ask.rows):
            read, step = 0.0, 0.0
            for _, table, register, kind, factor in (r for r in ask.rows if r[0] == name):
                data = await connection.read(ask.unit, table, register, size(kind))
                read, step = read + factor * number(data, kind), step + abs(factor)
            value = true_of(name, home)
            if name.endswith("_a"):
                read, value = abs(read), abs(value)
            if abs(read - value) > max(0.6, 1.01 * step):
                wrong[name] = f"{read:.2f} where {value:.2f} is true"
    finally:
        await connection.close()
        await servers.close()
    assert {n: why for n, why in wrong.items() if n not in ask.differs} == {}
    moving = {n for n in ask.differs if true_of(n, home)}
    assert moving <= set(wrong), "what is explained as a difference is none any more"


@pytest.mark.parametrize(
    "ask", [a for a in ASKS if a.blocks], ids=lambda a: f"{a.family}, {a.master.split(':')[0]}"
)
async def test_a_block_that_others_read_at_once_is_served(ask: Ask) -> None:
    _, servers, connection = await bench(ask.family, next(iter(STATES)))
    refused = []
    try:
        for table, first, count in ask.blocks:
            try:
                assert len(await connection.read(ask.unit, table, first, count)) == 2 * count
            except DeviceError as error:
                refused.append(str(error))
    finally:
        await connection.close()
        await servers.close()
    assert refused == []


# evcc's SunSpec templates: model, point, repeating group's number, factor, what it means
POINTS: dict[str, list[tuple[str, int, float, str]]] = {
    "fronius": [("W", 103, 1, "ac_w"), ("ChaState", 124, 1, "soc_pct")],
    "fronius-float": [("W", 113, 1, "ac_w"), ("ChaState", 124, 1, "soc_pct")],
    "solaredge": [("W", 103, 1, "ac_w"), ("W", 203, -1, "grid_w"), ("TotWhImp", 203, 1, "import_wh"),
                  ("TotWhExp", 203, 1, "export_wh"), ("WphA", 203, -1, "grid_phase_w")],
    "kostal": [("W", 103, 1, "ac_w"), ("W", 802, 1, "battery_w"), ("SoC", 802, 1, "soc_pct")],
    "sunspec-der": [("W", 701, 1, "ac_w"), ("SoC", 713, 1, "soc_pct")],
    "sunspec": [("W", 203, 1, "grid_w"), ("TotWhImp", 203, 1, "import_wh"), ("TotWhExp", 203, 1, "export_wh"),
                ("WphA", 203, 1, "grid_phase_w"), ("Hz", 203, 1, "frequency_hz")],
    "sunspec-float": [("W", 213, 1, "grid_w"), ("TotWhImp", 213, 1, "import_wh"), ("TotWhExp", 213, 1, "export_wh")],
}  # fmt: skip
MODULES = {
    "kostal": ((1, 1, "pv_w"), (2, 1, "pv_w")),
    "fronius": ((1, 1, "pv_w"), (2, 1, "pv_w"), (3, -1, "battery_w"), (4, 1, "battery_w")),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("family", POINTS)
async def test_what_others_read_by_sunspec_is_true(family: str, state: str) -> None:
    """Decoded by an independent codec, as evcc's sunspec-* templates ask: model and point."""
    home, servers, connection = await bench(family, state)
    await connection.close()
    which, _ = chosen(family)
    client = await RawClient.connect(getattr(servers.ports, which))
    models = {
        m.model_id: m
        for m in await decoded(client, 71 if family == "kostal" else 200 if family in METERS else 1)
    }
    await client.close()
    await servers.close()
    told: dict[str, float] = {}
    for point, model, factor, name in POINTS[family]:
        told[name] = factor * getattr(models[model], point).cvalue
    for module, factor, name in MODULES.get(family, ()):
        told[name] = told.get(name, 0.0) + factor * models[160].module[module - 1].DCW.cvalue
    for name, value in told.items():
        far = 100 if name.endswith("_wh") else 0.6
        assert value == pytest.approx(true_of(name, home), abs=far), name


def test_every_simulated_family_is_asked_by_others() -> None:
    known = {ask.family for ask in ASKS} | set(POINTS)
    assert {*INVERTERS, *CHARGERS, *METERS} <= known


@dataclass(frozen=True)
class Steering:
    """What a master writes for one wish."""

    family: str
    unit: int
    master: str
    wish: str
    writes: tuple[tuple[int, ...], ...]
    model: int | None
    differs: str
    seconds: float  # after which it is looked at; some fall back sooner than others


def steerings() -> Iterator[Steering]:
    raw = tomllib.loads((Path(__file__).parent / "masters.toml").read_text())
    for one in raw["steer"]:
        for wish in ("rest", "charge", "serve", "pause"):
            if wish in one:
                writes = tuple(tuple(write) for write in one[wish])
                fixed = (one["family"], one["unit"], one["master"])
                yield Steering(
                    *fixed,
                    wish,
                    writes,
                    one.get("model"),
                    one.get("differs", ""),
                    one.get("seconds", 30.0),
                )


def wish_of(one: Steering) -> str:
    return f"{one.family}, {one.master.split(':')[0]}, {one.wish}"


@pytest.mark.parametrize("one", tuple(steerings()), ids=wish_of)
async def test_what_others_write_does_what_they_mean(one: Steering) -> None:
    """In the evening: a battery left to itself gives what the house draws."""
    home, servers, connection = await bench(one.family, "night, it gives")
    clock = home._clock
    assert isinstance(clock, HandClock)
    try:
        base = 0
        if one.model is not None:
            client = await RawClient.connect(servers.ports.inverter)
            base = next(
                m.model_addr for m in await decoded(client, one.unit) if m.model_id == one.model
            )
            await client.close()
        for function, register, *words in one.writes:
            try:
                await connection.write(one.unit, base + register, words, function)
            except DeviceError:
                assert one.differs
                return
        assert not one.differs
        clock.seconds += one.seconds
        powers = home.powers()
        assert powers.load > 200
        shown = {
            "rest": powers.battery <= 50,
            "charge": powers.battery < -900,
            "serve": powers.battery > 200 if one.family in INVERTERS else powers.ev > 1000,
            "pause": powers.ev == 0,
        }
        assert shown[one.wish], powers
    finally:
        await connection.close()
        await servers.close()


def test_every_family_that_takes_setpoints_is_steered_by_others() -> None:
    steered = {one.family for one in steerings()}
    not_over_modbus = {"go-e"}  # evcc steers it over HTTP
    by_nobody = {"sunspec-der"}  # no template of evcc's writes model 704
    meant = {*INVERTERS, *CHARGERS} - not_over_modbus - by_nobody
    assert meant - steered == set()
