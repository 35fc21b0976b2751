"""The value of stored energy and the dispatch: against a linear programme, and by properties."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gateway.backtest.case import Case
from gateway.backtest.foresight import perfect_foresight
from gateway.backtest.simulate import retail_prices
from gateway.control.economics import DispatchInputs, battery_power_w
from gateway.domain.intervals import quarter_of
from gateway.domain.plan import BatterySpec, ValueCurve
from gateway.forecasts.history import quarter_start
from gateway.planner.cash import NEVER, interval_slopes
from gateway.planner.dispatch import DispatchInterval, ValueIntegral, after_interval, best_discharge
from gateway.planner.induction import NET_PERSISTENCE, marginal_values
from gateway.planner.problem import Problem, coarsened, energy_grid, graded
from tests.planner.conftest import FIRST, made_series

SPEC = BatterySpec(13_500, 2_700, 5_000, 5_000)
prices = st.floats(-300, 3_000)


def problem(net: np.ndarray, buy: np.ndarray, sell: np.ndarray, points: int = 64) -> Problem:
    count = len(net)
    return Problem(
        np.full(count, 0.25), net[:, None], np.ones(1), buy[:, None], sell[:, None],
        np.ones((1, 1)), np.zeros(points), None, None,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limit_w", [None, 0.0, 1_000.0])
def test_known_prices_give_what_the_linear_programme_gives(
    case: Case, seed: int, limit_w: float | None
) -> None:
    """Also where sun is lost that may not leave: what room the battery keeps for it is worth more than a sale."""
    series, case = made_series(2, seed), replace(case, export_limit_w=limit_w)
    buy, sell = retail_prices(series, case)
    net = series.load - series.pv
    grid = energy_grid(SPEC, 200)
    asked = replace(problem(net, buy, sell, 200), export_limit_w=limit_w)
    least_wh = -np.inf if limit_w is None else -limit_w * 0.25
    ends = marginal_values(asked, SPEC, grid, np.ones((len(net), 1)), 0).expected
    stored, cash = case.start_wh, 0.0
    for t, integral in enumerate(ValueIntegral(grid.tolist(), row) for row in ends.tolist()):
        step = DispatchInterval(0.25, net[t], buy[t], sell[t], limit_w)
        x = best_discharge(integral, stored, step, SPEC)
        left = max(net[t] - x, least_wh)
        cash -= (left * (buy[t] if left > 0 else sell[t]) + SPEC.wear_per_mwh * max(x, 0)) / 1e6
        stored = after_interval(stored, x, 0.25, SPEC)
    best = perfect_foresight(series, case).total
    assert cash <= best + 1e-9
    assert cash == pytest.approx(best, abs=0.01 * abs(best) + 0.002)


@settings(max_examples=60, deadline=None)
@given(
    net=hnp.arrays(float, 12, elements=st.floats(-1_500, 1_500)),
    sell=hnp.arrays(float, 12, elements=prices),
    adder=hnp.arrays(float, 12, elements=st.floats(-200, 200)),
    wear=st.sampled_from([0.0, 20.0]),
    span=st.sampled_from([1, 4]),
)
def test_values_fall_as_charge_rises_and_stay_finite(
    net: np.ndarray, sell: np.ndarray, adder: np.ndarray, wear: float, span: int
) -> None:
    spec = replace(SPEC, wear_per_mwh=wear)
    asked = problem(net, sell + adder, sell)
    grid = energy_grid(spec, 64)
    made = marginal_values(
        coarsened(asked, graded(12, ((0, 0.25), (1, span / 4)), 4, 0.25)),
        spec,
        grid,
        np.ones((12, 1)),
        4,
    )
    assert made.expected.shape == (12, 64)
    assert made.by_scenario.shape == (4, 1, 64)
    np.testing.assert_array_equal(made.by_scenario[:, 0], made.expected[:4])
    assert (np.diff(made.expected, axis=1) <= 0).all()
    assert np.abs(made.expected).max() < NEVER / 10


def _by_the_formula(asked: Problem, spec: BatterySpec, grid: np.ndarray) -> np.ndarray:
    """The induction as its docstring says it, one case and one scenario after the other: [T, N, K, S] at the ends."""
    slopes = interval_slopes(asked, spec)
    cases, scenarios = asked.net_weights.size, len(asked.transitions)
    around = np.concatenate([[grid[0] - 1], grid, [grid[-1] + 1]])
    cell = grid[1] - grid[0]

    def at(value: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Linear between points, 'never' and 'no room' a cell beyond."""
        around[0], around[-1] = grid[0] - cell, grid[-1] + cell
        return np.asarray(np.interp(place, around, np.concatenate([[NEVER], value, [-NEVER]])))

    value = np.broadcast_to(asked.end_value, (cases, scenarios, grid.size)).copy()
    made = [value]
    for t in range(len(asked.hours) - 1, 0, -1):
        before = np.empty_like(value)
        for n in range(cases):
            for k in range(scenarios):
                v = value[n, k]
                down, k1, k2, up = slopes.kinks[:, t, n].tolist()
                q1, q2, q3 = slopes.slopes[:, t, n, k].tolist()
                got = np.minimum(q1, at(v, grid + down))
                got = np.minimum(q2, np.maximum(got, at(v, grid + k1)))
                got = np.minimum(q3, np.maximum(got, at(v, grid + k2)))
                before[n, k] = np.maximum(got, at(v, grid + up))
        kept = NET_PERSISTENCE
        mixing = kept * np.eye(cases) + (1 - kept) * asked.net_weights
        value = np.einsum("nm,kj,mjs->nks", mixing, asked.transitions, before)
        value *= 1 - asked.impatience
        made.insert(0, value)
    return np.array(made)


