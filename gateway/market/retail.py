"""What the retailer charges and pays for the account: the tariff in exact ticks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from gateway.bill.account import Published, prices
from gateway.config.tariff import Tariff
from gateway.domain.intervals import Interval
from gateway.domain.price import Price
from gateway.market.account import Prices, RetailPrices
from gateway.tariff import TariffRules


def retail_prices(
    tariff: Tariff, zone: ZoneInfo, published: Mapping[datetime, Published]
) -> Prices:
    """The retailer's prices of any interval, rounded to ticks.

    ``published`` are those of the account (`gateway.bill.home.PublishedPrices`): a tariff that follows
    the market has no price in an interval for which nothing was published.
    """
    rules = TariffRules(tariff, zone)

    def at(interval: Interval) -> RetailPrices:
        bought, sold = prices(interval, rules, published)
        return RetailPrices(_ticks(bought), _ticks(sold))

    return at


def _ticks(per_kwh: Decimal | None) -> int | None:
    return None if per_kwh is None else Price.of_kwh(per_kwh).ticks
