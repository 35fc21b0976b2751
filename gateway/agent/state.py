"""What the agent knows at one moment: one frozen value, each part of it written by exactly one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from gateway.agent.posted import PostedPrices
from gateway.bill.home import Bills
from gateway.config.plausible import doubts
from gateway.config.settings import Settings
from gateway.config.tariff import PublishedPrice, RetailPrice
from gateway.control.batteries import (
    NOT_STATED,
    combined,
    planned,
    rated,
    sized,
    steerable,
    stored_wh,
)
from gateway.domain.control import BatteryAssumptions, Setpoints
from gateway.domain.grid_operator import Direction, OperatorWord
from gateway.domain.intervals import Interval, iso, quarter_of
from gateway.domain.order import MeterCounters
from gateway.domain.plan import BatterySpec, Plan, ValueCurve
from gateway.domain.price import Price, PriceSource, Quote, mwh_price
from gateway.domain.readings import BatteryState, Snapshot
from gateway.domain.sentences import Sentence, sentence
from gateway.domain.user_settings import UserSettings
from gateway.feeds.keeper import FeedPrices
from gateway.forecasts.score import ForecastScore
from gateway.ipc.messages import GuardReport
from gateway.openadr.acting import ProgrammeEvents
from gateway.tariff import TariffRules, Terms


@dataclass(frozen=True, slots=True)
class HomeRules:
    """What does not change while the agent runs."""

    settings: Settings
    tariff: TariffRules
    assumed: BatteryAssumptions
    doubted: bool = False  # the tariff can hardly be meant: its prices are taken for unknown

    @classmethod
    def of(cls, settings: Settings) -> Self:
        rules = TariffRules(settings.tariff, ZoneInfo(settings.site.time_zone))
        return cls(settings, rules, settings.for_guard().battery, bool(doubts(settings)))


@dataclass(frozen=True, slots=True)
class CarSoc:
    """The car's state of charge as something told it at ``time``, when its session had got ``session_wh``."""

    pct: float
    time: datetime
    session_wh: float


