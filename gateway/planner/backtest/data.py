"""Reads a home's past from CSV; every doubtful row is named, nothing is guessed or repaired."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from gateway.domain.intervals import QUARTER, floor_quarter, iso, parse_utc
from gateway.errors import ConfigError
from gateway.planner.history import Array, slot, slot_start

COLUMNS = ("load_wh", "pv_wh", "rt_price_per_mwh", "da_price_per_mwh")
# No market that we know of clears above this (Australia's cap is about 17,500 AUD, Texas's 5,000 USD).
_MOST_PER_MWH = 20_000.0
_MOST_WH = 25_000.0  # 100 kW over a quarter-hour: more than a home's connection


@dataclass(frozen=True, slots=True)
class Series:
    """Quarter-hours without gaps: ``first`` is the `slot` of index 0; Wh and prices per MWh."""

    first: int
    load: Array
    pv: Array
    rt: Array
    da: Array

    def __len__(self) -> int:
        return int(self.load.size)

    def start(self, index: int) -> datetime:
        return slot_start(self.first + index)

    def head(self, count: int) -> Series:
        """The first ``count`` intervals."""
        return self.part(0, count)

    def tail(self, count: int) -> Series:
        """The last ``count`` intervals."""
        return self.part(max(len(self) - count, 0), len(self))

    def part(self, begin: int, end: int) -> Series:
        """The intervals from ``begin`` up to ``end``, not included."""
        columns = (x[begin:end] for x in (self.load, self.pv, self.rt, self.da))
        return Series(self.first + begin, *columns)


def read_series(path: Path, *, accept_units: bool = False) -> Series:
    """The series in ``path``; raises ConfigError with file, row and what would be right.

    Values far outside what homes and markets know are asked about unless ``accept_units``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {why}") from error
    lines = csv.reader(text.splitlines())
    columns = _columns(path, next(lines, []))
    starts: list[datetime] = []
    rows: list[list[float]] = []
    for number, cells in enumerate(lines, start=2):
        if not cells:
            continue
        where = f"{path}, row {number}"
        starts.append(_start(where, cells, columns[0], starts))
        rows.append(_values(where, cells, columns[1:]))
    if not rows:
        raise ConfigError(f"{path}: has no data rows below the header")
    table = np.array(rows)
    if not accept_units:
        _ask_about_units(path, table)
    return Series(slot(starts[0]), *(table[:, i].copy() for i in range(4)))


def _columns(path: Path, header: Sequence[str]) -> list[int]:
    names = [name.strip() for name in header]
    missing = [name for name in ("start", *COLUMNS) if name not in names]
    if missing:
        raise ConfigError(
            f"{path}, row 1: column {missing[0]!r} is missing; "
            f"the header must be start,{','.join(COLUMNS)}"
        )
    return [names.index(name) for name in ("start", *COLUMNS)]


def _start(where: str, cells: Sequence[str], column: int, before: Sequence[datetime]) -> datetime:
    text = cells[column].strip() if column < len(cells) else ""
    try:
        time = parse_utc(text)
    except ValueError as error:
        raise ConfigError(
            f"{where}: start {text!r} is no UTC time such as 2024-06-01T06:00:00Z"
        ) from error
    if floor_quarter(time) != time:
        raise ConfigError(f"{where}: start {text} is not on the quarter-hour grid")
    if before and time == before[-1]:
        raise ConfigError(f"{where}: start {text} stands twice; each interval may stand once")
    if before and time < before[-1]:
        raise ConfigError(f"{where}: start {text} is earlier than the row before; sort by start")
    if before and time != before[-1] + QUARTER:
        raise ConfigError(
            f"{where}: gap: {iso(before[-1] + QUARTER)} is missing before {text}; fill or cut the data"
        )
    return time


def _values(where: str, cells: Sequence[str], columns: Sequence[int]) -> list[float]:
    values = []
    for name, column in zip(COLUMNS, columns, strict=True):
        text = cells[column].strip() if column < len(cells) else ""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ConfigError(f"{where}: {name} is {text!r}; a finite number is needed")
        if name.endswith("_wh") and value < 0:
            raise ConfigError(f"{where}: {name} is {text}; energy cannot be negative")
        values.append(value)
    return values


def _ask_about_units(path: Path, table: Array) -> None:
    for question in _questions(table):
        raise ConfigError(f"{path}, {question} (--accept-units takes it as it stands)")


def _questions(table: Array) -> Iterator[str]:
    for i, name in enumerate(COLUMNS):
        most = _MOST_WH if name.endswith("_wh") else _MOST_PER_MWH
        unit = "Wh per quarter-hour" if name.endswith("_wh") else "per MWh"
        worst = int(np.argmax(np.abs(table[:, i])))
        if abs(table[worst, i]) > most:
            yield (
                f"row {worst + 2}: {name} is {table[worst, i]:g} {unit}: is that right, "
                "or is the unit wrong (1000 times too high)?"
            )
    for i, name in enumerate(COLUMNS[2:], start=2):
        middle = float(np.median(np.abs(table[:, i])))
        if middle > 1000:
            yield f"rows 2 ff.: {name} is usually {middle:g} per MWh: is that 1000 times too high?"
        if 0 < middle < 0.8 and len(table) >= 96:
            yield f"rows 2 ff.: {name} is usually {middle:g} per MWh: are these prices per kWh?"
