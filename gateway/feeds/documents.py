"""Reading what strangers send: JSON, CSV and XML, bounded, with exact numbers. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from gateway.domain.intervals import Interval

MOST_ROWS = 60_000
_MOST_DIGITS, _MOST_SIZE = 24, 9  # no price has more than ten digits before its point
UNITS = {"per_mwh": Decimal("0.001"), "per_kwh": Decimal(1), "minor_per_kwh": Decimal("0.01")}


def json_of(raw: bytes) -> Any:
    """A JSON document with exact decimals; NaN and infinity are refused."""
    return json.loads(raw.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse)


def csv_of(raw: bytes) -> Iterator[dict[str, str]]:
    """Rows by column; a semicolon, tab or comma between them, whichever the head has."""
    text = raw.decode("utf-8-sig")
    head = text.partition("\n")[0]
    comma = max(",;\t", key=head.count)
    for count, row in enumerate(csv.DictReader(io.StringIO(text), delimiter=comma)):
        if count >= MOST_ROWS:
            raise ValueError(f"more than {MOST_ROWS} rows")
        yield {str(k).strip(): (v or "").strip() for k, v in row.items() if k is not None}


def xml_of(raw: bytes) -> ElementTree.Element:
    """An XML document without a document type: so it has no entities that could grow or read files."""
    if b"<!DOCTYPE" in raw.upper() or b"<!ENTITY" in raw.upper() or b"\x00" in raw:
        raise ValueError("it declares a document type, which nobody asked for")
    return ElementTree.fromstring(raw)  # noqa: S314 - no entities are left, and its size is bounded


def number(value: Any) -> Decimal:
    """An exact number, also from text with a comma for the point."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError(f"{value!r} is no number")
    text = str(value).strip()
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    found = Decimal(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    if not found.is_finite() or found.adjusted() > _MOST_SIZE:
        raise ValueError(f"{value!r} is no number")
    return found


def moment(value: Any, zone: ZoneInfo | None = None) -> datetime:
    """A time in ISO 8601, or seconds or milliseconds of the Unix epoch; without offset it is of ``zone``."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        stamp = float(value)
        seconds = stamp / 1000 if abs(stamp) > 1e11 else stamp
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    found = datetime.fromisoformat(str(value).strip())
    if found.tzinfo is None:
        if zone is None:
            raise ValueError(f"{value!r} has no time zone")
        found = found.replace(tzinfo=zone)
    return found.astimezone(UTC)


def span(start: datetime, length: timedelta) -> Interval:
    return Interval(start, start + length)


def lengths(starts: list[datetime], usual: timedelta) -> list[Interval]:
    """Spans of a series that names its starts only: each up to the next, unless a row is missing there."""
    ordered = sorted(set(starts))
    steps = [b - a for a, b in pairwise(ordered)]
    step = min(steps, default=usual)
    return [span(start, step) for start in starts]


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no number")