@dataclass(frozen=True, slots=True)
class GatewayState:
    """The guard's newest report, the plan, prices, and the user's settings.

    ``shadow``: the plan is only reckoned, the inverter works alone. ``operator`` is what was heard of the grid operator since the agent started.
    ``cleared`` is the present interval's clearing price per MWh with the interval it is of;
    ``interval_start`` what the grid meter had counted when the present interval began; ``feeds`` what the
    price feeds say; ``ratings`` the largest powers that each battery has stated; ``alarms`` are the
    agent's own; ``paused_until`` is set while too much of the exchange is disputed.
    """

    rules: HomeRules
    user: UserSettings
    report: GuardReport | None = None
    plan: Plan | None = None
    prices: PostedPrices = field(default_factory=PostedPrices)
    forecast_score: ForecastScore | None = None
    exchange_reached: bool = False
    cleared: tuple[Interval, float] | None = None
    interval_start: tuple[Interval, MeterCounters] | None = None
    resellable: bool = True
    car_soc: CarSoc | None = None
    feeds: Mapping[str, FeedPrices] = field(default_factory=dict)
    ratings: Mapping[str, BatteryState] = field(default_factory=dict)
    alarms: tuple[Sentence, ...] = ()
    paused_until: datetime | None = None
    bills: Bills | None = None
    operator: OperatorWord = field(default_factory=OperatorWord)
    shadow: bool = False
    programme: ProgrammeEvents | None = None

    @property
    def settings(self) -> Settings:
        return self.rules.settings

    @property
    def snapshot(self) -> Snapshot | None:
        return self.report.snapshot if self.report else None

    @property
    def setpoints(self) -> Setpoints:
        return self.report.setpoints if self.report else Setpoints()

    @property
    def all_alarms(self) -> tuple[Sentence, ...]:
        """What a person should look at now: the guard's word, and the agent's own."""
        late = (feed.alarm for feed in self.feeds.values() if feed.alarm)
        told = self.report.alarms if self.report else ()
        programme = self.programme.alarms if self.programme else ()
        return (*told, *self.alarms, *late, *programme, *self._pause(), *self._no_price())

    def _no_price(self) -> tuple[Sentence, ...]:
        """The exchange should publish what energy costs now, and does not. (A feed says so itself.)"""
        price = self.settings.tariff.import_price
        awaited = isinstance(price, PublishedPrice) and price.feed is None
        first = self.plan.schedule[0] if self.plan and self.plan.schedule else None
        if not awaited or self.rules.doubted or first is None or not first.import_source.assumed:
            return ()
        return (sentence("no_import_price", source=first.import_source.value),)

    @property
    def paused(self) -> bool:
        """Whether nothing is bid now, since too much of what the exchange says is disputed."""
        now = self.snapshot.time if self.snapshot else None
        return self.paused_until is not None and (now is None or now < self.paused_until)

    def _pause(self) -> tuple[Sentence, ...]:
        if not self.paused or self.paused_until is None:
            return ()
        return (sentence("trading_paused", time=iso(self.paused_until)),)

    @property
    def tick(self) -> int:
        """The number of the guard's newest report, 0 before the first."""
        return self.report.tick if self.report else 0

    def published(self, interval: Interval) -> tuple[float | None, float | None]:
        """The retailer's published import and export price of ``interval``, per MWh."""
        tariff, start = self.settings.tariff, interval.start
        return (
            self._published(tariff.import_price, start, "import_ticks"),
            self._published(tariff.export_price, start, "export_ticks"),
        )

    def _published(self, price: RetailPrice, start: datetime, column: str) -> float | None:
        if isinstance(price, PublishedPrice) and price.feed is not None:
            known = self.feeds[price.feed].prices.get(start) if price.feed in self.feeds else None
            return None if known is None else mwh_price(known)
        posted = self.prices.get(start)
        return None if posted is None else _per_mwh(getattr(posted, column))

    def quotes(
        self, interval: Interval, cleared: float | None = None
    ) -> tuple[Quote | None, Quote | None]:
        """What a MWh costs and earns without bidding, by the tariff; where that is not known, what the
        plan expects, which says where it comes from. None where nothing is planned either.

        Where it follows the market, it is known at the clearing price: ``cleared``, or the present interval's."""
        if self.rules.doubted:
            return None, None
        market = self.clearing_price(interval) if cleared is None else cleared
        schedule = self.plan.schedule if self.plan else ()
        planned = next((c for c in schedule if c.interval == interval), None)
        bought, sold = self.published(interval)
        tariff = self.rules.tariff
        return (
            _quote(tariff.import_terms(interval), market, bought)
            or (planned.import_quote if planned else None),
            _quote(tariff.export_terms(interval), market, sold)
            or (planned.export_quote if planned else None),
        )

    def clearing_price(self, interval: Interval) -> float | None:
        """The market price of ``interval`` per MWh, as far as it is known yet."""
        return self.cleared[1] if self.cleared and self.cleared[0] == interval else None

    def value(self, now: datetime) -> ValueCurve | None:
        """What stored energy is worth at ``now``, given the clearing price where it is known."""
        if self.plan is None:
            return None
        return self.plan.value(now, self.clearing_price(quarter_of(now)))

    def batteries(self) -> tuple[BatteryState, ...]:
        """Each battery that can be steered, as it is planned: its size as configured or stated."""
        if self.snapshot is None:
            return ()
        steered = steerable(self.snapshot.batteries)
        return sized(planned(steered, self.ratings), self.rules.assumed)

    def battery(self) -> BatterySpec | None:
        """All batteries as the one that is planned."""
        return combined(self.batteries(), self.rules.assumed, self.user.backup_reserve_pct)

    def battery_fault(self) -> Sentence | None:
        """Why a battery that is measured cannot be planned; None if nothing is wrong."""
        steered = steerable(self.snapshot.batteries) if self.snapshot else ()
        if self.battery() or all(b.soc_pct is None for b in steered):
            return None
        return NOT_STATED

    def operator_limit_w(self, direction: Direction) -> float | None:
        """What the grid operator allows at the connection now, as far as a plan can know it.

        An import limit that is for controllable devices alone changes with the house, and is left to control. What a
        programme has announced ends at a time that is known, and is planned by the hour (`ordering.announced_limits`).
        """
        if self.report is None:
            return None
        by_hour = self.programme is not None and self.programme.heard is not None
        rules = self.settings.grid_operator
        at_meter = direction == "export" or (rules is not None and rules.applies_to == "connection")
        held = (
            r.limit_w
            for r in self.report.operator
            if r.direction == direction and (not by_hour if r.source == "programme" else at_meter)
        )
        return min((w for w in held if w is not None), default=None)

    def stored_wh(self) -> float | None:
        """Energy in all batteries now; None while a state of charge or a size is unknown."""
        return stored_wh(self.batteries())


class StateKeeper:
    """Holds the newest state. Whoever writes a field claims it once; everybody may read."""

    def __init__(self, first: GatewayState) -> None:
        self._state = first
        self._claimed: set[str] = set()
        self._reported = asyncio.Event()

    @property
    def state(self) -> GatewayState:
        """The state now; it does not change in the hands of the one who asked."""
        return self._state

    def writer(self, name: str) -> Callable[[Any], None]:
        """The only way to write the field ``name``; a second claim is a fault of the program."""
        if name in self._claimed or name not in {f.name for f in fields(GatewayState)}:
            raise ValueError(f"{name} has a writer already, or is no field of the state")
        self._claimed.add(name)

        def write(value: Any) -> None:
            self._state = replace(self._state, **{name: value})
            if name == "report":
                self._state = replace(self._state, ratings=self._rated())
                self._reported.set()
                self._reported = asyncio.Event()

        return write

    def _rated(self) -> Mapping[str, BatteryState]:
        """What the newest report teaches about the batteries."""
        snapshot, known = self._state.snapshot, self._state.ratings
        return known if snapshot is None else rated(known, snapshot.batteries)

    async def next_report(self) -> None:
        """Wait for the guard's next report (never called by a participant of the clock)."""
        await self._reported.wait()


def _quote(terms: Terms, market: float | None, published: float | None) -> Quote | None:
    price = terms.at(market, published)
    if price is None:
        return None
    if terms.published:
        return Quote(price, PriceSource.PUBLISHED)
    return Quote(price, PriceSource.CLEARED if terms.market else PriceSource.TARIFF)


def _per_mwh(price_ticks: int | None) -> float | None:
    return None if price_ticks is None else Price(price_ticks).per_mwh
