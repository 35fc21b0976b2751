"""ENTSO-E Transparency Platform: day-ahead prices of a bidding zone (``zone``: its EIC code, or a short name of the table).

GET /api?documentType=A44&in_Domain=&out_Domain=&periodStart=&periodEnd=&securityToken=: a Publication_MarketDocument of TimeSeries with Periods
of ``timeInterval``, ``resolution`` (PT15M, PT30M, PT60M) and Points of ``position`` and ``price.amount``. Curve type A03 leaves out a point that
repeats the one before. Where hours and quarters are both published, the shorter ones hold. Key: a security token; 400
requests a minute. web-api.tp.entsoe.eu
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from xml.etree.ElementTree import Element

from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import EUROPE
from gateway.feeds.documents import UNITS, moment, number, span, xml_of

URL = "https://web-api.tp.entsoe.eu"
ZONES = {
    "DE-LU": "10Y1001A1001A82H", "AT": "10YAT-APG------L", "BE": "10YBE----------2", "CH": "10YCH-SWISSGRIDZ",
    "CZ": "10YCZ-CEPS-----N", "DK1": "10YDK-1--------W", "DK2": "10YDK-2--------M", "EE": "10Y1001A1001A39I",
    "ES": "10YES-REE------0", "FI": "10YFI-1--------U", "FR": "10YFR-RTE------C", "HU": "10YHU-MAVIR----U",
    "LT": "10YLT-1001A0008Q", "LV": "10YLV-1001A00074", "NL": "10YNL----------L", "NO1": "10YNO-1--------2",
    "NO2": "10YNO-2--------T", "NO3": "10YNO-3--------J", "NO4": "10YNO-4--------9", "PL": "10YPL-AREA-----S",
    "PT": "10YPT-REN------W", "SE1": "10Y1001A1001A44P", "SE2": "10Y1001A1001A45N", "SE3": "10Y1001A1001A46L",
    "SE4": "10Y1001A1001A47J", "SI": "10YSI-ELES-----O", "SK": "10YSK-SEPS-----K",
}  # fmt: skip
_MINUTES = {"PT15M": 15, "PT30M": 30, "PT60M": 60, "PT1H": 60}
_MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Entsoe:
    """See `gateway.feeds.Feed`."""

    zone: str
    token: str
    url: str
    calendar: Calendar = EUROPE
    period: timedelta = timedelta(minutes=30)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        query = {
            "documentType": "A44",
            "in_Domain": self.zone,
            "out_Domain": self.zone,
            "periodStart": f"{start:%Y%m%d%H00}",
            "periodEnd": f"{end:%Y%m%d%H00}",
            "securityToken": self.token,
        }
        raw = await ask(Request(f"{self.url}/api", query))
        return document(xml_of(raw))


def document(root: Element) -> Answer:
    """The prices of one document; of an acknowledgement none."""
    if _name(root) == "Acknowledgement_MarketDocument":
        why = next((e.text for e in root.iter() if _name(e) == "text" and e.text), "no reason")
        if "No matching data" in why:
            return Answer("EUR", ())
        raise ValueError(why)
    series = [e for e in root if _name(e) == "TimeSeries"]
    currencies = {_text(s, "currency_Unit.name") for s in series} or {"EUR"}
    units = {_text(s, "price_Measure_Unit.name") for s in series} or {"MWH"}
    if len(currencies) != 1 or units != {"MWH"}:
        raise ValueError(f"prices in {sorted(currencies)} per {sorted(units)}")
    found: dict[timedelta, list[FeedPrice]] = {}
    for each in series:
        repeats = _text(each, "curveType", "A01") == "A03"
        for period in (p for p in each if _name(p) == "Period"):
            length = timedelta(minutes=_MINUTES[_text(period, "resolution")])
            found.setdefault(length, []).extend(_points(period, length, repeats=repeats))
    return Answer(currencies.pop(), _finest(found))


def _points(period: Element, length: timedelta, *, repeats: bool) -> Iterator[FeedPrice]:
    times = next(e for e in period if _name(e) == "timeInterval")
    start, end = moment(_text(times, "start")), moment(_text(times, "end"))
    count = (end - start) // length
    if not 0 < count <= _MOST_POINTS:
        raise ValueError(f"a period of {count} points")
    prices: dict[int, Decimal] = {}
    for point in (p for p in period if _name(p) == "Point"):
        prices[int(_text(point, "position"))] = number(_text(point, "price.amount"))
    price: Decimal | None = None
    for place in range(1, count + 1):
        price = prices.get(place, price if repeats else None)
        if price is not None:
            yield FeedPrice(span(start + (place - 1) * length, length), price * UNITS["per_mwh"])


def _finest(found: dict[timedelta, list[FeedPrice]]) -> list[FeedPrice]:
    """All rows of the shortest length, and of longer ones what they do not cover. Where a moment comes twice
    (a zone with two auctions) the first series, which is the exchange's main one, holds."""
    rows: list[FeedPrice] = []
    taken: set[datetime] = set()
    for length in sorted(found):
        for row in found[length]:
            quarters = {
                row.span.start + i * timedelta(minutes=15)
                for i in range(length // timedelta(minutes=15))
            }
            if not quarters & taken:
                taken |= quarters
                rows.append(row)
    return rows


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: Element, name: str, usual: str | None = None) -> str:
    found = next((e.text for e in element if _name(e) == name and e.text), usual)
    if found is None:
        raise LookupError(f"{name} is missing")
    return found.strip()


def feed(access: FeedAccess) -> Entsoe:
    zone = access.need("zone")
    return Entsoe(ZONES.get(zone.upper(), zone), access.need("key"), access.at(URL))
