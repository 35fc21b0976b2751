"""What the retailer charges and pays for the account: the tariff in exact ticks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from gateway.config.tariff import Tariff
from gateway.domain.intervals import Interval
from gateway.domain.price import Price
from gateway.domain.trade import MONEY_PER_UNIT, Metered
from gateway.market.account import Prices, RetailPrices
from gateway.tariff import TariffRules

_SECOND = timedelta(seconds=1)


def retail_prices(
    tariff: Tariff, zone: ZoneInfo, published: Mapping[datetime, Mapping[str, Any]]
) -> Prices:
    """The retailer's prices of any interval, rounded to ticks.

    ``published`` are the bodies of the journal's ``price`` entries (`Book.prices`): a tariff that
    follows the market has no price in an interval for which nothing was published.
    """
    rules = TariffRules(tariff, zone)

    def at(interval: Interval) -> RetailPrices:
        known = published.get(interval.start, {})
        market = _per_mwh(known.get("imbalance_ticks"))
        bought = rules.import_price(interval, market, _per_mwh(known.get("import_ticks")))
        sold = rules.export_price(interval, market, _per_mwh(known.get("export_ticks")))
        return RetailPrices(_ticks(bought), _ticks(sold))

    return at


def fees_money(tariff: Tariff, zone: ZoneInfo, start: datetime, end: datetime) -> int:
    """The share of the monthly fees that falls into the span, taxed; money to the home, so <= 0."""
    night = tariff.flat_night.monthly_fee if tariff.flat_night else Decimal(0)
    fee = (tariff.monthly_fee + night) * (1 + tariff.tax_pct / 100)
    months = Fraction(0)
    month = start.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month.astimezone(UTC) < end:
        after = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
        # differences are taken in UTC: in one zone they would ignore the clock change
        first, last = month.astimezone(UTC), after.astimezone(UTC)
        overlap = min(last, end) - max(first, start)
        months += Fraction(overlap // _SECOND, (last - first) // _SECOND)
        month = after
    return -round(Fraction(fee) * months * MONEY_PER_UNIT)


def demand_money(tariff: Tariff, zone: ZoneInfo, metered: Iterable[Metered]) -> int:
    """The demand charge of every local month: its highest mean import of an interval, kW, taxed."""
    peaks: dict[tuple[int, int], Fraction] = {}
    for quantity in metered:
        local = quantity.interval.start.astimezone(zone)
        month, hours = (local.year, local.month), Fraction(quantity.interval.seconds) / 3600
        peak_kw = Fraction(quantity.import_wh, 1000) / hours
        peaks[month] = max(peaks.get(month, Fraction(0)), peak_kw)
    per_kw = Fraction(tariff.demand_charge_per_kw * (1 + tariff.tax_pct / 100))
    return -round(sum(peaks.values(), Fraction(0)) * per_kw * MONEY_PER_UNIT)


def _per_mwh(ticks: int | None) -> float | None:
    return None if ticks is None else Price(ticks).per_mwh


def _ticks(price_per_mwh: float | None) -> int | None:
    return None if price_per_mwh is None else Price.of_mwh(price_per_mwh).ticks
