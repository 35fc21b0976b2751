"""Any CSV with a head: ``start``, ``end`` (or ``minutes``) and ``price`` are names of columns; else as `json_rows`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.feeds import Answer, Ask, Calendar, FeedAccess
from gateway.feeds.documents import csv_of
from gateway.feeds.json_rows import Rows, calendar_of, request, rows_of


@dataclass(frozen=True, slots=True)
class CsvRows:
    """See `gateway.feeds.Feed`."""

    url: str
    key: str | None
    read: Rows
    calendar: Calendar
    period: timedelta = timedelta(minutes=15)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        raw = await ask(request(self.url, self.key, start, end))
        return self.read.answer(list(csv_of(raw)))


def feed(access: FeedAccess) -> CsvRows:
    return CsvRows(access.need("url"), access.key, rows_of(access), calendar_of(access))
