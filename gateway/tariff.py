"""The tariff applied: what a MWh of one interval costs and earns, by local rules.

Prices are currency units per MWh for the planner (floats: it estimates), per kWh for the bill (exact). An interval belongs to the local
rule that holds at its start. Taxes apply to what is bought, not to what is sold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.config.tariff import (
    FlatPrice,
    PublishedPrice,
    RetailPrice,
    Tariff,
    TimeOfUsePeriod,
    TimeOfUsePrice,
    WholesalePrice,
)
from gateway.domain.intervals import Interval
from gateway.domain.price import mwh_price

_KNOWN = 400  # intervals whose terms are kept: no plan looks further than four days ahead
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class ExactTerms(NamedTuple):
    """A price per kWh, exact: ``base + market x market price + published x published price``."""

    base: Decimal
    market: Decimal = Decimal(0)
    published: Decimal = Decimal(0)

    def at(self, market: Decimal | None, published: Decimal | None) -> Decimal | None:
        """The price; None where a part of it is not known."""
        total = self.base
        for factor, value in ((self.market, market), (self.published, published)):
            if factor:
                if value is None:
                    return None
                total += factor * value
        return total

    def plus(self, base: Decimal, share: Decimal) -> ExactTerms:
        """With ``base`` more, and all of it times ``share``."""
        return ExactTerms((self.base + base) * share, self.market * share, self.published * share)

    def estimated(self) -> Terms:
        """The same per MWh in floats, for the planner."""
        return Terms(mwh_price(self.base), float(self.market), float(self.published))


class Terms(NamedTuple):
    """A price per MWh that is ``base + market x market price + published x published price``."""

    base: float
    market: float = 0.0
    published: float = 0.0

    def at(self, market: float | None, published: float | None) -> float | None:
        """The price; None where a part of it is not known."""
        total = self.base
        for factor, value in ((self.market, market), (self.published, published)):
            if factor:
                if value is None:
                    return None
                total += factor * value
        return total


@dataclass(frozen=True, slots=True)
class TariffRules:
    """A tariff in the home's time zone."""

    tariff: Tariff
    zone: ZoneInfo
    _imports: dict[Interval, Terms] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _exports: dict[Interval, Terms] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def import_price(
        self, interval: Interval, market: float | None = None, published: float | None = None
    ) -> float | None:
        """What a MWh taken from the retailer costs, tax included; None when its price is unknown.

        ``market`` is the interval's real-time (or expected) price, ``published`` the retailer's; one
        never stands in for the other. In the flat night window it is 0: the monthly fee covers it.
        """
        return self.import_terms(interval).at(market, published)

    def export_price(
        self, interval: Interval, market: float | None = None, published: float | None = None
    ) -> float | None:
        """What a MWh given to the retailer without bidding earns; None when it is unknown."""
        return self.export_terms(interval).at(market, published)

    def import_terms_of(self, intervals: Iterable[Interval]) -> list[Terms]:
        """`import_terms` of each."""
        known = self._imports
        return [known.get(i) or self.import_terms(i) for i in intervals]

    def export_terms_of(self, intervals: Iterable[Interval]) -> list[Terms]:
        """`export_terms` of each."""
        known = self._exports
        return [known.get(i) or self.export_terms(i) for i in intervals]

    def import_terms(self, interval: Interval) -> Terms:
        """Of what the import price is made."""
        return self._estimated(self._imports, self.exact_import, interval)

    def export_terms(self, interval: Interval) -> Terms:
        """Of what the export price is made."""
        return self._estimated(self._exports, self.exact_export, interval)

    def _estimated(
        self,
        known: dict[Interval, Terms],
        exact: Callable[[Interval], ExactTerms],
        interval: Interval,
    ) -> Terms:
        """Exact numbers take their time, and a planner asks for the same intervals again and again."""
        terms = known.get(interval)
        if terms is None:
            if len(known) >= _KNOWN:
                del known[next(iter(known))]
            terms = known[interval] = exact(interval).estimated()
        return terms

    def exact_import(self, interval: Interval) -> ExactTerms:
        """What the bill says of a kWh bought, tax included."""
        if self.is_flat_night(interval):
            return ExactTerms(Decimal(0))
        price = self.tariff.import_price
        terms = self._terms(price, interval)
        if isinstance(price, PublishedPrice) and price.tax_included:
            return terms
        return terms.plus(self._on_top(interval), 1 + self.tariff.tax_pct / 100)

    def exact_export(self, interval: Interval) -> ExactTerms:
        """What the bill says of a kWh given to the grid."""
        return self._terms(self.tariff.export_price, interval)

    def _on_top(self, interval: Interval) -> Decimal:
        """Grid fee and levies of a kWh, without tax."""
        fee, levies = self.tariff.grid_fee, self.tariff.levies_per_kwh
        return levies if fee is None else levies + self._terms(fee, interval).base

    def is_flat_night(self, interval: Interval) -> bool:
        """Whether energy imported now is covered by the night fee and must never be resold."""
        night = self.tariff.flat_night
        if night is None:
            return False
        return _in_window(interval.start.astimezone(self.zone).time(), night.start, night.end)

    def _terms(self, price: RetailPrice, interval: Interval) -> ExactTerms:
        match price:
            case FlatPrice():
                return ExactTerms(price.per_kwh)
            case TimeOfUsePrice():
                return ExactTerms(self._time_of_use(price, interval))
            case WholesalePrice():
                return ExactTerms(price.adder_per_kwh, market=price.factor)
            case PublishedPrice():
                return ExactTerms(price.adder_per_kwh, published=price.factor)

    def _time_of_use(self, price: TimeOfUsePrice, interval: Interval) -> Decimal:
        local = interval.start.astimezone(self.zone)
        weekday, month = _WEEKDAYS[local.weekday()], local.month
        for period in price.periods:
            if _matches(period, local.time(), weekday, month):
                return period.per_kwh
        return price.otherwise_per_kwh


def _matches(period: TimeOfUsePeriod, at: time, weekday: str, month: int) -> bool:
    if period.days and weekday not in period.days:
        return False
    if period.months and month not in period.months:
        return False
    return _in_window(at, period.start, period.end)


def _in_window(at: time, start: time, end: time) -> bool:
    """Half-open; a window that ends before it starts wraps midnight; equal ends mean all day."""
    if start < end:
        return start <= at < end
    return at >= start or at < end
