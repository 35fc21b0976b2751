"""The port to a price feed: who publishes prices, and when. One file a feed, found by its name.

``gateway.feeds.<provider>`` has a function ``feed(access) -> Feed``; the folder is the registry. Formats are
facts of the providers' public documentation, named in each file. A feed asks, understands and converts to
currency units per kWh; it neither waits, nor stores, nor decides whether that can be right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol
from zoneinfo import ZoneInfo

from gateway.domain.intervals import Interval
from gateway.errors import ConfigError

_PARTS = frozenset({"ask", "calendar", "documents", "keeper", "quarters", "trust"})  # no providers


@dataclass(frozen=True, slots=True)
class FeedPrice:
    """What a kWh costs over a span, or g of CO2 in it; ``forecast``: the provider's own guess, no price yet."""

    span: Interval
    per_kwh: Decimal
    forecast: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a feed said: ``currency`` in ISO 4217 (``gCO2`` of an intensity), and its rows in any order."""

    currency: str
    rows: Sequence[FeedPrice]


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a feed publishes what. ``published`` is the local time at which the next day is known, None for
    prices that come while they hold; those are at most ``lag`` old. A day ends ``short`` before midnight, and
    is late when it is not there ``late`` after its time."""

    zone: ZoneInfo
    published: time | None
    lag: timedelta = timedelta(hours=2)
    short: timedelta = timedelta(0)
    late: timedelta = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Request:
    """One question over HTTP. ``secrets`` stand in it and in no text about it."""

    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


class Ask(Protocol):
    """How a feed reaches its provider: bounded in size and time, no redirects, its keys in no text."""

    async def __call__(self, request: Request) -> bytes:
        """The body of a good answer, empty for 204; raises FeedError with one reason."""


class Feed(Protocol):
    """One provider. ``period`` is the least time between two questions that its terms allow."""

    calendar: Calendar
    period: timedelta

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        """Prices of the span, as far as they are published; raises FeedError, or whatever nonsense makes
        of the reading (`gateway.feeds.ask.asked` turns that into a FeedError)."""


@dataclass(frozen=True, slots=True)
class FeedAccess:
    """What ``[[price_feed]]`` says: where, what, and the key where one is needed."""

    name: str
    zone: str | None = None
    url: str | None = None
    key: str | None = None
    product: str | None = None
    tariff: str | None = None
    site_id: str | None = None
    market: str | None = None
    currency: str | None = None
    unit: str | None = None
    paths: Mapping[str, str] = field(default_factory=dict)
    minutes: int | None = None
    time_zone: str = "UTC"
    topic: str | None = None

    def need(self, key: str) -> str:
        """The value of ``key``; ConfigError where it is missing."""
        value: str | None = getattr(self, key)
        if not value:
            said = "key_file (or a systemd credential)" if key == "key" else key
            raise ConfigError(f"price_feed {self.name!r}: {said} is missing")
        return value

    def at(self, usual: str) -> str:
        """The address, the provider's own by default."""
        return (self.url or usual).rstrip("/")


def providers() -> tuple[str, ...]:
    """The names that ``provider`` may have."""
    names = [m.name for m in iter_modules(__path__) if m.name not in _PARTS]
    return tuple(sorted(name.replace("_", "-") for name in names))


def open_feed(provider: str, access: FeedAccess) -> Feed:
    """The feed of that provider; raises ConfigError for an unknown one or a key that is missing."""
    if provider not in providers():
        known = ", ".join(providers())
        near = get_close_matches(provider, providers(), n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"{provider!r} is unknown; {meant}use one of {known}")
    made: Feed = import_module(f"gateway.feeds.{provider.replace('-', '_')}").feed(access)
    return made
