"""ERCOT's public API: settlement point prices of a hub or load zone (``zone``, e.g. LZ_HOUSTON), real-time or day-ahead.

``market`` is ``real-time`` (np6-905-cd/spp_node_zone_hub: 15 minutes, after the interval) or ``day-ahead`` (np4-190-cd/dam_stlmnt_pnt_prices:
hours). Answers have ``fields`` with names and ``data`` with rows. Hours are 'ending', in Central prevailing time; the flag marks the
second of the autumn night's two. Key: JSON with ``username``, ``password`` and ``subscription_key``; 30 requests a minute. api.ercot.com
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from gateway.errors import ConfigError
from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import TEXAS, TEXAS_NOW
from gateway.feeds.documents import UNITS, json_of, number, span

URL = "https://api.ercot.com/api/public-reports"
TOKEN_URL = "https://ercotb2c.b2clogin.com/ercotb2c.onmicrosoft.com/B2C_1_PUBAPI-ROPC-FLOW/oauth2/v2.0/token"  # noqa: S105 - an address
_CLIENT = "fec253ea-0d06-4272-a5e6-b478baeecd70"  # public: of the API explorer, for all its users
_REPORTS = {
    "real-time": "np6-905-cd/spp_node_zone_hub",
    "day-ahead": "np4-190-cd/dam_stlmnt_pnt_prices",
}
_CALENDARS = {"real-time": TEXAS_NOW, "day-ahead": TEXAS}
_PERIODS = {"real-time": timedelta(minutes=5), "day-ahead": timedelta(minutes=30)}


@dataclass(frozen=True, slots=True)
class Ercot:
    """See `gateway.feeds.Feed`."""

    point: str
    market: str
    keys: Mapping[str, str]
    url: str
    token_url: str
    calendar: Calendar
    period: timedelta

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        zone = self.calendar.zone
        query = {
            "settlementPoint": self.point,
            "deliveryDateFrom": f"{start.astimezone(zone):%Y-%m-%d}",
            "deliveryDateTo": f"{end.astimezone(zone):%Y-%m-%d}",
            "size": "5000",
        }
        headers = {
            "Ocp-Apim-Subscription-Key": self.keys["subscription_key"],
            "Authorization": f"Bearer {await self._token(ask)}",
        }
        place = f"{self.url}/{_REPORTS[self.market]}"
        said = json_of(await ask(Request(place, query, headers)))
        names = [field["name"] for field in said["fields"]]
        rows = [dict(zip(names, row, strict=True)) for row in said["data"]]
        return Answer("USD", [self._price(r) for r in rows if r["settlementPoint"] == self.point])

    async def _token(self, ask: Ask) -> str:
        """Good for an hour; asked for anew each time, which its limits allow."""
        form = {
            "username": self.keys["username"],
            "password": self.keys["password"],
            "grant_type": "password",
            "scope": f"openid {_CLIENT} offline_access",
            "client_id": _CLIENT,
            "response_type": "id_token",
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode()
        return str(json_of(await ask(Request(self.token_url, {}, headers, body)))["id_token"])

    def _price(self, row: Mapping[str, Any]) -> FeedPrice:
        day = date.fromisoformat(row["deliveryDate"])
        second = row["DSTFlag"] in (True, "Y", "true")
        if self.market == "real-time":
            hour, part, minutes = int(row["deliveryHour"]), int(row["deliveryInterval"]), 15
        else:
            hour, part, minutes = int(str(row["hourEnding"]).partition(":")[0]), 1, 60
        local = datetime(
            day.year, day.month, day.day, hour - 1, (part - 1) * 15,
            tzinfo=self.calendar.zone, fold=int(second),
        )  # fmt: skip
        price = number(row["settlementPointPrice"]) * UNITS["per_mwh"]
        return FeedPrice(span(local.astimezone(UTC), timedelta(minutes=minutes)), price)


def feed(access: FeedAccess) -> Ercot:
    market = access.market or "real-time"
    if market not in _REPORTS:
        raise ConfigError(
            f"price_feed {access.name!r}: market = {market!r}; use real-time or day-ahead"
        )
    try:
        keys = json.loads(access.need("key"))
        named = {n: str(keys[n]) for n in ("username", "password", "subscription_key")}
    except (ValueError, TypeError, KeyError):
        raise ConfigError(
            f"price_feed {access.name!r}: the key file is JSON with username, password and subscription_key"
        ) from None
    token_url = TOKEN_URL if access.url is None else f"{access.at('')}/token"
    calendar, period = _CALENDARS[market], _PERIODS[market]
    return Ercot(access.need("zone"), market, named, access.at(URL), token_url, calendar, period)
