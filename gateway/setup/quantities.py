"""What people write for an energy, a power, a fuse, a price, a place: read as they mean it. Pure.

Each function raises ValueError that says what would be right. A decimal comma is as good as a point.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from decimal import Decimal, InvalidOperation
from math import inf
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from gateway.domain.setting_kinds import DAYS, Weekdays

_ENERGY = {"wh": 1.0, "kwh": 1e3, "mwh": 1e6}
_POWER = {"w": 1.0, "kw": 1e3, "mw": 1e6}
_CENTS = ("ct", "cent", "cents", "c", "¢", "p", "pence", "øre", "öre")
_BARE_KWH = 500.0  # a number without a unit below it is kWh or kW, from it on Wh or W
_PHASES = (1, 2, 3)
LEAST_CAR_A = 6.0


def energy_wh(text: str) -> float:
    """'13.5 kWh', '13,5', '13500 Wh' or '13500' in Wh; a bare number below 500 is kWh."""
    return _scaled(text, _ENERGY, 1e3, "13.5 kWh")


def power_w(text: str) -> float:
    """'5 kW', '5,0', '5000 W' or '5000' in W; a bare number below 500 is kW."""
    return _scaled(text, _POWER, 1e3, "5 kW")


def above_0(value: float) -> float:
    """The same; raises ValueError for 0."""
    if not value:
        raise ValueError("above 0")
    return value


def number(text: str) -> float:
    """A finite number from 0 on."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None
    if not 0 <= value < inf:  # a nan is no number either
        raise ValueError(f"{text!r} is no number from 0 on")
    return value


def percent(text: str) -> float:
    """0 to 100, with or without the sign."""
    value = number(text.removesuffix("%").strip())
    if value > 100:
        raise ValueError("not above 100")
    return value


def amperes(text: str) -> float:
    """'16 A' or '16'."""
    return above_0(number(re.sub(r"\s*a$", "", text.strip(), flags=re.IGNORECASE)))


def car_amperes(text: str) -> float:
    """As `amperes`; below 6 A no car charges (IEC 61851)."""
    value = amperes(text)
    if value < LEAST_CAR_A:
        raise ValueError(f"at least {LEAST_CAR_A:g} A: below no car charges")
    return value


@dataclass(frozen=True, slots=True)
class FuseSize:
    """What stands on the main fuse: A of each phase."""

    amps: float
    phases: int


def fuse(text: str) -> FuseSize:
    """'3x35 A', '3 x 35', '1x63A'; without phases there are three."""
    found = re.fullmatch(r"(?:(\d)\s*[x\u00d7*]\s*)?([\d.,]+)\s*a?", text.strip(), re.IGNORECASE)
    if found is None or int(found[1] or 3) not in _PHASES:
        raise ValueError(f"{text!r} is no fuse, e.g. 3x35 A or 1x63 A")
    return FuseSize(above_0(number(found[2])), int(found[1] or 3))


def price(text: str) -> Decimal:
    """'0.29', '0,29' or '29 ct' in whole units of the currency, exact; negative ones exist."""
    words = text.strip().lower().replace(",", ".")
    cents = next((c for c in _CENTS if words.endswith(c)), None)
    digits = words.removesuffix(cents) if cents else words
    try:
        value = Decimal(re.sub(r"[^\d.+-]", "", digits) or "x")
    except InvalidOperation:
        raise ValueError(f"{text!r} is no number; a price is e.g. 0.29 or 29 ct") from None
    return value / 100 if cents else value


@dataclass(frozen=True, slots=True)
class PriceWindow:
    """A daily window in local time with its price; no days are all days."""

    start: time
    end: time
    per_kwh: Decimal
    days: tuple[str, ...] = ()


def windows(text: str) -> tuple[PriceWindow, ...]:
    """'22:00-06:00 0.12; 17:00-20:00 0.41 mon,tue': one window a line or between semicolons."""
    parts = [part.split() for part in re.split(r"[;\n]", text) if part.strip()]
    if not parts:
        raise ValueError("at least one, e.g. 22:00-06:00 0.12")
    return tuple(_window(words) for words in parts)


def place(text: str) -> tuple[float, float]:
    """Latitude and longitude, with a blank or a comma between."""
    try:
        latitude, longitude = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise ValueError(f"{text!r} is no latitude and longitude, e.g. 30.27 -97.74") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ValueError("latitude is -90 to 90 (north +), longitude -180 to 180 (east +)")
    return latitude, longitude


def url(text: str) -> str:
    """An address with a host."""
    if not text.startswith(("https://", "http://")) or not urlsplit(text).hostname:
        raise ValueError("an address begins with https://")
    return text


def time_zone(name: str) -> str:
    """A name of the IANA list."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone, e.g. America/Chicago") from None
    return name


def currency(text: str) -> str:
    """Three letters of ISO 4217."""
    if not re.fullmatch(r"[A-Za-z]{3}", text):
        raise ValueError(f"{text!r} is no code of a currency; ISO 4217, e.g. EUR")
    return text.upper()


def clock_time(text: str) -> time:
    """'7:30' or '07:30'."""
    found = re.fullmatch(r"(\d{1,2}):(\d{2})(?::00)?", text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise ValueError(f"{text!r} is no time of day, e.g. 07:30")
    return time(int(found[1]), int(found[2]))


def days(text: str) -> tuple[str, ...]:
    """'mon,tue', 'mon-fri' or 'daily'."""
    words = text.strip().lower()
    if words in ("daily", "every day", "all", ""):
        return DAYS
    span = re.fullmatch(r"(\w{3})\s*-\s*(\w{3})", words)
    if span and span[1] in DAYS and span[2] in DAYS:
        first, last = DAYS.index(span[1]), DAYS.index(span[2])
        return tuple(d for i, d in enumerate(DAYS) if (i - first) % 7 <= (last - first) % 7)
    return tuple(DAYS[day] for day in Weekdays().read(words))


def _window(words: list[str]) -> PriceWindow:
    span = words[0].split("-")
    if len(span) != 2 or len(words) not in (2, 3):
        raise ValueError(f"{' '.join(words)!r} is no window, e.g. 22:00-06:00 0.12")
    on = days(words[2]) if len(words) == 3 else ()
    return PriceWindow(clock_time(span[0]), clock_time(span[1]), price(words[1]), on)


def _scaled(text: str, units: dict[str, float], bare: float, example: str) -> float:
    found = re.fullmatch(r"([^\s\d]*[\d.,]+|\S+?)\s*([a-z]*)", text.strip(), re.IGNORECASE)
    digits, unit = (found[1], found[2].lower()) if found else (text, "")
    if unit and unit not in units:
        raise ValueError(f"{text!r} is no number with a unit, e.g. {example}")
    try:
        value = number(digits)
    except ValueError:
        raise ValueError(f"{text!r} is no number with a unit, e.g. {example}") from None
    return value * (units[unit] if unit else bare if value < _BARE_KWH else 1.0)
