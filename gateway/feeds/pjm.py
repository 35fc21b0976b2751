"""PJM's Data Miner 2: hourly locational marginal prices of a pricing node (``zone``: its number, e.g. 51291).

``market`` is ``day-ahead`` (da_hrl_lmps, total_lmp_da) or ``real-time`` (rt_unverified_hrl_lmps, total_lmp_rt). GET /api/v1/FEED?startRow=1&rowCount=&pnode_id=
&datetime_beginning_utc=FROMtoTO: ``items`` with ``datetime_beginning_utc`` (no offset). Key: a subscription key; without membership 6 requests a
minute. api.pjm.com
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.errors import ConfigError
from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import PENNSYLVANIA, PENNSYLVANIA_NOW
from gateway.feeds.documents import UNITS, json_of, moment, number, span

URL = "https://api.pjm.com"
_MARKETS = {
    "day-ahead": ("da_hrl_lmps", "total_lmp_da"),
    "real-time": ("rt_unverified_hrl_lmps", "total_lmp_rt"),
}
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Pjm:
    """See `gateway.feeds.Feed`."""

    node: str
    market: str
    key: str
    url: str
    calendar: Calendar
    period: timedelta = timedelta(minutes=15)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        name, column = _MARKETS[self.market]
        query = {
            "startRow": "1",
            "rowCount": "2000",
            "pnode_id": self.node,
            "datetime_beginning_utc": f"{start:%m/%d/%Y %H:%M}to{end:%m/%d/%Y %H:%M}",
            "fields": f"datetime_beginning_utc,pnode_id,{column}",
        }
        headers = {"Ocp-Apim-Subscription-Key": self.key}
        said = json_of(await ask(Request(f"{self.url}/api/v1/{name}", query, headers)))
        rows = said if isinstance(said, list) else said["items"]
        return Answer(
            "USD",
            [
                FeedPrice(
                    span(moment(row["datetime_beginning_utc"], _UTC), timedelta(hours=1)),
                    number(row[column]) * UNITS["per_mwh"],
                )
                for row in rows
                if str(row["pnode_id"]) == self.node and row[column] is not None
            ],
        )


def feed(access: FeedAccess) -> Pjm:
    market = access.market or "day-ahead"
    if market not in _MARKETS:
        raise ConfigError(
            f"price_feed {access.name!r}: market = {market!r}; use real-time or day-ahead"
        )
    calendar = PENNSYLVANIA if market == "day-ahead" else PENNSYLVANIA_NOW
    return Pjm(access.need("zone"), market, access.need("key"), access.at(URL), calendar)
