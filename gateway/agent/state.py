"""What the loops know of the present: written by one loop each, read by all; immutable parts only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.config.settings import Settings
from gateway.control.batteries import NOT_STATED, combined, sized, stored_wh
from gateway.domain.control import Setpoints
from gateway.domain.intervals import Interval, quarter_of
from gateway.domain.plan import BatterySpec, Plan, ValueCurve
from gateway.domain.price import Price
from gateway.domain.readings import BatteryState, Snapshot
from gateway.domain.user_settings import UserSettings
from gateway.forecasts.score import ForecastScore
from gateway.market.exchanges import PublishedPrices
from gateway.tariff import TariffRules


@dataclass
class Present:
    """The newest snapshot, setpoints, plan and published prices, and the user's standing wishes."""

    settings: Settings
    wishes: UserSettings
    snapshot: Snapshot | None = None
    setpoints: Setpoints = field(default_factory=Setpoints)
    plan: Plan | None = None
    prices: Mapping[datetime, PublishedPrices] = field(default_factory=dict)
    tariff: TariffRules = field(init=False)
    forecast_score: ForecastScore | None = None
    exchange_reached: bool = False
    cleared: tuple[Interval, float] | None = None  # this quarter's clearing price, per MWh
    ticks: int = 0
    _ticked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._assumed = self.settings.for_guard().battery
        self.tariff = TariffRules(self.settings.tariff, ZoneInfo(self.settings.site.time_zone))

    def tick(self) -> None:
        """A control tick is done; those who wait for one go on."""
        self.ticks += 1
        self._ticked.set()
        self._ticked = asyncio.Event()

    async def next_tick(self) -> None:
        """Wait for the next control tick (never called by a participant of the clock)."""
        await self._ticked.wait()

    def published(self, interval: Interval) -> tuple[float | None, float | None]:
        """The retailer's published import and export price of ``interval``, per MWh."""
        known = self.prices.get(interval.start)
        if known is None:
            return None, None
        return _or_none(known.import_ticks), _or_none(known.export_ticks)

    def retail(self, interval: Interval) -> tuple[float | None, float | None]:
        """What a MWh costs and earns without bidding, by the tariff; where it follows the market and
        nothing is published, at the clearing price or, before that is known, at the expected one."""
        schedule = self.plan.schedule if self.plan else ()
        planned = next((c for c in schedule if c.interval == interval), None)
        market = self.clearing_price(interval)
        if market is None and planned is not None:
            market = planned.market_price
        bought, sold = self.published(interval)
        return (
            self.tariff.import_price(interval, market, bought),
            self.tariff.export_price(interval, market, sold),
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
        """Each battery with its size: as configured, or else as it states itself."""
        if self.snapshot is None:
            return ()
        return sized(self.snapshot.batteries, self._assumed)

    def battery(self) -> BatterySpec | None:
        """All batteries as the one that is planned."""
        return combined(self.batteries(), self._assumed, self.wishes.backup_reserve_pct)

    def battery_fault(self) -> str:
        """Why a battery that is measured cannot be planned, as a sentence; empty if nothing is wrong."""
        if self.snapshot is None or self.snapshot.battery_soc_pct is None or self.battery():
            return ""
        return NOT_STATED

    def stored_wh(self) -> float | None:
        """Energy in all batteries now; None while a state of charge or a size is unknown."""
        return stored_wh(self.batteries())


def _or_none(price_ticks: int | None) -> float | None:
    return None if price_ticks is None else Price(price_ticks).per_mwh
