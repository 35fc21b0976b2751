"""Other masters read the simulators right: what evcc and OpenEMS ask of these families, value by value.

Rows are facts (register, type, factor, meaning) as evcc's templates and OpenEMS's tasks have them, none of
ours: a simulator that answers only what our profile asks fails here.
"""

from __future__ import annotations

import struct
from datetime import timedelta

import pytest

from gateway.modbus.address import BusAddress, BusTiming, Table
from gateway.modbus.connection import Connection
from simulators.devices.serve import serve_home
from simulators.devices.view import View
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.devices.conftest import HandClock
from tests.simulators.test_every_reading import chosen, truth

# family, unit, table, register, type, factor, metric of ours that it means (without one: as stated)
Row = tuple[str, int, Table, int, str, float, str]
LITTLE = "<"  # low word first
ROWS: list[Row] = [
    # evcc: huawei-sun2000-hybrid; the second half is OpenEMS's and huawei-solar's
    ("huawei", 1, "holding", 32064, "i", 1, "pv_power_w"),
    ("huawei", 1, "holding", 32080, "i", 1, "ac_power_w"),
    ("huawei", 1, "holding", 32108, "I", 10, "pv_energy_wh"),
    ("huawei", 1, "holding", 37113, "i", -1, "grid_power_w"),
    ("huawei", 1, "holding", 37119, "i", 10, "grid_export_wh"),
    ("huawei", 1, "holding", 37121, "i", 10, "grid_import_wh"),
    ("huawei", 1, "holding", 37760, "H", 0.1, "battery_soc_pct"),
    ("huawei", 1, "holding", 37765, "i", -1, "battery_power_w"),
    ("huawei", 1, "holding", 37001, "i", -1, "battery_power_w"),
    ("huawei", 1, "holding", 37004, "H", 0.1, "battery_soc_pct"),
    ("huawei", 1, "holding", 37066, "I", 10, "battery_charge_wh"),
    ("huawei", 1, "holding", 37068, "I", 10, "battery_discharge_wh"),
    # evcc: goodwe-hybrid
    ("goodwe", 247, "holding", 35182, "i", 1, "battery_power_w"),
    ("goodwe", 247, "holding", 36025, "i", -1, "grid_power_w"),
    ("goodwe", 247, "holding", 37007, "H", 1, "battery_soc_pct"),
    ("goodwe", 247, "holding", 35191, "I", 100, "pv_energy_wh"),
    # evcc: sungrow-hybrid
    ("sungrow", 1, "input", 5016, "I<", 1, "pv_power_w"),
    ("sungrow", 1, "input", 13009, "i<", -1, "grid_power_w"),
    ("sungrow", 1, "input", 13021, "h", 1, "battery_power_w"),
    ("sungrow", 1, "input", 13022, "H", 0.1, "battery_soc_pct"),
    ("sungrow", 1, "input", 13036, "I<", 100, "grid_import_wh"),
    ("sungrow", 1, "input", 5600, "i<", 1, "grid_power_w"),
    ("sungrow", 1, "input", 5638, "H", 10, "battery_capacity_wh"),
    # evcc: solaredge-hybrid; that at 0xF500 shows what stands at 0xE100
    ("solaredge", 1, "holding", 57716, "f<", -1, "battery_power_w"),
    ("solaredge", 1, "holding", 57732, "f<", 1, "battery_soc_pct"),
    ("solaredge", 1, "holding", 62836, "f<", -1, "battery_power_w"),
    # evcc: growatt-hybrid
    ("growatt", 1, "input", 1, "I", 0.1, "pv_power_w"),
    ("growatt", 1, "input", 1014, "H", 1, "battery_soc_pct"),
    ("growatt", 1, "input", 91, "I", 100, "pv_energy_wh"),
    ("growatt", 1, "input", 1046, "I", 100, "grid_import_wh"),
    # evcc: solax-hybrid
    ("solax", 1, "input", 22, "h", -1, "battery_power_w"),
    ("solax", 1, "input", 28, "H", 1, "battery_soc_pct"),
    ("solax", 1, "input", 70, "i<", -1, "grid_power_w"),
    # evcc: keba, go-e
    ("keba", 255, "holding", 1020, "I", 0.001, "charger_power_w"),
    ("keba", 255, "holding", 1036, "I", 0.1, "charger_energy_wh"),
    ("go-e", 1, "input", 120, "I", 0.01, "charger_power_w"),
    ("go-e", 1, "input", 128, "I", 100, "charger_energy_wh"),
]
# Whole blocks that OpenEMS or Home Assistant read at once; an exception would lose them the device.
BLOCKS: list[tuple[str, int, Table, int, int]] = [
    ("huawei", 1, "holding", 32064, 48),
    ("huawei", 1, "holding", 37000, 70),
    ("huawei", 1, "holding", 37100, 38),
    ("goodwe", 247, "holding", 37000, 56),
    ("goodwe", 247, "holding", 35186, 41),
    ("goodwe", 247, "holding", 47500, 19),
    ("growatt", 1, "holding", 9, 19),
    ("growatt", 1, "holding", 1070, 40),
    ("sungrow", 1, "input", 12999, 50),
    ("solax", 1, "input", 202, 7),
]
STATES = {"noon": (18.0, 30.0), "night": (30.0, 80.0)}


async def bench(family: str, state: str) -> tuple[Home, object, Connection]:
    hour, soc_pct = STATES[state]
    clock = HandClock((hour - 12) * 3600)
    home = Home(clock, Scenario(clock.now() - timedelta(seconds=1), seed=5, soc_pct=soc_pct))
    home.command(charge_current_a=16.0, charger_enabled=True)
    which, choice = chosen(family)
    servers = await serve_home(home, choice=choice)
    port = getattr(servers.ports, which)
    clock.seconds += 600
    return home, servers, Connection(BusAddress(host="127.0.0.1", port=port), BusTiming(10.0))


def number(data: bytes, code: str) -> float:
    """Big-endian words, the low one first where the code ends in '<'."""
    if code.endswith(LITTLE):
        data = b"".join(data[i : i + 2] for i in range(len(data) - 2, -2, -2))
    value: float = struct.unpack(f">{code[0]}", data)[0]
    return value


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("family", sorted({row[0] for row in ROWS}))
async def test_what_others_read_is_true(family: str, state: str) -> None:
    home, servers, connection = await bench(family, state)
    try:
        true = truth(home, View(home))
        for row in (r for r in ROWS if r[0] == family):
            _, unit, table, register, code, factor, metric = row
            data = await connection.read(unit, table, register, struct.calcsize(code[0]) // 2)
            value, tolerance = true[metric]
            far = max(tolerance, abs(factor))
            assert factor * number(data, code) == pytest.approx(value, abs=far), row
    finally:
        await connection.close()
        await servers.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("family", "unit", "table", "first", "count"), BLOCKS)
async def test_a_block_that_others_read_at_once_is_served(
    family: str, unit: int, table: Table, first: int, count: int
) -> None:
    _, servers, connection = await bench(family, "noon")
    try:
        assert len(await connection.read(unit, table, first, count)) == 2 * count
    finally:
        await connection.close()
        await servers.close()  # type: ignore[attr-defined]
