"""aWATTar: the hourly market price of Germany or Austria (``zone`` DE or AT).

GET /v1/marketdata?start=&end= in ms of the Unix epoch: ``data`` of ``start_timestamp``, ``end_timestamp``, ``marketprice`` and ``unit``
'Eur/MWh'. No key; fair use: at most 60 requests a minute, 100 a day. api.awattar.de, api.awattar.at
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.intervals import Interval
from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import EUROPE
from gateway.feeds.documents import UNITS, json_of, moment, number

_URLS = {"DE": "https://api.awattar.de", "AT": "https://api.awattar.at"}


@dataclass(frozen=True, slots=True)
class Awattar:
    """See `gateway.feeds.Feed`."""

    url: str
    calendar: Calendar = EUROPE
    period: timedelta = timedelta(minutes=30)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        query = {"start": str(_ms(start)), "end": str(_ms(end))}
        said = json_of(await ask(Request(f"{self.url}/v1/marketdata", query)))
        rows = []
        for row in said["data"]:
            if row["unit"].lower() != "eur/mwh":
                raise ValueError(f"a price in {row['unit']}")
            span = Interval(moment(row["start_timestamp"]), moment(row["end_timestamp"]))
            rows.append(FeedPrice(span, number(row["marketprice"]) * UNITS["per_mwh"]))
        return Answer("EUR", rows)


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def feed(access: FeedAccess) -> Awattar:
    zone = (access.zone or "DE").upper()
    return Awattar(access.at(_URLS.get(zone, _URLS["DE"])))
