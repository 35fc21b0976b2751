"""The marginal value of stored energy by backward induction over interval, price and charge.

The state is the stored energy (a uniform grid from reserve to capacity) and the price scenario of
the interval; scenarios follow each other by a transition matrix, so every value already contains
that later decisions will answer to later prices. What is kept is not the value but its slope over
stored energy, v(e), which falls as e rises.

One interval backwards. The battery's cash over one interval is concave and piecewise linear in the
change of stored energy, with up to three slopes q1 <= q2 <= q3 between four kinks: as far down as
power allows, the change that just covers the house (or stores just the surplus), idle, and as far
up as power allows. Maximising cash plus later value then means, cell by cell (the sup-convolution of
two concave functions; compare Xu, Korpas, Botterud, arXiv 1910.09149, for one slope each way):

    v'(e) = max(v(e + up), min(q3, max(v(e + k2), min(q2, max(v(e + k1), min(q1, v(e - down)))))))

Where more sun comes than may leave the home, what is beyond the limit is lost: storing it costs nothing. Nothing can be
sold then, so the kinks are idle, what stores that part, what stores all of the surplus, and as far up as power allows.

Below the reserve v is 'never', above capacity 'no room', which keeps both limits without cases.
The operation count is fixed; nothing can be infeasible or hang.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gateway.domain.plan import BatterySpec, Curve

Array = NDArray[np.float64]
Array32 = NDArray[np.float32]
LimitW = float | Array | None  # at all times, or by interval [T, 1]

NEVER = 1e7  # per MWh: dearer than any price, so that the reserve is kept


QUARTER_H = 0.25
# A dull morning makes a dull afternoon: the chance that the present net-load case holds for another
# quarter-hour (a half-life of six hours). With independent quarters a whole day's error averages out
# and the planner is far too sure that the sun will fill the battery: on June 2024 of the evaluation
# data the capture is 0.960 against 0.909 (import flat) and 0.880 against 0.876 (real-time).
NET_PERSISTENCE = 0.97
# Value is worth a little less a quarter-hour later (1 % a day; batteries lose about that, and who knows).
# It decides ties: at a flat price the home uses what is stored rather than keep it for an equal
# price tomorrow, when the sun may have filled the battery.
IMPATIENCE = 1e-4
_SAME = 1e-6  # of a grid cell


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
    spans: tuple[int, ...] = ()  # how many intervals each row stands for; empty: one
    announced_w: LimitW = None  # import limits that hold for a time
    beyond_price: float = 0.0  # of a MWh that is imported beyond them


def energy_grid(spec: BatterySpec, points: int = 96) -> Array:
    """Stored Wh from reserve to capacity."""
    return np.linspace(spec.reserve_wh, max(spec.capacity_wh, spec.reserve_wh + 1.0), points)


@dataclass(frozen=True, slots=True)
class StoredValues:
    """Value of stored energy per MWh at each interval's END: expected [T, S], and given the price scenario
    of the interval, for the first intervals only [D, K, S]."""

    expected: Array
    by_scenario: Array


def marginal_values(
    problem: Problem,
    spec: BatterySpec,
    grid: Array,
    chances: Array,
    detailed: int,
    first: int | None = None,
) -> StoredValues:
    """The induction. ``chances`` [T, K] is how likely each scenario is in each interval; by scenario the
    values are kept of the first ``detailed`` intervals, which must lie before any merged ones. Expected values are
    worked out of the ``first`` intervals only, where no more are wanted (none of them merged).

    Which net-load case holds is a Markov chain of its own: it mostly stays (`NET_PERSISTENCE`).
    Single precision: a value has an error of a millionth, and an interval takes half the time.
    """
    rows, scenarios = problem.import_price.shape
    cases = problem.net_wh.shape[1]
    spans = problem.spans or (1,) * rows
    step = _Step(problem, spec, grid)
    weights = problem.net_weights.astype(np.float32)
    end = sum(spans)
    wanted = end if first is None else first
    mixed = weights[:, None] * chances[:wanted].astype(np.float32)[:, None, :]  # [T, N, K]
    mixed = mixed.reshape(wanted, cases * scenarios)
    over_cases = np.kron(weights[:, None], np.eye(scenarios, dtype=np.float32))  # [N K, K]
    lengths = list(zip(spans, problem.hours.tolist(), strict=True))
    onwards = {length: _onward(problem, *length) for length in set(lengths)}
    value = step.value  # [S, N K]
    value[:] = problem.end_value[:, None]
    expected = np.empty((wanted, grid.size), dtype=np.float32)
    by_scenario = np.empty((detailed, scenarios, grid.size), dtype=np.float32)
    for t in range(rows - 1, -1, -1):
        begin = end - spans[t]
        if begin < wanted:
            np.matmul(mixed[begin:end], value.T, out=expected[begin:end])
        if t < detailed:
            by_scenario[t] = np.matmul(value, over_cases).T
        if t:
            np.matmul(step.back(t), onwards[lengths[t]], out=value)
        end = begin
    # Rounding must not make a value rise with the charge.
    falling = np.minimum.accumulate(expected, axis=1).astype(float)
    by_price = np.minimum.accumulate(by_scenario, axis=2).astype(float)
    return StoredValues(falling, by_price)


def _onward(problem: Problem, span: int, hours: float) -> Array32:
    """What an interval changes, by what comes after and what was before [N K, N K]: the price scenario, and the
    net-load case with the value's wear."""
    quarters = hours / QUARTER_H
    kept, worn = NET_PERSISTENCE**quarters, (1 - problem.impatience) ** quarters
    cases, scenarios = problem.net_weights.size, len(problem.transitions)
    mixing = worn * (kept * np.eye(cases) + (1 - kept) * problem.net_weights[None, :])
    onward = np.linalg.matrix_power(problem.transitions, span)
    both = mixing.T[:, None, :, None] * onward.T[None, :, None, :]
    result: Array32 = both.reshape(cases * scenarios, cases * scenarios).astype(np.float32)
    return result


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


