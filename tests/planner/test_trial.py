"""The trial of forecasts: when another way is clearly better, and what is made of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.backtest.case import evaluation_case
from gateway.backtest.data import Series
from gateway.backtest.trial import LEAST_DAYS, Trial, choose, judge, last_days, replayed
from gateway.forecasts.variants import USUAL, VARIANTS
from tests.planner.conftest import made_series

END = date(2026, 11, 26)
moneys = st.lists(st.floats(-20, 20), min_size=LEAST_DAYS, max_size=28)


def days(money: list[float]) -> dict[date, float]:
    return {END - timedelta(days=i + 1): m for i, m in enumerate(money)}


@given(money=moneys)
def test_the_same_is_not_better(money: list[float]) -> None:
    verdict = judge(days(money), days(money))
    assert verdict.gain == 0
    assert not verdict.clearly_better


@settings(deadline=None, max_examples=50)
@given(first=moneys, seed=st.integers(0, 10_000), spread=st.floats(0, 2), shift=st.floats(-1, 1))
def test_of_two_not_both_are_better(
    first: list[float], seed: int, spread: float, shift: float
) -> None:
    noise = np.random.default_rng(seed).normal(shift, spread, len(first))
    one, other = days(first), days([a + float(b) for a, b in zip(first, noise, strict=True)])
    there, back = judge(one, other), judge(other, one)
    assert there.gain == pytest.approx(-back.gain, abs=1e-9)
    assert not (there.clearly_better and back.clearly_better)
    assert there.low <= there.gain + 1e-9
    for verdict in (there, back):
        assert not verdict.clearly_better or verdict.gain > 0


@given(money=moneys, more=st.floats(0.2, 5))
def test_what_earns_more_each_day_is_clearly_better(money: list[float], more: float) -> None:
    better = days([m + more for m in money])
    verdict = judge(days(money), better)
    assert verdict.clearly_better
    assert verdict.gain == pytest.approx(more)
    assert choose(USUAL.name, {USUAL.name: days(money), "plain": better})[0] == "plain"


@given(money=moneys, more=st.floats(0.2, 5), count=st.integers(1, LEAST_DAYS - 1))
def test_a_few_days_prove_nothing(money: list[float], more: float, count: int) -> None:
    few = money[:count]
    assert not judge(days(few), days([m + more for m in few])).clearly_better


@given(money=moneys, worst=st.floats(0.01, 3))
def test_what_is_no_longer_better_is_given_up(money: list[float], worst: float) -> None:
    tried = {USUAL.name: days(money), "plain": days([m - worst for m in money])}
    assert choose("plain", tried)[0] == USUAL.name
    assert choose("gone with an update", {USUAL.name: days(money)})[0] == USUAL.name


@given(money=moneys, seed=st.integers(0, 1000))
def test_what_is_used_stays_while_it_is_better_on_average(money: list[float], seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 3, len(money))
    used = days([m + float(x) for m, x in zip(money, noise, strict=True)])
    assume(float(noise.mean()) > 1e-6)
    assert choose("plain", {USUAL.name: days(money), "plain": used})[0] == "plain"


def test_chance_is_seldom_taken_for_better() -> None:
    """Three variants that are no better, over two hundred homes with four weeks each."""
    rng, adopted = np.random.default_rng(7), 0
    for _ in range(200):
        money = {v.name: days(rng.normal(-1, 1, 28).tolist()) for v in VARIANTS}
        adopted += choose(USUAL.name, money)[0] != USUAL.name
    assert adopted <= 0.1 * 200


def small_trial() -> Trial:
    """Two weeks and a half, seldom planned, so that it takes seconds; of the days half are judged."""
    case = replace(evaluation_case(), horizon_h=12.0, replan_quarters=16)
    series = made_series(17, seed=8)
    last = (series.start(len(series) - 1)).astimezone(case.zone).date() + timedelta(days=1)
    return Trial(series, case, frozenset(last_days(last, 6)))


def test_each_variant_earns_what_it_earns_alone() -> None:
    trial = small_trial()
    said = replayed(trial, VARIANTS)
    assert said.keys() == {v.name for v in VARIANTS}
    assert said[USUAL.name] == replayed(trial, [USUAL])[USUAL.name]
    assert len(said[USUAL.name]) == 6
    assert said["plain"] != said["regression"]


def test_the_money_of_the_days_is_that_of_the_run() -> None:
    """Beside what is stored, for which each day is credited or charged."""
    trial = small_trial()
    zone, series = trial.case.zone, trial.series
    all_days = {series.start(i).astimezone(zone).date() for i in range(len(series))}
    whole = replace(trial, series=series.head(4 * 96), judged=frozenset(all_days))
    money = replayed(whole, [USUAL])[USUAL.name]
    assert sorted(money) == sorted(all_days)[: len(money)]
    assert len(money) == 4


def test_a_series_without_day_ahead_prices_can_be_replayed() -> None:
    trial = small_trial()
    s = trial.series.head(3 * 96)
    blind = Series(s.first, s.load, s.pv, s.rt, np.full(len(s), np.nan))
    every = frozenset(blind.start(i).date() for i in range(len(blind)))
    money = replayed(replace(trial, series=blind, judged=every), [USUAL])
    assert all(np.isfinite(list(money[USUAL.name].values())))
