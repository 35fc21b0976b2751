"""Old rows are packed: the file gets smaller, nothing is lost, and the chain proves as much as before."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.intervals import QUARTER
from gateway.errors import JournalBroken
from gateway.store import archive, checkpoint, ledger_file
from gateway.store.backup import backup, restore
from gateway.store.journal import ARCHIVED_AFTER, Journal
from tests.store.history import T0, write_history
from tests.store.test_store import FORK, folded

DAYS = 4
LATER = T0 + timedelta(days=DAYS) + ARCHIVED_AFTER + timedelta(days=1)


def written(path: Path) -> Path:
    write_history(path, days=DAYS, checkpoint_every=900)
    return path


def packed(path: Path, now: datetime = LATER) -> int:
    """Segments that a daemon makes of what is old at ``now``."""
    journal, count = Journal(path), 0
    while journal.compact(now):
        count += 1
    journal.close()
    return count


def test_the_file_gets_smaller_and_every_row_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_file, "WORTH_BYTES", 2**19)  # a short test has a small file
    path = written(tmp_path / "journal.sqlite")
    journal = Journal(path, read_only=True)
    rows, head, size = list(journal.entries()), journal.head, path.stat().st_size
    journal.close()
    assert packed(path) >= 3
    journal = Journal(path)
    assert list(journal.entries()) == rows
    assert list(journal.entries(after=1500)) == rows[1500:]
    assert list(journal.entries(after=1500, kind="metered")) == [
        e for e in rows[1500:] if e.kind == "metered"
    ]
    assert journal.verify() == len(rows)
    assert journal.head == head
    assert checkpoint.dump(journal.book) == checkpoint.dump(folded(journal))
    journal.append("note", {"text": "it goes on"}, LATER)
    assert journal.verify() == len(rows) + 1
    journal.close()
    assert path.stat().st_size < size / 2


def test_what_is_young_stays(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite")
    assert packed(path, T0 + ARCHIVED_AFTER) == 0


def test_a_row_of_a_wrong_clock_holds_nothing_up(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    journal.append("note", {"text": "of 2036"}, T0 + timedelta(days=3650))
    journal.close()
    written(path)
    assert packed(path) >= 3


def test_a_start_that_knows_no_checkpoint_reads_through_the_segments(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite")
    packed(path)
    before = Journal(path, read_only=True)
    db = sqlite3.connect(path)
    db.execute("DELETE FROM checkpoint")
    db.commit()
    db.close()
    journal = Journal(path)
    assert journal.head == before.head
    assert checkpoint.dump(journal.book) == checkpoint.dump(before.book)
    before.close()


@pytest.mark.parametrize("what", ["settlement", "time", "cut off", "gone"])
def test_a_forged_segment_breaks_the_chain(tmp_path: Path, what: str) -> None:
    path = written(tmp_path / "journal.sqlite")
    packed(path)
    db = sqlite3.connect(path)
    first, last, data = db.execute("SELECT first, last, packed FROM segment LIMIT 1").fetchone()
    rows = archive.unpack(data, first)
    if what == "settlement":
        at = next(i for i, row in enumerate(rows) if row[2] == "settlement")
        body = json.loads(rows[at][3]) | {"energy_money_e8": 10**10}
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        rows[at] = (*rows[at][:3], text)
    elif what == "time":
        rows[5] = (rows[5][0], "2026-06-02T00:00:00Z", *rows[5][2:])
    elif what == "cut off":
        rows = rows[:-1]
    db.execute("UPDATE segment SET packed = ? WHERE last = ?", (archive.pack(rows), last))
    if what == "gone":
        db.execute("DELETE FROM segment WHERE last = ?", (last,))
    db.commit()
    db.close()
    journal = Journal(path, read_only=True)
    with pytest.raises(JournalBroken):
        journal.verify()
    journal.close()


def test_what_was_changed_before_is_not_packed(tmp_path: Path) -> None:
    """The hashes between, by which the bad row is found, are still needed then."""
    path = written(tmp_path / "journal.sqlite")
    db = sqlite3.connect(path)
    db.execute("UPDATE entry SET body = replace(body, 'SELL', 'BUY') WHERE seq = 1")
    db.commit()
    db.close()
    journal = Journal(path)
    with pytest.raises(JournalBroken, match="row 1"):
        journal.compact(LATER)
    with pytest.raises(JournalBroken, match="row 1"):
        journal.verify()
    journal.close()


def child(path: Path, at: int) -> None:
    """Packs, and dies at the statement of that number."""
    journal, seen = Journal(path), [0]

    def count(_sql: str) -> None:
        seen[0] += 1
        if seen[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    journal._db.set_trace_callback(count)
    while journal.compact(LATER):
        pass


def test_kill_9_at_every_statement(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite")
    journal = Journal(path, read_only=True)
    rows, head = list(journal.entries()), journal.head
    journal.close()
    deaths = 0
    for at in range(1, 40):
        life = FORK.Process(target=child, args=(path, at))
        life.start()
        life.join()
        deaths += life.exitcode == -signal.SIGKILL
        journal = Journal(path)
        assert journal.verify() == len(rows)
        assert journal.head == head
        journal.close()
        if life.exitcode == 0:
            break
    assert deaths > 5
    journal = Journal(path, read_only=True)
    assert list(journal.entries()) == rows


def test_a_reader_beside_the_packing_misses_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.sqlite")
    reader, writer = Journal(path, read_only=True), Journal(path)
    seen = []
    for entry in reader.entries():
        seen.append(entry.seq)
        if entry.seq % 700 == 0:
            writer.compact(LATER)
    assert seen == list(range(1, writer.head[0] + 1))
    assert reader.verify() == writer.head[0]


def test_a_backup_of_a_packed_account_restores(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    packed(written(home / "journal.sqlite"))
    backup(home, tmp_path / "b.tar", LATER)
    restore(tmp_path / "b.tar", other)
    journal = Journal(other / "journal.sqlite")
    assert journal.verify() > 3000
    assert journal.book.position_wh(next(iter(journal.book.transactions.values())).interval) == 50
    journal.close()


texts = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=30)


@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=20), st.integers(1, 10**9))
def test_packing_keeps_every_letter(rows: list[tuple[str, str, str]], first: int) -> None:
    numbered = [(first + n, *row) for n, row in enumerate(rows)]
    assert archive.unpack(archive.pack(numbered), first) == numbered


def test_an_old_account_of_quarters_opens_and_packs(tmp_path: Path) -> None:
    """Rows in the order of years: what is packed is what is oldest."""
    path = tmp_path / "journal.sqlite"
    journal = Journal(path, checkpoint_every=300)
    for number in range(2500):
        journal.append("note", {"text": str(number)}, T0 + number * 4 * QUARTER)
    now = T0 + 2500 * 4 * QUARTER
    assert journal.compact(now) == archive.ROWS
    while journal.compact(now):
        pass
    kept = [row[0] for row in journal._db.execute("SELECT time FROM entry")]
    assert min(kept) > (now - ARCHIVED_AFTER - timedelta(days=22)).isoformat()[:10]
    assert journal.verify() == journal.head[0]
    journal.close()
