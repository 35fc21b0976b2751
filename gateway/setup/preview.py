"""What follows from the answers, before anything is written: the file, and the prices of tomorrow."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from gateway.agent.feeds import try_feed
from gateway.clock import Clock
from gateway.config.plausible import doubts
from gateway.config.settings import Settings
from gateway.config.tariff import PublishedPrice
from gateway.dashboard.spoken import spoken
from gateway.domain.intervals import iso, quarters
from gateway.domain.price import kwh_price
from gateway.domain.sentences import Sentence, reason_of, sentence
from gateway.errors import ConfigError, FeedError
from gateway.tariff import TariffRules


def settings_of(text: str) -> Settings:
    """The settings in a file's text; raises ConfigError."""
    try:
        return Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}") from error
    except ValidationError as error:
        said = [f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors()]
        raise ConfigError("; ".join(said)) from error


@dataclass(frozen=True, slots=True)
class Tomorrow:
    """Prices per kWh by quarter-hour of the next local day, None where nobody has published it; ``says`` why, or what is odd."""

    starts: tuple[datetime, ...]
    buying: tuple[float | None, ...]
    says: tuple[Sentence, ...]
    currency: str
    time_zone: str

    def body(self) -> dict[str, Any]:
        return {
            "time": [start.timestamp() for start in self.starts],
            "import_price_per_kwh": list(self.buying),
            "says": [spoken(said) for said in self.says],
            "currency": self.currency,
            "time_zone": self.time_zone,
            "day": iso(self.starts[0]),
        }


async def tomorrow(settings: Settings, clock: Clock) -> Tomorrow:
    """What buying costs tomorrow by the tariff; a feed is asked for what it has published."""
    zone = ZoneInfo(settings.site.time_zone)
    here = clock.now().astimezone(zone) + timedelta(days=1)
    start = here.replace(hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(hours=26)).replace(hour=0)
    intervals = list(
        quarters(start.astimezone(clock.now().tzinfo), end.astimezone(clock.now().tzinfo))
    )
    published, why = await _published(settings, clock)
    rules = TariffRules(settings.tariff, zone)
    prices = [rules.import_price(i, published=published.get(i.start)) for i in intervals]
    says = [*why, *(doubt.says for doubt in doubts(settings))]
    return Tomorrow(
        tuple(i.start for i in intervals),
        tuple(None if p is None else round(kwh_price(p), 5) for p in prices),
        tuple(says), settings.tariff.currency, settings.site.time_zone,
    )  # fmt: skip


async def _published(
    settings: Settings, clock: Clock
) -> tuple[Mapping[datetime, float], list[Sentence]]:
    """Per MWh by quarter-hour, and why there are none."""
    price = settings.tariff.import_price
    if not isinstance(price, PublishedPrice):
        return {}, []
    feed = next((f for f in settings.price_feed if f.name == price.feed), None)
    if feed is None:
        return {}, [sentence("setup.no_feed")]
    try:
        known = await try_feed(feed, settings, clock)
    except (FeedError, ConfigError) as error:
        return {}, [reason_of(error)]
    return {start: 1000 * float(per_kwh) for start, per_kwh in known.prices.items()}, []
