"""The trading loop: at market times catch up, plan, bid, report, settle. Without a market: plan."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.agent.car_soc import standing
from gateway.agent.clearing import Clearing, month_peak_w
from gateway.agent.night import NightOrigin
from gateway.agent.ordering import announced_limits, announced_wh, dispatch_wh
from gateway.agent.prices import PostedMemory, known_prices, real_time, retail_rows
from gateway.agent.state import StateKeeper
from gateway.clock import Clock
from gateway.control.charging import needs, wished
from gateway.control.heat import heat_needs
from gateway.domain.intervals import floor_quarter, quarter_of
from gateway.domain.plan import CarNeed, Forecast, HeatNeed, Observed, OfferCurve, Outlook, Plan
from gateway.domain.price import Price
from gateway.domain.readings import Quality, Snapshot
from gateway.domain.sentences import Sentence, alike, sentence
from gateway.errors import MarketError, StorageError
from gateway.forecasts.away import while_away
from gateway.forecasts.household import forecaster_of, usual
from gateway.forecasts.prices import PriceForecaster
from gateway.forecasts.provided import ProviderForecast
from gateway.forecasts.pv_provider import with_provider
from gateway.forecasts.score import forecast_score
from gateway.forecasts.temperature import OutsideTemperature
from gateway.forecasts.unmeasured import guesses
from gateway.forecasts.variants import USUAL, Variant
from gateway.market.exchanges import Exchange
from gateway.market.schedule import BidTiming, is_bid_time, next_wake
from gateway.market.trader import Trader
from gateway.metering.clock_watch import ClockWatch
from gateway.planner import Strategy
from gateway.planner.assumed import assumptions
from gateway.planner.offers import within
from gateway.planner.outlook import Home, KnownPrices, Options, build_outlook
from gateway.store.journal import Journal
from gateway.supervise import Availability

log = logging.getLogger(__name__)

SHADOW_NOTE = sentence("first_days")
PLAN_PERIOD = timedelta(minutes=5)  # without a market; with one, each call
ASK_CLOCK_S = 60.0  # the exchange, while our clock is doubted
LOOK_PERIOD = timedelta(seconds=15)  # between two looks at what people ask for
PRICES_BACK = timedelta(days=2)
PRICES_AHEAD = timedelta(hours=36)
HISTORY = timedelta(days=60)
SCORED_AHEAD, SCORED_OVER = 4, timedelta(days=1)  # forecasts are judged an hour ahead, over a day


@dataclass(frozen=True, slots=True)
class Past:
    """What happened: ``quarters(since)`` for the forecast, the account, its prices, where energy came from; and ``watch``,
    which says whether the clock can be right."""

    quarters: Callable[[datetime], Sequence[Observed]]
    journal: Journal
    clearing: Clearing
    origin: NightOrigin
    watch: ClockWatch
    posted: PostedMemory | None = None  # the retailer's prices over a restart
    pv_provider: ProviderForecast | None = None  # a weather service, judged by what came
    outside: OutsideTemperature | None = None


class TradingLoop:
    """Plans and trades."""

    def __init__(
        self,
        keeper: StateKeeper,
        strategy: Strategy,
        clock: Clock,
        past: Past,
        market: tuple[Exchange, Trader] | None = None,
        order: Callable[[], None] = lambda: None,
    ) -> None:
        """``order`` tells the guard what a round has changed."""
        self._keeper, self._strategy, self._clock = keeper, strategy, clock
        self._past_of, self._market, self._order = past, market, order
        self._watch = past.watch
        self._pv_provider = past.pv_provider
        self._write_plan, self._write_prices = keeper.writer("plan"), keeper.writer("prices")
        self._write_score = keeper.writer("forecast_score")
        self._write_reached = keeper.writer("exchange_reached")
        self._write_pause = keeper.writer("paused_until")
        self._settings = keeper.state.settings
        if past.posted is not None:
            self._write_prices(past.posted.restored())
        self._zone = ZoneInfo(self._settings.site.time_zone)
        self._tariff = keeper.state.rules.tariff
        self._forecaster = forecaster_of(self._settings)
        self._usual = usual(self._settings)
        self._market_prices = PriceForecaster()
        self._variant = USUAL
        self._variant_note: Sentence | None = None
        self._control = self._settings.for_guard().control()
        self._prices_until: datetime | None = None
        self._noted: set[str] = set()
        self._forecasts: dict[datetime, Forecast] = {}
        self._made_past: tuple[datetime, list[Observed]] | None = None
        party = self._settings.market.party_id if self._settings.market else ""
        self._timing = BidTiming.of(party)
        self.plan_period = PLAN_PERIOD

    def use(self, variant: Variant, note: Sentence | None) -> None:
        """Forecast so from the next plan on; ``note`` tells people of it, if it is not the usual way."""
        self._variant_note = note
        if variant != self._variant:
            self._variant = variant
            self._forecaster = forecaster_of(self._settings, variant)
            self._market_prices = PriceForecaster(variant.alike)

    def known_past(self, now: datetime) -> tuple[Sequence[Observed], KnownPrices]:
        """What a plan made now would learn from."""
        return self._past(floor_quarter(now) - HISTORY), self._known(now)

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
        ours = self._tariff.tariff.currency
        if theirs and theirs != ours:
            raise MarketError(
                f"it settles in {theirs}, and tariff.currency is {ours}: nothing is traded"
            )

    async def _until_believed(self) -> None:
        """Nothing is asked for, told or offered by a clock that cannot be right; the home is steered."""
        while self._watch.doubt:
            if (
                self._market
                and self._market[0].tells_time
                and await self._market[1].clock_is_right()
            ):
                said = self._watch.confirm(self._clock.now(), self._clock.monotonic())
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
        plan = self.plan(now)
        self._write_plan(plan)
        self._order()
        return plan

    def plan(self, now: datetime) -> Plan | None:
        """A fresh plan from what is known; None until the home has been seen, and where nobody says what import costs."""
        state = self._keeper.state
        snapshot = state.snapshot
        if snapshot is None or not self._tariff.tariff.says_import:
            return None
        battery = state.battery()
        stored_wh = state.stored_wh()
        if battery is not None and stored_wh is None:
            battery = None  # its state of charge is unknown: nothing may be planned on it
        if state.user.battery == "hold":
            battery = None
        home = Home(
            battery=battery,
            stored_wh=stored_wh or 0.0,
            resellable_wh=self._past_of.origin.resellable_wh(stored_wh or 0.0),
            cars=self._cars(now),
            heaters=self._heaters(now),
            export_limit_w=_least(state.user.export_limit_w, state.operator_limit_w("export")),
            import_limit_w=_least(
                self._settings.site.most_import_w, state.operator_limit_w("import")
            ),
            grid_energy_stays=self._settings.battery.grid_energy == "home",
            month_peak_w=month_peak_w(self._past_of.journal, self._zone, now),
            car_from_battery=state.user.car_from_battery,
            announced=announced_limits(state),
        )
        outlook = build_outlook(
            now,
            self._past(floor_quarter(now) - HISTORY),
            self._known(now),
            self._tariff,
            home,
            self._options(),
        )
        if state.user.away:
            past = self._past(floor_quarter(now) - HISTORY)
            outlook = while_away(outlook, past, self._zone)
        if self._pv_provider is not None:
            past = self._past(floor_quarter(now) - HISTORY)
            self._pv_provider.judge(outlook.forecasts, past, now)
            outlook = with_provider(outlook, self._pv_provider.chosen(now))
        self._score(outlook)
        plan = self._strategy.plan(outlook)
        known = self._past(floor_quarter(now) - HISTORY)
        unmeasured = guesses(known, self._usual, has_panels=_has_panels(snapshot))
        unpublished = assumptions(plan.schedule, self._zone)
        plan = replace(plan, assumed=unpublished + unmeasured)
        fault = state.battery_fault()
        notes = (*plan.notes, fault) if fault else plan.notes
        if state.shadow:
            plan = replace(plan, notes=(*plan.notes, SHADOW_NOTE))
            notes = (*notes, SHADOW_NOTE)
        for note in notes:  # figures change with every plan
            if alike(note) not in self._noted:
                log.warning("plan: %s", note)
        self._noted = {alike(note) for note in notes}
        if self._variant_note is not None:
            plan = replace(plan, notes=(*plan.notes, self._variant_note))
        return plan

    def _cars(self, now: datetime) -> tuple[CarNeed, ...]:
        """What the cars that stand there want, the most urgent first; then those that take what is left over."""
        state = self._keeper.state
        chargers = state.snapshot.chargers if state.snapshot else ()
        steered = tuple(c for c in chargers if c.steerable)
        each = needs(steered, standing(state, now), self._control, now)
        more = (n for n in each.values() if n.energy_wh <= 0)
        return (*wished(each), *more)

    def _heaters(self, now: datetime) -> tuple[HeatNeed, ...]:
        """What the water of each heater still needs."""
        snapshot, known = self._keeper.state.snapshot, self._control.heaters
        if snapshot is None or not known:
            return ()
        return tuple(heat_needs(snapshot.heaters, known, now, self._zone).values())

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
        self._write_score(forecast_score(self._forecasts.values(), past))

    def _note_prices(self) -> None:
        """The account must be readable without the feeds: what they published for a metered quarter goes into it."""
        state, book = self._keeper.state, self._past_of.journal.book
        rows = retail_rows(
            self._tariff.tariff, state.feeds, book.metered.keys() - book.retail.keys()
        )
        if rows:
            entries = [("retail_price", row) for row in rows]
            with suppress(StorageError):  # those who meter say it; the next round tries again
                self._past_of.journal.append_all(entries, self._clock.now())

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
        if self._past_of.posted is not None:
            self._past_of.posted.keep(known, now)
        self._prices_until = start

    def _past(self, since: datetime) -> list[Observed]:
        """Past quarters, with the real-time prices that have become known; made once a quarter."""
        if self._made_past is not None and self._made_past[0] == since:
            return self._made_past[1]
        state = self._keeper.state
        final = real_time(self._tariff.tariff, state.feeds, state.prices)
        former = {o.interval.start: o for o in self._made_past[1]} if self._made_past else {}
        past: list[Observed] = []
        for row in self._past_of.quarters(since):
            price = final.get(row.interval.start)
            made = row if price is None else replace(row, rt_price=price)
            known = former.get(row.interval.start)
            past.append(known if known == made else made)  # some thousand objects live on, not anew
        self._made_past = (since, past)
        return past

    def _known(self, now: datetime) -> KnownPrices:
        state, interval = self._keeper.state, quarter_of(now)
        cleared = self._past_of.clearing.price(interval)
        known = known_prices(self._tariff, state.feeds, state.prices, now)
        return replace(known, cleared={} if cleared is None else {interval.start: cleared})

    def _options(self) -> Options:
        planner, outside = self._settings.planner, self._past_of.outside
        options = Options(
            planner.horizon_h,
            quantity_quantile=planner.quantity_quantile,
            forecaster=self._forecaster,
            prices=self._market_prices,
            temperatures=outside.known(self._clock.now()) if outside else None,
            careful=planner.first_days == "careful",
        )
        rules = self._market[1].known_rules if self._market else None
        if rules is None:
            return options
        return replace(
            options,
            lot_wh=rules.lot_wh,
            offer_intervals=rules.first_call_lead // timedelta(minutes=15) + 1,
            trading=self._keeper.state.user.trading,
        )


def _coarse(power_w: float | None) -> int | None:
    """A power that is worth a new plan when it changes."""
    return None if power_w is None else round(power_w / 1000)


def _least(*limits: float | None) -> float | None:
    return min((w for w in limits if w is not None), default=None)


def _has_panels(snapshot: Snapshot) -> bool:
    """Whether something in the home measures panels."""
    seen = (d.readings.get("pv_power_w") for d in snapshot.devices.values())
    return any(reading is not None and reading.quality is not Quality.ABSENT for reading in seen)
