"""What the retailer charges and pays for the account: the tariff in exact ticks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.config.tariff import Tariff
from gateway.domain.intervals import Interval
from gateway.domain.price import Price
from gateway.market.account import Prices, RetailPrices
from gateway.tariff import TariffRules


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


def _per_mwh(ticks: int | None) -> float | None:
    return None if ticks is None else Price(ticks).per_mwh


def _ticks(price_per_mwh: float | None) -> int | None:
    return None if price_per_mwh is None else Price.of_mwh(price_per_mwh).ticks
