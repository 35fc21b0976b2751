"""How far the home's own forecasts of load and sun are off, by how far ahead, and what they cost.

    python benchmarks/forecast_error.py [FOLDER ...] [--every 101] [--from-day 10]

On every data set as `planner_capture.py` finds them: mean absolute error in Wh a quarter-hour over 36 h, by lead;
pinball loss of the three quantiles; share of what came between the low and the high one (0.8 would be right). Where the data
has a temperature the load is forecast without and with it (as known exactly: an upper bound of what it brings).
The cost is CPU time: of what a day's first forecast learns (each is of another day), and of a forecast beside that.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.planner_capture import case_of, data_sets, shared
from gateway.backtest.data import Series
from gateway.forecasts.history import DAY, Array, History
from gateway.forecasts.load_pv import EnergyForecaster
from gateway.forecasts.regression import HIGH, LOW

STEPS = 144
LEADS = ((0, 6), (6, 16), (16, 48), (48, STEPS))
KEPT = 60 * DAY


def history(series: Series, end: int) -> tuple[History, int]:
    """What is known before index ``end``, and where it begins."""
    begin = max(end - KEPT, 0)
    part = series.part(begin, end)
    return History(part.first, part.load, part.pv, part.rt, part.da), begin


def timed(
    home: EnergyForecaster, known: History, outside: Array | None, *, pv: bool
) -> tuple[Array, float]:
    """A forecast and the CPU seconds that it took."""
    begin = time.process_time()
    made = home.pv(known, STEPS) if pv else home.load(known, STEPS, outside)
    return made, time.process_time() - begin


def judge(label: str, series: Series, origins: range, *, pv: bool, celsius: Array | None) -> None:
    """One line: errors of all origins."""
    home = EnergyForecaster(case_of(series, "flat").zone)
    came = series.pv if pv else series.load
    errors, losses, inside = [], [], []
    first: list[float] = []
    others: list[float] = []
    for i in origins:
        known, begin = history(series, i)
        outside = None if celsius is None else celsius[begin : i + STEPS]
        made, took = timed(home, known, outside, pv=pv)
        again = timed(home, known, outside, pv=pv)[1]
        others.append(again)
        first.append(took - again)
        real = came[i : i + STEPS]
        errors.append(np.abs(made[:, 1] - real))
        over = [real - made[:, j] for j in range(3)]
        losses.append(
            [np.maximum(t * e, (t - 1) * e) for t, e in zip((LOW, 0.5, HIGH), over, strict=True)]
        )
        inside.append((over[0] >= 0) & (over[2] <= 0))
    mean = np.mean(errors, axis=0)
    leads = "".join(f"{mean[a:b].mean():8.1f}" for a, b in LEADS)
    cost = f"{1000 * np.median(first):8.1f}{1000 * np.median(others):8.1f}"
    print(
        f"{label:<34}{leads}{mean.mean():9.2f}{np.mean(losses):9.2f}{np.mean(inside):8.2f}{cost}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", help="more data sets")
    parser.add_argument(
        "--every", type=int, default=101, help="quarter-hours between two forecasts"
    )
    parser.add_argument("--from-day", type=int, default=10)
    options = parser.parse_args()
    heads = "".join(f"{f'{a / 4:g}-{b / 4:g} h':>8}" for a, b in LEADS)
    print(
        f"{'Wh a quarter-hour':<34}{heads}{'all':>9}{'pinball':>9}{'inside':>8}{'learn ms':>9}{'ms':>7}"
    )
    for name, series in data_sets([shared(), *options.folders]):
        origins = range(options.from_day * DAY, len(series) - STEPS, options.every)
        judge(f"{name}, load", series, origins, pv=False, celsius=None)
        if series.temperature is not None:
            judge("... temperature known", series, origins, pv=False, celsius=series.temperature)
        judge(f"{name}, sun", series, origins, pv=True, celsius=None)


if __name__ == "__main__":
    main()
