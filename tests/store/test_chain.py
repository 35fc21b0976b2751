"""The chain of the journal: any change to a stored row is found, and named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import JournalBroken, StorageError
from gateway.store import checkpoint
from gateway.store.book import Book
from gateway.store.chain import GENESIS, canonical, chained
from gateway.store.journal import Journal
from tests.store.history import T0, write_history

Tamper = Callable[[sqlite3.Connection], object]


def rows(path: Path, tamper: Tamper) -> None:
    db = sqlite3.connect(path)
    tamper(db)
    db.commit()
    db.close()


TAMPERS: list[tuple[str, Tamper, str]] = [
    (
        "a fill grows",
        lambda db: db.execute(
            "UPDATE entry SET body = replace(body, '\"quantity_wh\":', '\"quantity_wh\":1')"
            " WHERE seq = 11"
        ),
        "row 11",
    ),
    ("a kind", lambda db: db.execute("UPDATE entry SET kind = 'note' WHERE seq = 9"), "row 9"),
    (
        "a time",
        lambda db: db.execute("UPDATE entry SET time = '2026-06-01T00:00:01Z' WHERE seq = 9"),
        "row 9",
    ),
    ("a hash", lambda db: db.execute("UPDATE entry SET hash = hash || '0' WHERE seq = 9"), "row 9"),
    ("a row is gone", lambda db: db.execute("DELETE FROM entry WHERE seq = 9"), "row "),
    ("the first rows are gone", lambda db: db.execute("DELETE FROM entry WHERE seq < 9"), "row "),
    (
        "a row is doubled",
        lambda db: db.execute(
            "INSERT INTO entry SELECT (SELECT max(seq) FROM entry) + 1, time, kind, body, hash"
            " FROM entry WHERE seq = 9"
        ),
        "row ",
    ),
    ("not JSON", lambda db: db.execute("UPDATE entry SET body = '{' WHERE seq = 9"), "row 9"),
    ("not a time", lambda db: db.execute("UPDATE entry SET time = 'soon' WHERE seq = 9"), "row 9"),
    (
        "two rows change places",
        lambda db: db.executescript(
            "UPDATE entry SET seq = -9 WHERE seq = 9; UPDATE entry SET seq = 9 WHERE seq = 10;"
            "UPDATE entry SET seq = 10 WHERE seq = -9"
        ),
        "row 9",
    ),
]


@pytest.mark.parametrize(("what", "tamper", "says"), TAMPERS, ids=[t[0] for t in TAMPERS])
def test_a_start_finds_it(tmp_path: Path, what: str, tamper: Tamper, says: str) -> None:
    path = tmp_path / "journal.db"
    write_history(path, days=1, checkpoint_every=10**9)
    rows(path, lambda db: db.execute("PRAGMA foreign_keys = OFF"))
    rows(path, tamper)
    with pytest.raises(JournalBroken, match=says):
        Journal(path)


@pytest.mark.parametrize(("what", "tamper", "says"), TAMPERS, ids=[t[0] for t in TAMPERS])
def test_verify_finds_what_lies_before_the_checkpoint(
    tmp_path: Path, what: str, tamper: Tamper, says: str
) -> None:
    path = tmp_path / "journal.db"
    write_history(path, days=1, checkpoint_every=100)
    rows(path, tamper)
    with pytest.raises(JournalBroken, match=says):
        Journal(path).verify()


def test_a_changed_checkpoint_state_is_found_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    write_history(path, days=1, checkpoint_every=100)
    rows(
        path,
        lambda db: db.execute("UPDATE checkpoint SET state = replace(state, 'BUY', 'SELL') || ' '"),
    )
    with pytest.raises(JournalBroken, match="checkpoint at row"):
        Journal(path)


def test_a_checkpoint_that_lies_consistently_is_found_by_verify(tmp_path: Path) -> None:
    """Whoever rewrites state, hash and chain from the checkpoint on is found by the full fold."""
    path = tmp_path / "journal.db"
    write_history(path, days=1, checkpoint_every=10**9)
    journal = Journal(path)
    lying = checkpoint.load(checkpoint.dump(journal.book))
    lying.last_sequence += 1
    body = {"format": checkpoint.FORMAT, "state_sha256": checkpoint.digest(checkpoint.dump(lying))}
    entry = journal.append("checkpoint", body, T0 + timedelta(days=1))
    journal.close()
    state = checkpoint.dump(lying)
    rows(path, lambda db: db.execute("INSERT INTO checkpoint VALUES (?, ?)", (entry.seq, state)))
    journal = Journal(path)
    with pytest.raises(JournalBroken, match=f"checkpoint at row {entry.seq}"):
        journal.verify()


def test_a_row_that_was_left_out_of_a_chain_made_anew_is_missed(tmp_path: Path) -> None:
    """Whoever can compute hashes can chain the rest again, but the numbers have a hole."""

    def leave_out(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM entry WHERE seq = 9")
        digest = GENESIS
        for seq, time, kind, body in db.execute(
            "SELECT seq, time, kind, body FROM entry ORDER BY seq"
        ).fetchall():
            digest = chained(digest, (seq, time, kind, body))
            db.execute("UPDATE entry SET hash = ? WHERE seq = ?", (digest, seq))

    path = tmp_path / "journal.db"
    write_history(path, days=1, checkpoint_every=10**9)
    rows(path, leave_out)
    with pytest.raises(JournalBroken, match="row 10"):
        Journal(path)


def test_rows_that_vanish_under_a_running_gateway(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    write_history(path, days=1, checkpoint_every=10**9)
    journal = Journal(path)
    rows(path, lambda db: db.execute("DELETE FROM entry WHERE seq > 20"))
    with pytest.raises(JournalBroken, match="rows after 20 are gone"):
        journal.verify()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is not a database, it is a letter" * 100)
    with pytest.raises(JournalBroken, match="damaged"):
        Journal(path)


def test_floats_never_enter(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    with pytest.raises(TypeError, match="floats"):
        journal.append("note", {"deep": [{"price": 0.1}]}, T0)
    assert journal.head[0] == 0
    journal.append("note", {"price": "0.1"}, T0)
    assert journal.verify() == 1


def test_an_unwritable_place_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be opened"):
        Journal(tmp_path / "file" / "journal.db")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_canonical_text_is_one_and_comes_back(value: dict[str, object]) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(dict(reversed(value.items()))) == text


def test_an_empty_book_round_trips() -> None:
    assert checkpoint.load(checkpoint.dump(Book())) == Book()
