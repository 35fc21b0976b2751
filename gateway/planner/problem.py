"""What is asked of the induction: energies, prices and limits of the coming intervals, and how they are merged far away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from gateway.domain.plan import BatterySpec
from gateway.forecasts.history import Array

LimitW = float | Array | None  # at all times, or by interval [T, 1]

# Value is worth a little less a quarter-hour later (1 % a day; batteries lose about that, and who knows).
# It decides ties: at a flat price the home uses what is stored rather than keep it for an equal
# price tomorrow, when the sun may have filled the battery.
IMPATIENCE = 1e-4
QUARTER_H = 0.25
Grades = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Problem:
    """What the induction needs; T intervals, K price scenarios, prices per MWh, energies AC Wh.

    ``net_wh`` is the net load (load - PV + committed car) by interval and net-load case [T, N]; the cases
    rise. With ``spans`` a row may stand for several intervals.
    """

    hours: Array  # [T]
    net_wh: Array  # [T, N]
    net_weights: Array  # [N]
    import_price: Array  # [T, K]
    export_price: Array  # [T, K]
    transitions: Array  # [K, K]
    end_value: Array  # [S]
    export_limit_w: LimitW
    import_limit_w: LimitW
    resell: bool = True  # False: stored energy may not be exported
    most_out_wh: Array | None = (
        None  # [T, N]: most AC Wh that the battery may give; None: its power
    )
    impatience: float = IMPATIENCE  # a quarter-hour
    step_h: float = QUARTER_H  # of an interval; of the first, less may be left
    spans: tuple[int, ...] = ()  # how many intervals each row stands for; empty: one
    announced_w: LimitW = None  # import limits that hold for a time
    beyond_price: float = 0.0  # of a MWh that is imported beyond them


def energy_grid(spec: BatterySpec, points: int = 96) -> Array:
    """Stored Wh from reserve to capacity."""
    return np.linspace(spec.reserve_wh, max(spec.capacity_wh, spec.reserve_wh + 1.0), points)


def coarsened(problem: Problem, spans: Sequence[int]) -> Problem:
    """The same with intervals merged by ``spans``, which add up to all: far away, an hour's mean says as much
    as its quarters. `marginal_values` repeats the values for every interval."""
    begins = np.cumsum([0, *spans[:-1]])
    sizes = np.array(spans)

    def summed(values: Array) -> Array:
        result: Array = np.add.reduceat(values, begins, axis=0)
        return result

    def mean(values: Array) -> Array:
        result: Array = summed(values) / sizes[:, None]
        return result

    def least(limit: LimitW) -> LimitW:
        return (
            np.minimum.reduceat(limit, begins, axis=0) if isinstance(limit, np.ndarray) else limit
        )

    return replace(
        problem,
        hours=summed(problem.hours),
        net_wh=summed(problem.net_wh),
        import_price=mean(problem.import_price),
        export_price=mean(problem.export_price),
        most_out_wh=None if problem.most_out_wh is None else summed(problem.most_out_wh),
        export_limit_w=least(problem.export_limit_w),
        import_limit_w=least(problem.import_limit_w),
        announced_w=least(problem.announced_w),
        spans=tuple(spans),
    )


def first_of(limit: LimitW, count: int) -> LimitW:
    """The limit of the first intervals."""
    return limit[:count] if isinstance(limit, np.ndarray) else limit


def graded(count: int, grades: Grades, fine: int, step_h: float) -> list[int]:
    """Spans that grow with distance and add up to ``count`` intervals of ``step_h``: from each ``(begin_h, length_h)`` on
    as many are merged as make that length, and none of the first ``fine``."""
    spans = [1] * min(fine, count)
    begins = [*(max(round(begin_h / step_h), fine) for begin_h, _ in grades), count]
    for (_, length_h), (begin, end) in zip(grades, pairwise(begins), strict=True):
        span = max(round(length_h / step_h), 1)
        left = max(min(end, count) - begin, 0)
        spans += [span] * (left // span) + [left % span] * (left % span > 0)
    return spans


def by_interval(transitions: Array, step_h: float) -> Array:
    """What a quarter-hour's transitions [K, K] are over ``step_h``: over a part of one, that a scenario changes is as much
    less likely."""
    whole, part = divmod(step_h / QUARTER_H, 1)
    result: Array = np.linalg.matrix_power(transitions, int(whole))
    return result @ (part * transitions + (1 - part) * np.eye(len(transitions))) if part else result
