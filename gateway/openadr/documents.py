"""Events and programmes as a VTN sends them: checked, and with absolute times. Pure.

An event that cannot be understood is refused alone, with one reason; the others hold. The rules of time are those
of the user guide, 7.3: an interval has its own period or follows the one before; a start in the year 1 is 'now'
(when the event was made), P9999Y is 'without end'; a duration of the event cuts or repeats its intervals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from gateway.bounded_json import flag, mapping, moment, rows, text, whole

NUMBERS = (  # kinds of payloads that we follow, which are numbers by the standard
    "IMPORT_CAPACITY_LIMIT", "EXPORT_CAPACITY_LIMIT", "DISPATCH_SETPOINT", "DISPATCH_SETPOINT_RELATIVE", "CHARGE_STATE_SETPOINT", "SIMPLE",
    "PRICE", "EXPORT_PRICE", "GHG",
)  # fmt: skip
MOST_INTERVALS = 1_000  # of one event: ten days of quarter-hours
MOST_VALUES = 1_000  # of one payload
MOST_PAYLOADS = 20  # of one interval
MOST_DESCRIPTORS = 50
MOST_SPANS = 3_000  # of one event within the time that is looked at
MOST_VALUE = 10**9
ENDLESS = datetime(2099, 12, 31, tzinfo=UTC)
LONGEST_SHIFT = timedelta(hours=1)
_LOWEST = 2**31 - 1  # the priority of an event that names none
_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_DURATION = re.compile(
    r"(-?)P(?=.)(?:(\d{1,4})Y)?(?:(\d{1,3})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?"
    r"(?:T(?=.)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6}(?:\.\d{1,6})?)S)?)?"
)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a payload's numbers are: ``units`` and ``currency`` in capitals, empty where not said."""

    units: str = ""
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Payload:
    """Numbers of one kind over one interval; several share it evenly."""

    kind: str
    values: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class EventInterval:
    """One interval as it was planned, before a start is randomized by at most ``shift``."""

    id: int
    start: datetime
    end: datetime
    payloads: tuple[Payload, ...]
    shift: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class ReportWanted:
    """What an event asks to be told of its intervals; see the definition, reportDescriptor."""

    kind: str
    reading_type: str = ""
    units: str = ""
    intervals: int = -1  # how many a report has; -1 = all
    frequency: int = -1  # intervals between two reports; -1 = as many as a report has
    historical: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """One event. A lower ``priority`` goes first. ``repeats`` is the length after which its intervals come again, until ``until``."""

    id: str
    program_id: str
    name: str
    priority: int
    modified: datetime
    intervals: tuple[EventInterval, ...]
    descriptors: Mapping[str, Descriptor] = field(default_factory=dict)
    reports: tuple[ReportWanted, ...] = ()
    repeats: timedelta | None = None
    until: datetime = ENDLESS

    def spans(self, since: datetime, before: datetime) -> Iterator[EventInterval]:
        """Its intervals that touch the half-open span, with those that come again."""
        if not self.intervals:
            return
        count, shift = 0, timedelta(0)
        first = min(each.start for each in self.intervals)
        if self.repeats is not None:
            last = max(each.end for each in self.intervals)
            rounds = max(0, (since - last) // self.repeats)
            shift = self.repeats * rounds
        while True:
            for each in self.intervals:
                start, end = each.start + shift, min(_later(each.end, shift), self.until)
                if count >= MOST_SPANS:
                    return
                if start < before and end > max(since, start):
                    count += 1
                    yield EventInterval(each.id, start, end, each.payloads, each.shift)
            if self.repeats is None or first + shift + self.repeats >= min(before, self.until):
                return
            shift += self.repeats


@dataclass(frozen=True, slots=True)
class Program:
    """A programme: its name, and what its events' payloads are where they do not say."""

    id: str
    name: str
    descriptors: Mapping[str, Descriptor] = field(default_factory=dict)


def program_of(raw: Any) -> Program:
    document = mapping(raw)
    return Program(
        _id(document["id"]),
        text(document["programName"]),
        _descriptors(document.get("payloadDescriptors")),
    )


def event_of(raw: Any, programs: Mapping[str, Program]) -> Event:
    """Raises what nonsense raises (ValueError, TypeError, LookupError, ArithmeticError)."""
    document = mapping(raw)
    program_id = _id(document["programID"])
    program = programs.get(program_id)
    made = moment(document["createdDateTime"])
    modified = moment(document.get("modificationDateTime") or document["createdDateTime"])
    period = _Period.of(document.get("intervalPeriod"))
    length = None if document.get("duration") in (None, "") else duration(document["duration"])
    intervals = _intervals(rows(document.get("intervals") or [], MOST_INTERVALS), period, made)
    repeats, until = _looped(intervals, length)
    priority = document.get("priority")
    return Event(
        _id(document["id"]),
        program_id,
        _name(document.get("eventName")),
        _LOWEST if priority is None else whole(priority, 0, _LOWEST),
        modified,
        tuple(i for i in intervals if i.end > i.start),
        {**(program.descriptors if program else {}), **_descriptors(document.get("payloadDescriptors"))},
        tuple(map(_report_wanted, rows(document.get("reportDescriptors") or [], MOST_DESCRIPTORS))),
        repeats,
        until,
    )  # fmt: skip


def duration(value: Any) -> timedelta:
    """ISO 8601; a thousand years and more is without end. Months have no length, and are refused."""
    found = _DURATION.fullmatch(text(value))
    if found is None:
        raise ValueError(f"{value!r} is no duration")
    sign, years, months, *rest = found.groups()
    if int(months or 0):
        raise ValueError(f"{value!r} has months, which have no length: write days")
    if int(years or 0) >= 1000:
        return timedelta.max
    weeks, days, hours, minutes = (int(part or 0) for part in rest[:4])
    seconds = float(rest[4] or 0)
    length = timedelta(
        days=365 * int(years or 0) + days,
        weeks=weeks,
        hours=hours,
        minutes=minutes,
        seconds=seconds,
    )
    return -length if sign else length


@dataclass(frozen=True, slots=True)
class _Period:
    """``start`` None = not said, or 'now'."""

    start: datetime | None = None
    length: timedelta | None = None
    shift: timedelta | None = None
    now: bool = False

    @classmethod
    def of(cls, raw: Any) -> _Period:
        if raw is None:
            return cls()
        document = mapping(raw)
        said, length, shift = (document.get(k) for k in ("start", "duration", "randomizeStart"))
        now = isinstance(said, str) and said.startswith("0001-01-01")
        start = None if now or said is None else moment(said)
        longest = None if shift is None else abs(duration(shift))
        if longest is not None and longest > LONGEST_SHIFT:
            raise ValueError(f"a start that is randomized by {shift}: at most {LONGEST_SHIFT}")
        return cls(start, None if length is None else _positive(duration(length)), longest, now)


def _positive(length: timedelta) -> timedelta:
    if length < timedelta(0):
        raise ValueError("a duration that is less than nothing")
    return length


def _intervals(raw: Sequence[Any], usual: _Period, made: datetime) -> list[EventInterval]:
    found: list[EventInterval] = []
    at = made if usual.now else usual.start
    shift = usual.shift or timedelta(0)
    for each in raw:
        document = mapping(each)
        own = _Period.of(document.get("intervalPeriod"))
        shift = shift if own.shift is None else own.shift
        if own.start is not None:
            at = own.start
        elif at is None and own.now:
            at = made
        length = own.length if own.length is not None else usual.length
        if at is None or length is None:
            raise ValueError("an interval without start or duration")
        end = _later(at, length)
        payloads = tuple(_payload(p) for p in rows(document.get("payloads") or [], MOST_PAYLOADS))
        numbers = tuple(p for p in payloads if p is not None)
        found.append(EventInterval(whole(document["id"], -(2**31), 2**31), at, end, numbers, shift))
        at = end
    return found


def _looped(
    intervals: Sequence[EventInterval], length: timedelta | None
) -> tuple[timedelta | None, datetime]:
    """What the event's own duration makes of its intervals: cut, or come again until then."""
    if length is None or not intervals:
        return None, ENDLESS
    first, last = min(i.start for i in intervals), max(i.end for i in intervals)
    until = _later(first, _positive(length))
    whole_span = last - first
    again = last < min(until, ENDLESS) and whole_span >= timedelta(minutes=1)
    return (whole_span if again else None), until


def _later(start: datetime, length: timedelta) -> datetime:
    return ENDLESS if length >= ENDLESS - start else start + length


def _payload(raw: Any) -> Payload | None:
    """The numbers of one payload; None for one that has none by its kind (a text of an alert).

    A limit whose number cannot be read must not pass for no limit.
    """
    document = mapping(raw)
    kind, values = text(document["type"]), rows(document["values"], MOST_VALUES)
    if not values or not all(
        isinstance(v, int | Decimal) and not isinstance(v, bool) for v in values
    ):
        if kind in NUMBERS:
            raise ValueError(f"{kind} without a number")
        return None
    numbers = tuple(Decimal(v) for v in values)
    if any(abs(n) > MOST_VALUE for n in numbers):
        raise ValueError(f"{kind} of {max(numbers, key=abs):g}")
    return Payload(kind, numbers)


def _descriptors(raw: Any) -> dict[str, Descriptor]:
    found = {}
    for each in rows(raw or [], MOST_DESCRIPTORS):
        document = mapping(each)
        units, currency = document.get("units"), document.get("currency")
        found[text(document["payloadType"])] = Descriptor(
            "" if units is None else text(units).upper(),
            "" if currency is None else text(currency).upper(),
        )
    return found


def _report_wanted(raw: Any) -> ReportWanted:
    document = mapping(raw)

    def number(name: str) -> int:
        value = document.get(name)
        return -1 if value is None else whole(value, -1, 10**6)

    historical = document.get("historical")
    return ReportWanted(
        text(document["payloadType"]),
        "" if document.get("readingType") is None else text(document["readingType"]),
        "" if document.get("units") is None else text(document["units"]).upper(),
        number("numIntervals"),
        number("frequency"),
        True if historical is None else flag(historical),
    )


def _name(value: Any) -> str:
    return "" if value in (None, "") else text(value)


def _id(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("an id that no OpenADR object has")
    return value
