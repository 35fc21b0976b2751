"""Whether another way to forecast would have earned this home clearly more: replays, a verdict, a choice. Pure.

The last weeks of the home are replayed with each variant, and its money by day is compared in pairs: the same days, the same sun, the same prices.
Differences are drawn again and again from those days (a bootstrap); a variant is clearly better when hardly any draw
denies it. Several variants are asked at once, so each must be surer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from gateway.backtest.case import Case
from gateway.backtest.data import Series
from gateway.backtest.simulate import Outcome, Progress, simulate
from gateway.forecasts.history import Array
from gateway.forecasts.variants import USUAL, Variant
from gateway.planner import strategy

LEAST_DAYS = 21  # that are judged
_DRAWS = 4_000
_DOUBT = 0.05  # chance that a variant which is no better is taken for it, over all that are tried
_WORTH = 0.005  # of a usual day's money: less is not worth a change

Money = Mapping[date, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the second of two would have earned more a day, on average over ``days``; ``low`` is what it earned more in all but a
    few draws."""

    gain: float
    low: float
    days: int
    clearly_better: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """The home's last weeks: ``judged`` are the local days whose data are whole."""

    series: Series
    case: Case
    judged: frozenset[date]


def judge(first: Money, second: Money, doubt: float = _DOUBT) -> Verdict:
    """Whether the ``second`` is clearly better than the ``first`` over the days that both have."""
    days = sorted(first.keys() & second.keys())
    more = np.array([second[day] - first[day] for day in days])
    if not days:
        return Verdict(0.0, 0.0, 0, clearly_better=False)
    drawn = np.random.default_rng(1).integers(0, len(days), (_DRAWS, len(days)))
    low = float(np.quantile(more[drawn].mean(axis=1), doubt))
    gain = float(more.mean())
    worth = _WORTH * float(np.mean([abs(first[day]) for day in days]))
    clear = len(days) >= LEAST_DAYS and low > 0 and gain > worth
    return Verdict(gain, low, len(days), clear)


def choose(used: str, money: Mapping[str, Money]) -> tuple[str, Verdict]:
    """The variant to forecast with from now on, and what is to be said of it against the usual one.

    What is no longer better than the usual one is given up; another takes its place only when it is clearly better.
    """
    usual = money[USUAL.name]
    if used not in money or judge(usual, money[used]).gain <= 0:
        used = USUAL.name
    doubt = _DOUBT / max(len(money) - 1, 1)
    others = {n: judge(money[used], days, doubt) for n, days in money.items() if n != used}
    better = {n: v.gain for n, v in others.items() if v.clearly_better}
    if better:
        used = max(better, key=lambda n: better[n])
    return used, judge(usual, money[used], doubt)


def replayed(
    trial: Trial, variants: Sequence[Variant], progress: Progress | None = None
) -> dict[str, dict[date, float]]:
    """Money by judged day of each variant, by its name."""
    runs = {
        v.name: simulate(trial.series, replace(trial.case, variant=v), strategy("value"), progress)
        for v in variants
    }
    worth = runs[USUAL.name].value
    return {name: _by_day(trial, run, worth) for name, run in runs.items()}


def _by_day(trial: Trial, run: Outcome, value_per_mwh: Array) -> dict[date, float]:
    """Money by local day, with what more is stored at its end at one value for all variants."""
    zone, series = trial.case.zone, trial.series
    days = [series.start(i).astimezone(zone).date() for i in range(len(series))]
    made: dict[date, float] = {}
    begin, stored_wh = 0, trial.case.start_wh
    for i, day in enumerate(days):
        if i + 1 < len(days) and days[i + 1] == day:
            continue
        more_wh = float(run.stored[i]) - stored_wh
        if day in trial.judged:
            cash = float(run.cash[begin : i + 1].sum())
            made[day] = cash + more_wh * float(value_per_mwh[i]) / 1e6
        begin, stored_wh = i + 1, float(run.stored[i])
    return made


def last_days(end: date, count: int) -> set[date]:
    """The ``count`` days before ``end``."""
    return {end - timedelta(days=d) for d in range(1, count + 1)}
