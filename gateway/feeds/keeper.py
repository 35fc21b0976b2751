"""Keeps one price feed fresh: asks when something new is due, believes what can be right, outlives restarts.

What was understood last stays in force until it is replaced: prices of the past and of the hours that were
published hold, what follows is unknown. Nothing is asked more often than the provider's terms allow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from gateway.clock import Clock
from gateway.domain.intervals import QUARTER, floor_quarter, iso, parse_utc
from gateway.domain.sentences import Sentence, day_time, reason_of, sentence
from gateway.errors import FeedError, StorageError
from gateway.feeds import Ask, Calendar, Feed
from gateway.feeds.ask import asked
from gateway.feeds.quarters import by_quarter
from gateway.feeds.trust import doubt, doubt_co2
from gateway.supervise import Availability

BACK, FIRST_BACK, AHEAD = timedelta(days=1), timedelta(days=8), timedelta(hours=48)
KEPT = timedelta(days=15)
LONGEST_WAIT = timedelta(hours=1)
_CO2 = "gCO2"


class SettingStore(Protocol):
    """Small durable values by name."""

    def setting(self, name: str, value: str | None = None) -> str | None:
        """The stored value; given ``value`` it is stored first. Raises StorageError."""


@dataclass(frozen=True, slots=True)
class FeedPrices:
    """What a feed is known to say: per kWh in the home's currency (g of CO2 of an intensity), by quarter-hour.

    ``alarm`` is None but while it is late or lost.
    """

    prices: Mapping[datetime, Decimal] = field(default_factory=dict)
    forecast: Mapping[datetime, Decimal] = field(default_factory=dict)
    alarm: Sentence | None = None
    is_co2: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """How its answers become the home's prices. ``rate`` where its currency is another; ``spread_s`` is the home's own
    share of the minutes after publication, so that not all homes ask in one second."""

    name: str
    currency: str
    rate: Decimal | None = None
    accept: bool = False
    spread_s: float = 0.0


class FeedKeeper:
    """One feed. ``changed`` is called with what it is known to say, whenever that changes."""

    def __init__(
        self,
        feed: Feed,
        ask: Ask,
        terms: Terms,
        store: SettingStore,
        clock: Clock,
        changed: Callable[[FeedPrices], object],
    ) -> None:
        self._feed, self._ask, self._terms = feed, ask, terms
        self._store, self._clock, self._changed = store, clock, changed
        self._availability = Availability(f"price feed {terms.name}")
        self._key = f"feed.{terms.name}"
        self._asked: datetime | None = None
        self._failed = 0
        self._why: Sentence | None = None
        self.known = self._restored()
        changed(self.known)

    async def run(self) -> None:
        """For ever; a feed that fails is asked again after its period, and then less often."""
        while True:
            now = self._clock.now()
            due = self._due(now)
            if now < due:
                await self._clock.sleep_until(min(due, now + LONGEST_WAIT))
                self._say()
                continue
            try:
                await self.refresh(now)
                self._availability.back()
                self._failed, self._why = 0, None
            except FeedError as error:
                self._failed += 1
                self._why = reason_of(error)
                self._availability.lost(f"{error}; unknown prices are planned by estimates")
            self._asked = now
            self._say()

    def _due(self, now: datetime) -> datetime:
        """When to ask next: not before the provider's period, nor while nothing new can be known."""
        if self._asked is None or self._asked > now:
            return now
        patience = self._feed.period * (1 << min(self._failed, 6))
        soonest = self._asked + max(self._feed.period, min(patience, LONGEST_WAIT))
        calendar = self._feed.calendar
        if calendar.published is None or self._failed or self._until(now) < reach(calendar, now):
            return soonest
        return max(
            soonest, next_publication(calendar, now) + timedelta(seconds=self._terms.spread_s)
        )

    async def refresh(self, now: datetime) -> None:
        """Ask once; raises FeedError."""
        start = floor_quarter(now) - (BACK if self.known.prices else FIRST_BACK)
        answer = await asked(self._feed, self._ask, start, floor_quarter(now) + AHEAD)
        factor = self._factor(answer.currency)
        try:
            prices = _times(by_quarter(answer.rows, forecast=False), factor)
            forecast = _times(by_quarter(answer.rows, forecast=True), factor)
        except ValueError as error:
            raise FeedError(f"its answer contradicts itself: {error}") from error
        for rows in (prices, forecast):
            why = self._doubt(answer.currency, rows)
            if why and not self._terms.accept:
                raise FeedError(sentence("price_doubted.accept", why=why))
        if not prices and not forecast and not self.known.prices:
            raise FeedError("its answer holds no price")
        kept = {t: p for t, p in self.known.prices.items() if t >= now - KEPT}
        guesses = {t: p for t, p in forecast.items() if t not in prices}
        known = FeedPrices(kept | prices, guesses, self.known.alarm, answer.currency == _CO2)
        if (known.prices, known.forecast) != (self.known.prices, self.known.forecast):
            self.known = known
            self._keep(now)
            self._changed(known)

    def _factor(self, currency: str) -> Decimal:
        """From its currency to the home's: 1, or the configured rate; never a guess."""
        if self._terms.rate is not None:
            return self._terms.rate
        if currency in (self._terms.currency, _CO2):
            return Decimal(1)
        raise FeedError(
            f"its prices are in {currency}, the home's in {self._terms.currency}: set currency, or rate to "
            f"what one {currency} is in {self._terms.currency}"
        )

    def _doubt(self, currency: str, rows: Mapping[datetime, Decimal]) -> Sentence | None:
        if currency == _CO2:
            return doubt_co2(rows)
        return doubt(self._terms.currency, rows, self.known.prices)

    def _until(self, now: datetime) -> datetime:
        """Up to when prices are known without a gap."""
        at = floor_quarter(now)
        while at in self.known.prices:
            at += QUARTER
        return at

    def alarm(self, now: datetime) -> Sentence | None:
        """Why a person should look at it now; None while it is as it should be."""
        if self._asked is None:
            return None
        calendar = self._feed.calendar
        if calendar.published is None:
            newest = max((*self.known.prices, *self.known.forecast), default=None)
            if newest is not None and newest >= now - calendar.lag:
                return None
            return self._late("")
        until = self._until(now)
        if until >= reach(calendar, now - calendar.late):
            return None
        return self._late("now") if until <= now else self._late("ends", until)

    def _late(self, how: str, until: datetime | None = None) -> Sentence:
        """In the way ``how``, with the reason where there is one."""
        values: dict[str, str | Sentence] = {"name": self._terms.name}
        if until is not None:
            values["time"] = day_time(until.astimezone(self._feed.calendar.zone))
        if self._why is not None:
            values["why"] = self._why
            how = f"{how}_why".strip("_")
        return sentence(f"feed_late.{how}".strip("."), **values)

    def _say(self) -> None:
        alarm = self.alarm(self._clock.now())
        if alarm != self.known.alarm:
            self.known = replace(self.known, alarm=alarm)
            self._changed(self.known)

    def _keep(self, now: datetime) -> None:
        rows = {iso(t): str(p) for t, p in self.known.prices.items()}
        try:
            self._store.setting(
                self._key,
                json.dumps(
                    {"currency": self._terms.currency, "co2": self.known.is_co2, "prices": rows}
                ),
            )
        except StorageError:
            return  # only a restart would miss it

    def _restored(self) -> FeedPrices:
        try:
            stored = json.loads(self._store.setting(self._key) or "{}")
            if stored.get("currency") != self._terms.currency:
                return FeedPrices()
            rows = {parse_utc(t): Decimal(p) for t, p in stored["prices"].items()}
        except (StorageError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
            return FeedPrices()
        return FeedPrices(rows, is_co2=bool(stored.get("co2")))


def reach(calendar: Calendar, now: datetime) -> datetime:
    """Up to when a day-ahead feed has published by ``now``: the end of today, from its hour on of tomorrow."""
    here = now.astimezone(calendar.zone)
    days = 1 if calendar.published is None or here.time() < calendar.published else 2
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    end = midnight + timedelta(days=days) - calendar.short
    return end.replace(tzinfo=calendar.zone).astimezone(now.tzinfo)


def next_publication(calendar: Calendar, now: datetime) -> datetime:
    """The next moment after ``now`` at which a day is published."""
    assert calendar.published is not None  # noqa: S101 - asked of day-ahead feeds only
    here = now.astimezone(calendar.zone)
    day = here.date() if here.time() < calendar.published else here.date() + timedelta(days=1)
    when = datetime.combine(day, calendar.published, calendar.zone)
    return when.astimezone(now.tzinfo)


def _times(rows: Mapping[datetime, Decimal], factor: Decimal) -> dict[datetime, Decimal]:
    return {at: price * factor for at, price in rows.items()}
