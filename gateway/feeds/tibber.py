"""Tibber: what a home's subscription pays, tax and fees included (``tax_included``), today and tomorrow.

POST /v1-beta/gql: ``viewer.homes[].currentSubscription.priceInfo`` with ``today`` and ``tomorrow`` of ``total``, ``startsAt`` and ``currency``, in
quarter-hours. Key: a personal access token. ``site_id`` is the home's id where there are several. At most 100 requests in 5
minutes. developer.tibber.com
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import EUROPE
from gateway.feeds.documents import json_of, lengths, moment, number

URL = "https://api.tibber.com"
_ROW = "{ total startsAt currency }"
_QUERY = (
    "{ viewer { homes { id currentSubscription { priceInfo(resolution: QUARTER_HOURLY) "
    f"{{ today {_ROW} tomorrow {_ROW} }} }} }} }} }}"
)


@dataclass(frozen=True, slots=True)
class Tibber:
    """See `gateway.feeds.Feed`."""

    token: str
    home: str | None
    url: str
    calendar: Calendar = EUROPE
    period: timedelta = timedelta(minutes=30)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = json.dumps({"query": _QUERY}).encode()
        said = json_of(await ask(Request(f"{self.url}/v1-beta/gql", {}, headers, body)))
        if said.get("errors"):
            raise ValueError(said["errors"][0].get("message", "an error without a word"))
        info = self._home(said["data"]["viewer"]["homes"])["currentSubscription"]["priceInfo"]
        found = [*info["today"], *info["tomorrow"]]
        currencies = {row["currency"] for row in found}
        if len(currencies) != 1:
            raise ValueError(f"prices in {sorted(currencies)}")
        spans = lengths([moment(row["startsAt"]) for row in found], timedelta(hours=1))
        rows = [FeedPrice(s, number(r["total"])) for s, r in zip(spans, found, strict=True)]
        return Answer(currencies.pop(), rows)

    def _home(self, homes: list[Any]) -> Any:
        alive = [h for h in homes if h.get("currentSubscription")]
        chosen = [h for h in alive if self.home in (None, h["id"])]
        if len(chosen) != 1:
            raise ValueError(
                f"{len(chosen)} homes with a subscription fit; set site_id to one's id"
            )
        return chosen[0]


def feed(access: FeedAccess) -> Tibber:
    return Tibber(access.need("key"), access.site_id, access.at(URL))
