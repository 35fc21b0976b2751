"""What a stranger's document may hold: every reader here is strict and bounded. Pure.

What is not exactly what was promised raises, and `understood` makes one error of it. Nothing is
guessed, nothing is rounded, and what is too deep, too long, too large or too far away in time is refused
before anybody stores it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from gateway.domain.intervals import parse_utc
from gateway.errors import RetryableError
from gateway.escape import printable

Json = dict[str, Any]

MOST_DEPTH = 12  # our documents have five
MOST_DIGITS = 16
MOST_NUMBER = 10**15  # money of 10 million, sequences of a market's lifetime
MOST_TEXT = 200
_YEARS = range(2000, 2100)


class understood:  # noqa: N801 - reads as a word: with understood("prices", ...): ...
    """Turns everything that a nonsense answer can cause into one ``error`` that names it."""

    def __init__(self, what: str, error: type[RetryableError], who: str) -> None:
        self._what, self._error, self._who = what, error, who

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
            raise self._error(f"{self._who} sent nonsense as {self._what}: {why}") from error


def parsed(raw: bytes, deepest: int = MOST_DEPTH) -> Any:
    """A JSON document in UTF-8, of a depth and with numbers that a document of ours can have."""
    found = json.loads(
        raw.decode("utf-8"), parse_int=_int, parse_float=_decimal, parse_constant=_refuse
    )
    level: list[Any] = [found]
    for _ in range(deepest):
        level = [part for value in level for part in _parts(value)]
        if not level:
            return found
    raise ValueError(f"it is deeper than {deepest} levels")


def loads(raw: bytes) -> Json:
    """The same, where it is an object."""
    return mapping(parsed(raw))


def mapping(value: object) -> Json:
    if not isinstance(value, dict):
        raise TypeError("it is no JSON object")
    return value


def text(value: object) -> str:
    """A name or a word: it prints, and it is not long."""
    if not isinstance(value, str) or not 0 < len(value) <= MOST_TEXT or not value.isprintable():
        raise TypeError("a text is missing, too long or does not print")
    return value


def said(value: object) -> str:
    """Free words of a stranger, made safe to store and to show; never raises."""
    return printable(value) if isinstance(value, str) and value else "no reason given"


def whole(value: object, least: int = -MOST_NUMBER, most: int = MOST_NUMBER) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("a whole number is missing")
    if not least <= value <= most:
        raise ValueError(f"{value} is not within {least} to {most}")
    return value


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
