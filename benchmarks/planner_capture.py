"""What share of perfect foresight the planner captures, beside peers with the same information.

    python benchmarks/planner_capture.py [FOLDER ...] [--tariffs pass,flat,...] [--days 28] [--skip 0] [--starts 0]
        [--emhass-python P] [--flexmeasures-python P] [--evcc-python P]

Runs on every data set (CSV as `energy-gateway backtest` reads it) in the shared data and in any folder
given, under five tariffs: what the market pays passed through (+ 45 per MWh on import), flat import, time of use
0.10 / 0.18 / 0.42 with 0.05 for export, a dynamic tariff (1.19 x + 120), and a flat night plan. Each line shows the
capture by month with a 90 % band: what it might have been had other blocks of three days come.

Below the lines stands what a home is promised, the worst that was seen, and whether it was kept: no fortnight below greedy, the
first three days not more than 0.20 below it (both in cash; in brackets with what is stored at the end), and in every week 0.95 of what was sold
an hour before is delivered. ``--starts 10`` adds the worst of so many first three days, spread over the data.

Data may have two columns more, `pv_forecast_wh` and `temperature_c` (docs/planning.md): then this planner runs
without and with them, which judges what a weather service is worth.

Every policy replans each hour of the same days with the same forecasts (expected prices, load and PV,
36 h at 15 min) and the same battery. Peers answer with a schedule for the battery, which is followed as
far as energy allows; ours answers with values. A peer runs where an interpreter that has it is named: EMHASS,
FlexMeasures and evcc's optimizer are heavy and pin their own versions, so each has its own environment.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from benchmarks.planner_peer import WORKERS, follow, peer
from benchmarks.planner_promises import FIRST_DAYS, MOST_BEHIND, Promise, against_greedy, delivered
from gateway.backtest.case import Case, evaluation_case
from gateway.backtest.data import Series, read_series
from gateway.backtest.delivery import deliveries
from gateway.backtest.doubts import without_zero_days, zero_warning
from gateway.backtest.foresight import perfect_foresight
from gateway.backtest.simulate import Outcome, months_of, no_battery, self_consumption, simulate
from gateway.config.tariff import Tariff
from gateway.errors import ConfigError
from gateway.forecasts.history import DAY, Array
from gateway.planner import strategy
from gateway.tariff import TariffRules

BLOCK_DAYS, DRAWS = 3, 500
Rows = NDArray[np.int64]
WHOLESALE = {"kind": "wholesale"}
FLAT = {"kind": "flat", "per_kwh": "0.14"}
TIME_OF_USE = {
    "kind": "time_of_use",
    "otherwise_per_kwh": "0.18",
    "periods": [
        {"from": "16:00", "to": "21:00", "per_kwh": "0.42"},
        {"from": "23:00", "to": "07:00", "per_kwh": "0.10"},
    ],
}
TARIFFS: dict[str, dict[str, Any]] = {
    "pass": {
        "import_price": WHOLESALE | {"adder_per_kwh": "0.045"},
        "export_price": WHOLESALE,
    },
    "flat": {"import_price": FLAT, "export_price": WHOLESALE},
    "time-of-use": {
        "import_price": TIME_OF_USE,
        "export_price": {"kind": "flat", "per_kwh": "0.05"},
    },
    "dynamic": {
        "import_price": WHOLESALE | {"factor": "1.19", "adder_per_kwh": "0.12"},
        "export_price": WHOLESALE,
    },
    "night": {"import_price": FLAT, "export_price": WHOLESALE, "flat_night": {}},
}


def shared() -> Path:
    """The folder of the shared data."""
    return Path(os.environ.get("HEG_SHARED", Path(__file__).parents[2] / "shared")) / "data"


def data_sets(folders: list[Path]) -> Iterator[tuple[str, Series]]:
    """Every file in the folders that is a home's past."""
    for folder in folders:
        for path in sorted(folder.glob("*.csv")):
            try:
                yield path.stem, read_series(path)
            except ConfigError:
                continue  # data of another kind


