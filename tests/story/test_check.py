"""`energy-gateway check` at a running home, at a dead one, and at a wrong file."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.clock import WallClock
from simulators.broker import free_port, start_broker
from simulators.devices.serve import Choice, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario

CONFIG = """
[[device]]
name = "inverter"
profile = "fronius-gen24"
host = "127.0.0.1"
port = {inverter}

[[device]]
name = "charger"
profile = "keba-p30"
host = "127.0.0.1"
port = {charger}

[mqtt]
port = {broker}

[tariff]
import_price = {{ kind = "flat", per_kwh = "0.14" }}

[dashboard]
port = 0
"""


async def check(path: Path) -> tuple[int, str]:
    program = "import sys; from gateway.cli import main; sys.argv[0] = 'energy-gateway'; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "check", "--config", path.name,
        cwd=path.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_all_is_well_then_the_charger_is_gone(tmp_path: Path) -> None:
    clock = WallClock()
    servers = await serve_home(Home(clock, Scenario(start=clock.now())))
    broker = await start_broker()
    path = tmp_path / "gateway.toml"
    ports = {"inverter": servers.ports.inverter, "broker": broker.port}
    try:
        path.write_text(CONFIG.format(charger=servers.ports.charger, **ports))
        code, said = await check(path)
        assert code == 0, said
        assert "battery_soc_pct 50 %" in said
        path.write_text(CONFIG.format(charger=free_port(), **ports))
        code, said = await check(path)
        assert code == 1
        assert "FAULT charger: gateway.toml:9: device 'charger': name: charger" in said
        assert "ok    inverter" in said
    finally:
        await servers.close()
        await broker.close()


async def test_a_battery_of_unknown_size_is_a_fault(tmp_path: Path) -> None:
    """A Sungrow inverter does not say how large its battery is; without it nothing can be planned."""
    clock = WallClock()
    servers = await serve_home(
        Home(clock, Scenario(start=clock.now())), choice=Choice(inverter="sungrow")
    )
    broker = await start_broker()
    path = tmp_path / "gateway.toml"
    text = CONFIG.format(
        inverter=servers.ports.inverter, charger=servers.ports.charger, broker=broker.port
    ).replace("fronius-gen24", "sungrow-sh")
    try:
        path.write_text(text)
        code, said = await check(path)
        assert code == 1
        assert (
            "FAULT battery: gateway.toml: battery.capacity_wh: no device states the battery's size"
            in said
        )
        path.write_text(text + "\n[battery]\ncapacity_wh = 10000\nmax_charge_w = 5000\n")
        code, said = await check(path)
        assert code == 0, said
        assert "ok    battery: 10000 Wh, 2000 Wh of it kept for outages" in said
    finally:
        await servers.close()
        await broker.close()


async def test_a_home_that_counts_nothing_at_its_connection_is_told_that_it_cannot_settle(
    tmp_path: Path,
) -> None:
    """Without a market that is worth a line; with one it is a fault, and the meter that would do is named."""
    clock = WallClock()
    servers = await serve_home(Home(clock, Scenario(start=clock.now())))
    broker = await start_broker()
    path = tmp_path / "gateway.toml"
    text = CONFIG.format(
        inverter=servers.ports.inverter, charger=servers.ports.charger, broker=broker.port
    )
    market = '\n[market]\nurl = "http://127.0.0.1:1"\n'
    meter = f'[[device]]\nname = "meter"\nprofile = "sunspec-meter"\nhost = "127.0.0.1"\nport = {servers.ports.meter}\nunit = 200\n'
    try:
        path.write_text(text)
        code, said = await check(path)
        assert code == 0, said
        assert "ok    settling: no device counts what is drawn and fed in" in said
        path.write_text(text + market)
        code, said = await check(path)
        assert code == 1
        assert "FAULT settling: gateway.toml:" in said
        assert "profile sunspec-meter, unit 200 or 240" in said
        path.write_text(meter + text + market)
        _, said = await check(path)
        assert "settling" not in said
    finally:
        await servers.close()
        await broker.close()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"keba-p30"', '"keba-p3"', "gateway.toml:10: device 'charger': profile: profile = 'keba-p3' is unknown; did you mean 'keba-p30'?"),
        ("port = 3", "prt = 3", "gateway.toml:15: mqtt.prt: unknown key; did you mean 'port'?"),
    ],
)  # fmt: skip
async def test_a_wrong_file_is_said_by_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG.format(inverter=1, charger=2, broker=3).replace(old, new))
    code, said = await check(path)
    assert code == 2
    assert line in said
