"""The account is whole whatever fraction of a second the machine's clock says."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.intervals import iso, parse_utc
from gateway.market.receipts import receipt_file
from gateway.store import checkpoint
from gateway.store.chain import GENESIS, chained
from gateway.store.journal import Journal
from tests.store.history import T0, write_history

MICROSECONDS = (0, 1, 271, 999, 1000, 1001, 500_000, 999_999)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(TIMES, st.sampled_from(MICROSECONDS))
def test_a_time_is_written_again_as_it_was_read(time: datetime, microsecond: int) -> None:
    time = time.replace(microsecond=microsecond)
    again = parse_utc(iso(time))
    assert iso(again) == iso(time)
    assert timedelta(0) <= time - again < timedelta(milliseconds=1)


@pytest.mark.parametrize("microsecond", MICROSECONDS)
def test_an_account_of_any_moment_is_whole(tmp_path: Path, microsecond: int) -> None:
    path, start = tmp_path / "journal.db", T0 + timedelta(microseconds=microsecond)
    journal = Journal(path, checkpoint_every=4)
    for n in range(10):
        at = start + n * timedelta(minutes=1)
        journal.append("withdrawn", {"id": f"s{n}", "by": f"r{n}"}, at)
        journal.append("contact", {}, at)
    live, head = checkpoint.dump(journal.book), journal.head
    journal.close()
    again = Journal(path)
    assert (again.verify(), again.head) == (head[0], head)
    assert checkpoint.dump(again.book) == live
    again.close()


def test_rows_that_say_000_milliseconds_are_as_whole_as_any(tmp_path: Path) -> None:
    """Until 26 November 2026 a row of the first thousandth of a second was chained as ``.000Z``, and read as a forgery."""
    path = tmp_path / "journal.db"
    write_history(path, days=1, checkpoint_every=10**9)
    db = sqlite3.connect(path)
    digest = GENESIS
    for seq, time, kind, body in db.execute(
        "SELECT seq, time, kind, body FROM entry ORDER BY seq"
    ).fetchall():
        written = time.replace("Z", ".000Z") if seq == 9 else time
        digest = chained(digest, (seq, written, kind, body))
        db.execute("UPDATE entry SET time = ?, hash = ? WHERE seq = ?", (written, digest, seq))
    db.commit()
    db.close()
    journal = Journal(path)
    assert journal.verify() == journal.head[0]
    told = receipt_file(journal.rows(), [{}])["entries"][8]["time"]
    assert told.endswith(".000Z")
    journal.close()
