"""How a setting of the user is checked, written as text and shown: one class a kind. Pure.

``read`` takes what a command brings (any JSON value) and raises ValueError that says what would be
right; ``shown`` gives it back as a topic and the page show it, and ``read(shown(value)) == value``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Protocol

Shown = float | bool | str | None
_MOST_DIGITS = 18  # no quantity of a home needs more


class Kind(Protocol):
    """What the commands, the topics, the discovery and the page ask of a setting."""

    form: ClassVar[str]  # how it is drawn: number | switch | choice | time

    @property
    def unit(self) -> str:
        """Of a number; empty for others."""

    @property
    def allowed(self) -> str:
        """What a command may bring, in words."""

    @property
    def looks(self) -> str:
        """What stands on the topic, in words; empty for a number."""

    def read(self, value: Any) -> Any:
        """The value of the setting; raises ValueError."""

    def shown(self, value: Any) -> Shown:
        """The value as JSON."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number from ``least`` to ``most`` in ``unit``; with ``optional`` there may be none (null)."""

    unit: str
    least: float
    most: float
    step: float = 1  # of a form that counts up and down
    optional: bool = False
    form: ClassVar[str] = "number"
    looks: ClassVar[str] = ""

    @property
    def allowed(self) -> str:
        return f"{self.least:g} .. {self.most:g}" + (" or null" if self.optional else "")

    def read(self, value: Any) -> float | Decimal | None:
        if value is None and self.optional:
            return None
        number = float(_decimal(value))
        self._within(number)
        return number

    def shown(self, value: Any) -> Shown:
        return None if value is None else float(value)

    def _within(self, number: float | Decimal) -> None:
        if not self.least <= number <= self.most:
            raise ValueError(f"should be a number from {self.least:g} to {self.most:g}")


@dataclass(frozen=True, slots=True)
class Price(Number):
    """An exact decimal number: what is typed is what is kept, to ``places`` decimals."""

    places: int = 5
    looks: ClassVar[str] = "exact decimal text"

    def read(self, value: Any) -> Decimal:
        number = _decimal(value)
        self._within(number)
        if number != round(number, self.places):
            raise ValueError(f"should have at most {self.places} decimals")
        return number

    def shown(self, value: Any) -> Shown:
        return None if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off. Numbers are no switch positions."""

    unit: str = ""
    form: ClassVar[str] = "switch"
    looks: ClassVar[str] = "true | false"
    allowed: ClassVar[str] = "true, false, 'on', 'off'"

    def read(self, value: Any) -> bool:
        if isinstance(value, str) and value.lower() in ("on", "off"):
            return value.lower() == "on"
        if not isinstance(value, bool):
            raise ValueError("should be true, false, 'on' or 'off'")
        return value

    def shown(self, value: bool) -> Shown:
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    choices: tuple[str, ...]
    unit: str = ""
    form: ClassVar[str] = "choice"

    @property
    def allowed(self) -> str:
        return " or ".join(repr(choice) for choice in self.choices)

    @property
    def looks(self) -> str:
        return " | ".join(self.choices)

    def read(self, value: Any) -> str:
        if value not in self.choices:
            raise ValueError(f"should be {self.allowed}")
        return str(value)

    def shown(self, value: str) -> Shown:
        return value


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A local time of day, to the minute."""

    unit: str = ""
    form: ClassVar[str] = "time"
    looks: ClassVar[str] = "HH:MM, local"
    allowed: ClassVar[str] = '"HH:MM"'
    pattern: ClassVar[str] = "([01][0-9]|2[0-3]):[0-5][0-9]"

    def read(self, value: Any) -> time:
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise ValueError("should be a time of day, 00:00 to 23:59")
        return time.fromisoformat(value)

    def shown(self, value: time) -> Shown:
        return f"{value:%H:%M}"


def _decimal(value: Any) -> Decimal:
    """A finite number; a bool is one in Python, but not in a command."""
    if not isinstance(value, bool) and isinstance(value, int | float | str | Decimal):
        try:
            number = Decimal(str(value))
        except (InvalidOperation, ValueError):  # no number, or more digits than Python converts
            number = Decimal("nan")
        if number.is_finite() and abs(number.adjusted()) < _MOST_DIGITS:
            return number
    raise ValueError("should be a number")
