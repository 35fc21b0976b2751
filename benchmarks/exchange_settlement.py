"""FINAL of one interval for many homes: processor time, and the longest hold of the event loop; the
same hold for one look of the fleet page.

    python -m benchmarks.exchange_settlement [--homes 10000]

Every home has a fill, a reading, and a revenue reading that differs, so FINAL reverses and writes
every statement. Floor in the same run: SQLite reading the same rows and inserting as many statements
in one transaction. Targets: at most 0.5 s of processor time, at most 50 ms at a time in the loop.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.clock import SimClock
from simulators.exchange import Party, Terms
from simulators.exchange.fleet import fleet
from simulators.exchange.market import Market
from simulators.exchange.rows import Batch, Call, Delivery, Fill, Mark, to_quarter
from simulators.exchange.sqlite_file import insert
from simulators.exchange.sqlite_ledger import SqliteLedger
from simulators.exchange.terms import LSE_PARTY
from simulators.prices import SyntheticPrices

START = datetime(2026, 6, 1, 12, tzinfo=UTC)


def day(market: Market, ledger: SqliteLedger, homes: int) -> int:
    """One interval in which every home sold and reported; its quarter-hour."""
    market.parties.register(*(Party(f"home-{n}", "home", 25_000) for n in range(homes)))
    quarter, rng, batch = to_quarter(START), random.Random(1), Batch()
    call = Call(market.number(), quarter, 0, 5_000, 0)
    batch.add(call, *(Mark(run, str(quarter - 1)) for run in ("PRELIM", "FINAL", "TRUEUP")))
    sold, lse = 0, market.parties.get(LSE_PARTY)
    if lse is None:
        raise SystemExit("a market has a retailer")
    for party in market.parties.all():
        if party is lse:
            continue
        wh = rng.randrange(10, 200) * 10
        batch.add(
            Fill(quarter, party.number, market.number(), call.seq, 0, 0, 0, 5_000, wh),
            Delivery(quarter, party.number, market.number(), 0, wh + rng.randrange(-300, 300), 1),
        )
        sold += wh
    batch.add(Fill(quarter, lse.number, market.number(), call.seq, 0, 1, 1, 5_000, sold))
    with ledger.transaction() as db:
        insert(db, batch)
    market.load()
    return quarter


async def beat(longest: list[float]) -> None:
    last = time.thread_time()
    while True:
        await asyncio.sleep(0.001)
        now = time.thread_time()
        longest[0] = max(longest[0], now - last)
        last = now


async def measure(folder: Path, homes: int) -> tuple[float, float, float, float]:
    ledger = SqliteLedger(folder / "exchange.db")
    clock = SimClock(START + timedelta(days=2))
    market = Market(clock, ledger, SyntheticPrices(1), Terms())
    quarter = day(market, ledger, homes)
    await market.settlement.settle_through("PRELIM", quarter, clock.now(), ledger)
    batch = Batch()
    for party in market.parties.all():
        if party.party_id == LSE_PARTY:
            continue
        batch.add(Delivery(quarter, party.number, market.number(), 0, 700, 2))
    await ledger.append(batch)
    longest = [0.0]
    watch = asyncio.get_running_loop().create_task(beat(longest))
    await asyncio.sleep(0.01)
    longest[0] = 0.0
    began = time.process_time()
    await market.settlement.settle_through("FINAL", quarter, clock.now(), ledger)
    spent = time.process_time() - began
    settling, longest[0] = longest[0], 0.0
    await fleet(market, {})
    looking = longest[0]
    watch.cancel()
    if sum((await ledger.totals()).values()):
        raise SystemExit("the account does not sum to zero")
    floor = bare(folder, quarter)
    ledger.close()
    return spent, settling, looking, floor


def bare(folder: Path, quarter: int) -> float:
    """Processor time of reading those rows and writing as many statements, and nothing else."""
    db = sqlite3.connect(folder / "exchange.db", isolation_level=None)
    began = time.process_time()
    rows = db.execute("SELECT * FROM statement WHERE start = ?", (quarter,)).fetchall()
    db.execute("SELECT * FROM fill WHERE start = ?", (quarter,)).fetchall()
    db.execute("SELECT * FROM delivery WHERE start = ?", (quarter,)).fetchall()
    final = max(row[3] for row in rows)
    copies = [(row[0] - 1, *row[1:]) for row in rows if row[3] == final]
    db.execute("BEGIN")
    marks = ", ".join("?" * len(rows[0]))
    db.executemany(f"INSERT INTO statement VALUES ({marks})", copies)  # noqa: S608 - own table
    db.execute("COMMIT")
    spent = time.process_time() - began
    db.close()
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, default=10_000)
    homes = parser.parse_args().homes
    with tempfile.TemporaryDirectory() as folder:
        spent, longest, looking, floor = asyncio.run(measure(Path(folder), homes))
    print(f"FINAL of {homes} homes, every statement corrected")
    print(f"processor time          {spent:7.3f} s   (target <= 0.5)")
    print(f"longest hold of the loop{longest * 1e3:7.1f} ms  (target <= 50)")
    print(f"a look at the fleet page{looking * 1e3:6.1f} ms  (target <= 50)")
    print(f"bare reads and inserts  {floor:7.3f} s   ratio {spent / floor:.1f}")


if __name__ == "__main__":
    main()
