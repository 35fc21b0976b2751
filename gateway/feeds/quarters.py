"""Rows of any length as quarter-hours: an hour's price holds in each of its four, three fives are their mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from gateway.domain.intervals import QUARTER, floor_quarter, floor_to
from gateway.feeds import FeedPrice

LONGEST = timedelta(hours=24 + 1)  # of one row; a tariff of one price a day has one
_SECOND = timedelta(seconds=1)


def by_quarter(rows: Iterable[FeedPrice], *, forecast: bool) -> dict[datetime, Decimal]:
    """Price per kWh by start of the quarter-hour, of the prices or of the forecasts alone.

    Only quarters that are covered whole: what is missing is missing. Rows that overlap raise ValueError
    unless they say the same.
    """
    parts: dict[datetime, list[tuple[datetime, datetime, Decimal]]] = {}
    for row in rows:
        if row.forecast != forecast:
            continue
        if row.span.end - row.span.start > LONGEST:
            raise ValueError(f"a row of {row.span.end - row.span.start}")
        begin, end = _whole(row.span.start), _whole(row.span.end)
        start = floor_quarter(begin)
        while start < end:
            cut = max(begin, start), min(end, start + QUARTER)
            parts.setdefault(start, []).append((*cut, row.per_kwh))
            start += QUARTER
    means = ((start, _mean(start, sorted(set(found)))) for start, found in sorted(parts.items()))
    return {start: mean for start, mean in means if mean is not None}


def _whole(moment: datetime) -> datetime:
    """To the minute where a second is missing or too much: some end their hours at 59:59."""
    near = floor_to(moment + timedelta(seconds=30), timedelta(minutes=1))
    return near if abs(near - moment) <= _SECOND else moment


def _mean(start: datetime, found: list[tuple[datetime, datetime, Decimal]]) -> Decimal | None:
    """The mean over the quarter, None where some of it is missing."""
    total, covered = Decimal(0), timedelta(0)
    last = start
    for begin, end, price in found:
        if begin < last:
            raise ValueError(f"two prices hold at {begin:%Y-%m-%d %H:%M} UTC")
        total += price * ((end - begin) // _SECOND)
        covered, last = covered + (end - begin), end
    return total / (QUARTER // _SECOND) if covered == QUARTER else None