def case_of(series: Series, tariff: str) -> Case:
    """The evaluation case in the series' time zone: it begins at local midnight."""
    first = series.start(0).astimezone(UTC)
    ahead = datetime.combine(first.date() + timedelta(days=first.hour >= 12), first.time(), UTC)
    hours = round((ahead - ahead.replace(hour=0)) / timedelta(hours=1))
    west = hours if first.hour < 12 else hours - 24
    zone = ZoneInfo(f"Etc/GMT{west:+d}") if west else ZoneInfo("UTC")
    rules = TariffRules(Tariff.model_validate(TARIFFS[tariff]), zone)
    return replace(evaluation_case(), tariff=rules, zone=zone)


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """No battery, and the most that was possible, by interval."""

    none: Array
    most: Array

    def capture(self, cash: Array, rows: Rows) -> float:
        """The share over some intervals; NaN where nothing could be earned."""
        most = float((self.most[rows] - self.none[rows]).sum())
        return float((cash[rows] - self.none[rows]).sum()) / most if most > 1e-9 else np.nan

    def band(self, cash: Array, rows: Rows, rng: np.random.Generator) -> tuple[float, float]:
        """The 0.05 and 0.95 quantile of the capture over drawn blocks of three days."""
        size = BLOCK_DAYS * 96
        count = max(rows.size // size, 1)
        rows = rows[: count * size] if rows.size >= size else rows
        gain = (cash[rows] - self.none[rows]).reshape(count, -1).sum(axis=1)
        most = (self.most[rows] - self.none[rows]).reshape(count, -1).sum(axis=1)
        drawn = rng.integers(0, count, (DRAWS, count))
        shares = gain[drawn].sum(axis=1) / np.maximum(most[drawn].sum(axis=1), 1e-9)
        low, high = np.quantile(shares, [0.05, 0.95])
        return float(low), float(high)


class Table:
    """Prints a line a policy."""

    def __init__(self, series: Series, case: Case, best: Outcome, none: Outcome) -> None:
        self._yard = Yardsticks(none.cash, best.cash)
        months = months_of(series, case)
        self._months = [(int(m), np.flatnonzero(months == m)) for m in np.unique(months)]
        self._all = np.arange(len(series))
        self._sure = np.array(without_zero_days(series))
        names = "".join(
            f"{(m - 1) // 12:>6}-{(m - 1) % 12 + 1:02d} [90 %]     " for m, _ in self._months
        )
        print(f"{'policy':<24}{'USD':>9}{'capture':>9}{'a plan':>10}  {names}")

    def row(self, name: str, cash: Array, seconds: float | None = None, note: str = "") -> None:
        """One policy's money, capture, CPU or wall time a plan, and its months with their bands."""
        rng = np.random.default_rng(1)
        cells = []
        for _, rows in self._months:
            low, high = self._yard.band(cash, rows, rng)
            cells.append(f"{self._yard.capture(cash, rows):7.3f} [{low:.2f} {high:.2f}]")
        took = "" if seconds is None else f"{1000 * seconds:7.1f} ms"
        share = self._yard.capture(cash, self._all)
        months = " ".join(cells)
        if self._sure.size < self._all.size:
            note += f" {self._yard.capture(cash, self._sure):.3f} without the days of zero prices"
        print(f"{name:<24}{cash.sum():>9.2f}{share:>9.3f}{took:>10}  {months} {note}", flush=True)


def with_and_without(series: Series) -> Iterator[tuple[str, Series]]:
    """The home's own forecasts alone, then with what a weather service says where the data has it."""
    yield "this planner", replace(series, pv_forecast=None, temperature=None)
    if series.temperature is not None:
        yield "... and temperature", replace(series, pv_forecast=None)
    if series.pv_forecast is not None:
        yield "... and PV forecast", series


def first_days(series: Series, case: Case, starts: int) -> Promise:
    """The worst of so many cold starts, against greedy."""
    size, planner = FIRST_DAYS * DAY, strategy("value")
    begins = np.linspace(0, len(series) // DAY - FIRST_DAYS, starts).astype(int) * DAY
    parts = [series.part(begin, begin + size) for begin in begins.tolist()]
    ahead = np.array(
        [simulate(s, case, planner).total - self_consumption(s, case).total for s in parts]
    )
    worst = parts[int(ahead.argmin())].start(0)
    return Promise(
        float(ahead.min()) >= -MOST_BEHIND,
        f"{starts} starts of three days against greedy: mean {ahead.mean():+.2f}, worst {ahead.min():+.2f}, "
        f"from {worst:%Y-%m-%d}; promised {-MOST_BEHIND:.2f}",
    )


def promises(
    series: Series, case: Case, ours: Outcome, greedy: Outcome, starts: int
) -> Iterator[Promise]:
    """What is promised, and how it stands."""
    yield from against_greedy(series, case, ours, greedy)
    if starts and len(series) >= FIRST_DAYS * DAY:
        yield first_days(series, case, starts)
    yield delivered(series, deliveries(series, case, strategy("value")))


def compare(
    name: str, tariff: str, series: Series, pythons: dict[str, str], starts: int = 0
) -> None:
    """One data set under one tariff."""
    case = case_of(series, tariff)
    none, best = no_battery(series, case), perfect_foresight(series, case)
    greedy = self_consumption(series, case)
    days = len(series) // 96
    print(f"\n{name}, {tariff}: {days} days from {series.start(0):%Y-%m-%d}, {case.zone.key}")
    if warning := zero_warning(series):
        print(f"  {warning}")
    table = Table(series, case, best, none)
    table.row("no battery", none.cash)
    table.row("greedy self-consumption", greedy.cash)
    for worker, python in pythons.items():
        with peer(python, worker, case) as running:
            if running is None:
                print(f"{worker:<24} skipped: {python} cannot import it")
                continue
            cash, seconds, silent = follow(series, case, running)
            table.row(worker, cash, seconds, f"{silent} plans without an answer" if silent else "")
    plans = len(series) / case.replan_quarters
    for label, known in with_and_without(series):
        begin = time.process_time()
        ours = simulate(known, case, strategy("value"))
        table.row(label, ours.cash, (time.process_time() - begin) / plans)
    notes = [best.note, "it may resell the night's energy, we may not" if tariff == "night" else ""]
    table.row("perfect foresight", best.cash, note="; ".join(filter(None, notes)))
    for promise in promises(known, case, ours, greedy, starts):
        print(promise, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", help="more data sets")
    parser.add_argument("--days", type=int, default=28, help="0: all")
    parser.add_argument("--skip", type=int, default=0, help="days left out at the beginning")
    parser.add_argument("--starts", type=int, default=0, help="so many cold starts of three days")
    parser.add_argument("--tariffs", default=",".join(TARIFFS))
    for worker in WORKERS:
        parser.add_argument(f"--{worker}-python", help=f"interpreter that has {worker}")
    options = parser.parse_args()
    named = {worker: getattr(options, f"{worker}_python") for worker in WORKERS}
    pythons = {worker: python for worker, python in named.items() if python}
    found = list(data_sets([shared(), *options.folders]))
    if not found:
        raise SystemExit(f"no data set in {shared()}; set HEG_SHARED or name a folder")
    for name, series in found:
        end = options.skip + options.days if options.days else len(series) // 96
        for tariff in options.tariffs.split(","):
            compare(name, tariff, series.part(options.skip * 96, end * 96), pythons, options.starts)


if __name__ == "__main__":
    main()
