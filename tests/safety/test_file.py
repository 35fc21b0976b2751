"""What the guard must not forget survives a restart; what cannot be stored has not happened."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.domain.control import Control
from gateway.domain.order import StandingSettings
from gateway.errors import StorageError
from gateway.guard.intents import GuardFile

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TODAY, TOMORROW = "2026-06-01", "2026-06-02"


def test_intents_flash_writes_settings_and_words_survive(tmp_path: Path) -> None:
    path = tmp_path / "guard.json"
    file = GuardFile(path)
    file.remember("inverter", Control.PV_LIMIT, '{"1": 100}', NOW)
    file.remember(
        "inverter", Control.PV_LIMIT, '{"1": 50}', NOW
    )  # the first state is the one to restore
    file.count_write("inverter", 40001, TODAY)
    file.count_write("inverter", 40001, TODAY)
    file.keep_settings(StandingSettings(reserve_pct=35.0, battery="hold"))
    file.setting("counters meter", "{}")
    again = GuardFile(path)
    assert again.pending("inverter") == {Control.PV_LIMIT: '{"1": 100}'}
    assert again.pending("charger") == {}
    assert again.write_count("inverter", 40001, TODAY) == 2
    assert again.settings == StandingSettings(reserve_pct=35.0, battery="hold")
    assert again.setting("counters meter") == "{}"
    again.forget("inverter", Control.PV_LIMIT)
    assert GuardFile(path).pending("inverter") == {}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_day_begins_at_no_write(tmp_path: Path) -> None:
    file = GuardFile(tmp_path / "guard.json")
    file.count_write("inverter", 40001, TODAY)
    assert file.write_count("inverter", 40001, TOMORROW) == 0
    file.count_write("inverter", 40001, TOMORROW)
    assert file.write_count("inverter", 40001, TOMORROW) == 1


def test_what_cannot_be_stored_has_not_happened(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.write_text("a file stands where the folder should")
    file = GuardFile(folder / "guard.json")
    with pytest.raises(StorageError):
        file.remember("inverter", Control.PV_LIMIT, '{"1": 100}', NOW)
    assert file.pending("inverter") == {}
