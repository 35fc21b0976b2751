"""Energy-Charts: CO2 intensity of a country's electricity, g of CO2 equivalents a kWh (``zone``, e.g. de).

GET /co2eq?country=ZONE: ``unix_seconds``, ``co2eq`` (null where not yet known) and ``co2eq_forecast`` of equal length. No key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import EUROPE_NOW
from gateway.feeds.documents import json_of, lengths, moment, number
from gateway.feeds.energy_charts import URL


@dataclass(frozen=True, slots=True)
class EnergyChartsCo2:
    """See `gateway.feeds.Feed`."""

    country: str
    url: str
    calendar: Calendar = EUROPE_NOW
    period: timedelta = timedelta(minutes=30)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        said = json_of(await ask(Request(f"{self.url}/co2eq", {"country": self.country})))
        starts = [moment(at) for at in said["unix_seconds"]]
        spans = lengths(starts, timedelta(minutes=15))
        measured = said["co2eq"]
        expected = said.get("co2eq_forecast") or [None] * len(spans)
        rows = []
        for at, real, guess in zip(spans, measured, expected, strict=True):
            value = guess if real is None else real
            if value is not None:
                rows.append(FeedPrice(at, number(value), forecast=real is None))
        return Answer("gCO2", rows)


def feed(access: FeedAccess) -> EnergyChartsCo2:
    return EnergyChartsCo2(access.need("zone").lower(), access.at(URL))
