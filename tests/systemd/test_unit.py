"""The unit stays hardened, and what it promises is what the program does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.config.credstore import shipped

FOLDER = Path(__file__).parents[2] / "systemd"
REFERENCE = FOLDER.parent / "docs" / "configuration.md"
UNIT, SERIAL = FOLDER / "energy-gateway.service", FOLDER / "energy-gateway-serial.conf"


def exposure(unit: Path) -> float:
    """What `systemd-analyze security` says of a unit file: 0 (nothing) to 10 (everything)."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    said = subprocess.run(
        [program, "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said.stdout)
    if found is None:
        pytest.skip(f"systemd-analyze cannot judge a file here: {said.stderr.strip()[:200]}")
    return float(found.group(1))


def test_exposure() -> None:
    assert exposure(UNIT) <= 1.2


def test_exposure_with_a_serial_port(tmp_path: Path) -> None:
    merged = tmp_path / "energy-gateway.service"
    merged.write_text(UNIT.read_text() + "\n" + SERIAL.read_text())
    assert 1.2 < exposure(merged) <= 1.6


def test_a_careless_unit_would_be_noticed(tmp_path: Path) -> None:
    careless = tmp_path / "energy-gateway.service"
    careless.write_text(re.sub(r"(?m)^(Protect|Private|Restrict)\w+=.*\n", "", UNIT.read_text()))
    assert exposure(careless) > 2


def test_the_unit_restarts_a_hung_loop_and_always_comes_back() -> None:
    settings = dict(
        line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"\w+=", line)
    )
    assert settings["Type"] == "notify"
    assert 10 <= int(settings["WatchdogSec"]) <= 60
    assert settings["Restart"] == "always"
    assert settings["StartLimitIntervalSec"] == "0"
    assert int(settings["TimeoutStopSec"]) > 10


def test_what_a_person_must_change_is_not_tried_again_and_again() -> None:
    """Exit code 2 is the configuration's, 3 another gateway's; see `gateway.cli` and docs/operations.md."""
    assert "\nRestartPreventExitStatus=2 3\n" in UNIT.read_text()


def test_every_credential_that_the_configuration_knows_is_loaded() -> None:
    """Those that `check` expects, and those that the settings' descriptions name."""
    loaded = re.findall(r"(?m)^LoadCredential=(\w+):(\S+)$", UNIT.read_text())
    assert loaded == shipped()
    names = {name for name, _ in loaded}
    named = re.findall(r"systemd credential ([a-z_]+)", REFERENCE.read_text())
    assert named
    for name in named:
        assert name.rstrip("_") in names or name.removesuffix("_") in names, name
