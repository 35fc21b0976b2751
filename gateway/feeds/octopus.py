"""Octopus Energy (Great Britain): unit rates of a tariff by half-hour, Agile or Outgoing.

``product`` e.g. AGILE-24-10-01 and ``tariff`` e.g. E-1R-AGILE-24-10-01-C (the last letter is the region). GET
/v1/products/PRODUCT/electricity-tariffs/TARIFF/standard-unit-rates/?period_from=&period_to=: ``results`` of ``value_exc_vat``,
``value_inc_vat`` (pence a kWh), ``valid_from``, ``valid_to`` (null: until further notice). No key. These are rates with VAT
(``tax_included``). api.octopus.energy
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.intervals import Interval
from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import LONDON
from gateway.feeds.documents import UNITS, json_of, moment, number

URL = "https://api.octopus.energy"


@dataclass(frozen=True, slots=True)
class Octopus:
    """See `gateway.feeds.Feed`."""

    product: str
    tariff: str
    url: str
    calendar: Calendar = LONDON
    period: timedelta = timedelta(minutes=30)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        place = (
            f"/v1/products/{self.product}/electricity-tariffs/{self.tariff}/standard-unit-rates/"
        )
        query = {"page_size": "1500"}
        query |= {"period_from": f"{start:%Y-%m-%dT%H:%MZ}", "period_to": f"{end:%Y-%m-%dT%H:%MZ}"}
        said = json_of(await ask(Request(self.url + place, query)))
        rows = []
        for row in said["results"]:
            if row.get("payment_method") not in (None, "DIRECT_DEBIT"):
                continue
            begins, until = moment(row["valid_from"]), row["valid_to"]
            ends = end if until is None else moment(until)
            if until is None or ends - begins > timedelta(hours=24):  # a rate without hours
                begins, ends = max(begins, start), min(ends, end)
            rows += _days(
                begins,
                ends,
                FeedPrice(
                    Interval(begins, ends), number(row["value_inc_vat"]) * UNITS["minor_per_kwh"]
                ),
            )
        return Answer("GBP", rows)


def _days(begins: datetime, ends: datetime, row: FeedPrice) -> list[FeedPrice]:
    """The row in pieces of a day at most."""
    made = []
    while begins < ends:
        piece = min(begins + timedelta(hours=24), ends)
        made.append(FeedPrice(Interval(begins, piece), row.per_kwh))
        begins = piece
    return made


def feed(access: FeedAccess) -> Octopus:
    return Octopus(access.need("product"), access.need("tariff"), access.at(URL))
