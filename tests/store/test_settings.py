"""Small settings: durable, found by name, and no loss of money when their file is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import StorageError
from gateway.store.settings import SettingsStore


def test_a_value_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "settings.sqlite"
    store = SettingsStore(path)
    assert store.setting("mode") is None
    assert store.setting("mode", "away") == "away"
    assert store.setting("setting.a", "1") == "1"
    store.close()
    again = SettingsStore(path)
    assert again.setting("mode") == "away"
    assert again.settings("setting.") == {"a": "1"}
    again.adopt([("mode", "home"), ("other", "2")])
    assert (again.setting("mode"), again.setting("other")) == ("away", "2")


def test_a_damaged_file_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "settings.sqlite"
    path.write_bytes(b"no database at all, and long enough to look like one" * 50)
    store = SettingsStore(path)
    assert store.settings("") == {}
    store.setting("mode", "away")
    assert (tmp_path / "settings.sqlite.damaged").read_bytes().startswith(b"no database")


def test_a_closed_store_is_a_storage_error(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "settings.sqlite")
    store.close()
    with pytest.raises(StorageError):
        store.setting("a")
    with pytest.raises(StorageError):
        store.setting("a", "b")
