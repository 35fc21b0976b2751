"""Reads a home's past from CSV; every doubtful row is named, nothing is guessed or repaired."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from gateway.domain.intervals import QUARTER, floor_quarter, iso, parse_utc
from gateway.errors import ConfigError
from gateway.forecasts.history import Array, quarter_index, quarter_start

COLUMNS = ("load_wh", "pv_wh", "rt_price_per_mwh", "da_price_per_mwh")
# May stand there too, with empty cells where nothing is known: what a weather service had said of the interval. It is
# handed out over the whole horizon, so what was said later than a horizon before flatters the result.
MORE = ("pv_forecast_wh", "temperature_c")
# No market that we know of clears above this (Australia's cap is about 17,500 AUD, Texas's 5,000 USD).
_MOST_PER_MWH = 20_000.0
MINUTE = timedelta(minutes=1)
_DAY_ROWS = 96
_SHOWN = 40  # characters of a text that is not understood
_FIRST_YEAR, _LAST_YEAR = 1990, 2100
_LEAST_WH = 12.5  # 50 W over a quarter-hour: the most that a home ever used or made, or it is kWh
_MOST_WH = 25_000.0  # 100 kW over a quarter-hour: more than a home's connection


@dataclass(frozen=True, slots=True)
class Series:
    """Quarter-hours without gaps: ``first`` is the `quarter_index` of index 0; Wh and prices per MWh.

    ``pv_forecast`` is a weather service's, ``temperature`` that outside in °C; None without, NaN where not known.
    """

    first: int
    load: Array
    pv: Array
    rt: Array
    da: Array
    pv_forecast: Array | None = None
    temperature: Array | None = None

    def __len__(self) -> int:
        return int(self.load.size)

    def start(self, index: int) -> datetime:
        return quarter_start(self.first + index)

    def head(self, count: int) -> Series:
        """The first ``count`` intervals."""
        return self.part(0, count)

    def tail(self, count: int) -> Series:
        """The last ``count`` intervals."""
        return self.part(max(len(self) - count, 0), len(self))

    def part(self, begin: int, end: int) -> Series:
        """The intervals from ``begin`` up to ``end``, not included."""
        rows = slice(begin, end)
        given, outside = self.pv_forecast, self.temperature
        return Series(
            self.first + begin,
            self.load[rows],
            self.pv[rows],
            self.rt[rows],
            self.da[rows],
            None if given is None else given[rows],
            None if outside is None else outside[rows],
        )


def read_series(path: Path, *, accept_units: bool = False) -> Series:
    """The series in ``path``; raises ConfigError with file, row and what would be right.

    Values far outside what homes and markets know are asked about unless ``accept_units``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {why}") from error
    lines = enumerate(csv.reader(text.splitlines()), start=1)
    header = next(lines, (1, []))[1]
    needed = _columns(path, header)
    more = [i for i, name in enumerate(header) if name.strip() in MORE]
    starts: list[datetime] = []
    rows: list[list[float]] = []
    numbers: list[int] = []
    try:
        for number, cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{path}, row {number}"
            if len(cells) > len(header):
                raise ConfigError(
                    f"{where}: has {len(cells)} cells, the header {len(header)}; "
                    "decimals are written with a point"
                )
            starts.append(_start(where, cells, needed[0], starts))
            known = _values(where, cells, needed[1:])
            rows.append(known + [_optional(where, header[i].strip(), cells, i) for i in more])
            numbers.append(number)
    except csv.Error as error:
        raise ConfigError(f"{path}, row {len(rows) + 2}: is no CSV: {error}") from error
    if not rows:
        raise ConfigError(f"{path}: has no data rows below the header")
    table = np.array(rows)
    if not accept_units:
        _ask_about_units(path, table, numbers)
    columns = [table[:, i].copy() for i in range(table.shape[1])]
    load, pv, rt, da = columns[: len(COLUMNS)]
    found = dict(zip((header[i].strip() for i in more), columns[len(COLUMNS) :], strict=True))
    given, outside = (found.get(name) for name in MORE)
    return Series(quarter_index(starts[0]), load, pv, rt, da, given, outside)


def _columns(path: Path, header: Sequence[str]) -> list[int]:
    names = [name.strip() for name in header]
    missing = [name for name in ("start", *COLUMNS) if name not in names]
    if missing:
        raise ConfigError(
            f"{path}, row 1: column {missing[0]!r} is missing; "
            f"the header must be start,{','.join(COLUMNS)}, with commas between"
        )
    twice = next((name for name in ("start", *COLUMNS, *MORE) if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{path}, row 1: column {twice!r} stands twice; which one is meant?")
    return [names.index(name) for name in ("start", *COLUMNS)]


def _start(where: str, cells: Sequence[str], column: int, before: Sequence[datetime]) -> datetime:
    text = cells[column].strip() if column < len(cells) else ""
    try:
        time = parse_utc(text)
    except ValueError as error:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        raise ConfigError(
            f"{where}: start {shown!r} is no UTC time such as 2024-06-01T06:00:00Z"
        ) from error
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise ConfigError(f"{where}: start {text} lies in the year {time.year}: is that right?")
    step = (time - before[-1]) // MINUTE if before else 15
    if len(before) == 1 and step in {1, 5, 10, 20, 30, 60}:
        raise ConfigError(f"{where}: rows are {step} minutes apart; bring them to 15 minutes")
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
            value = math.nan if "_" in text else float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ConfigError(f"{where}: {name} is {text!r}; a finite number is needed")
        if name.endswith("_wh") and value < 0:
            raise ConfigError(f"{where}: {name} is {text}; energy cannot be negative")
        values.append(value)
    return values


def _optional(where: str, name: str, cells: Sequence[str], column: int) -> float:
    """NaN where nothing stands."""
    text = cells[column].strip() if column < len(cells) else ""
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value) or (value < 0 and name.endswith("_wh")):
        raise ConfigError(f"{where}: {name} is {text!r}; a number is needed, or nothing")
    return value


def _ask_about_units(path: Path, table: Array, numbers: Sequence[int]) -> None:
    for question in _questions(table, numbers):
        raise ConfigError(f"{path}, {question} (--accept-units takes it as it stands)")


def _questions(table: Array, numbers: Sequence[int]) -> Iterator[str]:
    for i, name in enumerate(COLUMNS):
        most = _MOST_WH if name.endswith("_wh") else _MOST_PER_MWH
        unit = "Wh per quarter-hour" if name.endswith("_wh") else "per MWh"
        worst = int(np.argmax(np.abs(table[:, i])))
        if abs(table[worst, i]) > most:
            yield (
                f"row {numbers[worst]}: {name} is {table[worst, i]:g} {unit}: is that right, "
                "or is the unit wrong (1000 times too high)?"
            )
        elif name.endswith("_wh") and 0 < table[worst, i] < _LEAST_WH and len(table) >= _DAY_ROWS:
            yield f"rows 2 ff.: {name} is never above {table[worst, i]:g} Wh: are these kWh?"
    for i, name in enumerate(COLUMNS[2:], start=2):
        middle = float(np.median(np.abs(table[:, i])))
        if middle > 1000:
            yield f"rows 2 ff.: {name} is usually {middle:g} per MWh: is that 1000 times too high?"
        if 0 < middle < 0.8 and len(table) >= _DAY_ROWS:
            yield f"rows 2 ff.: {name} is usually {middle:g} per MWh: are these prices per kWh?"