def graded(count: int, grades: Sequence[tuple[int, int]], fine: int) -> list[int]:
    """Spans that grow with distance and add up to ``count``: from each ``(begin, span)`` on, that many intervals are
    merged, and none of the first ``fine``."""
    spans: list[int] = []
    begins = [0, *(max(begin, fine) for begin, _ in grades[1:]), count]
    for (_, span), (begin, end) in zip(grades, pairwise(begins), strict=True):
        left = max(min(end, count) - begin, 0)
        spans += [span] * (left // span) + [left % span] * (left % span > 0)
    return spans


class _Step:
    """One interval backwards for all net-load cases and price scenarios at once.

    Stored energy runs along the first axis, with 'never' before the grid and 'no room' behind it: so a shift by whole
    cells is a slice of the same memory. That, and arrays made once, is what makes an interval quick in numpy.
    """

    def __init__(self, problem: Problem, spec: BatterySpec, grid: Array) -> None:
        rows, scenarios = problem.import_price.shape
        cases = problem.net_wh.shape[1]
        self._size, self._scenarios = grid.size, scenarios
        cell = float(grid[1] - grid[0])
        slopes = interval_slopes(problem, spec)
        self._q1, self._q2, self._q3 = (
            q.reshape(rows, cases * scenarios) for q in (slopes.q1, slopes.q2, slopes.q3)
        )
        lost = slopes.lost
        first_kinks = (
            np.where(lost, slopes.k1, -slopes.down),
            np.where(lost, slopes.k2, slopes.k1 + slopes.k2),
        )
        moved = np.stack([*first_kinks, slopes.up]) / cell  # [3, T, N]
        whole = np.floor(moved)
        part = (moved - whole).astype(np.float32)
        self._pad = int(np.abs(whole).max()) + 2
        first = whole.astype(int) + self._pad
        self._begin: list[list[int]] = first[:, :, 0].tolist()
        self._part = np.repeat(part, scenarios, axis=2)  # [3, T, N K]
        self._same: list[list[bool]] = (np.ptp(whole, axis=2) == 0).tolist()
        self._even: list[list[bool]] = (np.ptp(part, axis=2) < _SAME).tolist()
        # Where each value comes from, if every case's rows are counted on their own [3, T, S N].
        places = (first * cases + np.arange(cases))[:, :, None, :] + cases * np.arange(grid.size)[
            :, None
        ]
        self._places = places.reshape(3, rows, grid.size * cases)
        self._surplus: list[int] = _with_surplus(problem.net_wh)
        self._lost: list[int] = lost.sum(axis=1).tolist()  # they come before all others
        self._drain: list[float] = (spec.standby_w * problem.hours / cell).tolist()
        self._values = np.full((grid.size + 2 * self._pad, cases * scenarios), NEVER, np.float32)
        self._values[-self._pad :] = -NEVER
        self._rises = np.zeros_like(self._values)  # to the next point; all is even beside the grid
        self.value = self._values[self._pad : self._pad + grid.size]
        buffers = (np.empty_like(self.value) for _ in range(4))
        self._result, self._moved, self._idle, self._stores_lost = buffers
        self._by_case = [x.reshape(-1, scenarios) for x in (self._values, self._rises, self._idle)]

    def back(self, t: int) -> Array32:
        """The value at the interval's start [S, N K] from `value`, the value at its end; the array is reused."""
        rising = slice(self._pad - 1, self._pad + self._size)
        after = slice(self._pad, self._pad + self._size + 1)
        np.subtract(self._values[after], self._values[rising], out=self._rises[rising])
        v, moved = self._result, self._moved
        self._shifted(0, t, v)
        if lost := self._lost[t] * self._scenarios:  # there idle is the lowest
            self._stores_lost[:, :lost] = v[:, :lost]
            v[:, :lost] = self.value[:, :lost]
        np.minimum(v, self._q1[t], out=v)
        self._shifted(1, t, moved)
        first, second = self._kinks(t)
        np.maximum(v, first, out=v)
        np.minimum(v, self._q2[t], out=v)
        np.maximum(v, second, out=v)
        np.minimum(v, self._q3[t], out=v)
        self._shifted(2, t, moved)
        np.maximum(v, moved, out=v)
        if self._drain[t]:
            # Standby: what is e at the interval's start is a little less at its end.
            part = min(self._drain[t], 1.0)
            v[1:] = (1 - part) * v[1:] + part * v[:-1]
        return v

    def _kinks(self, t: int) -> tuple[Array32, Array32]:
        """The values at the two inner kinks: what covers the house and idle, or idle and what stores the surplus, or
        what stores the part that would be lost, and all of it."""
        columns, lost = (each[t] * self._scenarios for each in (self._surplus, self._lost))
        if columns == 0:
            return self._moved, self.value
        if columns == self._moved.shape[1] and not lost:
            return self.value, self._moved
        np.copyto(self._idle, self.value)
        self._idle[:, :columns] = self._moved[:, :columns]
        self._moved[:, :columns] = self.value[:, :columns]
        self._moved[:, :lost] = self._stores_lost[:, :lost]
        return self._moved, self._idle

    def _shifted(self, which: int, t: int, out: Array32) -> None:
        """v(e + change) over the grid, linear between points."""
        part = self._part[which, t]
        if self._same[which][t]:  # all cases by as many cells
            begin = self._begin[which][t]
            cells = slice(begin, begin + self._size)
            np.multiply(self._rises[cells], part[0] if self._even[which][t] else part, out=out)
            np.add(out, self._values[cells], out=out)
            return
        values, rises, idle = self._by_case
        places = self._places[which, t]
        rises.take(places, 0, out.reshape(idle.shape), "clip")  # quick, and within bounds anyway
        np.multiply(out, part, out=out)
        values.take(places, 0, idle, "clip")
        np.add(out, self._idle, out=out)


def _with_surplus(net_wh: Array) -> list[int]:
    """How many cases leave a surplus, by interval; they come first, for the cases rise in net load."""
    counts: list[int] = (net_wh < 0).sum(axis=1).tolist()
    return counts


@dataclass(frozen=True, slots=True)
class Slopes:
    """The battery's cash by change of stored energy: kinks in stored Wh [T, N], slopes [T, N, K, 1].

    ``lost`` [T, N]: more sun comes than may leave, and a part of it can be stored.
    """

    lost: NDArray[np.bool_]
    down: Array
    k1: Array
    k2: Array
    up: Array
    q1: Array32
    q2: Array32
    q3: Array32


def interval_slopes(problem: Problem, spec: BatterySpec) -> Slopes:
    """The concave envelope of the battery's cash in each interval and net-load case."""
    net, hours = problem.net_wh, problem.hours[:, None]
    eta_c, eta_d = spec.charge_efficiency, spec.discharge_efficiency
    discharge, charge = _power_limits(problem, spec, net)
    short = net >= 0
    cover = np.clip(net, 0, discharge)  # AC Wh that only replace import
    store = np.clip(-net, 0, charge)  # AC Wh of surplus
    eta_cover, eta_sold = _efficiencies(
        spec.discharge_curve, eta_d, (cover, discharge), hours, out=True
    )
    eta_store, eta_bought = _efficiencies(
        spec.charge_curve, eta_c, (store, charge), hours, out=False
    )
    lost_wh = np.minimum(_beyond_limit(problem, net), store)
    lost = lost_wh > 0
    k1 = np.where(short, -cover / eta_cover, lost_wh * eta_store)
    k2 = np.where(short, 0.0, store * eta_store)
    down = cover / eta_cover + (discharge - cover) / eta_sold
    up = store * eta_store + (charge - store) * eta_bought
    buy, sell = problem.import_price[:, None, :], problem.export_price[:, None, :]
    export_gain = (sell - spec.wear_per_mwh) * eta_sold[:, :, None]
    if not problem.resell:
        export_gain = np.minimum(export_gain, -NEVER / 2)
    import_gain = (buy - spec.wear_per_mwh) * eta_cover[:, :, None]
    from_grid = buy / eta_bought[:, :, None]
    from_surplus = sell / eta_store[:, :, None]
    export_gain = np.where(lost[:, :, None], 0.0, export_gain)
    q2 = np.where(short[:, :, None], import_gain, from_surplus)
    if problem.announced_w is not None:
        # The first Wh given keep the limit; then the house is covered, and nothing is sold beside that.
        beyond = np.minimum(np.maximum(net - problem.announced_w * hours, 0.0), cover)
        over = beyond > 0
        k1 = np.where(over, -beyond / eta_cover, k1)
        down = np.where(over, cover / eta_cover, down)
        each = over[:, :, None]
        export_gain = np.where(each, q2, export_gain)
        q2 = np.where(each, np.maximum(q2, problem.beyond_price), q2)
        from_grid = np.where(each, np.maximum(q2, from_grid), from_grid)
    lengths = (k1 + down, k2 - k1, up - k2)
    slopes = concave((export_gain, q2, from_grid), lengths, pool=problem.resell)
    q1, q2, q3 = (q.astype(np.float32)[..., None] for q in slopes)
    return Slopes(lost, down, k1, k2, up, q1, q2, q3)


def _efficiencies(
    curve: Curve, constant: float, energy: tuple[Array, Array], hours: Array, *, out: bool
) -> tuple[Array, Array]:
    """Efficiency of the first AC Wh (those for the house), and of those from there to full power.

    With a curve both are such that the stored energy is right at the two powers and even between
    them: house and battery run at such powers anyway. Never beyond 1 nor below a tenth.
    """
    first, full = energy
    even = np.full(first.shape, constant)
    if not curve:
        return even, even
    powers, values = np.array(curve).T
    at_first, at_full = (np.interp(x / hours, powers, values) for x in energy)
    stored = (first / at_first, full / at_full) if out else (first * at_first, full * at_full)
    more, apart = full - first, stored[1] - stored[0]
    known = (more > 1e-6) & (apart > 1e-6)
    share = np.where(known, more, 1.0) / np.where(known, apart, 1.0)
    rest = np.where(known, share if out else 1 / share, at_full)
    return at_first, np.clip(rest, 0.1, 1.0)


def _beyond_limit(problem: Problem, net: Array) -> Array:
    """Surplus that may not leave the home, AC Wh."""
    if problem.export_limit_w is None:
        return np.zeros_like(net)
    result: Array = np.maximum(-net - problem.export_limit_w * problem.hours[:, None], 0.0)
    return result


def _power_limits(problem: Problem, spec: BatterySpec, net: Array) -> tuple[Array, Array]:
    """Most AC Wh out of and into the battery, by its power and the grid connection."""
    hours = problem.hours[:, None]
    discharge = np.broadcast_to(spec.max_discharge_w * hours, net.shape)
    charge = np.broadcast_to(spec.max_charge_w * hours, net.shape)
    if problem.most_out_wh is not None:
        discharge = np.minimum(discharge, problem.most_out_wh)
    if problem.export_limit_w is not None:
        discharge = np.minimum(discharge, np.maximum(net + problem.export_limit_w * hours, 0))
    if problem.import_limit_w is not None:
        charge = np.minimum(charge, np.maximum(problem.import_limit_w * hours - net, 0))
    return discharge, charge


def concave(
    slopes: tuple[Array, Array, Array], lengths: tuple[Array, Array, Array], *, pool: bool
) -> tuple[Array, Array, Array]:
    """Rising slopes q1 <= q2 <= q3: where they fall, neighbours are pooled by their length.

    They fall when export pays more than import costs, or at negative prices, where a battery
    without wear could burn energy by charging and discharging at once; pooling forbids that.
    """
    q1, q2, q3 = slopes
    if not pool:
        return np.minimum(q1, np.minimum(q2, q3)), np.minimum(q2, q3), q3
    if not (np.greater(q1, q2).any() or np.greater(q2, q3).any()):
        return slopes
    l1, l2, l3 = (np.maximum(x, 1e-9)[..., None] for x in lengths)
    for _ in range(2):
        mean = (q1 * l1 + q2 * l2) / (l1 + l2)
        bad = q1 > q2
        q1, q2 = np.where(bad, mean, q1), np.where(bad, mean, q2)
        mean = (q2 * l2 + q3 * l3) / (l2 + l3)
        bad = q2 > q3
        q2, q3 = np.where(bad, mean, q2), np.where(bad, mean, q3)
    return np.minimum(q1, q2), q2, q3
