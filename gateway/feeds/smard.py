"""SMARD of the Bundesnetzagentur: day-ahead prices of Germany and its neighbours (``zone``, e.g. DE-LU), by week.

GET /app/chart_data/FILTER/REGION/index_quarterhour.json: ``timestamps`` (ms) of the weeks' files; each file
FILTER_REGION_quarterhour_TIMESTAMP.json has ``series`` of [ms, EUR/MWh or null]. No key. www.smard.de
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.errors import ConfigError
from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import EUROPE
from gateway.feeds.documents import UNITS, json_of, moment, number, span

URL = "https://www.smard.de"
FILTERS = {
    "DE-LU": 4169, "BE": 4996, "NO2": 4997, "AT": 4170, "DK1": 252, "DK2": 253, "FR": 254, "NL": 256,
    "PL": 257, "CH": 259, "SI": 260, "CZ": 261, "HU": 262,
}  # fmt: skip
_WEEK, _QUARTER = timedelta(days=7), timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Smard:
    """See `gateway.feeds.Feed`."""

    number: int
    url: str
    calendar: Calendar = EUROPE
    period: timedelta = timedelta(minutes=30)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        base = f"{self.url}/app/chart_data/{self.number}/DE"
        weeks = json_of(await ask(Request(f"{base}/index_quarterhour.json")))["timestamps"]
        wanted = [w for w in weeks if moment(w) < end and moment(w) + _WEEK > start]
        rows: list[FeedPrice] = []
        for week in wanted[-3:]:
            name = f"{self.number}_DE_quarterhour_{int(week)}.json"
            said = json_of(await ask(Request(f"{base}/{name}")))
            rows += [
                FeedPrice(span(moment(at), _QUARTER), number(price) * UNITS["per_mwh"])
                for at, price in said["series"]
                if price is not None
            ]
        return Answer("EUR", rows)


def feed(access: FeedAccess) -> Smard:
    zone = access.zone or "DE-LU"
    if zone not in FILTERS:
        raise ConfigError(
            f"price_feed {access.name!r}: zone = {zone!r} is unknown; use one of {', '.join(FILTERS)}"
        )
    return Smard(FILTERS[zone], access.at(URL))
