"""Roughly where a home is, by its time zone: enough for the first days' guess of when the sun shines.

Coordinates of a zone's chief place are from the time zone database (zone1970.tab, public domain).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from gateway.sun import Place

_LATITUDE = 37.0  # where most homes are, if the zone has no place
_ROW = re.compile(r"^[A-Z,]+\t([+-])(\d{2})(\d{2})(?:\d{2})?([+-])(\d{3})(\d{2})(?:\d{2})?\t(\S+)")


def place_of(zone: ZoneInfo) -> Place:
    """Latitude and longitude of the zone's chief place; by its offset where it has none (Etc/GMT+6)."""
    known = _places().get(zone.key)
    if known is not None:
        return known
    winter, summer = (datetime(2024, m, 1, tzinfo=zone).utcoffset() for m in (1, 7))
    standard = min(winter or timedelta(), summer or timedelta())
    return _LATITUDE, 15 * standard / timedelta(hours=1)


@cache
def _places() -> dict[str, Place]:
    try:
        text = files("tzdata").joinpath("zoneinfo", "zone1970.tab").read_text(encoding="utf-8")
    except (OSError, ModuleNotFoundError):
        return {}
    rows = filter(None, map(_ROW.match, text.splitlines()))
    return {
        row[7]: (_degrees(row[1], row[2], row[3]), _degrees(row[4], row[5], row[6])) for row in rows
    }


def _degrees(sign: str, whole: str, minutes: str) -> float:
    return (1 if sign == "+" else -1) * (int(whole) + int(minutes) / 60)
