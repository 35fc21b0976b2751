"""The trading loop: at market times catch up, plan, bid, report, settle. Without a market: plan."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.agent.clearing import Clearing, month_peak_w
from gateway.agent.night import NightOrigin
from gateway.agent.state import Present
from gateway.clock import Clock
from gateway.control.charging import needs, together
from gateway.domain.intervals import floor_quarter, quarter_of
from gateway.domain.plan import Forecast, Observed, OfferCurve, Outlook, Plan
from gateway.domain.price import Price
from gateway.domain.user_settings import UserSettings
from gateway.errors import MarketError, StorageError
from gateway.forecasts.load_pv import EnergyForecaster
from gateway.forecasts.provided import ProviderForecast
from gateway.forecasts.pv_provider import with_provider
from gateway.forecasts.score import forecast_score
from gateway.market.exchanges import Exchange, PublishedPrices
from gateway.market.schedule import BidTiming, is_bid_time, next_wake
from gateway.market.trader import Trader
from gateway.planner import Strategy
from gateway.planner.outlook import Home, KnownPrices, Options, build_outlook
from gateway.store.journal import Journal
from gateway.supervise import Availability

log = logging.getLogger(__name__)

PLAN_PERIOD = timedelta(minutes=5)  # without a market; with one, each call
LOOK_PERIOD = timedelta(seconds=15)  # between two looks at what people ask for
PRICES_BACK = timedelta(days=2)
PRICES_AHEAD = timedelta(hours=36)
HISTORY = timedelta(days=60)
SCORED_AHEAD, SCORED_OVER = 4, timedelta(days=1)  # forecasts are judged an hour ahead, over a day


class TradingLoop:
    """Plans and trades. ``observed(since)`` gives the past quarters for the forecast."""

    def __init__(
        self,
        present: Present,
        strategy: Strategy,
        clock: Clock,
        observed: Callable[[datetime], Sequence[Observed]],
        journal: Journal,
        market: tuple[Exchange, Trader] | None = None,
    ) -> None:
        self._present, self._strategy, self._clock = present, strategy, clock
        self._observed, self._journal, self._market = observed, journal, market
        self._settings = present.settings
        self._zone = ZoneInfo(self._settings.site.time_zone)
        self._tariff = present.tariff
        self._night = NightOrigin(journal, self._tariff)
        self._forecaster = EnergyForecaster(self._zone, self._settings.site.place)
        self._clearing = Clearing(journal, present)
        self._control = self._settings.for_guard().control()
        self.pv_provider: ProviderForecast | None = (
            None  # a weather service, where one is configured
        )
        self._prices_until: datetime | None = None
        self._noted: set[str] = set()
        self._forecasts: dict[datetime, Forecast] = {}
        self._made_past: tuple[datetime, list[Observed]] | None = None
        party = self._settings.market.party_id if self._settings.market else ""
        self._timing = BidTiming.of(party)

    async def run(self, availability: Availability) -> None:
        """For ever; raises MarketError when the exchange is lost (the supervisor comes back)."""
        try:
            await self._trade(availability)
        except (MarketError, StorageError) as error:
            # The home is steered by its values whether or not it can trade now.
            self._present.plan = self.plan(self._clock.now())
            raise MarketError(str(error)) from error
        finally:
            self._present.exchange_reached = False

    async def _trade(self, availability: Availability) -> None:
        if self._market:
            await self._market[1].start()
        await self._clock.sleep(2 * self._settings.control.period_s)  # the home has been seen
        while True:
            now = self._clock.now()
            await self._round(now)
            availability.back()
            self._present.exchange_reached = self._market is not None
            await self._rest(self._next(now))

    async def _rest(self, until: datetime) -> None:
        """Until the next market time; a car that comes or a wish that changes gets its plan at once."""
        known = self._asked()
        while (now := self._clock.now()) < until:
            await self._clock.sleep_until(min(until, now + LOOK_PERIOD))
            if (asked := self._asked()) != known and self._clock.now() < until:
                known = asked
                self._present.plan = self.plan(self._clock.now())

    def _asked(self) -> tuple[bool | None, UserSettings]:
        """What people ask of the plan: a car at the charger, and their wishes."""
        snapshot = self._present.snapshot
        return (snapshot.car_plugged if snapshot else None), self._present.wishes

    def plan(self, now: datetime) -> Plan | None:
        """A fresh plan from what is known; None until the home has been seen."""
        present, snapshot = self._present, self._present.snapshot
        if snapshot is None:
            return None
        battery = present.battery()
        stored_wh = present.stored_wh()
        if battery is not None and stored_wh is None:
            battery = None  # its state of charge is unknown: nothing may be planned on it
        if present.wishes.battery == "hold":
            battery = None
        home = Home(
            battery=battery,
            stored_wh=stored_wh or 0.0,
            resellable_wh=self._night.resellable_wh(stored_wh or 0.0),
            car=together(needs(snapshot.chargers, present.wishes.standing(), self._control, now)),
            export_limit_w=present.wishes.export_limit_w,
            import_limit_w=self._settings.site.import_limit_w,
            month_peak_w=month_peak_w(self._journal, self._zone, now),
        )
        outlook = build_outlook(
            now,
            self._past(floor_quarter(now) - HISTORY),
            self._known(now),
            self._tariff,
            home,
            self._options(),
        )
        if self.pv_provider is not None:
            past = self._past(floor_quarter(now) - HISTORY)
            self.pv_provider.judge(outlook.forecasts, past, now)
            outlook = with_provider(outlook, self.pv_provider.chosen(now))
        self._score(outlook)
        plan = self._strategy.plan(outlook)
        fault = present.battery_fault()
        notes = (*plan.notes, fault) if fault else plan.notes
        for note in notes:  # figures after the colon change with every plan
            if note.partition(":")[0] not in self._noted:
                log.warning("plan: %s", note)
        self._noted = {note.partition(":")[0] for note in notes}
        return plan

    def _score(self, outlook: Outlook) -> None:
        """Keep what is forecast an hour ahead, and compare what was with what came, over a day."""
        ahead = outlook.forecasts[SCORED_AHEAD : SCORED_AHEAD + 1]
        self._forecasts |= {f.interval.start: f for f in ahead}
        oldest = outlook.now - SCORED_OVER
        self._forecasts = {t: f for t, f in self._forecasts.items() if t >= oldest}
        past = [
            o
            for o in self._past(floor_quarter(outlook.now) - HISTORY)
            if o.interval.start >= oldest
        ]
        self._present.forecast_score = forecast_score(self._forecasts.values(), past)

    async def _round(self, now: datetime) -> None:
        if self._market is None:
            self._present.plan = self.plan(now)
            return
        exchange, trader = self._market
        await trader.catch_up()
        await self._refresh_prices(exchange, now)
        await trader.report()
        await trader.settle()
        if not is_bid_time(trader.rules, now, self._timing) and self._present.plan is not None:
            return
        self._present.plan = plan = self.plan(now)
        if plan is not None:
            trader.set_floor(Price.of_kwh(self._present.wishes.price_floor).ticks)
            nothing = tuple(OfferCurve(o.interval, ()) for o in plan.offers)
            await trader.bid(plan.offers if self._present.wishes.trading else nothing)

    def _next(self, now: datetime) -> datetime:
        if self._market is not None:
            return next_wake(self._market[1].rules, now, self._timing)
        period = PLAN_PERIOD
        return now - (now - floor_quarter(now)) % period + period

    async def _refresh_prices(self, exchange: Exchange, now: datetime) -> None:
        """Once a quarter: prices become known (day-ahead) or final (imbalance) at such times."""
        start = floor_quarter(now)
        if self._prices_until == start:
            return
        rows = await exchange.prices(start - PRICES_BACK, start + PRICES_AHEAD)
        kept = {t: p for t, p in self._present.prices.items() if t > start - HISTORY}
        self._present.prices = kept | {row.interval.start: row for row in rows}
        self._prices_until = start

    def _past(self, since: datetime) -> list[Observed]:
        """Past quarters, with the real-time prices that have become known; made once a quarter."""
        if self._made_past is not None and self._made_past[0] == since:
            return self._made_past[1]
        prices = self._present.prices
        past: list[Observed] = []
        for row in self._observed(since):
            known = prices.get(row.interval.start)
            final = known.imbalance_ticks if known else None
            past.append(row if final is None else replace(row, rt_price=Price(final).per_mwh))
        self._made_past = (since, past)
        return past

    def _known(self, now: datetime) -> KnownPrices:
        prices, interval = self._present.prices, quarter_of(now)
        cleared = self._clearing.price(interval)
        return KnownPrices(
            cleared={} if cleared is None else {interval.start: cleared},
            day_ahead=_per_mwh(prices, "day_ahead_ticks"),
            published_import=_per_mwh(prices, "import_ticks"),
            published_export=_per_mwh(prices, "export_ticks"),
        )

    def _options(self) -> Options:
        planner = self._settings.planner
        options = Options(
            planner.horizon_h,
            quantity_quantile=planner.quantity_quantile,
            forecaster=self._forecaster,
        )
        rules = self._market[1].known_rules if self._market else None
        if rules is None:
            return options
        return replace(
            options,
            lot_wh=rules.lot_wh,
            offer_intervals=rules.first_call_lead // timedelta(minutes=15) + 1,
            trading=self._present.wishes.trading,
        )


def _per_mwh(prices: Mapping[datetime, PublishedPrices], name: str) -> dict[datetime, float]:
    return {
        t: Price(value).per_mwh
        for t, p in prices.items()
        if (value := getattr(p, name)) is not None
    }
