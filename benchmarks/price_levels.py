"""Whether learnt price levels earn more than the planner's own: gradient boosting, or a linear quantile regression.

    python benchmarks/price_levels.py [FOLDER ...] [--by lightgbm,scikit-learn,linear] [--tariff pass] [--share 0.5] [--refit 15]

Nine quantiles of the relative deviation of the real-time price are learnt from day 30 on, anew every 15 days, on the 60 days that are
known then, and mixed half and half into the levels of `gateway.forecasts.prices`. Seen are the hour, the weekday, the day-ahead price, how
it stands to its neighbours, its day and its week, the deviations of the last one, three and seven days, those at that
hour, and how far ahead it is. Printed is what that brings a day from day 30 on against the usual way, in pairs over the same days, with the
0.05 and 0.95 quantile over draws of days as in the trial by night. lightgbm and scikit-learn are no dependencies: `pip install` them.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.planner_capture import Yardsticks, case_of, data_sets, shared
from gateway.backtest.foresight import perfect_foresight
from gateway.backtest.simulate import no_battery, simulate
from gateway.forecasts.history import DAY, Array, History
from gateway.forecasts.prices import (
    SCORES,
    PriceForecaster,
    PriceModel,
    PriceOutlook,
    Slots,
    price_outlook,
)
from gateway.planner import strategy

TAUS = (0.02, 0.08, 0.2, 0.35, 0.5, 0.65, 0.8, 0.92, 0.98)
TAU_SCORES = np.array([NormalDist().inv_cdf(tau) for tau in TAUS])
LOWEST, HIGHEST = -3.0, 12.0  # relative deviations are clipped to
LEAST_PRICE = 5.0  # as the price model's
FIRST_DAY, LEARNT_EACH = 30, DAY // 4
LEADS = (
    0,
    48,
    96,
)  # quarter-hours before the last time of learning from which an interval is also looked at
TREES, RATE, LEAVES, LEAST_ROWS = 90, 0.07, 12, 60
DRAWS = 4_000

Predict = Callable[[Array], Array]


def by_lightgbm(rows: Array, wanted: Array) -> Predict:
    lightgbm: Any = import_module("lightgbm")
    common = {"verbose": -1, "min_data_in_leaf": LEAST_ROWS, "num_threads": 1}
    data = lightgbm.Dataset(rows, wanted, params=common, free_raw_data=False)
    more = common | {"objective": "quantile", "learning_rate": RATE, "num_leaves": LEAVES}
    more |= {"feature_fraction": 0.7, "bagging_fraction": 0.7, "bagging_freq": 1, "seed": 1}
    made = [lightgbm.train(more | {"alpha": tau}, data, TREES) for tau in TAUS]
    return lambda x: np.stack([m.predict(x, num_threads=1) for m in made], axis=1)


def by_scikit_learn(rows: Array, wanted: Array) -> Predict:
    regressor: Any = import_module("sklearn.ensemble").HistGradientBoostingRegressor
    common = {
        "loss": "quantile",
        "learning_rate": RATE,
        "max_iter": TREES,
        "max_leaf_nodes": LEAVES,
    }
    common |= {"min_samples_leaf": LEAST_ROWS, "early_stopping": False}
    made = [regressor(**common, quantile=tau).fit(rows, wanted) for tau in TAUS]
    return lambda x: np.stack([m.predict(x) for m in made], axis=1)


def by_line(rows: Array, wanted: Array) -> Predict:
    """Linear quantiles on smooth columns, by least squares weighted again and again; shrunk."""
    columns = _smooth(rows)
    mean, spread = columns.mean(axis=0), columns.std(axis=0) + 1e-9

    def scaled(x: Array) -> Array:
        return np.column_stack([np.ones(len(x)), (_smooth(x) - mean) / spread])

    a, made = scaled(rows), []
    for tau in TAUS:
        line: Array = np.zeros(a.shape[1])
        line[0] = np.quantile(wanted, tau)
        for _ in range(40):
            left = wanted - a @ line
            weighed = a * (np.where(left > 0, tau, 1 - tau) / np.maximum(abs(left), 0.02))[:, None]
            square = weighed.T @ a
            shrink = np.full(line.size, 0.02 * np.trace(square) / line.size)
            shrink[0] = 0.0
            line = np.asarray(np.linalg.solve(square + np.diag(shrink), weighed.T @ wanted), float)
        made.append(line)
    return lambda x: scaled(x) @ np.array(made).T


def _smooth(rows: Array) -> Array:
    turn = 2 * np.pi * rows[:, 0] / DAY
    hours = [np.sin(turn), np.cos(turn), np.sin(2 * turn), np.cos(2 * turn)]
    price = np.maximum(rows[:, 2], LEAST_PRICE)
    shape = [
        np.log(np.maximum(rows[:, 5], 0.1)),
        rows[:, 7],
        rows[:, 3] / price,
        rows[:, 4] / price,
    ]
    return np.stack([*hours, *shape, *rows[:, [8, 9, 13, 14]].T], axis=1)


LEARNERS: Mapping[str, Callable[[Array, Array], Predict]] = {
    "lightgbm": by_lightgbm, "scikit-learn": by_scikit_learn, "linear": by_line,
}  # fmt: skip


def features(first: int, reference: Array, deviation: Array, at: Slots, known: Slots) -> Array:
    """What is seen of the intervals ``at`` when deviations before ``known`` are known (indices): [N, F]."""
    seen = np.nan_to_num(deviation)
    sums = [np.concatenate([[0.0], np.cumsum(x)]) for x in (seen, seen**2, reference)]
    nearby = np.convolve(seen, np.ones(5) / 5, "same")
    spikes = np.convolve((seen > 0.5).astype(float), np.ones(9) / 9, "same")
    last = reference.size - 1

    def mean(which: int, begin: Slots, end: Slots) -> Array:
        total = sums[which]
        begin, end = np.clip(begin, 0, last + 1), np.clip(end, 0, last + 1)
        result: Array = (total[end] - total[begin]) / np.maximum(end - begin, 1)
        return result

    price = reference[at]
    day = mean(2, at - 48, at + 49)
    week = mean(2, known - 7 * DAY, known)
    dearest = sliding_window_view(np.pad(reference, 32, mode="edge"), 65).max(axis=1)[at]
    columns = [
        (first + at) % DAY, ((first + at) // DAY + 3) % 7, price,
        reference[np.maximum(at - 4, 0)] - price, reference[np.minimum(at + 4, last)] - price,
        price / np.maximum(day, LEAST_PRICE), day / np.maximum(week, LEAST_PRICE), price / np.maximum(dearest, LEAST_PRICE),
    ]  # fmt: skip
    for days in (1, 3, 7):
        middle = mean(0, known - DAY * days, known)
        square = mean(1, known - DAY * days, known) - middle**2
        columns += [middle, np.sqrt(np.maximum(square, 0.0))]
    same = at - DAY * ((at - known) // DAY + 1) - 3  # its hour on the last known day
    around, spiky, weight = (np.zeros(at.size) for _ in range(3))
    for back in range(7):
        place = np.maximum(same - DAY * back, 0)
        part = np.where(same >= DAY * back, 0.75**back, 0.0)
        around, spiky, weight = (
            around + part * nearby[place],
            spiky + part * spikes[place],
            weight + part,
        )
    weight = np.maximum(weight, 1e-9)
    yesterday = np.where(same >= 0, nearby[np.maximum(same, 0)], 0.0)
    columns += [around / weight, spiky / weight, yesterday, (at - known) / 4]
    return np.stack(columns, axis=1)


class LearntLevels(PriceForecaster):
    """The usual price model, its levels mixed with learnt ones."""

    def __init__(
        self, learner: Callable[[Array, Array], Predict], first: int, share: float, refit: int
    ) -> None:
        super().__init__()
        self._learner, self._first, self._share, self._refit = learner, first, share, refit
        self._day = -refit
        self._predict: Predict | None = None
        self._mixed: tuple[PriceModel | None, set[tuple[int, float]]] = None, set()
        self.seconds: list[float] = []  # of CPU, that each learning took

    def outlook(
        self, history: History, day_ahead: Array, cleared: Mapping[int, float] | None = None
    ) -> PriceOutlook:
        model, day = self._model(history), (history.end - self._first) // DAY
        if day >= max(FIRST_DAY, self._day + self._refit):
            self._day = day
            self._learn(history, model)
        if self._predict is not None:
            self._mix(history, day_ahead, model, self._predict)
        return price_outlook(history, day_ahead, cleared, model)

    def _past(self, history: History, model: PriceModel) -> tuple[Array, Array]:
        """Reference and relative deviation."""
        slots = (history.first + np.arange(len(history))) % DAY
        reference = np.where(np.isnan(history.da), model.usual[slots], history.da)
        deviation = (history.rt - reference) / np.maximum(reference, LEAST_PRICE)
        return reference, np.clip(deviation, LOWEST, HIGHEST)

    def _learn(self, history: History, model: PriceModel) -> None:
        begin = time.process_time()
        reference, deviation = self._past(history, model)
        at = np.arange(7 * DAY, len(history))
        learnt = at - (history.first + at) % LEARNT_EACH
        rows = [features(history.first, reference, deviation, at, learnt - lead) for lead in LEADS]
        known = ~np.isnan(np.tile(deviation[at], len(LEADS)))
        wanted = np.tile(deviation[at], len(LEADS))[known]
        self._predict = self._learner(np.concatenate(rows)[known], wanted)
        self.seconds.append(time.process_time() - begin)

    def _mix(self, history: History, day_ahead: Array, model: PriceModel, predict: Predict) -> None:
        """Lays the mixed levels where the model keeps its own: of the coming intervals, and of the last one."""
        if self._mixed[0] is not model:
            self._mixed = model, set()
        done, end = self._mixed[1], history.end
        reference, deviation = self._past(history, model)
        coming = model.reference(day_ahead, (end + np.arange(day_ahead.size)) % DAY)
        last = model.reference(history.da[-1:], np.array([(end - 1) % DAY]))
        both = np.concatenate([reference, coming])
        unknown = np.concatenate([deviation, np.full(coming.size, np.nan)])
        for begin, prices in ((end, coming), (end - 1, last)):
            quarters = begin + np.arange(prices.size)
            hours = np.unique(quarters // 4, return_index=True)[1]
            keys = {i: (int(quarters[i]), float(prices[i])) for i in hours.tolist()}
            new = {i: key for i, key in keys.items() if key not in done}
            if not new:
                continue
            model.levels_at(prices, begin)
            at = np.array(list(new)) + begin - history.first
            known = np.full(at.size, len(history) - end % LEARNT_EACH)
            learnt = np.sort(predict(features(history.first, both, unknown, at, known)), axis=1)
            for key, levels in zip(new.values(), learnt, strict=True):
                own = model.known[key]
                apart = levels - np.interp(TAU_SCORES, SCORES, own)
                model.known[key] = np.sort(own + self._share * np.interp(SCORES, TAU_SCORES, apart))
            done.update(new.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", help="more data sets")
    parser.add_argument("--by", default=",".join(LEARNERS))
    parser.add_argument("--tariff", default="pass")
    parser.add_argument("--share", type=float, default=0.5, help="of what is learnt in the levels")
    parser.add_argument("--refit", type=int, default=15, help="days")
    asked = parser.parse_args()
    for name, series in data_sets([shared(), *asked.folders]):
        case, rows = case_of(series, asked.tariff), np.arange(len(series))
        yard = Yardsticks(no_battery(series, case).cash, perfect_foresight(series, case).cash)
        usual = simulate(series, case, strategy("value")).cash
        print(
            f"\n{name}, {asked.tariff}: usual {usual.sum():.2f} USD, capture {yard.capture(usual, rows):.4f}"
        )
        for by in asked.by.split(","):
            market = LearntLevels(LEARNERS[by], series.first, asked.share, asked.refit)
            cash = simulate(series, case, strategy("value"), market=market).cash
            more = (cash - usual)[FIRST_DAY * DAY :].reshape(-1, DAY).sum(axis=1)
            drawn = np.random.default_rng(1).integers(0, more.size, (DRAWS, more.size))
            low, high = np.quantile(more[drawn].mean(axis=1), [0.05, 0.95])
            mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{by:<14}{cash.sum():>9.2f}{yard.capture(cash, rows):>8.4f}  a day {more.mean():+.4f} [{low:+.4f} {high:+.4f}]"
                f"  learning {np.mean(market.seconds):.1f} s of CPU, at most {mb:.0f} MB so far",
                flush=True,
            )


if __name__ == "__main__":
    main()
