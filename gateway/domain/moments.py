"""How a person writes a time on the command line: the same words for every command. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

HELP = "18:15, today, yesterday, 2026-06, 2026-06-01, '2026-06-01 18:15', 2026-06-01T18:15Z"
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)


def span_of(text: str, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The UTC span that is meant: a minute, a local day, month or year. Times are local where they say no offset;
    a time alone is the last one that was. Raises ValueError that says what would be right."""
    here = now.astimezone(zone)
    try:
        return _span(text.strip(), here, zone)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; one of {HELP}") from None


def first_of(text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """The beginning of what is meant, UTC; raises ValueError."""
    return span_of(text, now, zone)[0]


def _span(text: str, here: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    days = {"today": here.date(), "yesterday": here.date() - _DAY, "tomorrow": here.date() + _DAY}
    if text in days:
        return _days(days[text], days[text] + _DAY, zone)
    if text == "now":
        return here.astimezone(UTC), here.astimezone(UTC) + _MINUTE
    if re.fullmatch(r"\d{1,2}:\d\d", text):
        at = datetime.combine(here.date(), time.fromisoformat(text.zfill(5)), zone)
        at = at if at <= here else datetime.combine(here.date() - _DAY, at.time(), zone)
        return at.astimezone(UTC), at.astimezone(UTC) + _MINUTE
    if re.fullmatch(r"\d{4}", text):
        return _days(date(int(text), 1, 1), date(int(text) + 1, 1, 1), zone)
    if re.fullmatch(r"\d{4}-\d\d", text):
        first = date.fromisoformat(f"{text}-01")
        return _days(first, (first + timedelta(days=31)).replace(day=1), zone)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        first = date.fromisoformat(text)
        return _days(first, first + _DAY, zone)
    at = datetime.fromisoformat(text)
    at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    return at, at + _MINUTE


def _days(first: date, end: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    midnight = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, end))
    return next(midnight), next(midnight)
