"""The journal against bare SQLite, and what age costs at a start.

    python -m benchmarks.journal [--days 365]

Floor of writing: the same rows inserted with the same durability (WAL, synchronous FULL, one
transaction an interval), without hashes, outbox and fold. Target: at least a third of its rate.
Packing: rows older than 60 days in segments of a thousand; what a step costs and what the file has then.
Floor of starting: a journal that is 45 days old (as much as is kept in memory). Target: at most 2 times that after ``--days``.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from pathlib import Path

from gateway.domain.intervals import QUARTER, iso
from gateway.store.chain import canonical
from gateway.store.journal import Journal
from tests.store.history import T0, Items, one_interval


def intervals(count: int) -> list[Items]:
    rng = random.Random(1)
    return [one_interval(number, rng) for number in range(count)]


def journal_rate(path: Path, work: list[Items]) -> float:
    """Durable intervals (14 rows each) a second through the journal."""
    journal = Journal(path)
    began = time.perf_counter()
    for number, items in enumerate(work):
        journal.append_all(items, T0 + number * QUARTER)
    spent = time.perf_counter() - began
    journal.close()
    return len(work) / spent


def bare_rate(path: Path, work: list[Items]) -> float:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, time TEXT, kind TEXT, body TEXT)")
    began = time.perf_counter()
    for number, items in enumerate(work):
        at = iso(T0 + number * QUARTER)
        db.execute("BEGIN IMMEDIATE")
        for kind, body in items:
            db.execute("INSERT INTO entry VALUES (NULL, ?, ?, ?)", (at, kind, canonical(body)))
        db.execute("COMMIT")
    spent = time.perf_counter() - began
    db.close()
    return len(work) / spent


def aged(path: Path, days: int) -> int:
    """A journal that has traded for ``days``; written without waiting for the disk."""
    journal = Journal(path)
    journal._db.execute("PRAGMA synchronous=OFF")
    rng = random.Random(1)
    for day in range(days):
        items = [row for n in range(day * 96, day * 96 + 96) for row in one_interval(n, rng)]
        journal.append_all(items, T0 + day * 96 * QUARTER)
    rows = journal.head[0]
    journal.close()
    return rows


def pack(path: Path, days: int) -> None:
    """What packing costs and saves at the end of ``days``."""
    before = path.stat().st_size
    journal, now, steps = Journal(path), T0 + days * 96 * QUARTER, []
    while True:
        began = time.perf_counter()
        if not journal.compact(now):
            break
        steps.append(time.perf_counter() - began)
    journal.close()
    began = time.perf_counter()
    Journal(path).close()
    shrunk = time.perf_counter() - began
    after = path.stat().st_size
    print(
        f"pack: {before / 1e6:.0f} MB to {after / 1e6:.0f} MB in {len(steps)} steps of"
        f" {1000 * sum(steps) / max(1, len(steps)):.0f} ms, worst {1000 * max(steps, default=0):.0f} ms;"
        f" the start that gave the pages back {shrunk:.1f} s"
    )


def start_seconds(path: Path) -> float:
    found = []
    for _ in range(5):
        began = time.perf_counter()
        Journal(path).close()
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    days = parser.parse_args().days
    with tempfile.TemporaryDirectory() as folder:
        work = intervals(500)
        ours = journal_rate(Path(folder) / "ours.db", work)
        bare = bare_rate(Path(folder) / "bare.db", work)
        print(f"write: {ours:.0f} intervals/s, bare {bare:.0f}, ratio {ours / bare:.2f} (>= 0.33)")
        young, old = Path(folder) / "young.db", Path(folder) / "old.db"
        few, many = aged(young, 45), aged(old, days)
        fast, slow = start_seconds(young), start_seconds(old)
        print(
            f"start: {slow * 1000:.0f} ms with {many} rows, {fast * 1000:.0f} ms with {few},"
            f" ratio {slow / fast:.2f} (<= 2)"
        )
        pack(old, days)
        journal = Journal(old, read_only=True)
        began = time.perf_counter()
        journal.verify()
        spent = time.perf_counter() - began
        print(f"verify: {many / spent:.0f} rows/s, {spent:.1f} s for {days} days")
        journal.close()


if __name__ == "__main__":
    main()
