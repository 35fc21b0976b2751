"""What a programme is told of its events, and what a home would have drawn without them. Pure.

Usage and demand are net at the home's meter, import +, from its counters; the baseline is the mean of the same quarter-hour on
the last ten days of the same kind (working days, or weekends) without a dispatch. The operating state is told of an event that is not
followed (NORMAL: no directive is followed now). What is not known is left out of a report.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.domain.intervals import QUARTER, floor_quarter, iso
from gateway.domain.trade import Metered
from gateway.openadr.documents import ENDLESS, Event, EventInterval, ReportWanted

STATE, NOT_FOLLOWED = "OPERATING_STATE", "NORMAL"
KINDS = ("USAGE", "DEMAND", "BASELINE", "STORAGE_CHARGE_LEVEL", "STORAGE_USABLE_CAPACITY", STATE)
BASELINE_DAYS, LEAST_DAYS, BACK_DAYS = 10, 3, 30
MOST_INTERVALS = 200  # of one report
LATE = timedelta(days=2)  # what is older is not reported any more
_WEEKEND = 5
_UNITS = {"USAGE": "KWH", "DEMAND": "KW", "BASELINE": "KWH", "STORAGE_CHARGE_LEVEL": "PERCENT",
          "STORAGE_USABLE_CAPACITY": "KWH"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """What the home knows of its past: metered quarters, the state of charge at a quarter's end in percent."""

    metered: Mapping[datetime, Metered]
    soc_pct: Mapping[datetime, float]
    capacity_wh: float | None
    dispatched: Collection[datetime]  # quarters that are in no baseline
    zone: ZoneInfo
    not_followed: Collection[str] = ()  # events of the last day of which nothing is done


def baseline_wh(known: Measured, start: datetime) -> int | None:
    """What would have been drawn (net, import +) in the quarter-hour from ``start``; None where too little is known."""
    here = start.astimezone(known.zone)
    found: list[int] = []
    for days in range(1, BACK_DAYS + 1):
        local = (here.replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=known.zone)
        at = local.astimezone(start.tzinfo)
        same = (local.weekday() >= _WEEKEND) == (here.weekday() >= _WEEKEND)
        row = known.metered.get(at)
        if same and row is not None and at not in known.dispatched:
            found.append(-row.net_wh)
        if len(found) == BASELINE_DAYS:
            break
    return round(sum(found) / len(found)) if len(found) >= LEAST_DAYS else None


@dataclass(frozen=True, slots=True)
class Due:
    """A report whose intervals are over; ``name`` is its own for ever."""

    name: str
    event: Event
    intervals: tuple[EventInterval, ...]


def due(events: Iterable[Event], now: datetime) -> Iterator[Due]:
    """The reports that events ask for of the last days: in groups of as many intervals as they say."""
    for event in events:
        wanted = [r for r in event.reports if r.historical and r.kind in KINDS]
        if not wanted or not event.intervals:
            continue
        group = _group(event, wanted[0])
        spans = list(event.spans(now - LATE, now))
        for row in _groups(event, spans, group):
            if row[-1].end <= min(now, ENDLESS):
                yield Due(f"{event.id}/{iso(row[0].start)}/{iso(event.modified)}", event, row)


def _group(event: Event, wanted: ReportWanted) -> int:
    for count in (wanted.frequency, wanted.intervals):
        if count > 0:
            return min(count, MOST_INTERVALS)
    return min(len(event.intervals), MOST_INTERVALS)


def _groups(
    event: Event, spans: Sequence[EventInterval], size: int
) -> Iterator[tuple[EventInterval, ...]]:
    """Whole groups, counted from the event's first interval on."""
    order = {interval.id: place for place, interval in enumerate(event.intervals)}
    row: list[EventInterval] = []
    for span in spans:
        place = order[span.id]
        if place % size == 0:
            row = []
        row.append(span)
        if place % size == size - 1 or place == len(order) - 1:
            yield tuple(row)
            row = []
    if row and row[-1].end >= event.until:  # its own duration cut the rest
        yield tuple(row)


def report_of(due_now: Due, known: Measured, ven_name: str) -> dict[str, Any] | None:
    """The document; None while the meter has not told all of it yet."""
    last = due_now.intervals[-1]
    quarters = _quarters(last)
    if not quarters or quarters[-1] not in known.metered:
        return None
    kinds = [r for r in due_now.event.reports if r.historical and r.kind in KINDS]
    intervals = []
    for span in due_now.intervals:
        told = [(r.kind, _told(r.kind, due_now.event, span, known)) for r in kinds]
        payloads = [{"type": kind, "values": [v]} for kind, v in told if v is not None]
        period = {"start": iso(span.start), "duration": _iso_length(span.end - span.start)}
        intervals.append({"id": span.id, "intervalPeriod": period, "payloads": payloads})
    return {
        "eventID": due_now.event.id,
        "clientName": ven_name,
        "reportName": due_now.name,
        "payloadDescriptors": [_descriptor(each) for each in kinds],
        "resources": [{"resourceName": ven_name, "intervals": intervals}],
    }


def _descriptor(wanted: ReportWanted) -> dict[str, str]:
    descriptor = {
        "objectType": "REPORT_PAYLOAD_DESCRIPTOR",
        "payloadType": wanted.kind,
        "readingType": wanted.reading_type or "DIRECT_READ",
    }
    return descriptor | ({"units": _UNITS[wanted.kind]} if wanted.kind in _UNITS else {})


def _told(kind: str, event: Event, span: EventInterval, known: Measured) -> float | str | None:
    if kind == STATE:
        return NOT_FOLLOWED if event.id in known.not_followed else None
    return _value(kind, span, known)


def _quarters(span: EventInterval) -> list[datetime]:
    """The quarter-hours whose middle lies in it."""
    at, found = floor_quarter(span.start), []
    while at + QUARTER / 2 < span.end:
        if at + QUARTER / 2 >= span.start:
            found.append(at)
        at += QUARTER
    return found


def _value(kind: str, span: EventInterval, known: Measured) -> float | None:
    quarters = _quarters(span)
    if kind == "STORAGE_CHARGE_LEVEL":
        return known.soc_pct.get(quarters[-1]) if quarters else None
    if kind == "STORAGE_USABLE_CAPACITY":
        return None if known.capacity_wh is None else known.capacity_wh / 1000
    if not quarters:
        return None
    if kind == "BASELINE":
        each = [baseline_wh(known, at) for at in quarters]
    else:
        each = [-m.net_wh if (m := known.metered.get(at)) else None for at in quarters]
    if any(wh is None for wh in each):
        return None
    total_kwh = sum(wh for wh in each if wh is not None) / 1000
    return total_kwh / (len(quarters) / 4) if kind == "DEMAND" else total_kwh


def _iso_length(length: timedelta) -> str:
    return f"PT{round(length.total_seconds())}S"
