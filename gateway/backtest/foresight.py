"""Perfect foresight: the most that the battery could have earned, as one programme over the period.

The only file that speaks highspy. Where a price lets a relaxed battery or meter run both ways at
once for gain (export dearer than import, or negative prices with little wear), whole numbers forbid
it; everywhere else it stays a linear programme. So importing and exporting at once never counts; a
bound that it is compared with must forbid it too. `Outcome.note` says where it is not the earnings of a
schedule: losses by power, or a time limit. A battery that may not feed the car is held to that here as well.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.backtest.case import Case
from gateway.backtest.data import Series
from gateway.backtest.sessions import HOURS, Session, sessions_of
from gateway.backtest.simulate import (
    Outcome,
    Schedule,
    months_of,
    outcome,
    retail_prices,
)
from gateway.domain.plan import BatterySpec
from gateway.errors import ConfigError
from gateway.forecasts.history import Array

Index = NDArray[np.int64]
_TIME_LIMIT_S = 120.0
_SOLVED = 0.01  # currency units
_BIG_WH = 50_000.0  # more than any home moves in a quarter-hour
# Columns of the programme: six blocks of one variable an interval.
_CHARGE, _DISCHARGE, _IMPORT, _EXPORT, _STORED, _CAR = range(6)


def perfect_foresight(series: Series, case: Case) -> Outcome:
    """The best schedule in hindsight; raises ConfigError when highspy is not installed."""
    try:
        import highspy  # noqa: PLC0415 - an extra, needed only here
    except ImportError as error:
        raise ConfigError(
            "perfect foresight needs highspy: pip install 'home-energy-gateway[backtest]'"
        ) from error
    programme, pairs = _programme(highspy, series, case), _exclusive(series, case)
    x, gap = _solve(highspy, programme, pairs)
    columns = x[: 6 * len(series)].reshape(6, len(series))
    discharge = columns[_DISCHARGE] - columns[_CHARGE]
    schedule = Schedule(discharge, columns[_CAR], columns[_STORED])
    found = outcome("perfect", series, case, schedule)
    return replace(found, note=_note(case, gap))


def _note(case: Case, gap: float) -> str:
    """In which way the result is not the earnings of the best schedule; empty if it is."""
    if case.battery.charge_curve or case.battery.discharge_curve:
        return "a bound, no schedule: it loses at every power as little as at the best"
    if gap > _SOLVED:
        return f"the best found in {_TIME_LIMIT_S:g} s: up to {gap:.2f} more may be possible"
    return ""


def _programme(highspy: Any, series: Series, case: Case) -> Any:
    n, spec = len(series), case.battery
    prices = retail_prices(series, case)
    infinite = highspy.kHighsInf
    limit_in = infinite if case.import_limit_w is None else case.import_limit_w * HOURS
    limit_out = infinite if case.export_limit_w is None else case.export_limit_w * HOURS
    # An import limit that the home breaks without a battery cannot be asked of the battery; sun that may not
    # leave is lost.
    net = series.load - series.pv
    one = np.ones(n)
    limits_in, limits_out = np.maximum(limit_in, net), limit_out * one
    lost = np.maximum(-net - limit_out, 0.0)
    model = highspy.HighsLp()
    sessions = sessions_of(series, case)
    peaks = _peaks(series, case)
    model.num_col_ = 6 * n + peaks.count
    model.num_row_ = 2 * n + len(sessions) + peaks.months.size
    cost = (0 * one, spec.wear_per_mwh * one, prices.imports, -prices.exports, 0 * one, 0 * one)
    model.col_cost_ = np.concatenate([np.concatenate(cost) / 1e6, peaks.costs])
    lower = [np.zeros(4 * n), spec.reserve_wh * one, 0 * one, np.zeros(peaks.count)]
    model.col_lower_ = np.concatenate(lower)
    upper = (
        spec.max_charge_w * HOURS * one,
        spec.max_discharge_w * HOURS * one,
        limits_in,
        limits_out,
        spec.capacity_wh * one,
        _car_limits(sessions, n),
        np.full(peaks.count, infinite),
    )
    model.col_upper_ = np.concatenate(upper)
    drain = np.full(n, -spec.standby_w * HOURS)
    drain[0] += case.start_wh
    rows = np.concatenate([net, drain, [s.possible_wh for s in sessions]])
    below = np.full(peaks.months.size, -infinite)
    zero = np.zeros(peaks.months.size)
    model.row_lower_ = np.concatenate([rows, below])
    most = np.concatenate([net + lost, rows[n:]])
    model.row_upper_ = np.concatenate([most, zero])
    entries = _entries(n, _best_efficiency(spec))
    for k, s in enumerate(sessions):
        plugged = np.arange(s.first, s.end)
        entries.append((np.full(plugged.size, 2 * n + k), plugged + _CAR * n, 1.0))
    row = 2 * n + len(sessions) + np.arange(peaks.months.size)
    if peaks.count:  # import in kW is at most the month's peak
        entries.append((row, np.arange(n) + _IMPORT * n, 1 / (1000 * HOURS)))
        entries.append((row, 6 * n + peaks.months, -1.0))
    _fill(highspy, model, entries)
    return model


def _best_efficiency(spec: BatterySpec) -> tuple[float, float]:
    """One number each way. With losses by power the best of them: then the result is a bound above
    what foresight could earn."""
    best_out = max((e for _, e in spec.discharge_curve), default=spec.discharge_efficiency)
    return spec.charge_efficiency, best_out


@dataclass(frozen=True, slots=True)
class _Peaks:
    """Demand charge: one variable a month, kW; ``months`` names each interval's (empty: no charge)."""

    count: int
    months: Index
    costs: Array


