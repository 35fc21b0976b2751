"""The coupled market: what storage does to prices, and that nothing is lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.network import kernel
from simulators.network.experiments import spread
from simulators.network.fast import HAS_NUMBA
from simulators.network.homes import Floats, Homes, population, with_weights
from simulators.network.market import run_year
from simulators.network.scenario import Market, Scenario
from simulators.network.series import HOURS, Array, synthetic_year
from simulators.network.supply import groups, merit_order, parametric, price_edges
from tests.network.markets import ROWS, market, scenario

needs_numba = pytest.mark.skipif(
    not HAS_NUMBA, reason="numba is not installed: a year takes minutes"
)


@needs_numba
@settings(max_examples=4, deadline=None)
@given(
    seed=st.integers(1, 1000),
    homes=st.lists(st.floats(0, 2e6), min_size=2, max_size=3, unique=True),
)
def test_more_storage_never_raises_the_spread(seed: int, homes: list[float]) -> None:
    spreads = [spread(market(Scenario(), n, seed)[1].price) for n in sorted(homes)]
    assert spreads == sorted(spreads, reverse=True)


@needs_numba
def test_price_takers_move_no_price() -> None:
    off = scenario(switches={"price_response": False})
    few, many = (market(off, homes)[1] for homes in (1e3, 1e6))
    assert np.array_equal(few.price, many.price)
    assert many.storage_mw.max() > 3 * few.storage_mw.max()


@needs_numba
def test_energy_balances_every_hour() -> None:
    """What plants give and storage gives is what is used."""
    setting, result = market(Scenario(), 5e5)
    wanted = setting.series.net_mw + setting.series.surprise_mw
    assert np.abs(result.thermal_mw + result.storage_mw - wanted).max() < 1e-6
    metered = (result.meter_mwh[:, :, 1] - result.meter_mwh[:, :, 0]).sum(axis=1)
    alone = (result.meter_mwh[:, :, 3] - result.meter_mwh[:, :, 2]).sum(axis=1)
    assert np.abs(metered - alone - result.storage_mw).max() < 1e-6
    cleared = setting.curve.at(groups(), result.thermal_mw)
    free = (result.price > price_edges(setting.scenario.market)[0] + 1) & (result.price < 4900)
    assert np.abs(cleared - result.price)[free].max() < 40  # within the bin where curves meet
    assert np.median(np.abs(cleared - result.price)) < 0.5


@needs_numba
def test_one_core_or_many_give_the_same_bytes() -> None:
    rng = np.random.default_rng(6)
    edges = price_edges(Market())
    people = with_weights(population(Scenario(), 5000, 3), rng.uniform(0, 500, 5000), 2000.0)
    acts = np.sort(rng.uniform(-5, edges.size, (len(people.classes), 24, 13, 4)), axis=-1)
    one, many = (_a_day(people.rows, acts.astype(np.float32), edges) for _ in range(2))
    kernel.run_day(people.rows, one, many=False)
    kernel.run_day(people.rows, many, many=True)
    for mine, theirs in (
        (one.price, many.price),
        (one.charge, many.charge),
        (one.account, many.account),
    ):
        assert mine.tobytes() == theirs.tobytes()


@needs_numba
def test_compiled_and_plain_python_agree() -> None:
    """One day of a few homes by the very text of the kernel, without the compiler."""
    setting, _ = market(Scenario(), 1e5)
    rng = np.random.default_rng(5)
    people = with_weights(population(setting.scenario, 6, 2), rng.uniform(1e3, 1e5, 6), 1500.0)
    edges = price_edges(setting.scenario.market)
    acts = np.sort(rng.uniform(-5, edges.size, (len(people.classes), 24, 13, 4)), axis=-1)
    days = [_a_day(people.rows, acts.astype(np.float32), edges) for _ in range(2)]
    kernel.run_day(people.rows, days[0], many=False)
    sums = np.empty((kernel.CHUNKS, edges.size - 1))
    totals = np.empty((kernel.CHUNKS, 19))
    for t in range(24):
        kernel._offers(people.rows, days[1], t, sums)
        found, part = kernel.clear(days[1], t, sums)
        kernel._settle(people.rows, days[1], t, found, part, totals)
        kernel._note(days[1], t, found, part, totals)
    assert np.allclose(days[0].price, days[1].price, rtol=1e-5)
    assert np.allclose(days[0].charge, days[1].charge, rtol=1e-5)
    assert np.allclose(days[0].meter, days[1].meter, rtol=1e-5, atol=1e-9)


def _a_day(rows: Homes, acts: Floats, edges: Array) -> kernel.Day:
    rng = np.random.default_rng(7)
    curve = parametric(Market()).inverse(edges)
    return kernel.Day(
        acts, rng.uniform(0.3, 2, (16, 24)).astype(np.float32),
        rng.uniform(0, 0.8, (3, 24)).astype(np.float32), rng.uniform(2e4, 7e4, 24),
        np.ascontiguousarray(curve[np.zeros(24, dtype=int)]), edges, 100, np.full(24, 50.0), 1,
        np.full((acts.shape[0], 24), 60.0), np.ones(acts.shape[0]), np.full(acts.shape[0], 0.9), 0.945, 0.98,
        (rows.reserve + 1).astype(np.float32), np.zeros((rows.weight.size, 5)),
        np.empty(24), np.empty(24), np.empty(24), np.empty((24, 4, 4)), np.empty(24),
    )  # fmt: skip


@needs_numba
def test_charge_stays_between_reserve_and_full() -> None:
    _, result = market(Scenario(), 1e6)
    assert result.share_full.min() > 0.1
    assert result.share_full.max() <= 1.0 + 1e-6
    assert (
        result.account[:ROWS, kernel.DISCHARGED] <= result.account[:ROWS, kernel.CHARGED] + 20
    ).all()


@needs_numba
def test_a_night_plan_home_never_sells_stored_energy() -> None:
    setting, _ = market(scenario(homes={"wholesale_share": 0.0, "night_share": 1.0}), 1e5)
    people = with_weights(population(setting.scenario, ROWS, 1), np.full(ROWS, 1e3), 0.0)
    result = run_year(setting, people)
    assert result.account[:ROWS, kernel.SOLD].max() == 0
    assert result.account[:ROWS, kernel.DISCHARGED].min() > 0


def test_the_synthetic_year_looks_like_texas() -> None:
    years = [synthetic_year(Market(), 2024, seed) for seed in range(6)]
    assert 51e3 < np.mean([y.load_mw.mean() for y in years]) < 54e3
    assert 78e3 < np.mean([y.load_mw.max() for y in years]) < 90e3
    assert 12e3 < np.mean([y.wind_mw.mean() for y in years]) < 13.4e3
    assert max(y.wind_mw.max() for y in years) < 31e3
    assert 5.2e3 < np.mean([y.solar_mw.mean() for y in years]) < 5.8e3
    for y in years:
        assert (y.solar_mw[::24] == 0).all()  # midnight


def test_both_opinions_of_supply_rise_and_end_at_the_cap() -> None:
    for curve in (parametric(Market()), merit_order(Market())):
        assert (np.diff(curve.price, axis=1) > 0).all()
        assert curve.price[:, -1] == pytest.approx(5000, rel=1e-3)
    ours, stack = (
        c.at(groups(), np.full(HOURS, 40e3)).mean()
        for c in (parametric(Market()), merit_order(Market()))
    )
    assert ours == pytest.approx(stack, rel=0.5)
