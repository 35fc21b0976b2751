"""Memory of the account alone over weeks of trade: how much its window of 40 days takes, and that it ends.

`benchmarks/endurance.py` sees the whole agent, and needs minutes a day. Here the same journal takes the rows
of a home that sells in 15 hours of each day, without anything else in the process.

    MALLOC_MMAP_THRESHOLD_=262144 MALLOC_TRIM_THRESHOLD_=262144 python -m benchmarks.account_memory --days 60

(as the guard starts the agent). Prints the slope from day 3 on while the window fills, and after it has.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.domain.intervals import QUARTER, iso, quarter
from gateway.domain.trade import Metered, Run, Settlement, Side, Tender, TenderAnswer, Transaction
from gateway.store.book import KEPT
from gateway.store.codec import (
    answer_body,
    metered_body,
    settlement_body,
    tender_body,
    transaction_body,
)
from gateway.store.journal import Journal
from tests.safety.two_processes import resident_mb

START = datetime(2026, 6, 1, tzinfo=UTC)
TENDERS, FILLS = 5, 2  # a quarter-hour
SELLS = range(30, 90)  # quarter-hours of a day
FULL_DAY = KEPT.days + 4  # the checkpoint that forgets comes days later


def rows_of(start: datetime, number: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a quarter-hour of trade adds to the account."""
    interval = quarter(start)
    for n in range(TENDERS):
        name = f"home-0192f3a4-{number:07d}-{n}"
        yield "tender", tender_body(Tender(name, interval, Side.SELL, 400, 4500 + n, start))
        yield "answer", answer_body(TenderAnswer(name, True, f"order-{number}-{n}", 200, "ok"))
        if n < FILLS and number % 96 in SELLS:
            fill = f"fill-{number:09d}-{n}-0123456789abcdef"
            yield (
                "transaction",
                transaction_body(
                    Transaction(fill, number * FILLS + n + 1, name, interval, Side.SELL, 400, 4500)
                ),
            )
    counted = Metered(interval, 0, 450, 10**6 + number, 10**7 + number)
    yield "metered", metered_body(counted)
    span = {"start": iso(interval.start), "end": iso(interval.end)}
    yield "delivered", span
    money = (123_456_789 + number, -1_234_567 - number, 99_999 + number, 0)
    row = Settlement(f"{number:032x}", interval, Run.PRELIM, 800, 450, 4321 + number % 96, *money)
    yield "settlement", settlement_body(row)
    ticks = {"import_ticks": 14_000, "export_ticks": 3_000, "imbalance_ticks": 4321 + number % 96}
    yield "price", {**span, **ticks}


def days(count: int) -> list[float]:
    """Resident MB at the end of each day."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite")
        for number in range(count * 96):
            start = START + number * QUARTER
            entries = journal.append_all(rows_of(start, number), start + QUARTER)
            journal.mark_sent(*(entry.seq for entry in entries))
            if timedelta(minutes=15) * (number + 1) % timedelta(days=1) == timedelta(0):
                found.append(resident_mb(os.getpid()))
        journal.close()
    return found


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--days", type=int, default=60)
    found = days(words.parse_args().days)
    print("MB at the end of every fifth day: " + ", ".join(f"{mb:.1f}" for mb in found[4::5]))
    for name, first, last in (("filling", 2, FULL_DAY), ("full", FULL_DAY, len(found))):
        part = found[first:last]
        if len(part) > 1:
            rise = statistics.linear_regression(range(len(part)), part).slope
            print(f"{name}: {rise:+.3f} MB a day from day {first + 1} on")


if __name__ == "__main__":
    main()
