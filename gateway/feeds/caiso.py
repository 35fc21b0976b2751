"""CAISO OASIS: locational marginal prices of a node (``zone``, e.g. DLAP_PGAE-APND), as zipped CSV.

``market`` is ``day-ahead`` (PRC_LMP, DAM: hours) or ``real-time`` (PRC_RTPD_LMP, RTPD: 15 minutes). GET /oasisapi/SingleZip?resultformat=6 with times
like 20240101T08:00-0000. Rows of ``INTERVALSTARTTIME_GMT``, ``INTERVALENDTIME_GMT``, ``LMP_TYPE`` (LMP is the whole price) and the price in column
MW (day-ahead) or PRC. No key; one request in 5 s. oasis.caiso.com
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.intervals import Interval
from gateway.errors import ConfigError
from gateway.feeds import Answer, Ask, Calendar, FeedAccess, FeedPrice, Request
from gateway.feeds.calendar import CALIFORNIA, CALIFORNIA_NOW
from gateway.feeds.documents import UNITS, csv_of, moment, number, xml_of

URL = "http://oasis.caiso.com"
_MARKETS = {"day-ahead": ("PRC_LMP", "DAM"), "real-time": ("PRC_RTPD_LMP", "RTPD")}
_MOST_UNPACKED = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Caiso:
    """See `gateway.feeds.Feed`."""

    node: str
    market: str
    url: str
    calendar: Calendar
    period: timedelta = timedelta(minutes=15)

    async def fetch(self, ask: Ask, start: datetime, end: datetime) -> Answer:
        query, run = _MARKETS[self.market]
        asked = {
            "queryname": query,
            "market_run_id": run,
            "node": self.node,
            "startdatetime": f"{start:%Y%m%dT%H:%M}-0000",
            "enddatetime": f"{end:%Y%m%dT%H:%M}-0000",
            "version": "1",
            "resultformat": "6",
        }
        name, raw = _unpacked(await ask(Request(f"{self.url}/oasisapi/SingleZip", asked)))
        if name.lower().endswith(".xml"):
            return Answer("USD", _no_rows(raw))
        rows = []
        for row in csv_of(raw):
            if row["LMP_TYPE"] != "LMP" or row["NODE"] != self.node:
                continue
            span = Interval(
                moment(row["INTERVALSTARTTIME_GMT"]), moment(row["INTERVALENDTIME_GMT"])
            )
            price = next(row[c] for c in ("MW", "PRC", "VALUE") if row.get(c))
            rows.append(FeedPrice(span, number(price) * UNITS["per_mwh"]))
        return Answer("USD", rows)


def _unpacked(raw: bytes) -> tuple[str, bytes]:
    """Name and content of the one file in the archive, bounded."""
    try:
        with (
            zipfile.ZipFile(io.BytesIO(raw)) as archive,
            archive.open(archive.namelist()[0]) as file,
        ):
            found = file.read(_MOST_UNPACKED + 1)
            name = file.name
    except zipfile.BadZipFile as error:
        raise ValueError(f"no archive: {error}") from error
    if len(found) > _MOST_UNPACKED:
        raise ValueError(f"more than {_MOST_UNPACKED} bytes unpacked")
    return name, found


def _no_rows(raw: bytes) -> tuple[FeedPrice, ...]:
    """An error document; 'no data' is none."""
    words = " ".join(t.strip() for t in xml_of(raw).itertext() if t.strip())
    if "1000" in words or "No data" in words:
        return ()
    raise ValueError(words)


def feed(access: FeedAccess) -> Caiso:
    market = access.market or "day-ahead"
    if market not in _MARKETS:
        raise ConfigError(
            f"price_feed {access.name!r}: market = {market!r}; use real-time or day-ahead"
        )
    calendar = CALIFORNIA if market == "day-ahead" else CALIFORNIA_NOW
    return Caiso(access.need("zone"), market, access.at(URL), calendar)
