"""Seeded kills over simulated days on the real simulated exchange; HEG_KILLS sets how many."""

from __future__ import annotations

import asyncio
import os
import random
from datetime import timedelta
from pathlib import Path

from gateway.clock import SimClock
from gateway.domain.intervals import iso
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from gateway.market.reconcile import differences
from gateway.store.journal import Journal
from simulators.exchange import start_exchange
from simulators.exchange.sqlite_ledger import SqliteLedger
from tests.market.network import Run, Town
from tests.market.values import T0
from tests.market.worlds import SteadyPrices

KILLS = int(os.environ.get("HEG_KILLS", "25"))


def test_nothing_is_lost_doubled_or_orphaned(tmp_path: Path) -> None:
    town = Town(tmp_path, T0, T0, seed=11)
    run = Run(town, random.Random(11))
    run.play(KILLS)
    assert sum(run.kills.values()) >= KILLS
    assert all(run.kills.values()), run.kills
    journal = Journal(town.home, read_only=True)
    journal.verify()
    book = journal.book
    assert book.unanswered() == []
    assert book.cancelling() == []
    _tenders(journal, town)
    asyncio.run(_accounts(journal, town))
    journal.close()


async def _theirs(town: Town) -> dict[str, tuple[int, int, int]]:
    """What the exchange's evidence says of the home's tenders: Wh offered, filled, taken back."""
    store, found = SqliteLedger(town.exchange / "exchange.db"), {}
    for party_id, (tender_id, tender) in await store.tenders():
        state = await store.tender(tender.party, tender_id)
        if party_id == "home" and state is not None:
            found[tender_id] = (state.quantity, state.filled, state.canceled)
    store.close()
    return found


def _tenders(journal: Journal, town: Town) -> None:
    """Every tender that the exchange has is ours once, with the same fills and the same rest."""
    theirs = asyncio.run(_theirs(town))
    stored = {e.body["tender_id"]: e.body for e in journal.entries(kind="tender")}
    answers = [e.body for e in journal.entries(kind="answer")]
    accepted = {a["tender_id"] for a in answers if a["accepted"]}
    assert len(stored) == len(list(journal.entries(kind="tender"))), "a tender is stored twice"
    assert len(answers) == len({a["tender_id"] for a in answers}) == len(stored)
    assert accepted == set(theirs), "lost or orphan tenders"
    filled: dict[str, int] = {}
    for e in journal.entries(kind="transaction"):
        filled[e.body["tender_id"]] = filled.get(e.body["tender_id"], 0) + e.body["quantity_wh"]
    assert set(filled) <= set(stored), "orphan fills"
    for tender_id, (quantity, traded, canceled) in theirs.items():
        assert stored[tender_id]["quantity_wh"] == quantity
        assert traded == filled.get(tender_id, 0)
        assert traded + canceled <= quantity
    assert len(theirs) > 5


async def _accounts(journal: Journal, town: Town) -> None:
    """Over the wire: the exchange's account of the home is the home's own, and all sums to 0."""
    clock = SimClock(town.end)
    async with asyncio.TaskGroup() as group:

        async def ask() -> None:
            handle = await start_exchange(clock, group, town.exchange, SteadyPrices())
            exchange = connect(ExchangeAccess(handle.url, "home", clock))
            fills = await exchange.transactions(0)
            settled = await exchange.settlements(T0, town.end)
            assert handle.zero_sum_error == 0
            assert len(fills) > 5
            assert len(settled) > 5
            assert differences(journal.book, fills, settled, T0, town.end) == []
            stored = [e.body["transaction_id"] for e in journal.entries(kind="transaction")]
            assert stored == [f.transaction_id for f in fills], "lost, doubled or out of order"
            met = [e.body["start"] for e in journal.entries(kind="metered")]
            assert len(met) == len(set(met))
            assert {iso(s) for s in journal.book.delivered} == set(met)
            standing = {
                s.interval.start for s in settled if s.interval.end < town.end - timedelta(hours=1)
            }
            assert standing <= {s.interval.start for s in journal.book.settlements.values()}
            await exchange.close()
            await handle.close()

        clock.spawn(group, ask(), "ask")
