"""Steering needs a proof: without one a device is only read, and not every proof counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.guard.proofs import FOLDER
from simulators.devices.hybrid import HybridInverter
from tests.devices.guard_bench import Bench
from tests.devices.verify_homes import (
    guarded,
    held,
    no_pauses,
    proved,
)


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those between two requests pass by the real clock."""
    no_pauses(monkeypatch)


@pytest.mark.parametrize("family", ["fronius", "goodwe", "sungrow", "foxess"])
def test_a_device_is_read_until_it_was_verified_and_steered_after_it(
    family: str, tmp_path: Path
) -> None:
    async def is_only_read(bench: Bench) -> None:
        assert not held(bench)
        state = bench.last.snapshot.devices["inverter"]
        assert state.number("battery_soc_pct") == pytest.approx(60, abs=2)
        assert not bench.last.snapshot.batteries[0].steerable
        (note,) = state.notes  # one a device, in an owner's words
        assert "does not steer its battery" in note
        assert "(not verified): run `energy-gateway verify inverter`" in note
        assert "_w" not in note
        assert not any("verify" in alarm for alarm in bench.last.alarms)

    async def is_steered(bench: Bench) -> None:
        assert held(bench)
        assert not bench.last.snapshot.devices["inverter"].notes

    guarded(family, tmp_path / "state", is_only_read)
    proved(family, tmp_path / "state")
    guarded(family, tmp_path / "state", is_steered)


@pytest.mark.parametrize("family", ["goodwe", "growatt", "solax", "huawei"])
def test_a_device_that_is_not_proved_is_never_written_to(family: str, tmp_path: Path) -> None:
    async def nothing_moved(bench: Bench) -> None:
        for server in (bench.servers.inverter, bench.servers.charger):
            assert not server.writes

    guarded(family, tmp_path / "state", nothing_moved)


def test_the_owners_word_stands_for_a_proof_and_is_said(tmp_path: Path) -> None:
    async def look(bench: Bench) -> None:
        assert held(bench)
        notes = bench.last.snapshot.devices["inverter"].notes
        assert any('the owner\'s steer = "always"' in note for note in notes)

    guarded("fronius", tmp_path / "state", look, steer="always")


def test_never_is_never_even_when_proved(tmp_path: Path) -> None:
    async def look(bench: Bench) -> None:
        assert not held(bench)
        assert bench.last.snapshot.devices["inverter"].online

    proved("fronius", tmp_path / "state")
    guarded("fronius", tmp_path / "state", look, steer="never")


def test_another_firmware_asks_for_it_again_and_is_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proved("fronius", tmp_path / "state")
    before = HybridInverter.firmware
    monkeypatch.setattr(HybridInverter, "firmware", before + "9")

    async def look(bench: Bench) -> None:
        assert not held(bench)
        says = f"its firmware is {before}9, proved was {before}"
        assert sum(says in alarm for alarm in bench.last.alarms) >= 1
        assert bench.last.snapshot.batteries[0].soc_pct is not None

    guarded("fronius", tmp_path / "state", look)


@pytest.mark.parametrize("how", ["edited", "another home's", "damaged"])
def test_a_log_that_this_home_did_not_write_proves_nothing(how: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    proved("fronius", state)
    for path in (state / FOLDER).iterdir():
        log = json.loads(path.read_text())
        if how == "edited":
            log["log"]["who"]["firmware"] = log["log"]["who"]["firmware"] + " "
        text = json.dumps(log)
        path.write_text(text[:-20] if how == "damaged" else text)
    if how == "another home's":
        (state / "guard.key").write_bytes(b"k" * 32)

    async def look(bench: Bench) -> None:
        assert not held(bench)

    guarded("fronius", state, look)


# -- what verify itself sees --
