"""`energy-gateway init`: a newcomer's answers become a configuration that `check` accepts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.clock import WallClock
from gateway.config.load import load_settings
from gateway.config.tariff import TimeOfUsePrice
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
        "Home", "home", "Middle-earth/Shire", "America/Chicago", "Chicago", "-97.7 30.2 1", "nan nan", "41.88, -87.63",
        "9.8 kW",
        "4x35", "3x35 A", "much", "inf", "5 kW",
        "120", "025", "much", "13.5 kWh", "0", "4000",
        "12 kWh", "6:30", "mon-fri", "16 A", "2", "1",
        "dollars", "EUR", "time_of_use", "29 ct", "22:00-06:00 0.12", "0.08",
        "broker.lan", "", "", "exchange", "", "",
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
    for why in (
        "'Middle-earth/Shire' is no time zone", "'much' is no number with a unit, e.g. 13.5 kWh", "'inf' is no number", "not above 100",
        "above 0", "3x35 A or 1x63 A", "'Chicago' is no latitude and longitude", "one of 1, 3", "ISO 4217", "begins with https://",
        "its own figure, 13.5 kWh",
    ):  # fmt: skip
        assert why in said.decode()
    settings = load_settings(path)
    site, battery, car = settings.site, settings.battery, settings.car
    assert (site.latitude, site.longitude, site.time_zone) == (41.88, -87.63, "America/Chicago")
    assert (site.reserve_pct, site.export_limit_w, site.fuse_a, site.phases) == (25, 5000, 35, 3)
    assert settings.household.panels_w == 9800
    assert (battery.capacity_wh, battery.max_discharge_w) == (13500, 4000)
    assert (car.energy_wh, car.phases, car.departure_days[-1]) == (12000, 1, "fri")
    assert {d.profile for d in settings.device} == {"fronius-gen24", "sunspec-meter", "keba-p30"}
    assert isinstance(settings.tariff.import_price, TimeOfUsePrice)
    assert (settings.mqtt.host, settings.tariff.currency) == ("broker.lan", "EUR")
    assert settings.market is None


@pytest.mark.parametrize("command", ["init", "setup"])
def test_a_folder_that_cannot_be_written_is_told_before_any_question(
    command: str, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    where = {"init": "--out", "setup": "--config"}[command]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, command, where, str(blocked / "gateway.toml")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Addresses" not in done.stdout
    assert str(blocked) in done.stderr
