"""The terms of the market: what reference data publishes. Only this file holds its numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from gateway.domain.intervals import QUARTER

MARKET_PARTY = "exchange"
LSE_PARTY = "lse"
METER_DATA_PROVIDER = "meter-data-provider"  # the role that reports revenue meters
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME, _MILLISECOND = timedelta(0), timedelta(milliseconds=1)


class PriceSource(Protocol):
    """Day-ahead and real-time price (USD/MWh) of the quarter-hour that starts then."""

    def at(self, interval_start: datetime) -> tuple[float, float]: ...

    def covers(self, interval_start: datetime) -> bool: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything a participant may need to know; Wh, ticks of 0.01 USD/MWh, times before delivery."""

    market_id: str = "charging-network"
    segment_id: str = "LZ_SOUTH"
    currency: str = "USD"
    time_zone: str = "America/Chicago"
    lot_wh: int = 10
    min_quantity_wh: int = 50
    floor: int = -25_000
    cap: int = 500_000
    preopen: timedelta = timedelta(hours=24)
    first_call: timedelta = timedelta(minutes=60)
    call_period: timedelta = timedelta(minutes=5)
    gate: timedelta = timedelta(minutes=5)
    cancel_gate: timedelta = timedelta(minutes=5, seconds=10)
    guard: timedelta = timedelta(seconds=15)
    poll_spread: timedelta = timedelta(minutes=2)  # over which askers may come after a call
    prelim_after: timedelta = timedelta(minutes=30)
    final_after: timedelta = timedelta(hours=24)
    trueup_after: timedelta = timedelta(days=35)
    account_kept: timedelta = timedelta(days=400)
    deviation_fee: int = 2_000  # 20 USD/MWh, in the manner of ERCOT's base-point deviation charge
    delivery_margin: int = 4_500  # retail price over day-ahead: 45 USD/MWh
    export_factor_pct: int = 90  # the retailer pays this part of day-ahead for uncontracted energy
    backstop_wh: int = 100_000_000
    supply_curve: bool = False  # the retailer sells dearer, the more a call asks of him
    default_capacity_w: int = 25_000  # of a party that registers itself (only with --insecure)

    def is_instrument(self, start: datetime) -> bool:
        return (start - _EPOCH) % QUARTER == _NO_TIME


@dataclass(frozen=True, slots=True)
class PostedPrices:
    """Published prices of one interval in ticks; None = not yet known."""

    retail: int | None
    export: int | None
    day_ahead: int | None
    imbalance: int | None


@dataclass(frozen=True)
class Prices:
    """What is published of a price source, and when."""

    source: PriceSource
    terms: Terms = field(default_factory=Terms)

    def posted(self, start: datetime, now: datetime) -> PostedPrices:
        """Day-ahead of the local day, of the next one from 13:30 local; imbalance after delivery."""
        zone = ZoneInfo(self.terms.time_zone)
        local = now.astimezone(zone)
        known_days = 1 if (local.hour, local.minute) >= (13, 30) else 0
        last_day = local.date() + timedelta(days=known_days)
        if start.astimezone(zone).date() > last_day or not self.source.covers(start):
            return PostedPrices(None, None, None, None)
        day_ahead = self._clamp(round(self.source.at(start)[0] * 100))
        retail = self._clamp(day_ahead + self.terms.delivery_margin)
        export = min(day_ahead * self.terms.export_factor_pct // 100, retail - 1)
        imbalance = self.imbalance(start) if now >= start + QUARTER else None
        return PostedPrices(retail, self._clamp(export), day_ahead, imbalance)

    def imbalance(self, start: datetime) -> int:
        """The zone's real-time price of a delivered interval."""
        return self._clamp(round(self.source.at(start)[1] * 100))

    def _clamp(self, ticks: int) -> int:
        return max(self.terms.floor, min(self.terms.cap, ticks))


def epoch_ms(time: datetime) -> int:
    """Milliseconds since 1970, rounded down: how moments are compared."""
    return (time - _EPOCH) // _MILLISECOND
