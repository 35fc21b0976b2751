"""Edge case 9: the exchange is killed with SIGKILL, at any moment, and nothing is lost or doubled."""

import asyncio
import json
import random
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from gateway.clock import SimClock, WallClock
from gateway.domain.intervals import floor_quarter
from simulators.exchange import Party, Terms
from simulators.exchange.market import Market
from simulators.exchange.order_entry import Receipt, TenderRequest
from simulators.exchange.replay import replay
from simulators.exchange.rows import Batch, Document, Fill, to_quarter
from simulators.exchange.sqlite_ledger import SqliteLedger
from simulators.exchange.terms import Prices
from simulators.prices import SyntheticPrices
from tests.exchange.conftest import START, T, TestPrices, tender_body

TENDERS = 40
COMMAND = "from simulators.cli import main; main()"


@asynccontextmanager
async def life(state: Path, *options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The exchange as a process of its own; in the end it is killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COMMAND,
        *("exchange", "--port", "0", "--state", str(state), "--insecure"),
        *(options or ("--no-participants",)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("exchange: http://"), line
    try:
        yield process, line.split()[1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()  # to its end, which closes the pipe


async def send(
    session: aiohttp.ClientSession, url: str, body: dict[str, Any]
) -> tuple[int, str | None]:
    key = body["tender"]["tenderId"]
    headers = {"Authorization": "Bearer insecure:home", "Idempotency-Key": key}
    try:
        async with session.post(f"{url}/cts/createTender", json=body, headers=headers) as reply:
            return reply.status, (await reply.json(content_type=None)).get("marketOrderId")
    except aiohttp.ClientError:
        return 0, None


async def _rounds(state: Path) -> None:
    first = floor_quarter(WallClock().now()) + timedelta(hours=2)
    bodies = [
        tender_body(f"t{n}", "SELL", 100, 6_000 + n, start=first + n * timedelta(minutes=15))
        for n in range(TENDERS)
    ]
    rng = random.Random(5)
    known: dict[str, str] = {}
    for _ in range(4):
        async with life(state) as (process, url), aiohttp.ClientSession() as session:
            requests = [asyncio.create_task(send(session, url, body)) for body in bodies]
            done = rng.randrange(1, TENDERS)
            for number, answered in enumerate(asyncio.as_completed(requests)):
                if number == done:
                    process.kill()
                await answered
            for body, request in zip(bodies, requests, strict=True):
                status, order_id = request.result()
                if status == 201 and order_id is not None:
                    tender_id = body["tender"]["tenderId"]
                    assert known.setdefault(tender_id, order_id) == order_id
    async with life(state) as (_, url), aiohttp.ClientSession() as session:
        final = [await send(session, url, body) for body in bodies]
    assert all(status == 201 for status, _ in final)
    for body, (_, order_id) in zip(bodies, final, strict=True):
        assert known.get(body["tender"]["tenderId"], order_id) == order_id
    db = sqlite3.connect(state / "exchange.db")
    assert db.execute("SELECT COUNT(*) FROM tender").fetchone() == (TENDERS,)
    db.close()


def test_killed_between_storing_and_answering(tmp_path: Path) -> None:
    asyncio.run(_rounds(tmp_path))


def test_killed_inside_a_call(tmp_path: Path) -> None:
    """A call that was not committed is held again and gives the same fills, once."""
    when = START + timedelta(minutes=5)

    async def life(survives: bool) -> list[Any]:
        store = SqliteLedger(tmp_path / "a.db")
        market = Market(SimClock(START), store, TestPrices(), Terms())
        if not survives:  # the call is the last that is decided, and is not stored
            for party, side, price in (("home", "SELL", 2_000), ("fleet-depot", "BUY", 8_000)):
                market.parties.register(Party(party, "x", 100_000))
                batch, number = Batch(), market.number()
                known = market.parties.get(party)
                assert known is not None
                receipt = Receipt(known, number, START)
                batch.add(Document(number, known.number, number, 0, None, "t"))
                market.entry.accept(receipt, TenderRequest("t", T, side, price, 1_000, T), batch)
                await store.append(batch)
            lost = market.auction.call(market.entry.book.at(to_quarter(T)), when)
            assert sum(isinstance(row, Fill) for row in lost) == 2
        else:
            await market.step(when)
            await market.auction.step(when, store)  # the mark was lost: nothing is held twice
        fills = store.all("SELECT party, price, quantity FROM fill ORDER BY seq")
        store.close()
        return fills

    assert asyncio.run(life(survives=False)) == []
    assert len(asyncio.run(life(survives=True))) == 2


async def _live(state: Path) -> None:
    """Four lives of the whole network, each ended by SIGKILL after some dozen ticker frames."""
    rng, seen = random.Random(9), 0
    options = ("--start", "2026-06-01T12:00:00Z", "--rate", "2000", "--seed", "3")
    for _ in range(4):
        headers = {"Authorization": "Bearer insecure:charging-1"}
        async with (
            life(state, *options) as (_, url),
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/cts/ticker?lastSeq={seen}", headers=headers) as socket,
        ):
            for _ in range(rng.randrange(30, 90)):
                frame = json.loads(await socket.receive_str())
                assert frame["seq"] > seen
                seen = frame["seq"]


async def _torn(store: SqliteLedger) -> list[str]:
    """Tenders of which more was filled and taken back than was offered."""
    found = []
    for _party_id, (tender_id, tender) in await store.tenders():
        state = await store.tender(tender.party, tender_id)
        if state is None or state.filled + state.canceled > tender.quantity:
            found.append(tender_id)
    return found


def test_lives_of_a_network_under_sigkill(tmp_path: Path) -> None:
    """What remains is whole: calls balance, tenders and fills agree, money sums to zero."""
    asyncio.run(_live(tmp_path))
    store = SqliteLedger(tmp_path / "exchange.db")
    assert asyncio.run(replay(store, Prices(SyntheticPrices(3)))) > 50
    assert store.all("SELECT 1 FROM fill")
    unbalanced = (
        "SELECT call FROM fill GROUP BY call"
        " HAVING SUM(CASE buy WHEN 0 THEN quantity ELSE -quantity END) != 0"
    )
    assert store.all(unbalanced) == []
    assert asyncio.run(_torn(store)) == []
    (error,) = store.all("SELECT SUM(energy + imbalance + uncontracted + fee) FROM statement")
    assert error[0] in (0, None)
    store.close()
