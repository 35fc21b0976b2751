"""The exchange goes away and comes back: the home is steered on, delivers what was sold meanwhile, trades again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.domain.intervals import iso, quarter
from gateway.domain.trade import Side, Tender
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from simulators.demo.options import Options
from simulators.demo.world import World, run_world
from simulators.exchange import start_exchange

SOLD = datetime(2026, 6, 1, 18, 30, tzinfo=UTC)  # with seed 1 most is sold in the last call
MORE_WH = 200  # what is bought in the call that we do not hear of: a part of it is ours


@asynccontextmanager
async def restarted(world: World) -> AsyncIterator[None]:
    """The exchange again, from its store and at its old address."""
    port = int(world.exchange.url.rsplit(":", 1)[1])
    folder, prices = world.exchange.state_dir, world.scenario.prices()
    async with asyncio.TaskGroup() as group:
        handle = await start_exchange(world.clock, group, folder, prices, port=port)
        yield
        await handle.close()


async def test_a_fill_that_is_learned_late_and_an_hour_without_the_exchange(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ended: list[bool] = []

    async def play(world: World, until: datetime) -> None:
        await world.play(until, lambda _: None)

    async def referee(world: World) -> None:
        await play(world, SOLD - timedelta(minutes=10, seconds=5))
        book, keeper = world.gateway.agent.journal.book, world.gateway.agent.keeper
        assert keeper.state.exchange_reached
        before_wh = book.position_wh(quarter(SOLD))
        await _more_is_sold(world)
        await world.exchange.close()
        await play(world, SOLD + timedelta(minutes=4))
        assert book.position_wh(quarter(SOLD)) == before_wh, "nobody could tell us"
        assert keeper.state.exchange_reached is False
        async with restarted(world):
            await play(world, SOLD + timedelta(minutes=16))
            assert keeper.state.exchange_reached, "asked again at least once a minute"
            _delivered_late(world, before_wh)
        await _without(world)
        ended.append(True)

    await run_world(Options(seed=1), tmp_path, referee)
    assert ended
    said = [r.message for r in caplog.records if r.message.startswith("exchange is ")]
    assert [text.split()[2].rstrip(":") for text in said] == ["lost", "back", "lost"]


async def _more_is_sold(world: World) -> None:
    """The home's owner tenders by another way, and somebody takes it in the next call."""
    gate = SOLD - timedelta(minutes=5)
    for party, side, price in (("home", Side.SELL, 100), ("charging-1", Side.BUY, 50_000)):
        exchange = connect(ExchangeAccess(world.exchange.url, party, world.clock))
        tender = Tender(f"story-{party}", quarter(SOLD), side, MORE_WH, price, gate)
        (answer,) = await exchange.create_tenders([tender])
        assert answer.accepted
        await exchange.close()


def _delivered_late(world: World, before_wh: int) -> None:
    """All of it was delivered in the time that was left, and the account says how it came."""
    book = world.gateway.agent.journal.book
    position_wh = book.position_wh(quarter(SOLD))
    assert position_wh > before_wh, "sold while we could not hear of it"
    assert abs(book.metered[SOLD].net_wh - position_wh) <= 20
    notes = [
        e.body["text"]
        for e in world.gateway.agent.journal.entries(kind="note")
        if e.body.get("start") == iso(SOLD)
    ]
    assert notes
    assert any("learned 4 min into its delivery" in text for text in notes)


async def _without(world: World) -> None:
    gone = world.clock.now()
    await world.play(gone + timedelta(hours=1), lambda _: None)
    present = world.gateway.agent.keeper.state
    assert present.plan
    assert world.clock.now() - present.plan.made_at <= timedelta(minutes=10), "it plans on"
    assert present.exchange_reached is False
    assert present.snapshot is not None
    assert present.snapshot.grid_w is not None
    waiting = world.gateway.agent.journal.book.undelivered()
    assert len(waiting) in (3, 4, 5), "what was metered waits to be reported"
