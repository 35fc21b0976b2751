"""A disk that is full, or full in the middle of a line, and a file that somebody else holds locked, at each kind of write.

A write that matters says so by a StorageError, one that does not goes on without; what was stored before is whole, and with
the end of the act the next write is stored. The log says it once.
"""

from __future__ import annotations

import logging
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.agent.command_handler import SeenCommands
from gateway.clock import SimClock
from gateway.domain.control import Reason
from gateway.domain.decisions import Decision
from gateway.domain.flows import Flow
from gateway.domain.intervals import QUARTER, quarter
from gateway.domain.sentences import other
from gateway.domain.trade import Metered
from gateway.durable import replace_files
from gateway.errors import ConfigError, StorageError
from gateway.guard.intents import GuardFile
from gateway.guard.limit_log import LimitLog, LimitRow, rows
from gateway.publishing.topic_memory import TopicMemory
from gateway.store.audit import AuditLog, read_audit
from gateway.store.backup import backup, restore
from gateway.store.codec import metered_body
from gateway.store.decisions import DecisionStore
from gateway.store.events import Event, EventLog
from gateway.store.history import History
from gateway.store.journal import ARCHIVED_AFTER, Journal
from gateway.store.settings import SettingsStore
from tests.hostile.five import DISK, Property, Trial
from tests.market.values import T0

TRIES = 20  # while it lasts: more lines than one would be a flood


@dataclass(frozen=True)
class Kind:
    """One kind of write: ``opened`` in a folder, the ``write`` of a number, and the numbers ``read`` from the folder by a new start.

    ``must``: whoever writes has to know that it failed.
    """

    name: str
    opened: Callable[[Path], Any]
    write: Callable[[Any, int], object]
    read: Callable[[Path], set[int]]
    must: bool = False
    database: str = ""


def _metered(journal: Journal, n: int) -> None:
    journal.append("metered", metered_body(Metered(quarter(T0 + n * QUARTER), n, 0, n, 0)), T0)


def _account(folder: Path) -> set[int]:
    with closing(Journal(folder / "journal.sqlite")) as journal:
        journal.verify()
        return {m.import_wh for m in journal.book.metered.values()}


def _sent(folder: Path) -> set[int]:
    with closing(Journal(folder / "journal.sqlite")) as journal:
        return {10_000 - journal.unsent_count()} if journal.unsent_count() else set()


def _past(folder: Path) -> set[int]:
    with closing(History(folder / "history.sqlite")) as history:
        found = history.flows(T0, T0 + timedelta(days=2))
        return {int(flow.pv_wh or 0) for flow in found}


def _decided(folder: Path) -> set[int]:
    with closing(DecisionStore(folder / "decisions.sqlite")) as store:
        return {d.battery_w or 0 for d in store.between(T0, T0 + timedelta(days=2))}


def _decision(store: DecisionStore, n: int) -> None:
    since = T0 + n * QUARTER
    store.add([Decision(since, since + QUARTER, Reason.RESERVE, other("why"), n)])


def _set(folder: Path) -> set[int]:
    with closing(SettingsStore(folder / "settings.sqlite")) as store:
        return set(map(int, store.settings("n")))


def _ordered(folder: Path) -> set[int]:
    with closing(SeenCommands(folder / "commands.sqlite")) as seen:
        return {n for n in range(100) if seen.begin(str(n), T0) is not None}


def _limit(n: int) -> LimitRow:
    return LimitRow("", "relay", "export", "set", float(n), "", 0.0, 0.0, 0.0)


KINDS = [
    Kind("the account", lambda f: Journal(f / "journal.sqlite"), _metered, _account, True, "journal.sqlite"),
    Kind("the account's checkpoints", lambda f: Journal(f / "journal.sqlite", checkpoint_every=1), _metered, _account, True, "journal.sqlite"),
    Kind("the history", lambda f: History(f / "history.sqlite"), lambda h, n: h.add_flow(Flow(quarter(T0 + n * QUARTER), 0.0, 0.0, float(n))), _past, database="history.sqlite"),
    Kind("the decisions", lambda f: DecisionStore(f / "decisions.sqlite"), _decision, _decided, database="decisions.sqlite"),
    Kind("the settings", lambda f: SettingsStore(f / "settings.sqlite"), lambda s, n: s.setting(f"n{n}", "x" * 300), _set, True, "settings.sqlite"),
    Kind("the commands", lambda f: SeenCommands(f / "commands.sqlite"), lambda s, n: s.begin(str(n), T0), _ordered, True, "commands.sqlite"),
    Kind("the guard's file", lambda f: GuardFile(f / "guard.json"), lambda g, n: g.setting("n", str(n)), lambda f: {int(GuardFile(f / "guard.json").setting("n") or 0)}, True),
    Kind("the operator's limits", LimitLog, lambda log, n: log.add(_limit(n), T0), lambda f: {int(float(row["limit_w"])) for row in rows(f)}),
    Kind("the audit", lambda f: AuditLog(f, SimClock(T0)), lambda a, n: a.note("page", str(n), "login", "ok", done=True), lambda f: {int(e.who) for e in read_audit(f)}),
    Kind("the events", EventLog, lambda log, n: log.add(Event(f"2026-06-01T{n // 4:02}:00:00Z", "alarm", str(n))), lambda f: {int(e.what) for e in EventLog(f).recent}),
    Kind("the topics", lambda f: TopicMemory(f / "topics.json"), lambda t, n: t.add([str(n)]), lambda f: set(map(int, TopicMemory(f / "topics.json").topics))),
]  # fmt: skip


