"""Whatever an exchange says: no exception escapes, no money moves by a lie, and it all heals."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import QUARTER, floor_quarter, quarter
from gateway.domain.plan import OfferCurve, OfferStep
from gateway.domain.trade import Metered
from gateway.errors import RetryableError
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from gateway.market.reconcile import differences
from gateway.market.schedule import BidTiming, next_wake
from gateway.market.trader import Trader, TraderSettings
from gateway.store.journal import Journal
from gateway.supervise import Availability, Backoff, supervise
from simulators.exchange import ExchangeHandle, start_exchange
from tests import loops
from tests.hostile.acts import ACTS
from tests.hostile.control import control_beside
from tests.hostile.five import EXCHANGE, Property, Trial
from tests.hostile.liar import Act, Liar
from tests.market.values import T0
from tests.market.worlds import SteadyPrices

HOUR = timedelta(hours=1)
BEGINS, ENDS = T0 + 1.5 * HOUR, T0 + 2.5 * HOUR  # of the act
HEALED = ENDS + 1.25 * HOUR  # a pause of an hour, and the quarter-hour in which it ends
OVER = ENDS + 2.5 * HOUR


class Enough(Exception):
    """The day is over, or the home is switched off and on."""


@dataclass
class Home:
    """A trading home on its journal; `live` is one run of the daemon."""

    path: Path
    url: str
    credential: Path
    clock: SimClock
    failed: list[datetime] = field(default_factory=list)  # rounds that the exchange spoiled

    async def live(self, until: datetime) -> None:
        journal = Journal(self.path)
        access = ExchangeAccess(self.url, "home", self.clock, credential_file=self.credential)
        exchange = connect(access)
        trader = Trader(exchange, journal, self.clock, TraderSettings("home"))

        async def trade(availability: Availability) -> None:
            try:
                await rounds(availability)
            except RetryableError:
                self.failed.append(self.clock.now())
                raise

        async def rounds(availability: Availability) -> None:
            if self.clock.now() >= until:
                raise Enough
            await trader.start()
            while True:
                await self._round(trader, journal)
                availability.back()
                wake = next_wake(trader.rules, self.clock.now(), BidTiming())
                await self.clock.sleep_until(min(wake, until))
                if self.clock.now() >= until:
                    raise Enough

        try:
            await supervise("exchange", trade, self.clock, Backoff(longest_s=60))
        except Enough:
            pass
        finally:
            journal.close()
            await exchange.close()

    async def _round(self, trader: Trader, journal: Journal) -> None:
        now = self.clock.now()
        await trader.catch_up()
        first = floor_quarter(now) + QUARTER
        dear = 45 + 10 * (now.minute // 5 % 2)  # it changes its mind: there is something to cancel
        await trader.bid(
            [
                OfferCurve(quarter(first + n * QUARTER), (OfferStep(-1, 500), OfferStep(dear, 900)))
                for n in range(3)
            ]
        )
        await trader.catch_up()
        start = T0
        while start + QUARTER <= now:
            if start not in journal.book.metered:
                await trader.report(Metered(quarter(start), 0, 450, 0, 450))
            start += QUARTER
        await trader.report()
        await trader.settle()


@pytest.mark.parametrize("act", ACTS, ids=[act.name for act in ACTS])
def test_the_act_moves_nothing_and_heals(
    tmp_path: Path, act: Act, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(honest: ExchangeHandle, liar: Liar, home: Home) -> None:
        trial = Trial(EXCHANGE)
        async with control_beside() as control:
            await home.live(BEGINS)
            before = Journal(home.path, read_only=True)
            assert len(before.book.transactions) > 3
            assert before.book.settled_money > 0
            before.close()
            liar.act = act
            caplog.clear()
            liar.ends = ENDS
            await home.live(BEGINS + HOUR / 2)
            await home.live(OVER)  # a start while it lies; half an hour later it is honest again
            assert liar.spoiled
            trial.logged([r.getMessage() for r in caplog.records if r.name.startswith("gateway")])
            await compare(trial, honest, home, act)
            await control.ticks(2)
            trial.saw(Property.CONTROL, control.late())
        trial.saw(Property.BACK, (f"a round failed at {at}" for at in home.failed if at >= ENDS))
        trial.judge()

    with caplog.at_level(logging.INFO):
        play(tmp_path, story)


async def compare(trial: Trial, honest: ExchangeHandle, home: Home, act: Act) -> None:
    """What the home believes against what is true."""
    clock = home.clock
    exchange = connect(ExchangeAccess(honest.url, "home", clock))
    fills = {f.transaction_id: f for f in await exchange.transactions(0)}
    settled = {s.settlement_id: s for s in await exchange.settlements(T0, clock.now())}
    await exchange.close()
    journal = Journal(home.path)
    journal.verify()
    book = journal.book
    for fill in book.transactions.values():
        true = fills[fill.transaction_id]
        same = (fill.net_wh, fill.price_ticks, fill.interval)
        if same != (true.net_wh, true.price_ticks, true.interval):
            trial.saw(Property.NUMBERS, [f"{fill} is truly {true}"])
    trial.saw(Property.NUMBERS, (f"unanswered: {s}" for s in book.unanswered()))
    rows = book.settlements
    trial.saw(Property.MONEY, (r for n, r in rows.items() if r != settled[n]))
    if book.settled_money != sum(s.total_money for s in rows.values()):
        trial.saw(Property.MONEY, [f"{book.settled_money} is not what the rows add to"])
    since = HEALED if act.lies else T0
    wrong = differences(book, fills.values(), settled.values(), since, clock.now())
    if act.name == "wild numbers":  # true in all but their numbers, which are ours to ignore
        wrong = [line for line in wrong if "sequence 1000" not in line]
    trial.saw(Property.MONEY, wrong)
    if not any(f.interval.start >= HEALED for f in book.transactions.values()):
        trial.saw(Property.BACK, ["it does not trade again"])
    if act.lies and act.name != "wild numbers":
        assert book.disputes
    journal.close()


def play(tmp_path: Path, story) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        clock = SimClock(T0)

        async def told() -> None:
            honest = await start_exchange(
                clock, group, tmp_path / "exchange", SteadyPrices(), power_safe=False
            )
            liar = Liar(honest.url, clock)
            url = await liar.start()
            home = Home(tmp_path / "journal.sqlite", url, honest.credential_file("home"), clock)
            try:
                await story(honest, liar, home)
            finally:
                await liar.close()
                await honest.close()

        async with asyncio.TaskGroup() as group:
            clock.spawn(group, told(), "story")

    loops.run(main())
