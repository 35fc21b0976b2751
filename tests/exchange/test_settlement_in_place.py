"""The statements that the database makes are those that the engine makes, row by row."""

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from gateway.clock import SimClock
from simulators.exchange import Party, Terms
from simulators.exchange.cluster.market import ClusterMarket
from simulators.exchange.cluster.settlement import SettlementInPlace
from simulators.exchange.postgres_ledger import PostgresLedger
from simulators.exchange.rows import (
    Batch,
    Delivery,
    Fill,
    Mark,
    Statement,
    Waiver,
    from_quarter,
    to_quarter,
)
from tests.exchange import servers
from tests.exchange.conftest import START, TestPrices

QUARTER = to_quarter(START)
PARTIES = 60


def stated(batch: Batch) -> list[tuple[Any, ...]]:
    """What counts of a run's statements: not their numbers, but what each reverses."""
    return sorted(
        (row.party, *tuple(row)[4:11], row.reverses is not None)
        for row in batch
        if isinstance(row, Statement)
    )


async def both(seed: int, waived: bool) -> None:
    ledger = servers.postgres().ledger()
    assert isinstance(ledger, PostgresLedger)
    try:
        await compared(ledger, Random(seed), waived)
    finally:
        ledger.close()


async def compared(ledger: PostgresLedger, rng: Random, waived: bool) -> None:
    market = ClusterMarket(SimClock(START), ledger, TestPrices(-20.0, 55.0), Terms())
    parts = market.terms, market.prices, market.parties, market.marks, market.number
    in_place = SettlementInPlace(*parts)
    market.parties.register(*(Party(f"p{n}", "home", 25_000) for n in range(PARTIES)))
    numbers = [party.number for party in market.parties.all()]  # the retailer among them
    batch = Batch()
    for seq in range(1, 150):
        buy, wh, price = rng.randrange(2), rng.randrange(1, 900) * 10, rng.randrange(-9_000, 9_000)
        party = rng.choice(numbers[: PARTIES // 2])
        batch.add(Fill(QUARTER, party, seq, seq, 0, seq, buy, price, wh))
    for run in ("PRELIM", "FINAL", "TRUEUP"):
        batch.add(Mark(run, str(QUARTER - 1)))
        market.marks[run] = str(QUARTER - 1)
    if waived:
        batch.add(Waiver(QUARTER, 0))
    await ledger.append(batch)
    for quality, run in enumerate(("PRELIM", "FINAL", "TRUEUP")):
        when = from_quarter(QUARTER) + timedelta(hours=quality + 1)
        batch = Batch()
        for party in rng.sample(numbers, PARTIES // 3):
            counted = rng.randrange(9_000), rng.randrange(9_000)
            batch.add(Delivery(QUARTER, party, rng.randrange(2**40), *counted, quality))
        await ledger.append(batch)
        found = await ledger.settlement_columns(QUARTER)
        expected = stated(await market.settlement.settle(QUARTER, run, found, when))
        known = len(ledger.all("SELECT 1 FROM statement"))
        await in_place.settle_one(QUARTER, run, when, ledger)
        rows = ledger.all(
            "SELECT party, position, metered, estimated, energy, imbalance, uncontracted, fee,"
            " reverses IS NOT NULL FROM statement ORDER BY seq OFFSET ?",
            known,
        )
        assert expected
        assert sorted(rows) == expected
    # The fills of this test do not balance; all else is against the retailer.
    traded = (
        "SELECT SUM(CASE buy WHEN 0 THEN quantity ELSE -quantity END * price)::bigint FROM fill"
    )
    assert sum(ledger.totals_now().values()) == ledger.all(traded)[0][0]


@pytest.mark.parametrize(("seed", "waived"), [(1, False), (2, True), (3, False)])
def test_the_database_states_what_the_engine_states(seed: int, waived: bool) -> None:
    asyncio.run(both(seed, waived))
