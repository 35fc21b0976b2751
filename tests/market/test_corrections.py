"""A reading that comes late: settled as estimated first, then reversed and settled as measured."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from gateway.clock import SimClock
from gateway.domain.intervals import QUARTER, quarter
from gateway.domain.plan import OfferCurve, OfferStep
from gateway.domain.trade import Metered, Run
from gateway.market.account import RetailPrices, statement
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from gateway.market.reconcile import differences
from gateway.market.settlement import expected
from gateway.market.statement_formats import as_csv
from gateway.market.trader import Trader, TraderSettings
from gateway.store.journal import Journal
from tests import loops
from tests.market.values import T0
from tests.market.worlds import CtsWorld

SOLD = quarter(T0 + QUARTER)
FEE_TICKS = 2_000  # the simulated market's


def test_a_late_reading_is_corrected_exactly(tmp_path: Path) -> None:
    async def story(world: CtsWorld, clock: SimClock, journal: Journal) -> None:
        exchange = connect(ExchangeAccess(world.url, "home", clock))
        trader = Trader(exchange, journal, clock, TraderSettings("home"))
        await trader.start()
        await trader.bid([OfferCurve(SOLD, (OfferStep(0, 1000),))])
        await clock.sleep_until(SOLD.start)
        await trader.catch_up()
        assert journal.book.position_wh(SOLD) == 1000
        while clock.now() < SOLD.end + timedelta(hours=26):
            await clock.sleep(3600)
            if clock.now() >= SOLD.end + timedelta(hours=2):
                await trader.report(Metered(SOLD, 0, 700, 0, 700))
            await trader.settle()
        rows = list(journal.book.settlements.values())
        assert [(r.run, r.position_wh, r.metered_wh) for r in rows] == [
            (Run.PRELIM, 1000, 1000),
            (Run.FINAL, -1000, -1000),
            (Run.FINAL, 1000, 700),
        ]
        assert rows[1].reverses == rows[0].settlement_id
        account = statement(
            journal.book, SOLD.start, SOLD.end, lambda _: RetailPrices(14_000, 2_700)
        )
        fills = journal.book.transactions.values()
        due = expected(fills, 700, rows[2].imbalance_price_ticks, 2_700, FEE_TICKS)
        assert account.market_money == due.total_money
        assert due.fee_money == -200 * FEE_TICKS
        assert as_csv(account).splitlines()[1].split(",")[10:12] == ["3", "1"]
        theirs = await exchange.settlements(T0, clock.now())
        assert differences(journal.book, fills, theirs, T0, clock.now()) == []
        await exchange.close()

    async def main() -> None:
        clock = SimClock(T0 + timedelta(seconds=20))
        journal = Journal(tmp_path / "home.db", checkpoint_every=5)
        async with asyncio.TaskGroup() as group:

            async def told() -> None:
                world = await CtsWorld.start(clock, group, tmp_path)
                await story(world, clock, journal)
                await world.close()

            clock.spawn(group, told(), "story")
        journal.verify()
        journal.close()

    loops.run(main())
