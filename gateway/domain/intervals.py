"""Half-open UTC intervals and the quarter-hour grid on which energy is traded and metered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A span of time in UTC: ``start`` belongs to it, ``end`` does not."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("an interval needs aware UTC times")
        if self.end <= self.start:
            raise ValueError(f"an interval ends after it starts: {self.start} .. {self.end}")

    def __contains__(self, time: datetime) -> bool:
        return self.start <= time < self.end

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()

    @property
    def hours(self) -> float:
        return self.seconds / 3600

    def next(self) -> Interval:
        """The interval of the same length that follows."""
        return Interval(self.end, self.end + (self.end - self.start))

    def __str__(self) -> str:
        return f"{iso(self.start)}/{iso(self.end)}"


def quarter(start: datetime) -> Interval:
    """The quarter-hour that starts at ``start``; raises ValueError off the grid."""
    if floor_quarter(start) != start:
        raise ValueError(f"{start} is not on the quarter-hour grid")
    return Interval(start, start + QUARTER)


def quarter_of(time: datetime) -> Interval:
    """The quarter-hour that contains ``time``."""
    start = floor_quarter(time)
    return Interval(start, start + QUARTER)


def floor_quarter(time: datetime) -> datetime:
    return floor_to(time, QUARTER)


def floor_to(time: datetime, step: timedelta) -> datetime:
    """``time`` rounded down to a multiple of ``step`` since the Unix epoch."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return time - (time - epoch) % step


def quarters(start: datetime, end: datetime) -> Iterator[Interval]:
    """Every quarter-hour of the half-open span from ``start`` to ``end`` (both on the grid)."""
    current = quarter(start)
    while current.start < end:
        yield current
        current = current.next()


def iso(time: datetime) -> str:
    """``2026-06-01T06:00:00Z``: the one form in which times are stored and sent (ms only if any).

    What is read again is written as the same text, so 0.3 ms are none and no ``.000``.
    """
    utc = time.astimezone(UTC).replace(tzinfo=None)
    some_ms = utc.microsecond >= 1000
    return utc.isoformat(timespec="milliseconds" if some_ms else "seconds") + "Z"


def parse_utc(text: str) -> datetime:
    """The inverse of `iso`; accepts any ISO 8601 time with an offset, raises ValueError otherwise."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write it in UTC as 2026-06-01T06:00:00Z")
    return time.astimezone(UTC)
