"""What an exchange's document may hold: `gateway.bounded_json`, and what only a market has. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from gateway import bounded_json
from gateway.bounded_json import (
    MOST_DEPTH,
    MOST_DIGITS,
    MOST_NUMBER,
    MOST_TEXT,
    Json,
    flag,
    loads,
    moment,
    rows,
    said,
    text,
    whole,
)
from gateway.domain.intervals import QUARTER, Interval, floor_quarter
from gateway.errors import MarketError

__all__ = [
    "MOST_DEPTH", "MOST_DIGITS", "MOST_NUMBER", "MOST_TEXT", "MOST_TICKS", "Json", "flag", "loads",
    "moment", "price_ticks", "quarter_hour", "rows", "said", "span", "text", "understood", "whole",
]  # fmt: skip

MOST_TICKS = 10**9  # 10,000 currency units per kWh
LONGEST_SPAN = timedelta(hours=24)


def understood(what: str) -> bounded_json.understood:
    """Turns everything that a nonsense answer can cause into one MarketError that names it."""
    return bounded_json.understood(what, MarketError, "the exchange")


def price_ticks(value: object) -> int:
    return whole(value, -MOST_TICKS, MOST_TICKS)


def span(value: object) -> timedelta:
    """An ISO 8601 duration of hours, minutes and seconds, at most a day."""
    found = re.fullmatch(r"PT(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?", text(value))
    if found is None or value == "PT":
        raise ValueError(f"{value!r} is no duration")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if length > LONGEST_SPAN:
        raise ValueError(f"{value} is longer than a day")
    return length


def quarter_hour(value: Any) -> Interval:
    """A quarter-hour on the grid, of this century."""
    start = moment(value["dtStart"])
    if span(value["duration"]) != QUARTER or floor_quarter(start) != start:
        raise ValueError("an interval that is no quarter-hour of the grid")
    return Interval(start, start + QUARTER)
