"""Carbon Intensity API of NESO: g of CO2 a kWh in Great Britain, by half-hour.

GET /intensity/FROM/fw48h: ``data`` of ``from``, ``to`` (2018-01-20T12:00Z) and ``intensity`` with ``forecast`` and ``actual``. No key.
api.carbonintensity.org.uk
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.intervals import Interval
from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import LONDON_NOW
from gateway.feeds.documents import json_of, moment, number

URL = "https://api.carbonintensity.org.uk"


@dataclass(frozen=True, slots=True)
class CarbonIntensity:
    """See `gateway.feeds.Feed`."""

    url: str
    calendar: Calendar = LONDON_NOW
    period: timedelta = timedelta(minutes=30)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        said = json_of(await ask(Request(f"{self.url}/intensity/{start:%Y-%m-%dT%H:%MZ}/fw48h")))
        rows = []
        for row in said["data"]:
            span, found = Interval(moment(row["from"]), moment(row["to"])), row["intensity"]
            real = found.get("actual")
            rows.append(
                FeedPrice(span, number(found["forecast"] if real is None else real), real is None)
            )
        return Answer("gCO2", rows)


def feed(access: FeedAccess) -> CarbonIntensity:
    return CarbonIntensity(access.at(URL))
