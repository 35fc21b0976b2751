"""Amber Electric (Australia): what a site pays or is paid, GST and network included (``tax_included``).

GET /v1/sites/SITE/prices/current?next=&previous=&resolution=30: intervals of ``type`` (Actual-, Current-, ForecastInterval), ``duration``
(minutes), ``endTime``, ``perKwh`` (cents), ``channelType`` (general, controlledLoad, feedIn), ``estimate``. Of ``feedIn`` (``product``) a
negative price is what the home is paid. Prices of the NEM are settled after the fact: what is ahead is a forecast.
Key: a token; 50 requests in 5 minutes. api.amber.com.au
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import AUSTRALIA_NOW
from gateway.feeds.documents import UNITS, json_of, moment, number, span

URL = "https://api.amber.com.au"


@dataclass(frozen=True, slots=True)
class Amber:
    """See `gateway.feeds.Feed`."""

    site: str
    token: str
    channel: str
    url: str
    calendar: Calendar = AUSTRALIA_NOW
    period: timedelta = timedelta(minutes=5)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        query = {"next": "72", "previous": "48", "resolution": "30"}
        headers = {"Authorization": f"Bearer {self.token}"}
        place = f"{self.url}/v1/sites/{self.site}/prices/current"
        sign = -1 if self.channel == "feedIn" else 1
        rows = []
        for row in json_of(await ask(Request(place, query, headers))):
            if row["channelType"] != self.channel:
                continue
            length = timedelta(minutes=int(row["duration"]))
            # it starts a second after the minute, and ends on it
            ends = moment(row["endTime"])
            guess = row["type"] == "ForecastInterval" or bool(row.get("estimate"))
            price = sign * number(row["perKwh"]) * UNITS["minor_per_kwh"]
            rows.append(FeedPrice(span(ends - length, length), price, guess))
        return Answer("AUD", rows)


def feed(access: FeedAccess) -> Amber:
    channel = access.product or "general"
    return Amber(access.need("site_id"), access.need("key"), channel, access.at(URL))
