"""How a setting of the user is checked, written as text and shown: one class a kind. Pure.

``read`` takes what a command brings (any JSON value) and raises ValueError that says what would be
right; ``shown`` gives it back as a topic and the page show it, and ``read(shown(value)) == value``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Protocol

from gateway.domain.order import Departure
from gateway.domain.sentences import Sentence, sentence

Shown = float | bool | str | None
_MOST_CAR_WH = 200_000.0
_MOST_DIGITS = 18  # no quantity of a home needs more


class Kind(Protocol):
    """What the commands, the topics, the discovery and the page ask of a setting."""

    form: ClassVar[
        str
    ]  # how it is drawn: number | value | switch | choice | time | days | calendar

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
            raise ValueError(_range(self.least, self.most))


@dataclass(frozen=True, slots=True)
class Value(Number):
    """What a kWh is worth to a person: a number on a scale of prices."""

    form: ClassVar[str] = "value"


@dataclass(frozen=True, slots=True)
class Price(Number):
    """An exact decimal number: what is typed is what is kept, to ``places`` decimals."""

    places: int = 5
    looks: ClassVar[str] = "exact decimal text"

    def read(self, value: Any) -> Decimal:
        number = _decimal(value)
        self._within(number)
        if number != round(number, self.places):
            raise ValueError(sentence("refused.decimals", count=str(self.places)))
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
            raise ValueError(sentence("refused.switch"))
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
            raise ValueError(sentence("refused.choice", what=self.allowed))
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
            raise ValueError(sentence("refused.time"))
        return time.fromisoformat(value)

    def shown(self, value: time) -> Shown:
        return f"{value:%H:%M}"


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Weekdays:
    """Days of the week as numbers, 0 = Monday; as text ``mon,tue``, none is empty."""

    unit: str = ""
    form: ClassVar[str] = "days"
    looks: ClassVar[str] = "mon,tue,..."
    allowed: ClassVar[str] = '"mon,tue,wed,thu,fri,sat,sun" or a part of it'
    pattern: ClassVar[str] = "((mon|tue|wed|thu|fri|sat|sun)(,(mon|tue|wed|thu|fri|sat|sun))*)?"

    def read(self, value: Any) -> tuple[int, ...]:
        text = value.replace(" ", "").lower() if isinstance(value, str) else None
        if text is None or not re.fullmatch(self.pattern, text):
            raise ValueError(sentence("refused.days"))
        return tuple(sorted({DAYS.index(day) for day in text.split(",") if day}))

    def shown(self, value: tuple[int, ...]) -> Shown:
        return ",".join(DAYS[day] for day in value)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Departures of single days: a list of ``{"at", "energy_wh"}``, or the text that is shown."""

    unit: str = ""
    most: int = 32
    form: ClassVar[str] = "calendar"
    looks: ClassVar[str] = "2026-06-01T05:30Z 20000; ... (UTC, Wh)"
    allowed: ClassVar[str] = (
        '[{"at": "2026-06-01T07:30+02:00", "energy_wh": 20000}, ...], or as text '
        '"2026-06-01T05:30Z 20000; ..."; [] = none'
    )
    pattern: ClassVar[str] = ".*"

    def read(self, value: Any) -> tuple[Departure, ...]:
        if isinstance(value, str):
            parts = [part.split() for part in value.split(";") if part.strip()]
            rows: Any = [dict(zip(("at", "energy_wh"), part, strict=False)) for part in parts]
        else:
            rows = value
        if not isinstance(rows, list) or len(rows) > self.most:
            raise ValueError(sentence("refused.departures", count=str(self.most)))
        found = {departure.at: departure for departure in map(_departure, rows)}
        return tuple(found[at] for at in sorted(found))

    def shown(self, value: tuple[Departure, ...]) -> Shown:
        return "; ".join(f"{d.at.astimezone(UTC):%Y-%m-%dT%H:%M}Z {d.energy_wh:.0f}" for d in value)


def _departure(row: Any) -> Departure:
    if not isinstance(row, dict) or set(row) != {"at", "energy_wh"}:
        raise ValueError(sentence("refused.departure"))
    try:
        at = datetime.fromisoformat(str(row["at"])).replace(second=0, microsecond=0)
    except ValueError as error:
        raise _of_key("at", sentence("refused.moment")) from error
    if at.tzinfo is None:
        raise _of_key("at", sentence("refused.zone"))
    energy_wh = float(_decimal(row["energy_wh"]))
    if not 0 <= energy_wh <= _MOST_CAR_WH:
        raise _of_key("energy_wh", _range(0, _MOST_CAR_WH))
    try:
        return Departure(at.astimezone(UTC), round(energy_wh))
    except OverflowError as error:
        raise _of_key("at", sentence("refused.calendar")) from error


def _range(least: float, most: float) -> Sentence:
    return sentence("refused.range", least=f"{least:g}", most=f"{most:g}")


def _of_key(key: str, why: Sentence) -> ValueError:
    return ValueError(sentence("refused.of_key", key=key, why=why))


def _decimal(value: Any) -> Decimal:
    """A finite number; a bool is one in Python, but not in a command."""
    if not isinstance(value, bool) and isinstance(value, int | float | str | Decimal):
        try:
            number = Decimal(str(value))
        except (InvalidOperation, ValueError):  # no number, or more digits than Python converts
            number = Decimal("nan")
        if number.is_finite() and abs(number.adjusted()) < _MOST_DIGITS:
            return number
    raise ValueError(sentence("refused.number"))
