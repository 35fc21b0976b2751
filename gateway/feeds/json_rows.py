"""Any JSON document with rows of prices: a retailer's own, or what a home server serves.

``rows`` is the path to the list, ``start``, ``end`` (or ``minutes``) and ``price`` the paths within a row; a path is names and numbers
with dots between (``data.0.prices``), and empty for the document itself. ``unit`` is per_kwh, per_mwh or minor_per_kwh (cents,
pence), ``currency`` its currency; a time without an offset is of ``time_zone``. ``{start}`` and ``{end}`` in the address are the
days asked for. A key goes as ``Authorization: Bearer``. With a ``topic`` the document is what was published there last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from gateway.domain.intervals import Interval
from gateway.errors import ConfigError
from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.documents import MOST_ROWS, UNITS, json_of, lengths, moment, number


@dataclass(frozen=True, slots=True)
class Rows:
    """How rows are read, of JSON and CSV alike."""

    paths: Mapping[str, str]
    currency: str
    factor: Decimal
    minutes: int | None
    zone: ZoneInfo

    def answer(self, rows: list[Any]) -> Answer:
        if len(rows) > MOST_ROWS:
            raise ValueError(f"{len(rows)} rows")
        starts = [moment(at(row, self.paths["start"]), self.zone) for row in rows]
        return Answer(
            self.currency,
            [
                FeedPrice(span, number(at(row, self.paths["price"])) * self.factor)
                for span, row in zip(self._spans(starts, rows), rows, strict=True)
                if at(row, self.paths["price"]) not in (None, "")
            ],
        )

    def _spans(self, starts: list[datetime], rows: list[Any]) -> list[Interval]:
        ends = self.paths.get("end")
        if ends:
            return [
                Interval(s, moment(at(row, ends), self.zone))
                for s, row in zip(starts, rows, strict=True)
            ]
        if self.minutes:
            return [Interval(s, s + timedelta(minutes=self.minutes)) for s in starts]
        return lengths(starts, timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class JsonRows:
    """See `gateway.feeds.Feed`."""

    url: str
    key: str | None
    read: Rows
    calendar: Calendar
    period: timedelta = timedelta(minutes=15)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        said = json_of(await ask(request(self.url, self.key, start, end)))
        rows = at(said, self.read.paths.get("rows", ""))
        if not isinstance(rows, list):
            raise TypeError(f"rows = {self.read.paths.get('rows', '')!r} leads to no list")
        return self.read.answer(rows)


def at(document: Any, path: str) -> Any:
    """What stands at a path; LookupError where there is nothing."""
    for step in path.split(".") if path else ():
        document = document[int(step) if isinstance(document, list) else step]
    return document


def request(url: str, key: str | None, start: datetime, end: datetime) -> Request:
    days = {"{start}": f"{start:%Y-%m-%d}", "{end}": f"{end:%Y-%m-%d}"}
    for name, day in days.items():
        url = url.replace(name, day)
    return Request(url, {}, {"Authorization": f"Bearer {key}"} if key else {})


def rows_of(access: FeedAccess) -> Rows:
    unit = access.need("unit")
    if unit not in UNITS:
        raise ConfigError(f"price_feed {access.name!r}: unit = {unit!r}; use {', '.join(UNITS)}")
    for name in ("start", "price"):
        if not access.paths.get(name):
            raise ConfigError(
                f"price_feed {access.name!r}: {name} is missing, e.g. {name} = {name!r}"
            )
    zone = ZoneInfo(access.time_zone)
    return Rows(access.paths, access.need("currency"), UNITS[unit], access.minutes, zone)


def calendar_of(access: FeedAccess) -> Calendar:
    """Of a day-ahead product as most are: the next day in the afternoon."""
    return Calendar(ZoneInfo(access.time_zone), time(16, 0))


def feed(access: FeedAccess) -> JsonRows:
    if access.topic is not None:  # whoever publishes there says when; looking costs nothing
        often, whenever = timedelta(minutes=1), Calendar(ZoneInfo(access.time_zone), None)
        return JsonRows(f"mqtt:{access.topic}", None, rows_of(access), whenever, often)
    return JsonRows(access.need("url"), access.key, rows_of(access), calendar_of(access))
