"""One life of a trading home as a process that can be killed -9 between any two steps.

The child steps through simulated time from where the last life ended, trades on a real HTTP
exchange, and dies where it is told: before or after any write to the journal or any request.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.clock import SimClock
from gateway.domain.intervals import QUARTER, floor_quarter, quarter
from gateway.domain.plan import OfferCurve, OfferStep
from gateway.domain.trade import Metered
from gateway.errors import MarketError
from gateway.market.exchanges import Exchange
from gateway.market.schedule import BidTiming, next_wake
from gateway.market.trader import Trader, TraderSettings
from gateway.store.book import Entry
from gateway.store.journal import Journal
from tests.market.stub_client import StubExchange
from tests.market.stub_exchange import Stub, number
from tests.waiting import HANG_S

FORK = multiprocessing.get_context("fork")


class Killer:
    """Counts steps; at the given one the process is killed -9 by itself."""

    def __init__(self, at: int) -> None:
        self.steps, self.at = 0, at

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalJournal(Journal):
    killer = Killer(0)

    def append_all(
        self, items: Iterable[tuple[str, Mapping[str, Any]]], time: datetime
    ) -> list[Entry]:
        self.killer.step()
        entries = super().append_all(items, time)
        self.killer.step()
        return entries


class MortalExchange(StubExchange):
    killer = Killer(0)

    async def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        self.killer.step()
        answer = await super().call(method, path, body, **query)
        self.killer.step()  # carried out, but nobody has heard of it
        return answer


@dataclass
class Plan:
    """What every life of one home shares."""

    journal: Path
    port: int
    start: datetime
    end: datetime
    seed: int


def curves(seed: int, now: datetime) -> list[OfferCurve]:
    """What the home would sell in the next hours; it changes its mind every few minutes."""
    out = []
    first = floor_quarter(now) + QUARTER
    for i in range(3):
        start = first + i * QUARTER
        top = 300 + number(seed, start, now) % 150 * 10
        low = 20 + number(seed, now, start) % 30
        out.append(OfferCurve(quarter(start), (OfferStep(low, top // 2), OfferStep(low + 25, top))))
    return out


def metered(seed: int, start: datetime) -> Metered:
    net = number(seed, start, "meter") % 2000 - 500
    return Metered(quarter(start), max(-net, 0), max(net, 0), 0, 0)


async def trade(
    plan: Plan, exchange: Exchange, journal: Journal, clock: SimClock, tell: Callable[[], None]
) -> None:
    """The trading loop in small: bid before each call, look after it, report, settle."""
    trader = Trader(exchange, journal, clock, TraderSettings("home"))
    await trader.start()
    while clock.now() < plan.end:
        await clock.sleep_until(next_wake(trader.rules, clock.now(), BidTiming()))
        tell()
        try:
            await trader.bid(curves(plan.seed, clock.now()))
            await trader.catch_up()
            start = plan.start
            while start + QUARTER <= clock.now():
                if start not in journal.book.metered:
                    await trader.report(metered(plan.seed, start))
                start += QUARTER
            await trader.report()
            await trader.settle()
        except MarketError:
            continue  # the exchange is away; the next round reconciles


def live(plan: Plan, kill_at: int, at: Synchronized[float], steps: Synchronized[int]) -> None:
    """The child: one life, from the time where the last one ended."""

    async def main() -> None:
        clock = SimClock(datetime.fromtimestamp(at.value, UTC))
        killer = MortalJournal.killer = MortalExchange.killer = Killer(kill_at)
        exchange = MortalExchange(plan.port, clock)
        journal = MortalJournal(plan.journal, checkpoint_every=40)

        def tell() -> None:
            at.value = clock.now().timestamp()

        async with asyncio.TaskGroup() as group:
            clock.spawn(group, trade(plan, exchange, journal, clock, tell), "trade")
        steps.value = killer.steps
        journal.close()
        await exchange.close()

    asyncio.run(main())


class Home:
    """The harness's side: lives one after the other on one journal."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.at = FORK.Value("d", plan.start.timestamp())
        self.steps = FORK.Value("i", 0)

    def run(self, kill_at: int = 0) -> bool:
        """One life; True if it ended by itself. A killed one resumes some seconds later."""
        child = FORK.Process(target=live, args=(self.plan, kill_at, self.at, self.steps))
        child.start()
        child.join(HANG_S)
        if child.exitcode is None:
            child.kill()
            raise AssertionError("the life hangs")
        assert child.exitcode in (0, -signal.SIGKILL), child.exitcode
        self.at.value += 7
        return child.exitcode == 0


def serve(db: Path, seed: int, pipe: Any, port: int) -> None:
    async def main() -> None:
        runner = web.AppRunner(Stub(db, seed).app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        pipe.send(site._server.sockets[0].getsockname()[1])  # type: ignore[union-attr]
        await asyncio.Event().wait()

    asyncio.run(main())


class ExchangeProcess:
    """The stub exchange in its own process; it can be killed -9 and started again on its port."""

    def __init__(self, db: Path, seed: int) -> None:
        self.db, self.seed, self.port = db, seed, 0
        self.start()

    def start(self) -> None:
        ours, theirs = FORK.Pipe()
        self.process = FORK.Process(
            target=serve, args=(self.db, self.seed, theirs, self.port), daemon=True
        )
        self.process.start()
        assert ours.poll(30), "the exchange does not start"
        self.port = ours.recv()

    def kill(self) -> None:
        self.process.kill()
        self.process.join(30)
