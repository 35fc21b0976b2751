"""The trading loop: at market times catch up, plan, bid, report, settle. Without a market: plan."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from gateway.agent.home_planner import HomePlanner, Past
from gateway.agent.ordering import announced_wh, dispatch_wh
from gateway.agent.prices import retail_rows
from gateway.agent.state import StateKeeper
from gateway.clock import Clock
from gateway.domain.intervals import floor_quarter
from gateway.domain.plan import OfferCurve, Plan
from gateway.domain.price import Price
from gateway.errors import MarketError, StorageError
from gateway.market.exchanges import Exchange
from gateway.market.schedule import BidTiming, is_bid_time, next_wake
from gateway.market.trader import Trader
from gateway.planner.offers import within
from gateway.supervise import Availability

log = logging.getLogger(__name__)

PLAN_PERIOD = timedelta(minutes=5)  # without a market; with one, each call
ASK_CLOCK_S = 60.0  # the exchange, while our clock is doubted
LOOK_PERIOD = timedelta(seconds=15)  # between two looks at what people ask for
PRICES_BACK = timedelta(days=2)
PRICES_AHEAD = timedelta(hours=36)


class TradingLoop:
    """Plans and trades."""

    def __init__(
        self,
        keeper: StateKeeper,
        planner: HomePlanner,
        clock: Clock,
        past: Past,
        market: tuple[Exchange, Trader] | None = None,
        order: Callable[[], None] = lambda: None,
    ) -> None:
        """``order`` tells the guard what a round has changed."""
        self._keeper, self._planner, self._clock = keeper, planner, clock
        self._past, self._market, self._order = past, market, order
        self._write_prices = keeper.writer("prices")
        self._write_reached = keeper.writer("exchange_reached")
        self._write_pause = keeper.writer("paused_until")
        self._settings = keeper.state.settings
        if past.posted is not None:
            self._write_prices(past.posted.restored())
        self._tariff = keeper.state.rules.tariff.tariff
        self._prices_until: datetime | None = None
        party = self._settings.market.party_id if self._settings.market else ""
        self._timing = BidTiming.of(party)
        self.plan_period = PLAN_PERIOD

    async def run(self, availability: Availability) -> None:
        """For ever; raises MarketError when the exchange is lost (the supervisor comes back)."""
        try:
            await self._trade(availability)
        except (MarketError, StorageError) as error:
            # The home is steered by its values whether or not it can trade now.
            self._replan(self._clock.now())
            raise MarketError(str(error)) from error
        finally:
            self._write_reached(False)

    async def _trade(self, availability: Availability) -> None:
        await self._until_believed()
        if self._market:
            await self._market[1].start()
            self._same_currency(self._market[1].rules.currency)
        await self._clock.sleep(2 * self._settings.control.period_s)  # the home has been seen
        while True:
            await self._until_believed()
            now = self._clock.now()
            await self._round(now)
            availability.back()
            self._write_reached(self._market is not None)
            self._order()
            await self._rest(self._next(now))

    def _same_currency(self, theirs: str) -> None:
        """Prices of two currencies are not compared, let alone traded on."""
        ours = self._tariff.currency
        if theirs and theirs != ours:
            raise MarketError(
                f"it settles in {theirs}, and tariff.currency is {ours}: nothing is traded"
            )

    async def _until_believed(self) -> None:
        """Nothing is asked for, told or offered by a clock that cannot be right; the home is steered."""
        watch = self._past.watch
        if watch.compares and self._market and self._market[0].tells_time:
            theirs = await self._market[0].server_time()
            watch.compare(theirs, self._clock.now(), self._clock.monotonic())
            # By then a report of the guard has been judged by it.
            await self._clock.sleep(2 * self._settings.control.period_s)
        while self._past.watch.doubt:
            if (
                self._market
                and self._market[0].tells_time
                and await self._market[1].clock_is_right()
            ):
                said = self._past.watch.confirm(self._clock.now(), self._clock.monotonic())
                log.warning("%s", said)
                return
            self._replan(self._clock.now())
            await self._clock.sleep(ASK_CLOCK_S if self._market else PLAN_PERIOD.total_seconds())

    async def _rest(self, until: datetime) -> None:
        """Until the next market time; a car that comes or a wish that changes gets its plan at once."""
        known = self._asked()
        while (now := self._clock.now()) < until:
            await self._clock.sleep_until(min(until, now + LOOK_PERIOD))
            if (asked := self._asked()) != known and self._clock.now() < until:
                known = asked
                self._replan(self._clock.now())

    def _asked(self) -> tuple[object, ...]:
        """What a plan hangs on: cars at the chargers and what they were seen to draw, what people wish, and
        the prices that are known."""
        state = self._keeper.state
        chargers = state.snapshot.chargers if state.snapshot else ()
        cars = tuple((c.name, c.plugged, c.phases, _coarse(c.most_w)) for c in chargers)
        return (
            cars,
            state.user,
            state.car_soc,
            tuple(id(feed.prices) for feed in state.feeds.values()),
        )

    def _replan(self, now: datetime) -> Plan | None:
        """A fresh plan takes the place of the last one, for the guard too."""
        plan = self._planner.replan(now)
        self._order()
        return plan

    def _note_prices(self) -> None:
        """The account must be readable without the feeds: what they published for a metered quarter goes into it."""
        state, book = self._keeper.state, self._past.journal.book
        rows = retail_rows(self._tariff, state.feeds, book.metered.keys() - book.retail.keys())
        if rows:
            entries = [("retail_price", row) for row in rows]
            with suppress(StorageError):  # those who meter say it; the next round tries again
                self._past.journal.append_all(entries, self._clock.now())

    async def _round(self, now: datetime) -> None:
        self._note_prices()
        if self._market is None:
            self._replan(now)
            return
        exchange, trader = self._market
        await trader.catch_up()
        await self._refresh_prices(exchange, now)
        await trader.report()
        await trader.settle()
        self._write_pause(trader.paused_until)
        if not is_bid_time(trader.rules, now, self._timing) and self._keeper.state.plan is not None:
            return
        plan = self._replan(now)
        if plan is not None:
            trader.set_floor(Price.of_kwh(self._keeper.state.user.price_floor).ticks)
            await trader.bid(tuple(map(self._offered, plan.offers)))

    def _offered(self, curve: OfferCurve) -> OfferCurve:
        """Nothing where nothing may be, nothing of a quarter-hour that a programme has called for, and no more than it
        will allow there."""
        called = dispatch_wh(self._keeper.state, curve.interval) is not None
        if called or not self._may_offer():
            return OfferCurve(curve.interval, ())
        export_wh, import_wh = announced_wh(self._keeper.state, curve.interval)
        return within(curve, export_wh, import_wh)

    def _may_offer(self) -> bool:
        """Whether the user lets us trade, the plan steers, and there is a grid to deliver over."""
        state = self._keeper.state
        alone = state.snapshot is not None and bool(state.snapshot.off_grid)
        return state.user.trading and not state.shadow and not alone

    def _next(self, now: datetime) -> datetime:
        if self._market is not None:
            return next_wake(self._market[1].rules, now, self._timing)
        period = self.plan_period
        return now - (now - floor_quarter(now)) % period + period

    async def _refresh_prices(self, exchange: Exchange, now: datetime) -> None:
        """Once a quarter: prices become known (day-ahead) or final (imbalance) at such times."""
        start = floor_quarter(now)
        if self._prices_until == start:
            return
        rows = await exchange.prices(start - PRICES_BACK, start + PRICES_AHEAD)
        known = self._keeper.state.prices.updated(rows)
        self._write_prices(known)
        if self._past.posted is not None:
            self._past.posted.keep(known, now)
        self._prices_until = start


def _coarse(power_w: float | None) -> int | None:
    """A power that is worth a new plan when it changes."""
    return None if power_w is None else round(power_w / 1000)
