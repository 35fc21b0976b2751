"""What a home is promised, whatever the capture: never long behind the inverter alone, and what is sold is delivered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gateway.backtest.case import Case
from gateway.backtest.data import Series
from gateway.backtest.delivery import Delivery, weeks
from gateway.backtest.simulate import Outcome, retail_prices
from gateway.forecasts.history import DAY, Array

FORTNIGHT_DAYS, FIRST_DAYS = 14, 3
MOST_BEHIND = 0.20  # currency units, in the first days
LEAST_DELIVERED = 0.95


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise on one data set: the worst that was seen, and whether it was kept."""

    kept: bool
    text: str

    def __str__(self) -> str:
        return f"  {'kept' if self.kept else 'NOT KEPT':<9}{self.text}"


def against_greedy(series: Series, case: Case, ours: Outcome, greedy: Outcome) -> Iterator[Promise]:
    """The worst fortnight and the first three days, in cash; in brackets with what is stored at the end at the mean import price."""
    ahead, held = ours.cash - greedy.cash, ours.stored - greedy.stored
    mean = float(retail_prices(series, case).imports.mean()) / 1e6

    def with_stored(begin: int, end: int) -> float:
        more = held[end - 1] - (held[begin - 1] if begin else 0.0)
        return float(ahead[begin:end].sum() + more * mean)

    begin = worst_window(ahead, FORTNIGHT_DAYS)
    end = min(begin + FORTNIGHT_DAYS * DAY, ahead.size)
    worst = float(ahead[begin:end].sum())
    yield Promise(
        worst >= 0,
        f"worst fortnight against greedy {worst:+.2f} ({with_stored(begin, end):+.2f}), "
        f"from {series.start(begin):%Y-%m-%d}; promised 0",
    )
    first = min(FIRST_DAYS * DAY, ahead.size)
    start = float(ahead[:first].sum())
    yield Promise(
        start >= -MOST_BEHIND,
        f"first three days against greedy {start:+.2f} ({with_stored(0, first):+.2f}); promised {-MOST_BEHIND:.2f}",
    )


def worst_window(ahead: Array, days: int) -> int:
    """Where the worst span of so many days begins, at a day's begin; 0 in a shorter series."""
    sums = np.concatenate([[0.0], np.cumsum(ahead)])
    begins = np.arange(0, max(ahead.size - days * DAY, 0) + 1, DAY)
    ends = np.minimum(begins + days * DAY, ahead.size)
    return int(begins[np.argmin(sums[ends] - sums[begins])])


def delivered(series: Series, done: Delivery) -> Promise:
    """The worst week, of those in which anything was sold."""
    shares = [(share, w) for w in weeks(len(series)) if (share := done.share(w)) is not None]
    if not shares:
        return Promise(kept=True, text="nothing was sold beforehand")
    worst, week = min(shares, key=lambda each: each[0])
    least_kwh, all_kwh = done.sold[week].sum() / 1000, done.sold.sum() / 1000
    return Promise(
        worst >= LEAST_DELIVERED,
        f"of {all_kwh:.0f} kWh sold beforehand {done.share():.3f} delivered; worst of {len(shares)} weeks {worst:.3f} "
        f"of {least_kwh:.1f} kWh, from {series.start(week.start):%Y-%m-%d}; promised {LEAST_DELIVERED}",
    )
