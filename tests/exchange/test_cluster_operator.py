"""The operator halts and revokes while a call is held and while a shard dies: every shard heeds it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from gateway.clock import pause
from simulators.exchange.cluster import wire as cluster_wire
from simulators.exchange.cluster.log import Log
from simulators.exchange.cluster.market import ClusterMarket
from tests.exchange.conftest import START, TestPrices, Wire
from tests.exchange.test_cluster_clocks import Town, play
from tests.exchange.test_edge_tenders import fills
from tests.waiting import HANG_S

CALL = START + timedelta(minutes=5)
_WAITING = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = $1::regclass"
_BEHIND = "SELECT seq FROM log_position WHERE shard = 0"


@asynccontextmanager
async def locked(town: Town, table: str) -> AsyncIterator[Any]:
    """Nobody writes into a table meanwhile; who wants to waits."""
    db = await asyncpg.connect(town.config.postgres)
    try:
        async with db.transaction():
            await db.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield db
    finally:
        await db.close()


async def until_somebody_waits(db: Any, table: str) -> None:
    async with asyncio.timeout(HANG_S):
        while not await db.fetchval(_WAITING, table):
            await pause(0.01)


async def log_of(town: Town) -> Log:
    config = town.config
    log = Log(config.nats, config.prefix, config.shards, config.replicas)
    await log.open()
    return log


async def until_carried_out(town: Town, db: Any) -> None:
    log = await log_of(town)
    try:
        _, last = await log.span(0)
        async with asyncio.timeout(HANG_S):
            while await db.fetchval(_BEHIND) < last:
                await pause(0.01)
    finally:
        await log.close()


async def in_the_log(town: Town, least: int) -> None:
    log = await log_of(town)
    try:
        async with asyncio.timeout(HANG_S):
            while (await log.span(0))[1] < least:
                await pause(0.01)
    finally:
        await log.close()


async def status_of(edge: Wire, name: str) -> int:
    return (await edge.tender(name, "SELL", 100, 3_000))[0]


def test_a_shard_that_dies_while_the_market_is_halted_knows_it(tmp_path: Path) -> None:
    async def story(town: Town, session: aiohttp.ClientSession) -> None:
        (edge,) = await town.edges([town.clock], session)
        leader = await town.lead()
        assert await status_of(edge, "before") == 201
        async with locked(town, "mark") as db:
            halting = asyncio.ensure_future(leader.halt())
            await until_somebody_waits(db, "mark")
            await until_carried_out(town, db)
            await town.shard_again()
            seen = await status_of(edge, "while")  # the shard is there, with what it has loaded
            assert seen in (201, 503)
        await halting
        assert await status_of(edge, "halted") == 503
        await leader.resume()
        assert await status_of(edge, "halted") == 201

    play(tmp_path, story)


def test_a_new_leader_tells_what_the_former_had_no_time_to(tmp_path: Path) -> None:
    async def story(town: Town, session: aiohttp.ClientSession) -> None:
        (edge,) = await town.edges([town.clock], session)
        log = await log_of(town)
        try:
            await log.write(0, cluster_wire.encode(cluster_wire.Halt("1")), "halt")
        finally:
            await log.close()
        assert await status_of(edge, "one") == 503
        await town.lead()  # in the ledger the market is not halted
        async with asyncio.timeout(HANG_S):
            while await status_of(edge, "one") != 201:
                await pause(0.01)

    play(tmp_path, story)


def test_a_party_is_revoked_while_a_call_is_held_and_its_shard_dies(tmp_path: Path) -> None:
    async def story(town: Town, session: aiohttp.ClientSession) -> None:
        first, second = await town.edges([town.clock, town.clock], session)
        leader = await town.lead()
        assert (await first.tender("rests", "SELL", 1_000, 1_000))[0] == 201
        async with locked(town, "result") as db:
            await town.clock.sleep_until(CALL)
            await until_somebody_waits(db, "result")
            log = await log_of(town)
            _, last = await log.span(0)
            await log.close()
            revoking = asyncio.ensure_future(leader.revoke("home"))
            await in_the_log(town, last + 1)
            late = asyncio.ensure_future(second.tender("late", "SELL", 500, 1_000))
            await in_the_log(town, last + 2)
            await town.shard_again()
        assert await revoking == 0  # all of it had been sold in the call that was held
        assert (await late)[0] in (403, 503)
        assert (await first.tender("late", "SELL", 500, 1_000))[0] == 403
        sold = await fills(second, "home")
        assert [wh for wh, _ in sold] == [1_000]
        await town.clock.sleep_until(CALL + timedelta(minutes=10, seconds=1))
        assert await fills(second, "home") == sold, "nothing is sold after the revocation"

    play(tmp_path, story)


def test_another_change_of_a_party_does_not_take_its_revocation_back(tmp_path: Path) -> None:
    async def story(town: Town, session: aiohttp.ClientSession) -> None:
        (edge,) = await town.edges([town.clock], session)
        assert await status_of(edge, "one") == 201
        ledger = town.zone.ledger()
        try:
            market = ClusterMarket(town.clock, ledger, TestPrices(), town.zone.terms)
            known = market.parties.get("home")
            assert known is not None
            # As a shard has it between the log and its commit.
            market.parties.note(replace(known, revoked=True))
            for name in ("home", ""):
                await market.renew(name)
                assert market.parties.is_revoked("home")
        finally:
            ledger.close()

    play(tmp_path, story)
