"""Nord Pool's data portal: day-ahead prices of a delivery area (``zone``, e.g. SE3), one CET day an answer.

GET /api/DayAheadPrices?date=&market=DayAhead&deliveryArea=&currency=: ``multiAreaEntries`` of ``deliveryStart``, ``deliveryEnd`` and
``entryPerArea``; 204 while there is nothing. No key; its terms allow no automatic reading without consent: ask them first.
dataportal-api.nordpoolgroup.com
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.intervals import Interval
from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import EUROPE
from gateway.feeds.documents import UNITS, json_of, moment, number

URL = "https://dataportal-api.nordpoolgroup.com"
_FINAL = ("Final", "Updated")


@dataclass(frozen=True, slots=True)
class NordPool:
    """See `gateway.feeds.Feed`. Preliminary prices are forecasts."""

    area: str
    currency: str
    url: str
    calendar: Calendar = EUROPE
    period: timedelta = timedelta(minutes=30)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        rows: list[FeedPrice] = []
        day = start.astimezone(self.calendar.zone).date()
        while day <= end.astimezone(self.calendar.zone).date():
            rows += await self._day(ask, f"{day:%Y-%m-%d}")
            day += timedelta(days=1)
        return Answer(self.currency, rows)

    async def _day(self, ask: Ask, date: str) -> list[FeedPrice]:
        query = {"date": date, "market": "DayAhead", "deliveryArea": self.area}
        query["currency"] = self.currency
        raw = await ask(Request(f"{self.url}/api/DayAheadPrices", query))
        if not raw:
            return []
        said = json_of(raw)
        if said["currency"] != self.currency:
            raise ValueError(f"prices in {said['currency']}, asked for in {self.currency}")
        states = {s["state"] for s in said.get("areaStates", ()) if self.area in s["areas"]}
        guess = bool(states) and not states & set(_FINAL)
        return [
            FeedPrice(
                Interval(moment(row["deliveryStart"]), moment(row["deliveryEnd"])),
                number(row["entryPerArea"][self.area]) * UNITS["per_mwh"],
                guess,
            )
            for row in said["multiAreaEntries"]
            if self.area in row["entryPerArea"]
        ]


def feed(access: FeedAccess) -> NordPool:
    return NordPool(access.need("zone"), access.currency or "EUR", access.at(URL))
