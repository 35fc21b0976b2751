"""The backtest command as a person runs it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planner.conftest import made_series, write_csv


def run(*arguments: str | Path | int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from gateway.cli import main; main()", "backtest"]
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_everything_is_written_and_adds_up(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "home.csv", made_series(3))
    paths = {k: tmp_path / f"out.{k}" for k in ("json", "csv", "html")}
    done = run(
        "--data", data, "--json", paths["json"], "--schedule", paths["csv"], "--report", paths["html"]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2024-05-29T06:00:00Z to"), "nothing but the result is printed"
    result = json.loads(paths["json"].read_text())
    rows = list(csv.DictReader(paths["csv"].read_text().splitlines()))
    assert len(rows) == 3 * 96
    assert list(rows[0]) == [
        "start", "charge_wh", "discharge_wh", "soc_wh", "import_wh", "export_wh", "cash",
    ]  # fmt: skip
    assert sum(float(r["cash"]) for r in rows) == pytest.approx(result["money"]["ours"], abs=1e-3)
    page = paths["html"].read_text()
    assert "uPlot" in page
    assert "http" not in page.split("<script>")[0]  # nothing is fetched
    assert "NaN" not in page.split('type="application/json">')[1].split("</script>")[0]


def test_a_config_without_devices_and_a_greedy_run(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "home.csv", made_series(2))
    config = tmp_path / "gateway.toml"
    config.write_text('[tariff]\nimport_price = { kind = "flat", per_kwh = "0.14" }\n')
    done = run("--data", data, "--config", config, "--strategy", "greedy")
    assert done.returncode == 0, done.stderr
    assert "strategy greedy" in done.stdout


def test_the_sweep_varies_battery_wear_and_tariff(tmp_path: Path) -> None:
    data, out = write_csv(tmp_path / "home.csv", made_series(4)), tmp_path / "out.json"
    done = run("--data", data, "--json", out, "--sweep", "--sweep-days", 2)
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("sweep, 2 days")[1].splitlines()[1:]
    rows = json.loads(out.read_text())["sweep"]
    assert [r["case"] for r in rows] == [line[:28].strip() for line in table]
    money = {r["case"]: r["money"] for r in rows}
    assert money["battery 27 kWh"]["perfect"] > money["battery 6.75 kWh"]["perfect"]
    assert money["wear 0 per kWh"]["perfect"] > money["wear 0.05 per kWh"]["perfect"]
    assert money["import flat 0.14"]["none"] < money["battery 27 kWh"]["none"]
    assert all(r["money"]["perfect"] >= r["money"]["ours"] - 1e-6 for r in rows)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--strategy", "clever"], "'clever' is unknown; use one of greedy, value"),
        (["--config", "missing.toml"], "missing.toml: cannot be read"),
        (["--data", "missing.csv"], "missing.csv: cannot be read"),
        (["--json", "no/such/dir/x.json"], "x.json: cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(tmp_path: Path, arguments: list[str], says: str) -> None:
    data = write_csv(tmp_path / "home.csv", made_series(1))
    done = run("--data", data, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
