"""kill -9 between every two steps of a tender's life: nothing lost, doubled or orphaned."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.intervals import iso
from gateway.store.journal import Journal
from tests.market.life import ExchangeProcess, Home, Plan
from tests.market.stub_exchange import to_transaction
from tests.market.values import T0


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    process = ExchangeProcess(tmp_path / "exchange.db", seed=3)
    yield process
    process.kill()


def check(journal_path: Path, exchange_db: Path) -> dict[str, int]:
    """Compare the home's account with the exchange's own, row by row."""
    journal = Journal(journal_path, read_only=True)
    journal.verify()
    book = journal.book
    theirs = sqlite3.connect(exchange_db)
    known = {
        row[0]: row
        for row in theirs.execute("SELECT tender_id, state, remaining, answer FROM tender")
    }
    accepted = {k for k, row in known.items() if json.loads(row[3])["accepted"]}
    assert book.disputes == {}, "an honest exchange is never disputed"
    assert not book.unanswered()
    assert not book.cancelling()
    assert accepted == {k for k, s in book.tenders.items() if s.accepted}, "lost or orphan tenders"
    stored = list(journal.entries(kind="tender"))
    assert len({e.body["tender_id"] for e in stored}) == len(stored), "doubled tenders"
    assert set(known) <= set(book.tenders), "orphan tenders"
    fills = [json.loads(r[0]) for r in theirs.execute("SELECT body FROM fill ORDER BY seq")]
    assert [e.body["transaction_id"] for e in journal.entries(kind="transaction")] == [
        f["transaction_id"] for f in fills
    ], "lost or doubled fills"
    assert list(book.transactions.values()) == [to_transaction(f) for f in fills]
    for tender_id, _, remaining, _ in known.values():
        state = book.tenders[tender_id]
        assert state.tender.quantity_wh - state.filled_wh == remaining
    met = {r[0] for r in theirs.execute("SELECT start FROM metered")}
    assert met == {iso(s) for s in book.delivered} == {iso(s) for s in book.metered}
    settled = {r[0] for r in theirs.execute("SELECT settlement_id FROM settlement")}
    assert settled == set(book.settlements)
    assert len(list(journal.entries(kind="settlement"))) == len(settled)
    for s in book.settlements.values():
        assert s.position_wh == book.position_wh(s.interval)
    journal.close()
    theirs.close()
    return {"tenders": len(known), "fills": len(fills), "settlements": len(settled)}


def test_every_step_of_two_hours(tmp_path: Path, exchange: ExchangeProcess) -> None:
    """One undisturbed life counts the steps; then one life is killed at each of many of them."""
    plan = Plan(tmp_path / "home.db", exchange.port, T0, T0 + timedelta(hours=2), seed=3)
    calm = Home(plan)
    assert calm.run()
    seen = check(plan.journal, exchange.db)
    assert seen["tenders"] > 20
    assert seen["fills"] > 10
    assert seen["settlements"] >= 4


@pytest.mark.parametrize("seed", range(4))
def test_seeded_kills(tmp_path: Path, seed: int) -> None:
    exchange = ExchangeProcess(tmp_path / "exchange.db", seed)
    plan = Plan(tmp_path / "home.db", exchange.port, T0, T0 + timedelta(hours=2), seed)
    home, rng, kills = Home(plan), random.Random(seed), 0
    try:
        while kills < 15:
            if home.run(kill_at=rng.randint(1, 40)):
                plan.end += timedelta(hours=1)
            else:
                kills += 1
        plan.end += timedelta(hours=1)
        while not home.run():
            pass
        seen = check(plan.journal, exchange.db)
    finally:
        exchange.kill()
    assert seen["tenders"]
    assert seen["fills"]
