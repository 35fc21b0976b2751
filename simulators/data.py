"""Real data from a CSV file: load, PV and prices of quarter-hours, checked to the row.

Columns ``start,load_wh,pv_wh,rt_price_per_mwh,da_price_per_mwh``; ``start`` in UTC on the quarter-
hour grid, rows in order without gaps; energies in Wh (>= 0), prices in USD per MWh.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path

from gateway.domain.intervals import QUARTER, floor_quarter, iso, parse_utc
from gateway.errors import ConfigError
from simulators.physics.noise import between
from simulators.prices import Prices, RecordedPrices

COLUMNS = ("start", "load_wh", "pv_wh", "rt_price_per_mwh", "da_price_per_mwh")
STEP_S = 10
_STEPS = 900 // STEP_S


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded home and its prices. ``start`` belongs to it, ``end`` does not."""

    name: str
    start: datetime
    end: datetime
    load_wh: tuple[float, ...]
    pv_wh: tuple[float, ...]
    prices: RecordedPrices

    def powers(self, time: datetime, seed: int = 0, noise: float = 0.0) -> tuple[float, float]:
        """Load and PV power in W at ``time``; ConfigError outside the recording.

        Flat within the quarter-hour but for seeded noise of up to ``noise`` (share of the value),
        mirrored about the middle so that the quarter's energy stays exactly as recorded.
        """
        if not self.start <= time < self.end:
            raise ConfigError(
                f"{self.name} has no data for {iso(time)}; "
                f"it covers {iso(self.start)} to {iso(self.end)}"
            )
        offset_s = (time - self.start).total_seconds()
        index = int(offset_s // 900)
        load, pv = self.load_wh[index] * 4.0, self.pv_wh[index] * 4.0
        if noise > 0:
            step = int(offset_s % 900) // STEP_S
            mirror, sign = (step, 1) if step < _STEPS // 2 else (_STEPS - 1 - step, -1)
            load *= 1 + sign * between(-noise, noise, seed, 40, index, mirror)
            pv *= 1 + sign * between(-noise, noise, seed, 41, index, mirror)
        return load, pv


def read_csv(path: Path | str) -> Recording:
    """Read and check a recording; ConfigError names the file and the row of the first mistake."""
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _recording(path.name, csv.DictReader(file, strict=True))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not a CSV text file in UTF-8") from None
    except csv.Error as error:
        raise ConfigError(f"{path}: is not a CSV file: {error}") from None


def _recording(name: str, table: csv.DictReader[str]) -> Recording:
    found = tuple(table.fieldnames or ())
    missing = [column for column in COLUMNS if column not in found]
    if missing:
        raise ConfigError(
            f"{name}, row 1: no column {', '.join(missing)}; the columns are {','.join(COLUMNS)}"
        )
    if len(set(found)) != len(found):
        raise ConfigError(f"{name}, row 1: a column appears twice; each of them once, please")
    starts: list[datetime] = []
    load: list[float] = []
    pv: list[float] = []
    prices: dict[datetime, Prices] = {}
    for row in table:
        where = f"{name}, row {table.line_num}"
        start = _start(where, row, starts[-1] if starts else None)
        starts.append(start)
        load.append(_number(where, row, "load_wh", at_least=0.0))
        pv.append(_number(where, row, "pv_wh", at_least=0.0))
        real_time = _number(where, row, "rt_price_per_mwh")
        prices[start] = Prices(_number(where, row, "da_price_per_mwh"), real_time)
    if not starts:
        raise ConfigError(f"{name}: has no rows; one per quarter-hour is expected")
    return Recording(
        name, starts[0], starts[-1] + QUARTER, tuple(load), tuple(pv), RecordedPrices(prices, name)
    )


def _start(where: str, row: Mapping[str, str], before: datetime | None) -> datetime:
    text = row["start"]
    try:
        start = parse_utc(text or "")
    except ValueError:
        raise ConfigError(
            f"{where}: start is {text!r}; write UTC times like 2024-06-01T06:15:00Z"
        ) from None
    if floor_quarter(start) != start:
        raise ConfigError(f"{where}: {iso(start)} is not the start of a quarter-hour")
    if before is None or start == before + QUARTER:
        return start
    expected = iso(before + QUARTER)
    if start == before:
        raise ConfigError(f"{where}: {iso(start)} appears twice; expected {expected}")
    if start < before:
        raise ConfigError(f"{where}: {iso(start)} is out of order; expected {expected}")
    raise ConfigError(f"{where}: rows are missing before {iso(start)}; expected {expected}")


def _number(
    where: str, row: Mapping[str, str], column: str, at_least: float | None = None
) -> float:
    text = row[column]
    if None in row:
        raise ConfigError(f"{where}: has more fields than the heading")
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: {column} is {text!r}; a number is expected") from None
    if not isfinite(value):
        raise ConfigError(f"{where}: {column} is {text!r}; a finite number is expected")
    if at_least is not None and value < at_least:
        raise ConfigError(f"{where}: {column} is {text}; it cannot be below {at_least:g}")
    return value
