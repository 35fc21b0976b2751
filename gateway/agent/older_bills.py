"""The bills of days before days were kept, read from the journal once, from its first row on.

It runs in a thread of its own with connections of its own: a year of rows takes seconds, and nobody waits for it. The book
that it folds rows into forgets as the agent's does, so that ten years need no more memory than forty days.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

from gateway.bill.account import first_of, periods
from gateway.bill.days import CONTEXT, CORRECTED, DayBill, beginning, made
from gateway.bill.home import Equipment, account_from
from gateway.store.book import Book
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.tariff import TariffRules

_AT_ONCE = timedelta(days=15)


def older_days(
    paths: tuple[Path, Path],
    rules: TariffRules,
    home: Equipment,
    until: datetime,
    stop: Event,
) -> list[DayBill]:
    """The days that began before ``until``, at the present tariff: no other is known of them.

    ``paths`` are those of journal and history, ``home`` what comparisons need. Ends early, with nothing, when
    ``stop`` is set. Raises StorageError or JournalBroken where the journal cannot be read.
    """
    found: list[DayBill] = []
    with ExitStack() as files:
        journal = Journal(paths[0], read_only=True)
        files.callback(journal.close)
        history = History(paths[1], read_only=True)
        files.callback(history.close)
        book, due = Book(), datetime.min.replace(tzinfo=until.tzinfo)

        def make(end: datetime) -> None:
            begin = found[-1].end if found else min(book.metered, default=end)
            if begin >= end:
                return
            since = min(begin - CONTEXT, first_of("month", begin, rules))
            flows = history.each_flow(since, end + CONTEXT)
            known = account_from(beginning(found, since), book, rules, flows, home)
            whole = [day for day in periods(begin, end, rules, "day") if day[1] <= end]
            found.extend(made(known, whole))

        for entry in journal.entries():
            if stop.is_set():
                return []
            if entry.kind == "checkpoint":  # here the book forgets when its days are made
                continue
            book.add(entry)
            newest = book.counted[0] if book.counted else None
            if newest is None or newest < due:
                continue
            make(_midnight_before(newest - CORRECTED, rules, until))
            book.forget(entry.time - CORRECTED)  # the month of the next day stays
            due = newest + _AT_ONCE
        make(until)
    return found


def _midnight_before(moment: datetime, rules: TariffRules, until: datetime) -> datetime:
    """The local midnight at or before ``moment``, at latest ``until``."""
    here = moment.astimezone(rules.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return min(here.astimezone(until.tzinfo), until)
