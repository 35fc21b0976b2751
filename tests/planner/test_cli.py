"""The backtest command as a person runs it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planner.conftest import made_series, write_csv


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
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
    assert "capture" in done.stdout
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
