"""The journal's file: durable, replayed, bounded, one writer, and honest when the disk is full."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.intervals import QUARTER, quarter
from gateway.errors import StorageError
from gateway.market.account import book_of
from gateway.store import checkpoint
from gateway.store.book import Book
from gateway.store.journal import Journal
from tests.store.history import T0, one_interval, write_history

FORK = multiprocessing.get_context("fork")


def folded(journal: Journal) -> Book:
    book = Book()
    for entry in journal.entries():
        book.add(entry)
    return book


@pytest.mark.parametrize("every", [1, 7, 100, 10**9])
def test_a_start_from_a_checkpoint_gives_the_same_book(tmp_path: Path, every: int) -> None:
    path = tmp_path / "journal.db"
    write_history(path, days=1, checkpoint_every=every)
    journal = Journal(path, checkpoint_every=every)
    assert journal.verify() == journal.head[0]
    assert checkpoint.dump(journal.book) == checkpoint.dump(folded(journal))
    assert journal.book == folded(journal)
    assert (journal.head[0] > 96 * 14) == (every < 10**9)


def test_the_book_forgets_old_intervals_and_the_file_does_not(tmp_path: Path) -> None:
    """Sixty days of four intervals each, so that the past is long and the test is short."""
    path, rng = tmp_path / "journal.db", random.Random(1)
    journal = Journal(path, checkpoint_every=200)
    for day in range(60):
        for number in range(day * 96, day * 96 + 4):
            journal.append_all(one_interval(number, rng), T0 + timedelta(days=day))
    journal.close()
    journal = Journal(path, checkpoint_every=200)
    book, slack = journal.book, 200 // 14 + 4
    assert 40 * 4 <= len(book.metered) <= 40 * 4 + slack
    assert len(book.transactions) == len(book.settlements) == len(book.metered)
    assert 2 * 4 * 4 <= len(book.tenders) <= (2 * 4 + slack) * 4
    assert book.position_wh(quarter(T0)) == 0
    assert book.tender_count == 60 * 4 * 4, "numbers of tenders are never used again"
    assert book.last_sequence == 59 * 96 + 4
    journal.verify()
    whole = book_of(journal.entries(), T0, T0 + timedelta(days=1))
    assert len(whole.metered) == 4
    assert whole.position_wh(quarter(T0)) == 50


def test_an_unanswered_tender_is_never_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db", checkpoint_every=5)
    tender = one_interval(0, random.Random(1))[0]
    journal.append(*tender, T0)
    for day in range(1, 60):
        journal.append("note", {"text": "a day"}, T0 + timedelta(days=day))
    assert [s.tender.tender_id for s in journal.book.unanswered()] == ["t0-0"]
    journal.close()
    again = Journal(tmp_path / "journal.db")
    assert [s.tender.tender_id for s in again.book.unanswered()] == ["t0-0"]
    again.verify()


@pytest.mark.parametrize("settled", [False, True])
def test_a_clock_that_jumps_ahead_makes_nobody_forget_a_sale(tmp_path: Path, settled: bool) -> None:
    journal, rng = Journal(tmp_path / "journal.db", checkpoint_every=5), random.Random(1)
    journal.append_all(one_interval(0, rng)[: None if settled else -1], T0)
    journal.append_all(one_interval(1, rng)[:-3], T0)  # sold, not yet delivered
    for day in range(10):
        journal.append("note", {"text": "the clock is wrong"}, T0 + timedelta(days=9000 + day))
    assert journal.book.position_wh(quarter(T0 + QUARTER)) == 50
    assert len(journal.book.tenders_of(quarter(T0 + QUARTER))) == 4
    journal.close()
    assert Journal(tmp_path / "journal.db").book.position_wh(quarter(T0 + QUARTER)) == 50


def test_without_trade_what_is_counted_tells_what_is_old(tmp_path: Path) -> None:
    journal, rng = Journal(tmp_path / "journal.db", checkpoint_every=300), random.Random(1)
    for day in range(55):
        numbers = range(day * 96, day * 96 + 96)
        rows = [one_interval(number, rng)[-3] for number in numbers]
        journal.append_all(rows, T0 + timedelta(days=day + 1))
    assert 40 * 96 <= len(journal.book.metered) <= 44 * 96
    journal.verify()


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(days=9000)])
def test_what_a_wrong_clock_made_us_forget_is_forgotten_by_who_reads_it_again(
    tmp_path: Path, ahead: timedelta
) -> None:
    """A note by a clock that is ahead, and the next checkpoint by one that is right: the account is whole, and has its past."""
    path, rng = tmp_path / "journal.db", random.Random(1)
    journal = Journal(path, checkpoint_every=500)
    for number in range(3 * 96):
        now = T0 + (number + 1) * QUARTER
        journal.append_all(one_interval(number, rng)[-3:], now)
        if number == 200:
            journal.append("note", {"text": "the clock is wrong"}, now + ahead)
    assert len(journal.book.metered) == 3 * 96
    journal.verify()
    journal.close()
    assert len(Journal(path).book.metered) == 3 * 96


def test_a_home_that_trades_no_more_forgets_too(tmp_path: Path) -> None:
    journal, rng = Journal(tmp_path / "journal.db", checkpoint_every=300), random.Random(1)
    journal.append_all(one_interval(0, rng), T0)
    for day in range(55):
        numbers = range(day * 96 + 1, day * 96 + 97)
        rows = [one_interval(number, rng)[-3] for number in numbers]
        journal.append_all(rows, T0 + timedelta(days=day + 1))
    assert 40 * 96 <= len(journal.book.metered) <= 44 * 96
    assert not journal.book.settlements
    journal.verify()


def test_a_checkpoint_of_another_format_means_reading_everything(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    write_history(path, days=1, checkpoint_every=10**9)
    journal = Journal(path)
    before = checkpoint.dump(journal.book)
    entry = journal.append("checkpoint", {"format": 99, "state_sha256": "?"}, T0)
    journal._db.execute("INSERT INTO checkpoint VALUES (?, '{}')", (entry.seq,))
    journal.close()
    again = Journal(path)
    assert checkpoint.dump(again.book) == before
    again.verify()


def writer(path: Path, acknowledged: Any, seed: int) -> None:
    journal, rng = Journal(path, checkpoint_every=20), random.Random(seed)
    number = len(journal.book.metered)
    while True:
        journal.append_all(one_interval(number, rng), T0 + number * QUARTER)
        number += 1
        acknowledged.value = journal.head[0]


def test_kill_9_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    path, rng = tmp_path / "journal.db", random.Random(5)
    acknowledged = FORK.Value("q", 0)
    for life in range(12):
        before = acknowledged.value
        child = FORK.Process(target=writer, args=(path, acknowledged, life))
        child.start()
        while acknowledged.value < before + rng.randint(20, 300):
            os.sched_yield()
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        journal = Journal(path, checkpoint_every=20)
        assert journal.head[0] >= acknowledged.value
        assert journal.verify() == journal.head[0]
        assert checkpoint.dump(journal.book) == checkpoint.dump(folded(journal))
        journal.close()


def test_disk_full_is_said_and_passes(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db", checkpoint_every=50)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages + 10}")

    def fill() -> None:
        rng = random.Random(1)
        for number in range(1000):
            journal.append_all(one_interval(number, rng), T0)

    with pytest.raises(StorageError, match="cannot store"):
        fill()
    head = journal.head
    assert len(list(journal.entries())) == head[0]
    assert journal.book == folded(journal), "a failed write leaves nothing in memory"
    journal._db.execute("PRAGMA max_page_count = 1000000")
    journal.append("note", {"text": "there is room again"}, T0)
    assert journal.verify() >= head[0] + 1


def child_opens(path: Path, result: Any) -> None:
    try:
        Journal(path)
        result.value = 1
    except StorageError as error:
        result.value = 2 if "another process" in str(error) else 3


def test_one_writer(tmp_path: Path) -> None:
    path, result = tmp_path / "journal.db", FORK.Value("i", 0)
    journal = Journal(path)
    for expected in (2, 1):
        child = FORK.Process(target=child_opens, args=(path, result))
        child.start()
        child.join()
        assert result.value == expected
        journal.close()


def test_others_may_look_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.append("note", {"text": "one"}, T0)
    looking = Journal(path, read_only=True)
    journal.append("note", {"text": "two"}, T0)
    assert looking.verify() == 2
    with pytest.raises(StorageError):
        looking.append("note", {"text": "three"}, T0)
    assert journal.verify() == 2
    with pytest.raises(StorageError, match="no journal here"):
        Journal(tmp_path / "nowhere" / "journal.db", read_only=True)


def test_the_outbox_keeps_what_the_broker_has_not_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path, checkpoint_every=2)
    for text in "abcde":
        journal.append("note", {"text": text}, T0)
    first, second, *_ = journal.unsent()
    journal.mark_sent(first.seq)
    journal.close()
    again = Journal(path)
    assert again.unsent()[0] == second
    assert [e.body["text"] for e in again.unsent()] == list("bcde"), "checkpoints are nobody's news"
    assert len(again.unsent(limit=2)) == 2


def test_what_only_forgets_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """Half of a card's flushes were for rows that may come back; everything else still waits."""
    journal = Journal(tmp_path / "journal.db")
    said: list[str] = []
    journal._db.set_trace_callback(said.append)

    def waits(write: Callable[[], object]) -> bool:
        """Whether SQLite would flush at the write's commit."""
        said.clear()
        write()
        assert journal._db.execute("PRAGMA synchronous").fetchone()[0] == 2, "FULL again"
        return "PRAGMA synchronous=NORMAL" not in said[: said.index("COMMIT")]

    assert waits(lambda: journal.append("note", {"text": "kept"}, T0))
    assert not waits(lambda: journal.mark_sent(1))
    assert journal.unsent_count() == 0
    journal.close()
    with pytest.raises(StorageError):
        journal.mark_sent(1)
