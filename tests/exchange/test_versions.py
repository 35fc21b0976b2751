"""Stores of every schema that there was are brought forward; parties find their account as it was."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import QUARTER, quarter
from gateway.domain.trade import Metered, Side, Tender
from gateway.errors import StorageError
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from simulators.exchange import ExchangeHandle, start_exchange
from simulators.exchange.names import market_order_id
from simulators.exchange.sqlite_ledger import SqliteLedger
from simulators.exchange.sqlite_schema import VERSION
from tests.exchange.conftest import START, TestPrices

RELEASED = Path(__file__).parent / "released"
T = START + timedelta(hours=1)
STOPPED = datetime(2026, 6, 1, 13, 42, tzinfo=UTC)
# As these exchanges told them: fills by number, and the first settlement.
FILLS = [
    "ed79c3d2c6a89894ddc33513862efdd9",
    "d222aa7eddb5426684635402ea04f23c",
    "d618a97595afbfc18656eaca346a90bf",
    "2bff230f66648e4f2c640f179d52c2e6",
]
SETTLED = "fb84affc7bc6a32d7d953a4c28c6a678"
NAMES = sorted(f.stem for f in RELEASED.glob("*.sql"))


def released(name: str, folder: Path) -> Path:
    """The store as that exchange left it."""
    folder.mkdir()
    path = folder / "exchange.db"
    db = sqlite3.connect(path)
    db.executescript((RELEASED / f"{name}.sql").read_text())
    db.close()
    return path


def test_there_is_one_of_each() -> None:
    assert [name.partition("-")[0] for name in NAMES] == ["1", "1", "2", "3", "4"]
    assert VERSION == 5, "a new schema brings a file of the former one with it"


@pytest.mark.parametrize("name", NAMES)
async def test_the_account_is_what_it_was_and_goes_on(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "exchange"
    released(name, folder)
    clock = SimClock(STOPPED)

    async def told() -> None:
        handle = await start_exchange(clock, group, folder, TestPrices())
        try:
            await _story(handle, clock)
        finally:
            await handle.close()

    async with asyncio.TaskGroup() as group:
        clock.spawn(group, told(), "story")
    again = SqliteLedger(folder / "exchange.db")
    assert sum(again.totals_now().values()) == 0
    again.close()


async def _story(handle: ExchangeHandle, clock: SimClock) -> None:
    home, buyer = (
        connect(ExchangeAccess(handle.url, party, clock)) for party in ("home", "charging-1")
    )
    fills = await home.transactions(0)
    assert [f.transaction_id for f in fills] == FILLS
    assert [(f.tender_id, f.quantity_wh, f.price_ticks) for f in fills] == [
        (f"h-{n}", 500, 2700) for n in range(4)
    ]
    (settled,) = await home.settlements(START, clock.now())
    assert (settled.settlement_id, settled.position_wh, settled.total_money) == (
        SETTLED,
        500,
        1_350_000,
    )
    assert handle.zero_sum_error == 0
    for number in range(4):
        answer = await home.find_tender(f"h-{number}")
        assert answer is not None
        assert answer.accepted
        assert answer.market_order_id == market_order_id("home", f"h-{number}")
    assert list(await home.open_tenders()) == ["h-open"]
    assert (await home.cancel("h-open")).remaining_wh == 400
    assert not (await home.cancel("h-back")).success, "it was taken back before"
    start = T + timedelta(hours=1, minutes=15)
    gate = start - timedelta(minutes=5)
    for exchange, tender_id, side, price in (
        (home, "h-new", Side.SELL, 2000),
        (buyer, "c-new", Side.BUY, 6000),
    ):
        tender = Tender(tender_id, quarter(start), side, 300, price, gate)
        (answer,) = await exchange.create_tenders([tender])
        assert answer.accepted
    await clock.sleep_until(T + timedelta(minutes=61))
    for number in range(2, 4):
        await home.deliver(Metered(quarter(T + number * QUARTER), 0, 500, 1000, 3000))
    await clock.sleep_until(start + timedelta(hours=1))
    new = await home.transactions(fills[-1].sequence)
    assert [f.tender_id for f in new] == ["h-new"], "what is new comes after what is known"
    by_start = {s.interval.start: s for s in await home.settlements(START, clock.now())}
    assert by_start[T + 2 * QUARTER].metered_wh == 500
    assert by_start[start].position_wh == 300
    assert handle.zero_sum_error == 0
    for exchange in (home, buyer):
        await exchange.close()


@pytest.mark.parametrize("name", NAMES)
async def test_what_was_signed_and_sent_is_still_evidence(tmp_path: Path, name: str) -> None:
    store = SqliteLedger(released(name, tmp_path / "x"))
    said = {(party, one.tender_id): one.tender for party, one in await store.tenders()}
    assert {tender_id for party, tender_id in said if party == "home"} == {
        *(f"h-{n}" for n in range(4)), "h-back", "h-open",
    }  # fmt: skip
    assert said["home", "h-open"].quantity == 400
    store.close()


def test_a_store_of_the_last_days_of_schema_2_only_gets_its_number(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    SqliteLedger(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 2")
    db.close()
    SqliteLedger(path).close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
    db.close()


def test_a_newer_store_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    SqliteLedger(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"newer version .schema 99"):
        SqliteLedger(path)
    assert path.read_bytes() == before
