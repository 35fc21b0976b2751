"""Whatever is stopped, at whatever moment, leaves nothing running: no task, no socket, no thread.

What is left would be found by the next garbage collection, in whatever test runs then.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SimClock
from gateway.errors import ConfigError, StorageError
from simulators.exchange import start_exchange
from simulators.exchange.cluster.log import Log
from simulators.exchange.ledger import Store
from simulators.exchange.postgres import Postgres
from simulators.exchange.postgres_ledger import PostgresLedger
from simulators.exchange.rows import Batch, Waiver
from tests import loops
from tests.exchange import servers
from tests.exchange.conftest import START, TestPrices

TURNS = 12  # of the loop: an answer that is there is read in fewer


def batch(start: int) -> Batch:
    made = Batch()
    made.add(Waiver(start, start))
    return made


@pytest.mark.parametrize("connected", [False, True])
async def test_a_store_that_is_closed_while_it_stores(connected: bool) -> None:
    """What was handed in is stored, or its asker is told; nobody waits for ever."""
    loops.others()
    address = servers.postgres().database()
    answered: set[int] = set()
    for turns in range(TURNS):
        ledger = PostgresLedger(Postgres(address, power_safe=False))
        if connected:
            await ledger.append(batch(1_000 + turns))
        asked = [asyncio.ensure_future(ledger.append(batch(turns)))]
        for _ in range(turns):
            await asyncio.sleep(0)
        asked.append(asyncio.ensure_future(ledger.append(batch(100 + turns))))
        ledger.close()
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert all(one is None or isinstance(one, StorageError) for one in told)
        answered |= {
            start for start, one in zip((turns, 100 + turns), told, strict=True) if not one
        }
    gc.collect()
    ledger = PostgresLedger(Postgres(address))
    stored = {start for (start,) in ledger.all("SELECT start FROM waiver WHERE start < 1000")}
    ledger.close()
    assert answered <= stored
    assert answered


async def test_a_store_that_is_closed_while_it_is_asked() -> None:
    """Questions whose askers are gone, a lock that another holds, ears for news."""
    loops.others()
    address = servers.postgres().database()
    holder = Postgres(address)
    await holder.hold(1)
    for turns in range(TURNS):
        db = Postgres(address)
        db.listen(["news"], lambda *_: None)
        asked: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(db.hold(1)),
            asyncio.ensure_future(db.hold(2)),
            db.rows("SELECT pg_sleep(60)"),
        ]
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.002 * turns)  # noqa: ASYNC251 - the database's own thread goes on
        asked[-1].cancel()
        db.close()
        db.close()
        await asyncio.gather(*asked, return_exceptions=True)
        with pytest.raises(StorageError, match="closed"):
            await db.rows("SELECT 1")
    holder.close()
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name == "postgres"]


async def _twice_on_one_port(folder: Path, ledger: Store) -> None:
    clock = SimClock(START)
    async with asyncio.TaskGroup() as group:
        first = await start_exchange(clock, group, folder / "a", TestPrices())
        port = int(first.url.rpartition(":")[2])
        how: dict[str, Any] = {"port": port, "ledger": ledger}
        try:
            await start_exchange(clock, group, folder / "b", TestPrices(), **how)
        finally:
            await first.close()


async def test_an_exchange_that_cannot_start_leaves_nothing(tmp_path: Path) -> None:
    loops.others()
    ledger = servers.postgres().ledger()
    with pytest.raises(ExceptionGroup) as failed:
        await _twice_on_one_port(tmp_path, ledger)
    assert failed.group_contains(ConfigError, match="cannot listen")
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name == "postgres"]


@pytest.mark.parametrize(("seq", "there"), [(1, b"said"), (2, None)])
async def test_a_reader_of_the_log_ends_although_its_answer_comes_at_that_moment(
    seq: int, there: bytes | None
) -> None:
    loops.others()
    log = Log(servers.nats().addresses, "closing", 1, 1)
    await log.open()
    await log.prepare()
    await log.write(0, b"said", "said")
    for turns in range(TURNS):
        reading = asyncio.ensure_future(log.read(0, seq))
        for _ in range(6):
            await asyncio.sleep(0)
        time.sleep(0.02)  # noqa: ASYNC251 - meanwhile the answer comes to this process
        for _ in range(turns):
            await asyncio.sleep(0)
        if reading.cancel():
            await asyncio.wait({reading})
            assert reading.cancelled()
        else:
            assert reading.result() == there
    await log.close()
    gc.collect()
