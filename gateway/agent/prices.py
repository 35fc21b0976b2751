"""Which published prices the tariff follows: of the exchange, or of a price feed. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from gateway.agent.posted import PostedPrices
from gateway.config.bands import band
from gateway.config.tariff import PublishedPrice, RetailPrice, Tariff, WholesalePrice
from gateway.domain.intervals import iso, parse_utc, quarter, quarter_of
from gateway.domain.price import mwh_price
from gateway.errors import StorageError
from gateway.feeds.keeper import KEPT, FeedPrices, SettingStore
from gateway.market.exchanges import PublishedPrices
from gateway.planner.outlook import USUAL_EXPORT, USUAL_IMPORT, KnownPrices
from gateway.tariff import TariffRules

_POSTED = "posted_prices"
_BETWEEN = timedelta(hours=1)
Feeds = Mapping[str, FeedPrices]
_EXPORT_SHARE = 0.25  # of the import price, where nothing is known of it
_NONE = FeedPrices()


def published(
    price: RetailPrice, feeds: Feeds, posted: PostedPrices, column: str
) -> Mapping[datetime, float]:
    """What is published for this side of the tariff, per MWh by interval start; nothing of the future's unknown."""
    if not isinstance(price, PublishedPrice):
        return {}
    if price.feed is not None:
        return _per_mwh(feeds.get(price.feed, _NONE).prices)
    return posted.per_mwh(column)


def forecast(price: RetailPrice, feeds: Feeds) -> dict[datetime, float]:
    """What its publisher expects of the hours to come."""
    if not isinstance(price, PublishedPrice) or price.feed is None:
        return {}
    return _per_mwh(feeds.get(price.feed, _NONE).forecast)


def day_ahead(tariff: Tariff, feeds: Feeds, posted: PostedPrices) -> Mapping[datetime, float]:
    """What is expected of the real-time price, past days too."""
    for price in (tariff.import_price, tariff.export_price):
        if isinstance(price, WholesalePrice) and price.day_ahead_feed is not None:
            return _per_mwh(feeds.get(price.day_ahead_feed, _NONE).prices)
    return posted.per_mwh("day_ahead_ticks")


def real_time(tariff: Tariff, feeds: Feeds, posted: PostedPrices) -> Mapping[datetime, float]:
    """The market's real-time price, as far as it is known."""
    for price in (tariff.import_price, tariff.export_price):
        if isinstance(price, WholesalePrice) and price.feed is not None:
            return _per_mwh(feeds.get(price.feed, _NONE).prices)
    return posted.per_mwh("imbalance_ticks")


def real_time_at(
    tariff: Tariff, feeds: Feeds, posted: PostedPrices, start: datetime
) -> float | None:
    """The same of one interval."""
    for price in (tariff.import_price, tariff.export_price):
        if isinstance(price, WholesalePrice) and price.feed is not None:
            known = feeds.get(price.feed, _NONE).prices.get(start)
            return None if known is None else mwh_price(known)
    return posted.per_mwh("imbalance_ticks").get(start)


def known_prices(
    rules: TariffRules, feeds: Feeds, posted: PostedPrices, now: datetime
) -> KnownPrices:
    """All that the planner may know of prices at ``now``."""
    tariff = rules.tariff
    usual_import, usual_export = usual(rules, now)
    return KnownPrices(
        day_ahead=day_ahead(tariff, feeds, posted),
        published_import=published(tariff.import_price, feeds, posted, "import_ticks"),
        published_export=published(tariff.export_price, feeds, posted, "export_ticks"),
        forecast_import=forecast(tariff.import_price, feeds),
        forecast_export=forecast(tariff.export_price, feeds),
        usual_import=usual_import,
        usual_export=usual_export,
    )


def usual(rules: TariffRules, now: datetime) -> tuple[float, float]:
    """What stands in for a published price of which nothing was ever known, per MWh: so that the tariff made of
    it costs what is usual in its currency, and pays a quarter of that."""
    known = band(rules.tariff.currency)
    costs = USUAL_IMPORT if known is None else mwh_price(known.usual)
    pays = USUAL_EXPORT if known is None else _EXPORT_SHARE * costs
    bought, sold = rules.import_terms(quarter_of(now)), rules.export_terms(quarter_of(now))
    return (
        max((costs - bought.base) / bought.published, 0.0) if bought.published else costs,
        max((pays - sold.base) / sold.published, 0.0) if sold.published else pays,
    )


def _per_mwh(prices: Mapping[datetime, Decimal]) -> dict[datetime, float]:
    return {at: mwh_price(price) for at, price in prices.items()}


def retail_rows(tariff: Tariff, feeds: Feeds, starts: Iterable[datetime]) -> list[dict[str, str]]:
    """What the feeds published for these quarters, exact, as the account keeps it; all that is known by now."""
    sides: list[tuple[str, str | None]] = []
    for name, price in (("import", tariff.import_price), ("export", tariff.export_price)):
        if isinstance(price, PublishedPrice):
            sides.append((name, price.feed))
        elif isinstance(price, WholesalePrice):
            sides.append(("market", price.feed))
    named = {name: feed for name, feed in sides if feed is not None}
    if not named:
        return []
    rows = []
    for start in sorted(starts):
        known = {n: feeds.get(f, _NONE).prices.get(start) for n, f in named.items()}
        if all(price is not None for price in known.values()):
            interval = quarter(start)
            body = {"start": iso(interval.start), "end": iso(interval.end)}
            rows.append(body | {f"{n}_per_kwh": str(price) for n, price in known.items()})
    return rows


class PostedMemory:
    """What the retailer published at the exchange, over a restart: an estimate needs the days before.

    It is written where something new became known, at most once an hour.
    """

    def __init__(self, store: SettingStore) -> None:
        self._store = store
        self._newest: str | None = None
        self._at: datetime | None = None

    def restored(self) -> PostedPrices:
        """What was kept; nothing of it is of a market that settles."""
        try:
            rows = json.loads(self._store.setting(_POSTED) or "{}")
            return PostedPrices(
                PublishedPrices(quarter(parse_utc(start)), *_pair(ticks), None, None)
                for start, ticks in rows.items()
            )
        except (StorageError, ValueError, TypeError, AttributeError, OverflowError):
            return PostedPrices()

    def keep(self, posted: PostedPrices, now: datetime) -> None:
        since = now - KEPT
        rows = {
            t: (posted.ticks(t, "import_ticks"), posted.ticks(t, "export_ticks"))
            for t in posted
            if t >= since
        }
        known = {iso(t): pair for t, pair in rows.items() if pair != (None, None)}
        newest = max(known, default=None)
        soon = self._at is not None and now - self._at < _BETWEEN
        if newest is None or newest == self._newest or soon:
            return
        self._newest, self._at = newest, now
        with suppress(StorageError):  # only a restart would miss it
            self._store.setting(_POSTED, json.dumps(known, separators=(",", ":")))


def _pair(ticks: list[int | None]) -> tuple[int | None, int | None]:
    bought, sold = (None if each is None else int(each) for each in ticks)
    return bought, sold
