"""A number out of somebody's JSON: found by its path, in its unit, as old as it says. Pure.

Nothing is guessed: what is no finite number, in no unit of the metric's kind, or out of its range is not known (None).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.bridge.format import Case, Reading
from gateway.bridge.layout import CHOICES
from gateway.errors import ConfigError

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_UNITS = {
    "w": {"W": 1.0, "kW": 1e3, "MW": 1e6},
    "wh": {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6},
    "a": {"A": 1.0, "mA": 1e-3},
    "hz": {"Hz": 1.0},
    "pct": {"%": 1.0},
    "state": {"": 1.0},
}
# What can be true in a home; more is nonsense, whoever says it.
_CAN_BE = {"w": (-1e6, 1e6), "wh": (0.0, 1e12), "a": (0.0, 2e3), "hz": (40.0, 70.0), "pct": (0.0, 100.0), "state": (0.0, 3.0)}  # fmt: skip
_MOST_AHEAD_S = 60.0  # a device's clock may be so far ahead of ours
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Picked:
    """A value and how old it already was when it came; ``value`` None: there, but nonsense."""

    value: float | None
    age_s: float = 0.0


def kind_of_unit(metric: str) -> str:
    """``w``, ``wh``, ... by the metric's name."""
    return metric.rsplit("_", 1)[-1]


def factor(metric: str, unit: str) -> float | None:
    """What makes ``unit`` the metric's own; None if it is no unit of that kind."""
    return _UNITS[kind_of_unit(metric)].get(unit)


def check(metric: str, reading: Reading) -> None:
    """Raises ConfigError where the reading cannot be of that metric."""
    kind = kind_of_unit(metric)
    if kind not in _UNITS:
        raise ConfigError(f"{metric}: a bridge cannot tell it")
    if kind != "state" and not reading.unit_at and factor(metric, reading.unit) is None:
        known = ", ".join(_UNITS[kind])
        raise ConfigError(f"{metric}: unit = {reading.unit!r} is none of {known}")
    if sum(map(bool, (reading.at, reading.sum, reading.products, reading.cases))) != 1:
        raise ConfigError(f"{metric}: needs exactly one of at, sum, products, cases")
    words = CHOICES.get(metric, ())
    for case in reading.cases:
        if case.is_ not in words:
            raise ConfigError(f"{metric}: {case.is_!r} is none of {', '.join(words)}")


def find(document: Any, path: str) -> Any:
    """What stands at ``a.b[0].c``; `_MISSING` if nothing does. An empty path is the document itself."""
    here = document
    for name, index in _STEP.findall(path):
        if name and isinstance(here, Mapping) and name in here:
            here = here[name]
        elif index and isinstance(here, list) and int(index) < len(here):
            here = here[int(index)]
        else:
            return _MISSING
    return here


def picked(metric: str, reading: Reading, document: Any, now: datetime) -> Picked | None:
    """The value of ``metric`` in ``document``; None where the device does not have it."""
    raw = _raw(metric, reading, document)
    if raw is None:
        return None if reading.optional else Picked(None)
    unit = reading.unit
    if reading.unit_at:
        said = find(document, reading.unit_at)
        unit = said if isinstance(said, str) else ""
    by = factor(metric, unit)
    if by is None or math.isnan(raw):
        return Picked(None)
    value = raw * by * reading.scale
    if kind_of_unit(metric) == "a":
        value = abs(value)  # a current is its size: few meters say which way it flows
    least, most = _CAN_BE[kind_of_unit(metric)]
    if reading.valid is not None:
        least, most = max(least, reading.valid[0]), min(most, reading.valid[1])
    if not least <= value <= most:
        return Picked(None)
    age_s = _age_s(reading, document, now)
    return Picked(None) if age_s is None else Picked(value, age_s)


def _raw(metric: str, reading: Reading, document: Any) -> float | None:
    """The number as it stands there: None if nothing does, not a number if that is none."""
    if reading.cases:
        return _case(CHOICES[metric], reading.cases, document)
    if reading.products:
        pairs = [(_number(document, a), _number(document, b)) for a, b in reading.products]
        there = [a * b for a, b in pairs if a is not None and b is not None]
        return sum(there) if there else None
    if reading.sum:
        parts = [n for path in reading.sum if (n := _number(document, path)) is not None]
        return sum(parts) if parts else None
    paths = [reading.at] if isinstance(reading.at, str) else reading.at
    return next((n for path in paths if (n := _number(document, path)) is not None), None)


def _number(document: Any, path: str) -> float | None:
    value = find(document, path)
    if value is _MISSING or value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _case(words: Sequence[str], cases: list[Case], document: Any) -> float | None:
    for case in cases:
        found = {path: find(document, path) for path in case.when}
        if any(value is _MISSING for value in found.values()):
            return None
        if all(type(found[p]) is type(want) and found[p] == want for p, want in case.when.items()):
            return float(words.index(case.is_))
    return math.nan


def _age_s(reading: Reading, document: Any, now: datetime) -> float | None:
    """How old the device says that it is; 0 where it says nothing, None where that cannot be read."""
    if not reading.time_at:
        return 0.0
    said = next((v for p in reading.time_at if (v := find(document, p)) is not _MISSING), _MISSING)
    then = _time(said)
    if then is None:
        return None
    age_s = (now - then).total_seconds()
    return None if age_s < -_MOST_AHEAD_S else max(0.0, age_s)


def _time(said: Any) -> datetime | None:
    try:
        if isinstance(said, str):
            then = datetime.fromisoformat(said)
            return then if then.tzinfo else None
        if isinstance(said, int | float) and not isinstance(said, bool):
            return datetime.fromtimestamp(said, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
