"""OpenADR 3.1: prices or CO2 of a programme's events (``product``: PRICE, EXPORT_PRICE or GHG).

``url`` is the VTN's; the key is JSON with ``client_id`` and ``client_secret``, and ``token_url`` and ``scope`` where the VTN gives no
tokens itself. ``tariff`` names the programme, where the VTN shows several. Where events overlap, the lower priority number
holds. A price holds as published: a randomized start is for those who switch something.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from gateway.bounded_json import parsed
from gateway.domain.intervals import Interval
from gateway.errors import ConfigError, FeedError
from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.openadr.documents import Event, Program, event_of, program_of
from gateway.openadr.holding import Holding, holdings, without_overlap
from gateway.openadr.vtn import MOST_PAGES, PAGE, Login, token_of

PRODUCTS = ("PRICE", "EXPORT_PRICE", "GHG")
_LONGEST_ROW = timedelta(days=1)
_MOST_ROWS = 20_000
_PER_KWH = {"KWH": Decimal(1), "MWH": Decimal("0.001"), "WH": Decimal(1000)}


@dataclass(frozen=True, slots=True)
class OpenAdr:
    """See `gateway.feeds.Feed`."""

    login: Login
    product: str
    program: str | None
    currency: str | None
    calendar: Calendar
    period: timedelta = timedelta(minutes=5)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        token = token_of(parsed(await ask(Request(self.login.tokens, {}, form, self.login.form()))))
        bearer = {"Authorization": f"Bearer {token}"}
        seen = {
            p.id: p for p in map(program_of, await self._pages(ask, "programs", bearer))
            if self.program in (None, p.name)
        }  # fmt: skip
        if self.program is not None and not seen:
            raise FeedError(f"it shows us no programme {self.program!r}")
        events = [
            e for raw in await self._pages(ask, "events", bearer)
            if (e := _event(raw, seen)) is not None
        ]  # fmt: skip
        found = list(islice(holdings(events, (self.product,), start, end), _MOST_ROWS + 1))
        if len(found) > _MOST_ROWS:
            raise FeedError(f"it has more than {_MOST_ROWS} prices for three days")
        prices = [self._price(each, start, end) for each in without_overlap(found)]
        currencies = {currency for currency, _ in prices}
        if len(currencies) > 1:
            raise FeedError(f"its events have prices in {' and '.join(sorted(currencies))}")
        rows = [part for _, row in prices for part in _days(row)]
        if self.product == "GHG":
            return Answer("gCO2", rows)
        if not rows:
            raise FeedError(f"it has no event with {self.product} for these days")
        return Answer(currencies.pop(), rows)

    async def _pages(self, ask: Ask, name: str, headers: dict[str, str]) -> list[Any]:
        found: list[Any] = []
        for page in range(MOST_PAGES):
            query = {"skip": str(page * PAGE), "limit": str(PAGE)}
            rows = parsed(await ask(Request(f"{self.login.url}/{name}", query, headers)))
            if not isinstance(rows, list):
                raise TypeError(f"{name} are no list")
            found += rows
            if len(rows) < PAGE:
                return found
        raise FeedError(f"it has more than {MOST_PAGES * PAGE} {name}")

    def _price(self, each: Holding, since: datetime, until: datetime) -> tuple[str, FeedPrice]:
        span = Interval(max(each.start, since), min(each.end, until))
        if self.product == "GHG":
            return "gCO2", FeedPrice(span, each.value)
        said = each.event.descriptors.get(each.kind)
        currency = (said.currency if said else "") or self.currency
        if currency is None:
            raise FeedError(
                f"event {each.event.id} names no currency: set currency in the feed's table"
            )
        units = (said.units if said else "") or "KWH"
        if units not in _PER_KWH:
            raise FeedError(f"event {each.event.id} has a price per {units}")
        return currency, FeedPrice(span, each.value * _PER_KWH[units])


def _event(raw: Any, programs: dict[str, Program]) -> Event | None:
    """None for an event of another programme, and for one that is not understood: the others hold."""
    try:
        event = event_of(raw, programs)
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return None
    return event if event.program_id in programs else None


def _days(row: FeedPrice) -> list[FeedPrice]:
    """A price that holds for a year, in rows of a day at most."""
    found, start = [], row.span.start
    while start < row.span.end:
        end = min(start + _LONGEST_ROW, row.span.end)
        found.append(FeedPrice(Interval(start, end), row.per_kwh))
        start = end
    return found


def feed(access: FeedAccess) -> OpenAdr:
    product = access.product or "PRICE"
    if product not in PRODUCTS:
        raise ConfigError(
            f"price_feed {access.name!r}: product = {product!r}; use one of {', '.join(PRODUCTS)}"
        )
    try:
        keys = json.loads(access.need("key"))
        who, secret = str(keys["client_id"]), str(keys["client_secret"])
        token_url, scope = keys.get("token_url"), str(keys.get("scope", ""))
        if not isinstance(token_url, str | None):
            raise TypeError("token_url is no text")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(
            f"price_feed {access.name!r}: the key file is JSON with client_id and client_secret,"
            " as texts, and token_url and scope where they are needed"
        ) from None
    login = Login(access.need("url").rstrip("/"), who, secret, token_url, scope)
    zone = ZoneInfo(access.time_zone)
    return OpenAdr(login, product, access.tariff, access.currency, Calendar(zone, None))