@settings(max_examples=60, deadline=None)
@given(
    net=hnp.arrays(float, (4, 3), elements=st.floats(-1_500, 1_500)),
    sell=hnp.arrays(float, (4, 2), elements=prices),
    adder=hnp.arrays(float, (4, 2), elements=st.floats(-200, 200)),
    export_limit_w=st.sampled_from([None, 0.0, 3_000.0]),
)
def test_many_cases_and_scenarios_at_once_are_as_one_after_the_other(
    net: np.ndarray, sell: np.ndarray, adder: np.ndarray, export_limit_w: float | None
) -> None:
    weights, grid = np.array([0.2, 0.5, 0.3]), energy_grid(SPEC, 32)
    asked = Problem(
        np.full(4, 0.25), np.sort(net, axis=1), weights, sell + adder, sell,
        np.array([[0.9, 0.1], [0.4, 0.6]]), np.linspace(90, 40, 32), export_limit_w, None,
    )  # fmt: skip
    chances = np.array([[0.3, 0.7]] * 4)
    made = marginal_values(asked, SPEC, grid, chances, 2)
    ends = _by_the_formula(asked, SPEC, grid)
    means = np.einsum("n,k,tnks->ts", weights, chances[0], ends)
    rough = 1e-5 * np.abs(ends).max() + 2e-7 * NEVER  # single precision, beside the grid's ends
    np.testing.assert_allclose(made.expected, means, atol=rough)
    by_scenario = np.einsum("n,tnks->tks", weights, ends[:2])
    np.testing.assert_allclose(made.by_scenario, by_scenario, atol=rough)
    some = marginal_values(asked, SPEC, grid, chances, 2, 2)
    np.testing.assert_array_equal(some.expected, made.expected[:2])


@given(
    count=st.integers(1, 400),
    fine=st.integers(0, 60),
    grades=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 3)), max_size=4).map(
        lambda g: [(0, 0.25), *sorted(g)]
    ),
    minutes=st.sampled_from([5, 15, 30]),
)
def test_merged_intervals_cover_all_and_leave_the_first_alone(
    count: int, fine: int, grades: list[tuple[float, float]], minutes: int
) -> None:
    spans = graded(count, grades, fine, minutes / 60)
    assert sum(spans) == count
    assert min(spans) >= 1
    assert all(s == 1 for s in spans[: min(fine, count)])


