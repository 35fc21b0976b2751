"""Real devices' registers over real Modbus TCP: found, named, and read without one wrong value.

The expected readings were worked out by hand from the registers and the makers' documents.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.config.load import load_settings
from gateway.devices.scan import scan
from gateway.domain.metrics import METRICS
from gateway.domain.readings import Quality
from tests.devices import captures
from tests.devices.conftest import HandClock, Intents, device, values
from tests.modbus.server import RegisterServer, serving

Images = dict[int, dict[int, int]]

VERTO = {
    "ac_power_w": 2268.6,
    "grid_frequency_hz": 50.03,
    "inverter_state": "mppt",
    "pv_power_w": 5498 + 5293,  # module 3 is not connected: absent, not 0
    "pv_energy_wh": 1283106.301 + 1152857.459,
    "battery_power_w": -8583,  # 'StCha 4' 8583 W, 'StDisCha 5' 0 W
    "battery_charge_wh": 711015.154,
    "battery_discharge_wh": 658362.165,
    "battery_soc_pct": 72.9,
    "battery_mode": "auto",
    "pv_limit_pct": 46.45,  # active when captured
    "battery_capacity_wh": 29696,
    "battery_max_charge_w": 25600,
    "battery_max_discharge_w": 25600,
}
VERTO_METER = {
    "grid_power_w": -1782.1,
    "grid_power_l1_w": -609.5,
    "grid_power_l2_w": -560.9,
    "grid_power_l3_w": -611.6,
    "grid_current_l1_a": 2.696,
    "grid_current_l2_a": 2.5,
    "grid_current_l3_a": 2.741,
    "grid_import_wh": 146240.0,
    "grid_export_wh": 1240569.0,
    "grid_frequency_hz": 50.0,
}
FIMER = {
    "ac_power_w": 141380.0,
    "grid_frequency_hz": 49.99,
    "inverter_state": "mppt",
    "pv_power_w": 141380.0,
    "pv_energy_wh": 459493000.0,
    "pv_limit_pct": 100.0,
}
GOODWE = {
    "ac_power_w": 1945,
    "pv_power_w": 1033 + 981,
    "grid_frequency_hz": 49.95,
    "battery_power_w": 0,
    "battery_soc_pct": 100,
    "grid_power_w": 489,
    "grid_power_l1_w": 208,
    "grid_power_l2_w": 166,
    "grid_power_l3_w": 114,
    "grid_import_wh": None,  # both counters are 0: this meter does not count
    "grid_export_wh": None,
    "pv_energy_wh": 160300,
    "battery_charge_wh": 91300,
    "battery_discharge_wh": 69600,
    "inverter_state": "running",
    "battery_mode": None,  # 47511 was not captured: refused, so absent
}
SOLIS = {
    "ac_power_w": -100,
    "pv_power_w": 0,
    "grid_frequency_hz": 50.0,
    "inverter_state": "running",
    "battery_power_w": 49.0 * 2.8,
    "battery_soc_pct": 20,
    "grid_power_w": 414,
    "grid_import_wh": 129360,
    "grid_export_wh": 1133640,
    "pv_energy_wh": 3317000,
    "battery_charge_wh": 992000,
    "battery_discharge_wh": 1146000,
}


@pytest.mark.parametrize(
    ("images", "unit", "profile", "expected"),
    [
        (captures.verto, 1, "auto", VERTO),
        (captures.verto, 1, "fronius-gen24", VERTO),
        (captures.verto, 200, "auto", VERTO_METER),
        (captures.verto, 200, "sunspec-meter", VERTO_METER),
        (captures.fimer, 1, "auto", FIMER),
        (captures.goodwe, 247, "auto", GOODWE),
        (captures.solis, 1, "auto", SOLIS),
    ],
)
async def test_a_captured_device_is_read_right(
    images: Callable[[], Images],
    unit: int,
    profile: str,
    expected: dict[str, float | str | None],
    clock: HandClock,
    intents: Intents,
) -> None:
    units = images()
    async with serving(RegisterServer(units, input=units)) as server:
        one = device(server, profile, clock, intents, unit=unit)
        got = values(await one.poll())
        assert got == pytest.approx(expected)
        assert set(got) <= set(METRICS)
        assert not server.writes
        await one.close()


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (
            captures.verto,
            [
                (1, "fronius-gen24", "Fronius", "Verto 17.5 Plus"),
                (200, "sunspec-meter", "Fronius", "Smart Meter TS 65A-3"),
            ],
        ),
        (captures.fimer, [(1, "sunspec-inverter", "FIMER", "-3Q58-")]),
        (captures.goodwe, [(247, "goodwe-et", "GoodWe", "ET / EH / BT / BH hybrid")]),
        (captures.solis, [(1, "solis-rhi", "Solis", "RHI hybrid")]),
    ],
)
async def test_a_scan_finds_and_names_it(
    images: Callable[[], Images], expected: list[tuple[int, str, str, str]]
) -> None:
    units = images()
    async with serving(RegisterServer(units, input=units)) as server:
        found = [f async for f in scan("127.0.0.1", server.port)]
        assert [
            (f.unit, f.profile.key, f.identity.manufacturer, f.identity.model) for f in found
        ] == expected
        assert not server.writes


async def test_a_point_marked_as_not_implemented_never_becomes_a_number(
    clock: HandClock, intents: Intents
) -> None:
    """Each register of the Verto in turn set to each marker: its readings vanish or stay."""
    units = captures.verto()
    points = {40083: "ac_power_w", 40371: "battery_soc_pct", 40274: None, 40346: None}
    for address, metric in points.items():
        for marker in (0xFFFF, 0x8000):
            changed = {1: units[1] | {address: marker}}
            async with serving(RegisterServer(changed)) as server:
                one = device(server, "fronius-gen24", clock, intents)
                got = {r.metric: r for r in await one.poll()}
                await one.close()
            if metric == "ac_power_w" and marker == 0xFFFF:
                assert got[metric].value == -0.1  # of a signed point this is a number
            elif metric:
                assert got[metric].quality is Quality.ABSENT
                assert got[metric].value is None
            else:
                assert got["pv_power_w"].value == pytest.approx(10791, abs=30)


async def test_the_command_line_reads_and_scans(tmp_path: Path) -> None:
    app = make_app("gateway.cli", "")
    out = tmp_path / "gateway.toml"
    async with serving(RegisterServer(captures.verto())) as server:

        def run(*args: str) -> str:
            return CliRunner().invoke(app, args, catch_exceptions=False).stdout

        port = str(server.port)
        read = await asyncio.to_thread(
            run, "read", "--host", "127.0.0.1", "--port", port, "--once", "--json"
        )
        rows = {row["metric"]: row for row in json.loads(read)}
        assert rows["battery_power_w"]["value"] == -8583
        assert set(rows["ac_power_w"]) == {"device", "metric", "value", "unit", "quality", "time"}
        await asyncio.to_thread(run, "scan", f"127.0.0.1:{port}", "--out", str(out))
        assert [d.profile for d in load_settings(out).device] == ["fronius-gen24", "sunspec-meter"]
        before = out.read_text()
        said = await asyncio.to_thread(run, "scan", f"127.0.0.1:{port}", "--out", str(out))
        assert "names all of them already" in said
        out.write_text(before.rpartition("[[device]]")[0] or before)
        kept = out.read_text()
        assert len(load_settings(out).device) == 1
        said = await asyncio.to_thread(run, "scan", f"127.0.0.1:{port}", "--out", str(out))
        assert "stays as it is; to have them too, add:" in said
        assert 'profile = "sunspec-meter"' in said
        assert 'profile = "fronius-gen24"' not in said
        assert out.read_text() == kept
