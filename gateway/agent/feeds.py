"""The configured price feeds as one part of the agent: opened, followed, and their newest word in the state."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.bounded_http import BoundedHttp
from gateway.clock import Clock
from gateway.config.feeds import PriceFeed
from gateway.config.secrets import credential
from gateway.config.settings import Settings
from gateway.config.tls import client_tls
from gateway.errors import FeedError
from gateway.feeds import Ask, FeedAccess, open_feed
from gateway.feeds.ask import HttpAsk, TopicAsk
from gateway.feeds.keeper import FeedKeeper, FeedPrices, SettingStore, Terms

_MOST_BYTES = 8 * 1024 * 1024  # a week of CAISO's RTPD is one
_SPREAD_S = 600  # over which homes ask after a publication
Listen = Callable[[str, Callable[[bytes], None]], None]
_PATHS = ("rows", "start", "end", "price")


def access_of(stated: PriceFeed, settings: Settings) -> FeedAccess:
    """What the feed's adapter is told; raises ConfigError for a key that cannot be read."""
    where = f"price_feed {stated.name!r}: key_file"
    key = credential(f"feed_{stated.name}", stated.key_file, where)
    return FeedAccess(
        name=stated.name,
        zone=stated.zone,
        url=stated.url,
        key=key,
        product=stated.product,
        tariff=stated.tariff,
        site_id=stated.site_id,
        market=stated.market,
        currency=stated.currency,
        unit=stated.unit,
        paths={p: getattr(stated, p) or "" for p in _PATHS},
        minutes=stated.minutes,
        time_zone=stated.time_zone or settings.site.time_zone,
        topic=stated.topic,
    )


async def try_feed(stated: PriceFeed, settings: Settings, clock: Clock) -> FeedPrices:
    """What it says now, judged as ever; raises FeedError. Nothing is kept."""
    access, said = access_of(stated, settings), list[FeedPrices]()
    http = BoundedHttp(_tls(), FeedError, _MOST_BYTES)
    terms = Terms(stated.name, settings.tariff.currency, stated.rate, stated.accept)
    try:
        feed, ask = open_feed(stated.provider, access), HttpAsk(http, access.key)
        keeper = FeedKeeper(feed, ask, terms, _Nothing(), clock, said.append)
        await keeper.refresh(clock.now())
    finally:
        await http.close()
    return keeper.known


class _Nothing:
    """A store that keeps nothing."""

    def setting(self, name: str, value: str | None = None) -> str | None:
        return None


class Feeds:
    """All feeds of the home. ``write`` puts the newest word of all of them into the state."""

    def __init__(
        self,
        settings: Settings,
        store: SettingStore,
        clock: Clock,
        write: Callable[[Mapping[str, FeedPrices]], object],
        listen: Listen,
    ) -> None:
        """``listen`` has a topic heard. Raises ConfigError for a provider that is unknown or a key that is missing."""
        self._clock, self._write, self._listen = clock, write, listen
        self._known: dict[str, FeedPrices] = {}
        self._https: list[BoundedHttp] = []
        self._keepers: dict[str, FeedKeeper] = {}
        for stated in settings.price_feed:
            self._keepers[stated.name] = self._open(stated, settings, store)

    def _open(self, stated: PriceFeed, settings: Settings, store: SettingStore) -> FeedKeeper:
        access = access_of(stated, settings)
        digest = hashlib.sha256(f"{settings.site.name} {stated.name}".encode()).digest()
        terms = Terms(
            stated.name,
            settings.tariff.currency,
            stated.rate,
            stated.accept,
            int.from_bytes(digest[:2], "big") % _SPREAD_S,
        )

        def changed(known: FeedPrices) -> None:
            self._known[stated.name] = known
            self._write(dict(self._known))

        feed, ask = open_feed(stated.provider, access), self._ask(access)
        return FeedKeeper(feed, ask, terms, store, self._clock, changed)

    def _ask(self, access: FeedAccess) -> Ask:
        if access.topic is not None:
            heard = TopicAsk(access.topic)
            self._listen(access.topic, heard.hear)
            return heard
        http = BoundedHttp(_tls(), FeedError, _MOST_BYTES)
        self._https.append(http)
        return HttpAsk(http, access.key)

    def spawn(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Follow each of them, as participants of the clock."""
        return [
            self._clock.spawn(group, keeper.run(), f"price feed {name}")
            for name, keeper in self._keepers.items()
        ]

    async def close(self) -> None:
        for http in self._https:
            await http.close()


def _tls() -> ssl.SSLContext:
    nothing: Path | None = None
    return client_tls("price_feed", nothing, nothing, nothing)
