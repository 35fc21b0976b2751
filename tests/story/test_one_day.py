"""The story: a simulated day over real Modbus TCP, MQTT, HTTP and SQLite, told by what a user sees."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import aiomqtt
import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.errors import ConfigError
from simulators.cli import main
from simulators.demo.options import Options
from simulators.demo.report import Report, make_report, opening_state
from simulators.demo.run import CONFIGURATION, SETTLED_AFTER, keep_configuration, run_demo
from simulators.demo.world import World, run_world
from tests.shared import shared_file


async def play(options: Options, folder: Path) -> tuple[Report, dict[str, bytes]]:
    """Play the days; the report, and the retained MQTT topics at their end."""
    reports: list[Report] = []
    retained: dict[str, bytes] = {}

    async def referee(world: World) -> None:
        await world.play(world.end, lambda _: None)
        keep_configuration(world, folder)
        opening = opening_state(world)
        await world.play(world.end + SETTLED_AFTER, lambda _: None)
        reports.append(await make_report(world, opening))
        async with aiomqtt.Client("127.0.0.1", world.broker_port) as client:
            await client.subscribe("energy/#")
            await client.subscribe("done")
            await client.publish("done", b"", retain=False)
            async for message in client.messages:
                if str(message.topic) == "done":
                    break
                if isinstance(message.payload, bytes):
                    retained[str(message.topic)] = message.payload

    await run_world(options, folder, referee)
    return reports[0], retained


async def test_one_day(tmp_path: Path) -> None:
    """A home sells its surplus, delivers it, is paid for it, and everything adds up."""
    report, topics = await play(Options(seed=1), tmp_path / "first")
    broken = [check for check in report.checks if not check.kept]
    assert broken == []

    numbers = report.as_json(0.0)
    energy, money = numbers["energy_wh"], numbers["money"]
    balance = (
        energy["load"] + energy["losses"] - energy["pv"] - energy["import"] + energy["export"]
        - (energy["discharge"] - energy["charge"])
    )  # fmt: skip
    assert abs(balance) <= 0.001 * energy["load"]
    assert numbers["intervals"] == 96
    assert numbers["unanswered_tenders"] == 0
    assert numbers["zero_sum_error"] == 0
    assert numbers["fills"] > 0
    assert 0.9 * energy["sold"] <= energy["delivered"] <= energy["sold"]
    assert Decimal(money["market"]) + Decimal(money["retail"]) == Decimal(money["net"])
    better = Decimal(money["net"]) + Decimal(money["stored_difference"])
    assert better > Decimal(money["without_trading"])

    assert topics["energy/home/status"] == b"online"
    state = json.loads(topics["energy/home/inverter/state"])
    assert state["quality"] == "good"
    assert float(topics["energy/home/meter/grid_import_wh"]) > 0
    assert Decimal(topics["energy/home/market/account_total"].decode()) == Decimal(money["market"])

    assert 0 < float(topics["energy/home/forecast/load_mean_absolute"]) < 500
    assert 0 <= float(topics["energy/home/forecast/pv_inside_pct"]) <= 100

    asked = ["why", "18:15", "--config", str(tmp_path / "first" / CONFIGURATION)]
    why = CliRunner().invoke(make_app("gateway.cli", ""), asked)
    assert why.stdout.startswith("2026-06-01\n  18:15-"), "the last 18:15 of the home's time"

    again, _ = await play(Options(seed=1), tmp_path / "second")
    same, first = again.as_json(0.0), numbers
    for counted in ("mqtt_messages", "wall_seconds"):
        same.pop(counted), first.pop(counted)
    assert same == first
    assert again.statement == report.statement


async def test_a_real_home_on_real_prices(tmp_path: Path) -> None:
    data = shared_file("data/ercot_south_2024_jun_oct.csv")
    report, _ = await play(Options(data=data, days=1), tmp_path)
    assert [check for check in report.checks if not check.kept] == []


BAD: list[tuple[list[str], str]] = [
    (["--data", "nowhere.csv"], "nowhere.csv: cannot be read"),
    (["--data", "short.csv"], "short.csv: covers"),
    (["--data", "broken.csv"], "broken.csv, row 3: load_wh is 'much'"),
    (["--keep", "full"], "--keep full: is not empty"),
]


@pytest.mark.parametrize(("words", "line"), BAD)
def test_bad_input_is_one_clear_line_and_exit_2(
    words: list[str],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    head = "start,load_wh,pv_wh,rt_price_per_mwh,da_price_per_mwh\n"
    rows = "2024-06-01T06:00:00Z,143,0,17.69,24.57\n2024-06-01T06:15:00Z,{},0,18.33,24.57\n"
    Path("short.csv").write_text(head + rows.format(242))
    Path("broken.csv").write_text(head + rows.format("much"))
    Path("full").mkdir()
    Path("full/old").touch()
    monkeypatch.setattr("sys.argv", ["energy-sim", "demo", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_an_unwritable_json_is_said_before_the_day(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        run_demo(Options(), tmp_path / "missing" / "out.json", None, live=False)