@contextmanager
def full(most_bytes: int) -> Iterator[None]:
    """No file may grow beyond ``most_bytes``: what a full disk is to a program."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program writes in it, and does not end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


ACTS = [("a full disk", kind) for kind in KINDS] + [
    ("a disk that gets full", kind) for kind in KINDS
]
ACTS += [("a locked file", kind) for kind in KINDS if kind.database]


@pytest.mark.parametrize(("act", "kind"), ACTS, ids=[f"{kind.name}: {act}" for act, kind in ACTS])
def test_a_write_that_cannot_be(
    act: str, kind: Kind, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trial, failed, said = Trial(DISK), set[int](), set[int]()
    store = kind.opened(tmp_path)
    kind.write(store, 1)
    if kind.database:
        with suppress(AttributeError):
            store._db.execute("PRAGMA busy_timeout = 0")
        with suppress(AttributeError):
            store._file.db.execute("PRAGMA busy_timeout = 0")
    largest = max(path.stat().st_size for path in tmp_path.iterdir())
    doing = (
        locked(tmp_path / kind.database)
        if act == "a locked file"
        else full(largest + 10 if act == "a disk that gets full" else 0)
    )
    with doing:
        for n in range(2, 2 + TRIES):
            try:
                kind.write(store, n)
            except StorageError:
                said.add(n)
            except (OSError, sqlite3.Error) as error:
                failed.add(n)
                trial.saw(Property.NUMBERS, [f"{n} is a {error!r}"])
    kind.write(store, 90)
    if hasattr(store, "close"):
        store.close()
    there = kind.read(tmp_path)
    trial.saw(Property.BACK, {90} - there)
    lied = (
        set(range(2, 2 + TRIES)) - there - said
        if kind.must and kind.name != "the guard's file"
        else set()
    )
    trial.saw(Property.NUMBERS, [f"{n} was stored, they said, and is not there" for n in lied])
    trial.saw(
        Property.NUMBERS,
        [f"{n} could not be stored, they said, and is there" for n in said & there],
    )
    trial.saw(
        Property.MONEY,
        () if 1 in there or kind.name == "the guard's file" else ["what was stored before is lost"],
    )
    trial.logged([record.getMessage() for record in caplog.records])
    trial.judge()


def test_a_backup_on_a_full_disk_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "out" / "backup.tar"
    state.mkdir()
    out.parent.mkdir()
    with closing(Journal(state / "journal.sqlite")) as journal:
        for n in range(200):
            _metered(journal, n)
        backup(state, tmp_path / "first.tar", T0)
        size = (tmp_path / "first.tar").stat().st_size
        for most in (0, size - 1):  # the copy that goes into it fits in the second case
            with full(most), pytest.raises(StorageError):
                backup(state, out, T0)
        assert not out.exists()
        backup(state, out, T0)
        with pytest.raises(ConfigError, match="there already"):
            backup(state, out, T0)
    restore(out, tmp_path / "restored")
    assert len(_account(tmp_path / "restored")) == 200


@pytest.mark.parametrize("most_bytes", [0, 2**20])
def test_old_rows_that_cannot_be_packed_stay_as_they_are(tmp_path: Path, most_bytes: int) -> None:
    """Packing takes room before it gives any back; the account goes on beside it."""
    path, later = tmp_path / "journal.sqlite", T0 + ARCHIVED_AFTER + timedelta(days=30)
    with closing(Journal(path, checkpoint_every=800)) as journal:
        for first in range(0, 2400, 96):
            rows = [
                ("metered", metered_body(Metered(quarter(T0 + n * QUARTER), n, 0, n, 0)))
                for n in range(first, first + 96)
            ]
            journal.append_all(rows, T0 + first * QUARTER)
        before, size = list(journal.entries()), path.stat().st_size
        with full(min(size, most_bytes)):
            for _ in range(TRIES):
                with pytest.raises(StorageError):
                    journal.compact(later)
        assert list(journal.entries()) == before
        journal.verify()
        assert journal.compact(later)
        _metered(journal, 9_000)
        assert list(journal.entries())[: len(before)] == before
    assert 9_000 in _account(tmp_path)


@pytest.mark.parametrize("most_bytes", [0, 150])
def test_a_set_up_that_cannot_be_written_changes_nothing(tmp_path: Path, most_bytes: int) -> None:
    """Where the password still fits on the disk and the configuration does not, the old password holds too."""
    before = {"gateway.toml": b"# as it was\n", "page": b"the old one\n"}
    for name, text in before.items():
        (tmp_path / name).write_bytes(text)
    fresh = {
        tmp_path / name: text * 20
        for name, text in {"page": b"new\n", "gateway.toml": b"# a new one\n"}.items()
    }
    with full(most_bytes), pytest.raises(OSError, match="File too large"):
        replace_files(fresh)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    replace_files(fresh)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == fresh
