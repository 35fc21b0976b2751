"""Energy-Charts of Fraunhofer ISE: day-ahead prices of a bidding zone (``zone``, e.g. DE-LU).

GET /price?bzn=ZONE&start=DAY&end=DAY: ``unix_seconds`` and ``price`` of equal length, ``unit`` 'EUR / MWh'. No key. Licences
differ by zone (DE-LU is CC BY 4.0, others are for private use). api.energy-charts.info
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import EUROPE
from gateway.feeds.documents import UNITS, json_of, lengths, moment, number

URL = "https://api.energy-charts.info"


@dataclass(frozen=True, slots=True)
class EnergyCharts:
    """See `gateway.feeds.Feed`."""

    zone: str
    url: str
    calendar: Calendar = EUROPE
    period: timedelta = timedelta(minutes=30)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        query = {"bzn": self.zone, "start": f"{start:%Y-%m-%d}", "end": f"{end:%Y-%m-%d}"}
        said = json_of(await ask(Request(f"{self.url}/price", query)))
        currency, factor = _unit(said["unit"])
        starts = [moment(at) for at in said["unix_seconds"]]
        prices = zip(lengths(starts, timedelta(hours=1)), said["price"], strict=True)
        rows = [FeedPrice(s, number(p) * factor) for s, p in prices if p is not None]
        return Answer(currency, rows)


def _unit(text: str) -> tuple[str, Decimal]:
    """'EUR / MWh' or 'EUR/MWh'; another is not guessed at."""
    currency, _, per = str(text).replace(" ", "").partition("/")
    return currency, UNITS[{"MWh": "per_mwh", "kWh": "per_kwh"}[per]]


def feed(access: FeedAccess) -> EnergyCharts:
    return EnergyCharts(access.need("zone"), access.at(URL))
