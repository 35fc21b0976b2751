"""`energy-gateway init`: a newcomer's answers become a configuration that `check` accepts."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import init
from gateway.clock import WallClock
from gateway.config.load import load_settings
from simulators.devices.serve import serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario

PROGRAM = "import sys; from gateway.cli import main; sys.argv[0] = 'energy-gateway'; main()"


async def test_answers_become_a_configuration(tmp_path: Path) -> None:
    clock = WallClock()
    servers = await serve_home(Home(clock, Scenario(start=clock.now())))
    ports, path = servers.ports, tmp_path / "gateway.toml"
    answers = [
        f"127.0.0.1:{ports.inverter} 127.0.0.1:{ports.charger}",
        "Middle-earth/Shire", "America/Chicago", "Chicago", "-97.7 30.2 1", "nan nan", "41.88, -87.63", "120", "025",
        "much", "inf", "5000", "13.5", "13.5 kWh", "0", "5", "4 kW",
        "broker.lan", "0.18", "",
    ]  # fmt: skip
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, "init", "--out", str(path),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate("\n".join([*answers, ""]).encode())
    finally:
        await servers.close()
    assert process.returncode == 0, said.decode()
    assert "'Middle-earth/Shire' is no time zone" in said.decode()
    for why in (
        "13.5 Wh? Write 13.5 kWh, or 13500",
        "5 W? Write 5 kW, or 5000",
        "'much' is no number",
        "'inf' is no number from 0 on",
        "not above 100",
        "above 0",
    ):
        assert why in said.decode()
    settings = load_settings(path)
    assert "'Chicago' is no latitude and longitude" in said.decode()
    assert (settings.site.latitude, settings.site.longitude) == (41.88, -87.63)
    assert settings.site.time_zone == "America/Chicago"
    assert (settings.site.reserve_pct, settings.site.export_limit_w) == (25, 5000)
    assert (settings.battery.capacity_wh, settings.battery.max_discharge_w) == (13500, 4000)
    assert {d.profile for d in settings.device} == {"fronius-gen24", "sunspec-meter", "keba-p30"}
    assert settings.mqtt.host == "broker.lan"
    assert settings.market is None


@pytest.mark.parametrize("answer", ["", "0"])
def test_a_home_without_a_battery(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
    assert init._battery() == []
