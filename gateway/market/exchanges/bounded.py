"""What a stranger's document may hold: every reader here is strict and bounded. Pure.

What is not exactly what was promised raises, and `understood` makes one MarketError of it. Nothing is
guessed, nothing is rounded, and what is too deep, too long, too large or too far away in time is refused
before anybody stores it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from gateway.domain.intervals import QUARTER, Interval, floor_quarter, parse_utc
from gateway.errors import MarketError
from gateway.escape import printable

Json = dict[str, Any]

MOST_DEPTH = 12  # our documents have five
MOST_DIGITS = 16
MOST_NUMBER = 10**15  # money of 10 million, sequences of a market's lifetime
MOST_TICKS = 10**9  # 10,000 currency units per kWh
MOST_TEXT = 200
LONGEST_SPAN = timedelta(hours=24)
_YEARS = range(2000, 2100)


class understood:  # noqa: N801 - reads as a word: with understood("prices"): ...
    """Turns everything that a nonsense answer can cause into one MarketError that names it."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        nonsense = (
            LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError,
        )  # fmt: skip
        if isinstance(error, nonsense):
            why = printable(f"{type(error).__name__} {error}")
            raise MarketError(f"the exchange sent nonsense as {self._what}: {why}") from error


def loads(raw: bytes) -> Json:
    """A JSON object in UTF-8, of a depth and with numbers that a document of ours can have."""
    found = json.loads(
        raw.decode("utf-8"), parse_int=_int, parse_float=_decimal, parse_constant=_refuse
    )
    if not isinstance(found, dict):
        raise TypeError("it is no JSON object")
    level: list[Any] = [found]
    for _ in range(MOST_DEPTH):
        level = [part for value in level for part in _parts(value)]
        if not level:
            return found
    raise ValueError(f"it is deeper than {MOST_DEPTH} levels")


def text(value: object) -> str:
    """A name or a word: it prints, and it is not long."""
    if not isinstance(value, str) or not 0 < len(value) <= MOST_TEXT or not value.isprintable():
        raise TypeError("a text is missing, too long or does not print")
    return value


def said(value: object) -> str:
    """Free words of the exchange, made safe to store and to show; never raises."""
    return printable(value) if isinstance(value, str) and value else "no reason given"


def whole(value: object, least: int = -MOST_NUMBER, most: int = MOST_NUMBER) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("a whole number is missing")
    if not least <= value <= most:
        raise ValueError(f"{value} is not within {least} to {most}")
    return value


def price_ticks(value: object) -> int:
    return whole(value, -MOST_TICKS, MOST_TICKS)


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("a truth value is missing")
    return value


def rows(value: object, most: int) -> list[Any]:
    """A list that is not endless."""
    if not isinstance(value, list) or len(value) > most:
        raise TypeError(f"a list of at most {most} rows is missing")
    return value


def moment(value: object) -> datetime:
    """A time of this century."""
    time = parse_utc(text(value))
    if time.year not in _YEARS:
        raise ValueError(f"{time} is not of this century")
    return time


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


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _int(digits: str) -> int:
    if len(digits) > MOST_DIGITS + 1:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _decimal(digits: str) -> Decimal:
    if len(digits) > 2 * MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return Decimal(digits)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number")
