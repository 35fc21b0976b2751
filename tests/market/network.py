"""A home and the simulated exchange in one process on one simulated clock, killed again and again.

Three ways to die, each at a step that a seed chooses: both by kill -9 (at any statement of the
exchange's database, any write of the journal, any question between them), the gateway alone (cut
off at a question or a write, everything but its file forgotten), the exchange alone (its server is
gone before a question arrives, or after it was carried out and before the answer).
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.clock import SimClock
from gateway.domain.intervals import QUARTER, floor_quarter, quarter
from gateway.domain.trade import Side, Tender
from gateway.errors import MarketError
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from gateway.market.schedule import BidTiming, next_wake
from gateway.market.trader import Trader, TraderSettings
from gateway.store.book import Entry
from gateway.store.journal import Journal
from simulators.exchange import ExchangeHandle, start_exchange
from simulators.exchange.sqlite_ledger import SqliteLedger
from tests.market.life import curves, metered
from tests.market.stub_exchange import number
from tests.market.worlds import SteadyPrices

FORK = multiprocessing.get_context("fork")


class Cut(BaseException):
    """The gateway stops here; nothing is tidied up."""


@dataclass
class Fate:
    """What happens at which step. ``kind`` is '', 'both', 'gateway' or 'exchange'."""

    rng: random.Random
    kind: str = ""
    steps: int = 0
    at: int = 0
    kills: dict[str, int] = field(default_factory=dict)

    def draw(self, kinds: tuple[str, ...]) -> None:
        self.kind = self.rng.choice(kinds)
        # a statement of the database is a small step, a question a large one
        most = {"both": 1500, "gateway": 60, "exchange": 40}[self.kind]
        self.steps, self.at = 0, self.rng.randint(1, most)

    def step(self, kind: str) -> bool:
        """Count a step of that kind of death; True when it is time."""
        if kind != self.kind:
            return False
        self.steps += 1
        if self.steps != self.at:
            return False
        if kind == "both":
            os.kill(os.getpid(), signal.SIGKILL)
        self.kills[kind] = self.kills.get(kind, 0) + 1
        return True


class MortalJournal(Journal):
    fate: Fate

    def append_all(
        self, items: Iterable[tuple[str, Mapping[str, Any]]], time: datetime
    ) -> list[Entry]:
        self._maybe()
        entries = super().append_all(items, time)
        self._maybe()
        return entries

    def _maybe(self) -> None:
        self.fate.step("both")
        if self.fate.step("gateway"):
            raise Cut


class Mortal:
    """Any exchange port, with a step before and after each question."""

    def __init__(self, exchange: Any, fate: Fate, fell: Callable[[], Awaitable[None]]) -> None:
        self._exchange, self._fate, self._fell = exchange, fate, fell

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._exchange, name)

        async def asked(*args: Any) -> Any:
            await self._maybe("before")
            answer = await method(*args)
            await self._maybe("after")
            return answer

        return asked

    async def _maybe(self, when: str) -> None:
        self._fate.step("both")
        if self._fate.step("gateway"):
            raise Cut
        if self._fate.step("exchange"):
            await self._fell()
            if when == "after":
                raise MarketError("the exchange died before it could answer")


@dataclass
class Town:
    """What all lives of one run share."""

    path: Path
    start: datetime
    end: datetime
    seed: int

    @property
    def home(self) -> Path:
        return self.path / "home" / "journal.db"

    @property
    def exchange(self) -> Path:
        return self.path / "exchange"


class Life:
    """One process: the exchange and its buyer, and one gateway after the other."""

    def __init__(self, town: Town, fate: Fate, kinds: tuple[str, ...], clock: SimClock) -> None:
        self.town, self.fate, self.kinds, self.clock = town, fate, kinds, clock
        self.handle: ExchangeHandle | None = None
        self.port = 0
        MortalJournal.fate = fate

    async def open_exchange(self, group: asyncio.TaskGroup) -> None:
        handle = await start_exchange(
            self.clock, group, self.town.exchange, SteadyPrices(), port=self.port
        )
        self.port = int(handle.url.rsplit(":", 1)[1])
        assert isinstance(handle.store, SqliteLedger)
        handle.store._writer.set_trace_callback(lambda _sql: self.fate.step("both") and None)
        self.handle = handle

    async def fall(self) -> None:
        """The exchange is gone; the next round of the gateway finds it again."""
        if self.handle:
            await self.handle.close()
            self.handle = None

    async def run(self, tell: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            self.clock.spawn(group, self._days(group, tell), "days")

    async def _days(self, group: asyncio.TaskGroup, tell: Callable[[], None]) -> None:
        await self.open_exchange(group)
        if self.kinds:
            self.fate.draw(self.kinds)
        buyer = connect(ExchangeAccess(self._url, "charging-1", self.clock))
        while self.clock.now() < self.town.end:
            with suppress(Cut):
                await self._gateway(group, buyer, tell)
                continue
            self.fate.draw(self.kinds)
            await self.clock.sleep(self.fate.rng.randint(1, 400))
        await buyer.close()
        await self.fall()

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _gateway(
        self, group: asyncio.TaskGroup, buyer: Any, tell: Callable[[], None]
    ) -> None:
        adapter = connect(ExchangeAccess(self._url, "home", self.clock))
        exchange: Any = Mortal(adapter, self.fate, self.fall)
        journal = MortalJournal(self.town.home, checkpoint_every=60)
        try:
            trader = Trader(exchange, journal, self.clock, TraderSettings("home"))
            known = False
            while self.clock.now() < self.town.end:
                if self.handle is None:
                    await self.open_exchange(group)
                    self.fate.draw(self.kinds)
                try:
                    if not known:
                        await trader.start()
                        known = True
                    await self._round(trader, journal, buyer)
                except MarketError:
                    known = False
                    await self.clock.sleep(self.fate.rng.randint(1, 300))
                    continue
                await self.clock.sleep_until(next_wake(trader.rules, self.clock.now(), BidTiming()))
                tell()
            if not self.kinds:  # the last look, after the last call
                await trader.reconcile()
                await trader.catch_up()
                fresh = Trader(exchange, journal, self.clock, TraderSettings("home"))
                await fresh.start()
                await fresh.settle()  # the first of a life asks for all that may have changed
        finally:
            journal.close()
            await adapter.close()

    async def _round(self, trader: Trader, journal: Journal, buyer: Any) -> None:
        now = self.clock.now()
        await trader.bid(curves(self.town.seed, now))
        await self._buy(buyer, now)
        await trader.catch_up()
        start = self.town.start
        while start + QUARTER <= now:
            if start not in journal.book.metered:
                await trader.report(metered(self.town.seed, start))
            start += QUARTER
        await trader.report()
        await trader.settle()

    async def _buy(self, buyer: Any, now: datetime) -> None:
        """A charging site with a small and changing appetite, so that fills are often partial."""
        first = floor_quarter(now) + QUARTER
        for i in range(3):
            start = first + i * QUARTER
            name = f"b{now.timestamp():.0f}-{i}"
            closing = start - timedelta(minutes=5)
            interval = quarter(start)
            price = 3000 + number(self.town.seed, name) % 3000
            quantity = 50 + number(name, self.town.seed) % 40 * 10
            tender = Tender(name, interval, Side.BUY, quantity, price, closing)
            with suppress(MarketError):
                await buyer.create_tenders([tender])


def live(town: Town, seed: int, kinds: tuple[str, ...], at: Any, tally: Any) -> None:
    clock = SimClock(datetime.fromtimestamp(at.value, UTC))
    fate = Fate(random.Random(seed))
    life = Life(town, fate, kinds, clock)

    def tell() -> None:
        at.value = clock.now().timestamp()
        tally[0] = fate.kills.get("gateway", 0)
        tally[1] = fate.kills.get("exchange", 0)

    asyncio.run(life.run(tell))
    tell()


@dataclass
class Run:
    """The harness: lives one after the other until enough have died, then one in peace."""

    town: Town
    rng: random.Random

    def __post_init__(self) -> None:
        self.at = FORK.Value("d", self.town.start.timestamp())
        self.kills = {"both": 0, "gateway": 0, "exchange": 0}

    def one(self, kinds: tuple[str, ...]) -> None:
        tally = FORK.Array("i", [0, 0])
        seed = self.rng.getrandbits(32)
        child = FORK.Process(target=live, args=(self.town, seed, kinds, self.at, tally))
        child.start()
        child.join(600)
        if child.exitcode is None:
            child.kill()
            raise AssertionError("the life hangs")
        assert child.exitcode in (0, -signal.SIGKILL), child.exitcode
        self.kills["both"] += child.exitcode == -signal.SIGKILL
        self.kills["gateway"] += tally[0]
        self.kills["exchange"] += tally[1]
        self.at.value += self.rng.randint(1, 200)

    def play(self, kills: int) -> None:
        while sum(self.kills.values()) < kills:
            # the day goes on as long as there is dying to do
            self.town.end = datetime.fromtimestamp(self.at.value, UTC) + timedelta(hours=6)
            self.one(("both", "gateway", "exchange"))
        self.town.end = datetime.fromtimestamp(self.at.value, UTC) + timedelta(hours=2)
        self.one(())