@settings(max_examples=200, deadline=None)
@given(
    stored=st.floats(2_700, 13_500),
    net=st.floats(-1_400, 1_400),
    price=st.floats(-500, -1),
    adder=st.floats(0, 80),
    values=st.lists(st.floats(0, 300), min_size=5, max_size=5),
    wear=st.sampled_from([0.0, 20.0]),
)
def test_negative_prices_never_burn_what_could_be_stored(
    stored: float, net: float, price: float, adder: float, values: list[float], wear: float
) -> None:
    spec = replace(SPEC, wear_per_mwh=wear)
    grid = np.linspace(2_700, 13_500, 5)
    rows = np.array([sorted(values, reverse=True)])
    buy = price + adder
    x = best_discharge(
        ValueIntegral(grid.tolist(), rows[0].tolist()),
        stored,
        DispatchInterval(0.25, net, buy, price),
        spec,
    )
    assert x <= max(net, 0.0) + 1e-9  # nothing is fed in from the battery
    if buy < 0:
        assert x <= 0  # what comes is stored as far as room and power allow
        room = (13_500 - stored) / spec.charge_efficiency
        assert -x == pytest.approx(min(1_250.0, room), abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(
    stored=st.floats(2_700, 13_500),
    net=st.floats(-1_400, 1_400),
    buy=prices,
    sell=prices,
    values=st.lists(st.floats(-100, 2_000), min_size=5, max_size=5),
    limit=st.sampled_from([None, 0.0, 2_000.0]),
)
def test_the_best_move_beats_every_other(
    stored: float, net: float, buy: float, sell: float, values: list[float], limit: float | None
) -> None:
    grid = np.linspace(2_700, 13_500, 5)
    integral = ValueIntegral(grid.tolist(), sorted(values, reverse=True))
    step = DispatchInterval(0.25, net, buy, sell, limit)

    def gain(x: float) -> float:
        left = net - x
        after = stored - (x / 0.95 if x > 0 else x * 0.95)
        return -left * (buy if left > 0 else sell) - 20 * max(x, 0) + integral.of(after)

    best = best_discharge(integral, stored, step, SPEC)
    room, held = (13_500 - stored) / 0.95, (stored - 2_700) * 0.95
    for x in np.linspace(-min(1_250, room), min(1_250, held), 41):
        if limit is None or x - net <= limit / 4 + 1e-9:
            assert gain(best) >= gain(float(x)) - 1e-3 * (1 + abs(gain(best))) - 1e-6


CURVE = ValueCurve(quarter_of(quarter_start(FIRST)), (2_700.0, 13_500.0), (60.0, 60.0))


@pytest.mark.parametrize(
    ("inputs", "stored", "power"),
    [
        (
            DispatchInputs(100, 20, 800),
            8_000,
            800,
        ),  # import dearer than 60/0.95 + 20: cover the load
        (DispatchInputs(70, 20, 800), 8_000, 0),  # cheaper: keep it
        (DispatchInputs(200, 150, 800), 8_000, 5_000),  # export pays: all out
        (DispatchInputs(100, 20, -900), 8_000, -900),  # surplus is worth more stored than fed in
        (DispatchInputs(100, 58, -900), 8_000, 0),  # ... but not now
        (
            DispatchInputs(50, 5, 800),
            8_000,
            -5_000,
        ),  # import cheaper than 0.95 x 60: charge from the grid
        (DispatchInputs(100, 20, 800), 2_700, 0),  # reserve
        (DispatchInputs(50, 5, 800), 13_500, 0),  # full
        (DispatchInputs(50, 5, 800, import_limit_w=3_000), 8_000, -2_200),
        (DispatchInputs(200, 150, 800, export_limit_w=1_000), 8_000, 1_800),
        (
            DispatchInputs(200, 150, 800, exportable_w=0.0),
            8_000,
            800,
        ),  # flat-night energy stays at home
        (DispatchInputs(10, 5, 6_000, import_limit_w=4_000), 8_000, 2_000),  # fuse before price
        (DispatchInputs(10, -5, -6_000, export_limit_w=4_000), 8_000, -5_000),
    ],
)
def test_dispatch(inputs: DispatchInputs, stored: float, power: float) -> None:
    assert battery_power_w(CURVE, stored, inputs, SPEC) == pytest.approx(power)


def test_a_grid_of_two_points_interpolates() -> None:
    integral = ValueIntegral([0.0, 10.0], [4.0, 2.0])
    assert integral.of(10.0) == pytest.approx(30.0)
    assert integral.of(5.0) == pytest.approx(17.5)
    assert integral.where(3.0) == pytest.approx(5.0)
    assert all(a >= b for a, b in pairwise([integral.where(v) for v in (1.0, 2.5, 3.5, 9.0)]))
