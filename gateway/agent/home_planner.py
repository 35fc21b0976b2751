"""A fresh plan: from what the home is and asks for, what it knows of its past, and the prices that are known."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.agent.car_soc import standing
from gateway.agent.clearing import Clearing, month_peak_w
from gateway.agent.night import NightOrigin
from gateway.agent.ordering import announced_limits
from gateway.agent.prices import PostedMemory, known_prices, real_time
from gateway.agent.state import StateKeeper
from gateway.clock import Clock
from gateway.control.charging import needs, wished
from gateway.control.fuse import total_w
from gateway.control.heat import heat_needs
from gateway.domain.intervals import floor_quarter, quarter_of
from gateway.domain.plan import CarNeed, Forecast, HeatNeed, Observed, Outlook, Plan
from gateway.domain.readings import Quality, Snapshot
from gateway.domain.sentences import Sentence, alike, sentence
from gateway.domain.trade import MarketRules
from gateway.forecasts.away import while_away
from gateway.forecasts.household import forecaster_of, usual
from gateway.forecasts.prices import PriceForecaster
from gateway.forecasts.provided import ProviderForecast
from gateway.forecasts.pv_provider import with_provider
from gateway.forecasts.score import forecast_score
from gateway.forecasts.temperature import OutsideTemperature
from gateway.forecasts.unmeasured import guesses
from gateway.forecasts.variants import USUAL, Variant
from gateway.metering.clock_watch import ClockWatch
from gateway.planner import Strategy
from gateway.planner.assumed import assumptions
from gateway.planner.outlook import Home, KnownPrices, Options, build_outlook
from gateway.store.journal import Journal

log = logging.getLogger(__name__)

SHADOW_NOTE = sentence("first_days")
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


class HomePlanner:
    """Makes the home's plans, and keeps in mind what the next one starts from."""

    def __init__(
        self,
        keeper: StateKeeper,
        strategy: Strategy,
        clock: Clock,
        past: Past,
        rules: Callable[[], MarketRules | None] = lambda: None,
    ) -> None:
        """``rules`` are the exchange's, once they are known."""
        self._keeper, self._strategy, self._clock = keeper, strategy, clock
        self._past, self._rules = past, rules
        self._write_plan, self._write_score = keeper.writer("plan"), keeper.writer("forecast_score")
        self._settings = keeper.state.settings
        self._zone = ZoneInfo(self._settings.site.time_zone)
        self._tariff = keeper.state.rules.tariff
        self._forecaster = forecaster_of(self._settings)
        self._usual = usual(self._settings)
        self._market_prices = PriceForecaster()
        self._variant = USUAL
        self._variant_note: Sentence | None = None
        self._control = self._settings.for_guard().control()
        self._noted: set[str] = set()
        self._forecasts: dict[datetime, Forecast] = {}
        self._made_past: tuple[datetime, list[Observed]] | None = None

    def use(self, variant: Variant, note: Sentence | None) -> None:
        """Forecast so from the next plan on; ``note`` tells people of it, if it is not the usual way."""
        self._variant_note = note
        if variant != self._variant:
            self._variant = variant
            self._forecaster = forecaster_of(self._settings, variant)
            self._market_prices = PriceForecaster(variant.alike)

    def replan(self, now: datetime) -> Plan | None:
        """A fresh plan takes the place of the last one; None until the home has been seen, and where nobody says what
        import costs."""
        plan = self._plan(now)
        self._write_plan(plan)
        return plan

    def _plan(self, now: datetime) -> Plan | None:
        snapshot = self._keeper.state.snapshot
        if snapshot is None or not self._tariff.tariff.says_import:
            return None
        outlook = self._outlook(now, snapshot)
        self._score(outlook)
        plan = self._strategy.plan(outlook)
        unmeasured = guesses(self._recent(now), self._usual, has_panels=_has_panels(snapshot))
        unpublished = assumptions(plan.schedule, self._zone)
        return self._with_notes(replace(plan, assumed=unpublished + unmeasured))

    def _outlook(self, now: datetime, snapshot: Snapshot) -> Outlook:
        state, past = self._keeper.state, self._recent(now)
        home = self._home(now, snapshot)
        outlook = build_outlook(now, past, self._known(now), self._tariff, home, self._options())
        if state.user.away:
            outlook = while_away(outlook, past, self._zone)
        provider = self._past.pv_provider
        if provider is not None:
            provider.judge(outlook.forecasts, past, now)
            outlook = with_provider(outlook, provider.chosen(now))
        return outlook

    def _home(self, now: datetime, snapshot: Snapshot) -> Home:
        state = self._keeper.state
        battery, stored_wh = state.battery(), state.stored_wh()
        if stored_wh is None or state.user.battery == "hold":
            battery = None  # nothing may be planned on a state of charge that is unknown
        return Home(
            battery=battery,
            stored_wh=stored_wh or 0.0,
            resellable_wh=self._past.origin.resellable_wh(stored_wh or 0.0),
            cars=self._cars(now, snapshot),
            heaters=self._heaters(now, snapshot),
            export_limit_w=_least(state.user.export_limit_w, state.operator_limit_w("export")),
            import_limit_w=_least(self._most_import_w(snapshot), state.operator_limit_w("import")),
            grid_energy_stays=self._settings.battery.grid_energy == "home",
            month_peak_w=self._month_peak_w(now),
            car_from_battery=state.user.car_from_battery,
            announced=announced_limits(state),
        )

    def _most_import_w(self, snapshot: Snapshot) -> float | None:
        """As control keeps it: less than the fuses' sum where the meter tells no phases."""
        site = self._settings.site
        if site.fuse is None or snapshot.grid_w is None:
            return site.most_import_w
        return _least(site.import_limit_w, total_w(snapshot, site.fuse))

    def _month_peak_w(self, now: datetime) -> float:
        """Only where it costs something: it is looked for in weeks of readings."""
        if self._keeper.state.settings.tariff.demand_charge_per_kw <= 0:
            return 0.0
        return month_peak_w(self._past.journal, self._zone, now)

    def _with_notes(self, plan: Plan) -> Plan:
        """What people must know beside it; each is logged once, though its figures change with every plan."""
        state = self._keeper.state
        shadow = (SHADOW_NOTE,) if state.shadow else ()
        fault = state.battery_fault()
        notes = (*plan.notes, *((fault,) if fault else ()), *shadow)
        for note in notes:
            if alike(note) not in self._noted:
                log.warning("plan: %s", note)
        self._noted = {alike(note) for note in notes}
        variant = (self._variant_note,) if self._variant_note is not None else ()
        return replace(plan, notes=(*plan.notes, *shadow, *variant))

    def _cars(self, now: datetime, snapshot: Snapshot) -> tuple[CarNeed, ...]:
        """What the cars that stand there want, the most urgent first; then those that take what is left over."""
        steered = tuple(c for c in snapshot.chargers if c.steerable)
        each = needs(steered, standing(self._keeper.state, now), self._control, now)
        more = (n for n in each.values() if n.energy_wh <= 0)
        return (*wished(each), *more)

    def _heaters(self, now: datetime, snapshot: Snapshot) -> tuple[HeatNeed, ...]:
        """What the water of each heater still needs."""
        known = self._control.heaters
        if not known:
            return ()
        return tuple(heat_needs(snapshot.heaters, known, now, self._zone).values())

    def _score(self, outlook: Outlook) -> None:
        """Keep what is forecast an hour ahead, and compare what was with what came, over a day."""
        ahead = outlook.forecasts[SCORED_AHEAD : SCORED_AHEAD + 1]
        self._forecasts |= {f.interval.start: f for f in ahead}
        oldest = outlook.now - SCORED_OVER
        self._forecasts = {t: f for t, f in self._forecasts.items() if t >= oldest}
        past = [o for o in self._recent(outlook.now) if o.interval.start >= oldest]
        self._write_score(forecast_score(self._forecasts.values(), past))

    def _recent(self, now: datetime) -> list[Observed]:
        """Past quarters, with the real-time prices that have become known; made once a quarter."""
        since = floor_quarter(now) - HISTORY
        if self._made_past is not None and self._made_past[0] == since:
            return self._made_past[1]
        state = self._keeper.state
        final = real_time(self._tariff.tariff, state.feeds, state.prices)
        former = {o.interval.start: o for o in self._made_past[1]} if self._made_past else {}
        past: list[Observed] = []
        for row in self._past.quarters(since):
            price = final.get(row.interval.start)
            made = row if price is None else replace(row, rt_price=price)
            known = former.get(row.interval.start)
            past.append(known if known == made else made)  # some thousand objects live on, not anew
        self._made_past = (since, past)
        return past

    def _known(self, now: datetime) -> KnownPrices:
        state, interval = self._keeper.state, quarter_of(now)
        cleared = self._past.clearing.price(interval)
        known = known_prices(self._tariff, state.feeds, state.prices, now)
        return replace(known, cleared={} if cleared is None else {interval.start: cleared})

    def _options(self) -> Options:
        planner, outside = self._settings.planner, self._past.outside
        options = Options(
            planner.horizon_h,
            quantity_quantile=planner.quantity_quantile,
            forecaster=self._forecaster,
            prices=self._market_prices,
            temperatures=outside.known(self._clock.now()) if outside else None,
            careful=planner.first_days == "careful",
        )
        rules = self._rules()
        if rules is None:
            return options
        return replace(
            options,
            lot_wh=rules.lot_wh,
            offer_intervals=rules.first_call_lead // timedelta(minutes=15) + 1,
            trading=self._keeper.state.user.trading,
        )


def _least(*limits: float | None) -> float | None:
    return min((w for w in limits if w is not None), default=None)


def _has_panels(snapshot: Snapshot) -> bool:
    """Whether something in the home measures panels."""
    seen = (d.readings.get("pv_power_w") for d in snapshot.devices.values())
    return any(reading is not None and reading.quality is not Quality.ABSENT for reading in seen)
