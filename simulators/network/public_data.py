"""Loaders of public files that lie beside the project: checked to the row, or a clear line why not.

The folder is ``--data``, else ``$HEG_SHARED/data``, else ``../shared/data`` beside the repository.
Nothing of it is part of the project; where a file is absent the study runs on its own series and the
checks that need the file say so. Other years of the hourly files are found by their names.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from gateway.errors import ConfigError
from simulators.data import read_csv
from simulators.network.series import Array, Ints

GENERATION = "ercot_generation_{year}_hourly.csv"
PRICES = "ercot_*.csv"
SITES = "tesla_sites_us.csv"
_ZONE = ZoneInfo("America/Chicago")
_FUELS = (
    "biomass_mw", "coal_mw", "gas_mw", "gas_cc_mw", "hydro_mw", "nuclear_mw", "other_mw", "solar_mw",
    "wsl_mw", "wind_mw",
)  # fmt: skip
_THERMAL = ("biomass_mw", "coal_mw", "gas_mw", "gas_cc_mw", "hydro_mw", "nuclear_mw")


def data_folder(asked: Path | None) -> Path | None:
    """Where public data lies; None where there is none. A folder that was asked for must be there."""
    if asked is not None:
        if not asked.is_dir():
            raise ConfigError(
                f"--data {asked}: is no folder; leave it out to run without public data"
            )
        return asked
    named = os.environ.get("HEG_SHARED")
    root = Path(named) if named else Path(__file__).parents[3] / "shared"
    return root / "data" if (root / "data").is_dir() else None


@dataclass(frozen=True, slots=True)
class Generation:
    """A year of ERCOT's hours, local time, MW; hours that the clock skips are left out."""

    year: int
    month: Ints
    hour: Ints
    day: Ints  # of the year, from 0
    load_mw: Array
    wind_mw: Array
    solar_mw: Array
    thermal_mw: Array
    batteries_mw: Array  # discharge and other, less charging

    @property
    def net_mw(self) -> Array:
        return self.load_mw - self.wind_mw - self.solar_mw


def generation_years(folder: Path) -> list[int]:
    """The years whose generation lies in the folder."""
    found = []
    for path in sorted(folder.glob(GENERATION.format(year="*"))):
        part = path.name.removeprefix("ercot_generation_").removesuffix("_hourly.csv")
        if part.isdigit():
            found.append(int(part))
    return found


def read_generation(folder: Path, year: int) -> Generation:
    """ConfigError names the file, the row and what would be right."""
    path = folder / GENERATION.format(year=year)
    times: list[datetime] = []
    rows: list[list[float]] = []
    for where, row in _rows(path, ("start_local", *_FUELS)):
        moment = _moment(where, row["start_local"], year)
        values = [_number(where, name, row[name]) for name in _FUELS]
        if any(values):  # all zero: the hour that the spring clock change skips
            times.append(moment)
            rows.append(values)
    if len(times) < 8_000:
        raise ConfigError(f"{path}: has {len(times)} hours; a year has some 8,760")
    table = np.array(rows).T
    by = dict(zip(_FUELS, table, strict=True))
    return Generation(
        year,
        np.array([t.month for t in times]),
        np.array([t.hour for t in times]),
        np.array([t.timetuple().tm_yday - 1 for t in times]),
        table.sum(axis=0), by["wind_mw"], by["solar_mw"], sum((by[n] for n in _THERMAL), np.zeros(len(times))),
        by["other_mw"] + by["wsl_mw"],
    )  # fmt: skip


def read_prices(folder: Path) -> dict[datetime, float]:
    """Real-time price, USD/MWh, mean of each local hour; from all files of quarter-hours found."""
    sums: dict[datetime, list[float]] = {}
    for path in sorted(folder.glob(PRICES)):
        if path.name.startswith("ercot_generation_"):
            continue
        recording = read_csv(path)
        start = recording.start
        for n in range(len(recording.load_wh)):
            moment = start.fromtimestamp(start.timestamp() + 900 * n, _ZONE)
            hour = moment.replace(minute=0, second=0, tzinfo=None)
            sums.setdefault(hour, []).append(recording.prices.at(moment).real_time_per_mwh)
    return {hour: sum(prices) / len(prices) for hour, prices in sums.items()}


@dataclass(frozen=True, slots=True)
class Site:
    """A fast-charging site as the public list has it."""

    state: str
    stalls: int
    power_kw: float
    opened: date | None
    closed: date | None
    open_to_others: bool


def read_sites(folder: Path) -> list[Site]:
    path = folder / SITES
    wanted = ("state", "stalls", "power_kw", "opened", "closed", "open_to_others")
    found = []
    for where, row in _rows(path, wanted):
        stalls = _number(where, "stalls", row["stalls"])
        if stalls < 0 or stalls != int(stalls):
            raise ConfigError(f"{where}: stalls is {row['stalls']}; a whole number is expected")
        found.append(
            Site(
                row["state"],
                int(stalls),
                _number(where, "power_kw", row["power_kw"] or "0"),
                _day(where, "opened", row["opened"]),
                _day(where, "closed", row["closed"]),
                row["open_to_others"] == "1",
            )
        )
    return found


def stalls_by_year(
    sites: Sequence[Site], years: Sequence[int], state: str | None = None
) -> dict[int, int]:
    """Stalls open at the end of each year."""
    found = {}
    for year in years:
        end = date(year, 12, 31)
        here = [s for s in sites if state is None or s.state == state]
        found[year] = sum(
            s.stalls
            for s in here
            if s.opened and s.opened <= end and not (s.closed and s.closed <= end)
        )
    return found


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, strict=True)
            missing = [c for c in columns if c not in (table.fieldnames or ())]
            if missing:
                raise ConfigError(
                    f"{path}, row 1: no column {', '.join(missing)}; wanted are {','.join(columns)}"
                )
            for row in table:
                where = f"{path}, row {table.line_num}"
                if None in row or any(row[c] is None for c in columns):
                    raise ConfigError(f"{where}: has not as many fields as the heading")
                yield where, row
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: is not a CSV file in UTF-8: {error}") from None


def _moment(where: str, text: str, year: int) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{where}: start_local is {text!r}; write 2024-06-01 13:00:00") from None
    if moment.year != year:
        raise ConfigError(f"{where}: {text} is not in {year}, the year of the file's name")
    return moment


def _day(where: str, name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{where}: {name} is {text!r}; write a day like 2024-06-01") from None


def _number(where: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(f"{where}: {name} is {text!r}; a number is expected") from None
    if not isfinite(value):
        raise ConfigError(f"{where}: {name} is {text!r}; a finite number is expected")
    return value
