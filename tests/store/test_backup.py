"""A backup is whole while the gateway writes, and goes back as it was; nothing else is taken for one."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
import tarfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.errors import ConfigError, GatewayError, StorageError
from gateway.store.backup import backup, restore
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.store.settings import SettingsStore
from tests.store.history import T0, write_history

NOW = datetime(2026, 6, 2, tzinfo=UTC)


def state(folder: Path, days: int = 1) -> Path:
    folder.mkdir()
    write_history(folder / "journal.sqlite", days=days, checkpoint_every=500)
    settings = SettingsStore(folder / "settings.sqlite")
    settings.setting("setting.trading", "false")
    settings.close()
    History(folder / "history.sqlite").close()
    return folder


def test_it_comes_back_on_another_machine(tmp_path: Path) -> None:
    home = state(tmp_path / "here")
    names = backup(home, tmp_path / "b.tar", NOW)
    assert names == ["journal.sqlite", "settings.sqlite", "history.sqlite"]
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    there = tmp_path / "there"
    assert restore(tmp_path / "b.tar", there) == names
    ours, theirs = (Journal(path / "journal.sqlite") for path in (home, there))
    assert ours.head == theirs.head
    assert ours.book == theirs.book
    theirs.append("note", {"text": "it goes on"}, T0)
    assert SettingsStore(there / "settings.sqlite").setting("setting.trading") == "false"


def test_it_is_whole_while_the_gateway_writes(tmp_path: Path) -> None:
    home = state(tmp_path / "here", days=2)
    journal, stop = Journal(home / "journal.sqlite"), threading.Event()

    def write() -> None:
        while not stop.is_set():
            journal.append("note", {"text": "x" * 500}, T0)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            backup(home, tmp_path / f"{number}.tar", NOW)
    finally:
        stop.set()
        writer.join()
    heads = []
    for number in range(5):
        restore(tmp_path / f"{number}.tar", tmp_path / str(number))
        copy = Journal(tmp_path / str(number) / "journal.sqlite", read_only=True)
        heads.append(copy.verify())
    assert heads == sorted(heads)
    assert heads[-1] <= journal.verify()


def test_what_was_there_stays_beside_it(tmp_path: Path) -> None:
    home = state(tmp_path / "here")
    backup(home, tmp_path / "b.tar", NOW)
    journal = Journal(home / "journal.sqlite")
    journal.append("note", {"text": "after the backup"}, T0)
    with pytest.raises(StorageError, match="another process writes"):
        _elsewhere(tmp_path / "b.tar", home)
    newer = journal.head
    journal.close()
    restore(tmp_path / "b.tar", home)
    assert Journal(home / "journal.sqlite").head[0] == newer[0] - 1
    aside = home / "journal.sqlite.before-restore"
    aside.rename(tmp_path / "old.sqlite")
    assert Journal(tmp_path / "old.sqlite", read_only=True).head == newer


def _elsewhere(file: Path, home: Path) -> None:
    """Locks are the process's own; another one meets them."""
    code = (
        "import sys; from pathlib import Path; from gateway.store.backup import restore;"
        f"restore(Path({str(file)!r}), Path({str(home)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StorageError(done.stderr)


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    home = state(tmp_path / "here")
    (tmp_path / "b.tar").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        backup(home, tmp_path / "b.tar", NOW)
    assert (tmp_path / "b.tar").read_text() == "mine"


def test_what_is_no_whole_backup_touches_nothing(tmp_path: Path) -> None:
    home = state(tmp_path / "here")
    backup(home, tmp_path / "b.tar", NOW)
    before = (home / "journal.sqlite").read_bytes()
    bad = tmp_path / "bad.tar"
    for spoil in ("not a tar", "a byte", "forged", "without a journal"):
        _spoiled(tmp_path / "b.tar", bad, spoil)
        with pytest.raises(GatewayError):
            restore(bad, home)
        assert (home / "journal.sqlite").read_bytes() == before
        assert not list(home.glob("*.before-restore"))


def _spoiled(good: Path, bad: Path, how: str) -> None:
    if how == "not a tar":
        bad.write_bytes(b"nonsense" * 1000)
        return
    folder = bad.with_name(how)
    folder.mkdir()
    with tarfile.open(good) as tar:
        tar.extractall(folder, filter="data")
    manifest = json.loads((folder / "manifest.json").read_text())
    names = ["manifest.json", *manifest["sha256"]]
    if how == "a byte":
        body = bytearray((folder / "journal.sqlite").read_bytes())
        body[5000] ^= 1
        (folder / "journal.sqlite").write_bytes(body)
    if how == "without a journal":
        names.remove("journal.sqlite")
        del manifest["sha256"]["journal.sqlite"]
        (folder / "manifest.json").write_text(json.dumps(manifest))
    if how == "forged":  # with a hash that fits, and a chain that does not
        db = sqlite3.connect(folder / "journal.sqlite")
        db.execute("UPDATE entry SET body = replace(body, '1', '9') WHERE seq = 9")
        db.commit()
        db.close()
        digest = hashlib.sha256((folder / "journal.sqlite").read_bytes()).hexdigest()
        manifest["sha256"]["journal.sqlite"] = digest
        (folder / "manifest.json").write_text(json.dumps(manifest))
    bad.unlink(missing_ok=True)
    with tarfile.open(bad, "w") as tar:
        for name in names:
            tar.add(folder / name, name)
