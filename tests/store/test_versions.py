"""Files of every released version open and lose nothing; a file of a newer gateway is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.agent.command_handler import SeenCommands
from gateway.errors import ConfigError, StorageError
from gateway.store import checkpoint
from gateway.store.book import Book
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.store.settings import SettingsStore

RELEASED = Path(__file__).parent / "released"
T0 = datetime(2026, 6, 1, tzinfo=UTC)
STORES: dict[str, Callable[[Path], Any]] = {
    "journal": Journal,
    "history": History,
    "settings": SettingsStore,
    "commands": SeenCommands,
}


def released(name: str, folder: Path) -> Path:
    """The file as that version left it, from its text; ``name`` is ``<version>-<file>``."""
    path = folder / f"{name.partition('-')[2]}.sqlite"
    db = sqlite3.connect(path)
    db.executescript((RELEASED / f"{name}.sql").read_text())
    db.close()
    return path


@pytest.mark.parametrize("name", sorted(f.stem for f in RELEASED.glob("*.sql")))
def test_a_released_file_opens_twice(tmp_path: Path, name: str) -> None:
    path = released(name, tmp_path)
    for _ in range(2):
        STORES[path.stem](path).close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone()[0] >= 1
    db.close()


def test_the_account_of_0_1_is_whole_and_goes_on(tmp_path: Path) -> None:
    path = released("0.1-journal", tmp_path)
    journal = Journal(path)
    assert journal.verify() == 43
    book = Book()
    for entry in journal.entries():
        book.add(entry)
    assert checkpoint.dump(book) == checkpoint.dump(journal.book)
    assert (book.tender_count, book.last_sequence, len(book.metered)) == (12, 3, 3)
    assert journal.unsent_count() == 40
    journal.append("note", {"text": "after the upgrade"}, T0)
    journal.close()
    assert Journal(path).verify() == 44


def test_settings_of_0_1_move_into_their_own_file(tmp_path: Path) -> None:
    Journal(released("0.1-journal", tmp_path)).close()
    store = SettingsStore(tmp_path / "settings.sqlite")
    assert store.setting("wish.backup_reserve_pct") == "40.0"
    db = sqlite3.connect(tmp_path / "journal.sqlite")
    assert ("setting",) not in db.execute("SELECT name FROM sqlite_master").fetchall()
    db.close()


def test_a_reader_looks_at_an_old_file_and_changes_nothing(tmp_path: Path) -> None:
    path = released("0.1-journal", tmp_path)
    before = path.read_bytes()
    journal = Journal(path, read_only=True)
    assert journal.verify() == 43
    journal.close()
    assert path.read_bytes() == before


def test_the_history_of_0_1_is_there(tmp_path: Path) -> None:
    history = History(released("0.1-history", tmp_path))
    assert history.quarters(T0)[0].load_wh == 120.5
    assert history.minutes(T0, T0.replace(day=2))[0].battery_w == 4.0


@pytest.mark.parametrize("kind", STORES)
def test_a_newer_file_is_refused_and_left_as_it_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.sqlite"
    STORES[kind](path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=f"{kind}.sqlite: is of a newer gateway .version 99"):
        STORES[kind](path)
    if kind == "journal":
        with pytest.raises(ConfigError, match="newer gateway"):
            Journal(path, read_only=True)
    assert path.read_bytes() == before


def test_who_only_reads_changes_nothing(tmp_path: Path) -> None:
    """A command beside the running gateway neither makes a file nor moves a damaged one away."""
    path = tmp_path / "history.sqlite"
    with pytest.raises(StorageError):
        History(path, read_only=True)
    assert list(tmp_path.iterdir()) == []
    noise = b"no database at all" * 500
    path.write_bytes(noise)
    with pytest.raises(StorageError, match="is damaged"):
        History(path, read_only=True)
    assert path.read_bytes() == noise
    path.unlink()
    History(path).close()
    before = path.stat().st_mtime_ns
    history = History(path, read_only=True)
    assert history.minutes(*(datetime(2026, 6, day, tzinfo=UTC) for day in (1, 2))) == []
    history.close()
    assert path.stat().st_mtime_ns == before