def _peaks(series: Series, case: Case) -> _Peaks:
    charge = float(case.tariff.tariff.demand_charge_per_kw)
    if charge <= 0:
        return _Peaks(0, np.empty(0, dtype=np.int64), np.empty(0))
    names, months = np.unique(months_of(series, case), return_inverse=True)
    return _Peaks(names.size, months, np.full(names.size, charge))


def _car_limits(sessions: Sequence[Session], count: int) -> Array:
    limits = np.zeros(count)
    for s in sessions:
        limits[s.first : s.end] = s.habit.max_power_w * HOURS
    return limits


def _entries(n: int, efficiency: tuple[float, float]) -> list[tuple[Index, Index, float]]:
    """Rows, columns, coefficient: the meter's balance, then stored energy step by step."""
    t = np.arange(n)
    return [
        (t, t + _IMPORT * n, 1.0),
        (t, t + _EXPORT * n, -1.0),
        (t, t + _CHARGE * n, -1.0),
        (t, t + _DISCHARGE * n, 1.0),
        (t, t + _CAR * n, -1.0),
        (t + n, t + _STORED * n, 1.0),
        (t[1:] + n, t[:-1] + _STORED * n, -1.0),
        (t + n, t + _CHARGE * n, -efficiency[0]),
        (t + n, t + _DISCHARGE * n, 1 / efficiency[1]),
    ]


def _fill(highspy: Any, model: Any, entries: Sequence[tuple[Index, Index, float]]) -> None:
    """The matrix, column by column."""
    rows = np.concatenate([r for r, _, _ in entries])
    columns = np.concatenate([c for _, c, _ in entries])
    values = np.concatenate([np.full(r.size, v) for r, _, v in entries])
    order = np.lexsort((rows, columns))
    starts = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=model.num_col_))])
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = starts
    model.a_matrix_.index_ = rows[order]
    model.a_matrix_.value_ = values[order]


def _exclusive(series: Series, case: Case) -> list[tuple[int, int, float]]:
    """Pairs of columns of which only one may be used, where using both would pay, and how much of the second
    may be used beside the first."""
    n, spec = len(series), case.battery
    prices = retail_prices(series, case)
    both_meter = prices.exports > prices.imports
    # Charging and discharging at once turns a Wh into 1 - eta_c*eta_d Wh of consumption.
    into, out = _best_efficiency(spec)
    burnt = 1 / (into * out) - 1
    both_battery = (-np.minimum(prices.imports, prices.exports) * burnt > spec.wear_per_mwh) & (
        burnt > 0
    )
    meter = [(t + _IMPORT * n, t + _EXPORT * n, 0.0) for t in _rows(both_meter)]
    battery = [(t + _CHARGE * n, t + _DISCHARGE * n, 0.0) for t in _rows(both_battery)]
    if case.car_from_battery:
        return meter + battery
    house = np.maximum(series.load - series.pv, 0.0)
    fed = (_car_limits(sessions_of(series, case), n) > 0) & (house < spec.max_discharge_w * HOURS)
    return (
        meter + battery + [(t + _CAR * n, t + _DISCHARGE * n, float(house[t])) for t in _rows(fed)]
    )


def _rows(where: NDArray[np.bool_]) -> list[int]:
    rows: list[int] = np.flatnonzero(where).tolist()
    return rows


@contextmanager
def _banner_away() -> Iterator[None]:
    """HiGHS greets on standard output when it is made; our output may be piped.

    Into a pipe its greeting waits in the C library's own buffer, which is emptied before we return.
    """
    sys.stdout.flush()
    saved, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)


def _solve(highspy: Any, model: Any, pairs: list[tuple[int, int, float]]) -> tuple[Array, float]:
    """The columns, and how much more than their money may be possible (0 when solved)."""
    with _banner_away():
        solver = highspy.Highs()
        solver.silent()
    solver.setOptionValue("mip_rel_gap", 1e-5)
    solver.setOptionValue("time_limit", _TIME_LIMIT_S)
    solver.passModel(model)
    upper = np.minimum(np.array(model.col_upper_), _BIG_WH)
    for k, (first, second, beside) in enumerate(pairs):
        switch = model.num_col_ + k
        solver.addVar(0.0, 1.0)
        solver.changeColIntegrality(switch, highspy.HighsVarType.kInteger)
        most = float(upper[first]), float(upper[second])
        columns = np.array([first, switch]), np.array([second, switch])
        solver.addRow(-highspy.kHighsInf, 0.0, 2, columns[0], np.array([1.0, -most[0]]))
        less = np.array([1.0, most[1] - beside])
        solver.addRow(-highspy.kHighsInf, most[1], 2, columns[1], less)
    solver.run()
    status = solver.getModelStatus()
    if (
        not solver.getInfo().primal_solution_status
        == highspy.SolutionStatus.kSolutionStatusFeasible
    ):
        raise ConfigError(
            f"perfect foresight has no solution: {solver.modelStatusToString(status)}"
        )
    info = solver.getInfo()
    gap = info.objective_function_value - info.mip_dual_bound if pairs else 0.0
    return np.array(solver.getSolution().col_value), max(float(gap), 0.0)
