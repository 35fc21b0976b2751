"""The backtest: no look-ahead, balances, yardsticks, and what is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backtest.case import CarHabit, Case, evaluation_case
from gateway.backtest.data import Series
from gateway.backtest.foresight import perfect_foresight
from gateway.backtest.sessions import sessions_of
from gateway.backtest.simulate import no_battery, self_consumption, simulate
from gateway.config.tariff import Tariff
from gateway.planner import strategy
from gateway.tariff import TariffRules
from tests.planner.conftest import made_series

NIGHT_CAR = CarHabit(9_000, time(18), time(7), 7_400, 1_400)


def scrambled(series: Series, index: int, *, day_ahead_from: int) -> Series:
    """The same past, another future: everything not yet known at interval ``index`` is changed."""
    load, pv, rt, da = (x.copy() for x in (series.load, series.pv, series.rt, series.da))
    load[index:] = load[index:][::-1] * 1.7 + 31
    pv[index:] = pv[index:] * 0.2 + 11
    rt[index:] = 500 - rt[index:]
    da[day_ahead_from:] = 400 - 2 * da[day_ahead_from:]
    return Series(series.first, load, pv, rt, da)


@pytest.mark.story
@pytest.mark.parametrize("name", ["greedy", "value"])
@pytest.mark.parametrize(
    ("index", "known_until"),
    [
        (30, 96),  # morning: day-ahead prices known to the end of the day
        (53, 96),  # 13:15, the interval before publication
        (54, 192),  # 13:30: the next day's are out
        (96 + 24, 192),
    ],
)
def test_changing_any_future_value_changes_no_earlier_decision(
    case: Case, name: str, index: int, known_until: int
) -> None:
    case = replace(case, replan_quarters=1, car=NIGHT_CAR)
    series = made_series(3)
    other = scrambled(series, index, day_ahead_from=known_until)
    first = simulate(series.head(index + 1), case, strategy(name))
    second = simulate(other.head(index + 1), case, strategy(name))
    np.testing.assert_array_equal(first.discharge[:index], second.discharge[:index])
    np.testing.assert_array_equal(first.car[:index], second.car[:index])
    np.testing.assert_array_equal(first.value[:index], second.value[:index])


@pytest.mark.story
def test_the_scramble_is_seen_afterwards(case: Case) -> None:
    series = made_series(3)
    other = scrambled(series, 120, day_ahead_from=192)
    first, second = (simulate(s, case, strategy("value")) for s in (series, other))
    assert not np.array_equal(first.discharge[120:], second.discharge[120:])


@pytest.mark.parametrize("name", ["greedy", "value"])
def test_energy_balances_and_limits_hold(case: Case, name: str) -> None:
    case = replace(case, export_limit_w=3000.0, battery=replace(case.battery, standby_w=8.0))
    series, spec = made_series(3, seed=5), case.battery
    run = simulate(series, case, strategy(name))
    np.testing.assert_allclose(run.grid, series.load - series.pv - run.discharge)
    assert run.stored.min() >= spec.reserve_wh - 1e-6
    assert run.stored.max() <= spec.capacity_wh + 1e-6
    assert np.abs(run.discharge).max() <= spec.max_charge_w / 4 + 1e-6
    before = np.concatenate([[case.start_wh], run.stored[:-1]])
    moved = np.where(
        run.discharge > 0,
        run.discharge / spec.discharge_efficiency,
        run.discharge * spec.charge_efficiency,
    )
    expected = np.maximum(before - moved - 8 / 4, spec.reserve_wh)
    np.testing.assert_allclose(run.stored, expected, atol=1e-6)


@pytest.mark.story
def test_value_earns_more_than_self_consumption_and_less_than_foresight(case: Case) -> None:
    series = made_series(8, seed=3)
    none, greedy = no_battery(series, case).total, self_consumption(series, case).total
    ours, best = simulate(series, case, strategy("value")), perfect_foresight(series, case)
    assert none < greedy < ours.total < best.total
    assert (ours.total - none) / (best.total - none) > 0.75


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), wear=st.sampled_from([0.0, 20.0]), flat=st.booleans())
def test_more_battery_never_earns_less_under_foresight(seed: int, wear: float, flat: bool) -> None:
    case = evaluation_case()
    if flat:
        case = replace(case, tariff=flat_import(case))
    series = made_series(1, seed)
    sizes = [case.with_battery(s, wear) for s in (3_000.0, 9_000.0, 27_000.0)]
    totals = [
        perfect_foresight(series, replace(c, start_wh=c.battery.reserve_wh)).total for c in sizes
    ]
    assert all(a <= b + 1e-6 for a, b in pairwise(totals))
    assert totals[0] >= no_battery(series, case).total - 1e-6


def flat_import(case: Case) -> TariffRules:
    tariff = {
        "import_price": {"kind": "flat", "per_kwh": "0.14"},
        "export_price": {"kind": "wholesale"},
    }
    return TariffRules(Tariff.model_validate(tariff), case.zone)


def test_foresight_is_bounded_where_export_pays_more_than_import(case: Case) -> None:
    case = replace(case, tariff=flat_import(case))
    series = made_series(2)
    series.rt[150:154] = 2_000.0
    best = perfect_foresight(series, case)
    both = np.minimum(np.maximum(best.grid, 0), np.maximum(-best.grid, 0))
    assert both.max() == 0
    spent = np.maximum(best.discharge, 0).sum()
    assert spent * 2_000 / 1e6 > best.total  # no more than the battery can give at that price


@pytest.mark.story
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 1000),
    energy=st.floats(1_000, 40_000),
    power=st.sampled_from([3_700.0, 11_000.0]),
)
def test_the_car_is_ready_whenever_physics_allows(seed: int, energy: float, power: float) -> None:
    habit = replace(NIGHT_CAR, energy_wh=energy, max_power_w=power)
    case = replace(evaluation_case(), car=habit, horizon_h=16.0, replan_quarters=8)
    series = made_series(2, seed)
    run = simulate(series, case, strategy("value"))
    sessions = sessions_of(series, case)
    assert sessions
    for s in sessions:
        assert run.car[s.first : s.end].sum() == pytest.approx(s.possible_wh, abs=1.0)
    assert run.car.max() <= power / 4 + 1e-6


def test_the_shared_case_is_reproduced(ercot: Series) -> None:
    case = evaluation_case()
    assert no_battery(ercot, case).total == pytest.approx(-211.66, abs=0.01)
    assert self_consumption(ercot, case).total == pytest.approx(-153.38, abs=0.01)
    assert perfect_foresight(ercot, case).total == pytest.approx(-95.34, abs=0.01)


@pytest.mark.story
def test_two_weeks_of_the_shared_case(ercot: Series) -> None:
    case, series = replace(evaluation_case(), replan_quarters=8), ercot.part(40 * 96, 54 * 96)
    none, best = no_battery(series, case).total, perfect_foresight(series, case).total
    ours = simulate(series, case, strategy("value")).total
    assert (ours - none) / (best - none) > 0.7  # two weeks without any past before them


@pytest.mark.story
def test_a_demand_charge_is_counted_and_heeded(case: Case) -> None:
    tariff = case.tariff.tariff.model_copy(update={"demand_charge_per_kw": Decimal(10)})
    charged = replace(case, tariff=TariffRules(tariff, case.zone))
    series = made_series(4, seed=2)  # two days of May, two of June
    night = np.arange(len(series)) % 96 < 12
    series.rt[night] = series.da[night] = -80.0  # tempts to charge at full power
    none, best = no_battery(series, charged), perfect_foresight(series, charged)
    ours, careless = (simulate(series, c, strategy("value")) for c in (charged, case))
    peaks = np.maximum(none.grid.reshape(2, -1).max(axis=1), 0) * 4 / 1000
    assert none.total == pytest.approx(no_battery(series, case).total - 10 * peaks.sum())
    assert careless.grid.max() > 1_250
    assert ours.grid.max() < careless.grid.max() / 2
    assert best.total >= ours.total - 1e-6
    assert ours.total > none.total
