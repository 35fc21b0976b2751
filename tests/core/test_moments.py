"""A time as people write it, the same for every command."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.moments import first_of, span_of

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)  # 14:00 in Berlin


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("today", "2026-06-14T22:00Z", "2026-06-15T22:00Z"),
        ("yesterday", "2026-06-13T22:00Z", "2026-06-14T22:00Z"),
        ("tomorrow", "2026-06-15T22:00Z", "2026-06-16T22:00Z"),
        ("13:30", "2026-06-15T11:30Z", "2026-06-15T11:31Z"),
        ("9:05", "2026-06-15T07:05Z", "2026-06-15T07:06Z"),
        ("14:30", "2026-06-14T12:30Z", "2026-06-14T12:31Z"),  # not yet today
        ("now", "2026-06-15T12:00Z", "2026-06-15T12:01Z"),
        ("2026", "2025-12-31T23:00Z", "2026-12-31T23:00Z"),
        ("2026-12", "2026-11-30T23:00Z", "2026-12-31T23:00Z"),
        ("2026-10-25", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),  # 25 hours
        (" 2026-06-01 ", "2026-05-31T22:00Z", "2026-06-01T22:00Z"),
        ("2026-06-01 18:15", "2026-06-01T16:15Z", "2026-06-01T16:16Z"),
        ("2026-06-01T18:15", "2026-06-01T16:15Z", "2026-06-01T16:16Z"),
        ("2026-06-01T18:15:00Z", "2026-06-01T18:15Z", "2026-06-01T18:16Z"),
        ("2026-06-01T18:15-05:00", "2026-06-01T23:15Z", "2026-06-01T23:16Z"),
    ],
)
def test_what_is_meant(text: str, start: str, end: str) -> None:
    assert span_of(text, NOW, ZONE) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize(
    "text", ["", "24:00", "7 am", "2026-13", "2026-02-30", "last week", "1.6.2026", "9999"]
)
def test_what_is_no_time_is_told_what_would_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; one of 18:15, today, yesterday"):
        span_of(text, NOW, ZONE)


@given(st.dates(date(2001, 1, 1), date(2090, 1, 1)))
def test_a_day_begins_at_its_midnight_and_ends_at_the_next(moment: date) -> None:
    here = moment
    start, end = span_of(f"{here:%Y-%m-%d}", NOW, ZONE)
    assert first_of(f"{here:%Y-%m}", NOW, ZONE) <= start < end
    assert start.astimezone(ZONE).strftime("%Y-%m-%d") == f"{here:%Y-%m-%d}"
    assert timedelta(hours=22) < end - start < timedelta(hours=26)
