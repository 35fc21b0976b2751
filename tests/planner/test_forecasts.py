"""Forecasts: sensible with nothing known, good after two weeks, and spikes persist."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backtest.data import Series
from gateway.domain.intervals import QUARTER, quarter_of
from gateway.domain.plan import Forecast, Observed
from gateway.forecasts.clear_sky import clear_sky_wm2
from gateway.forecasts.history import Array, History, quarter_index, quarter_start
from gateway.forecasts.load_pv import EnergyForecaster
from gateway.forecasts.prices import PriceForecaster, learn, price_outlook
from gateway.forecasts.score import forecast_score
from simulators.physics.weather import Panels, pv_power
from tests.planner.conftest import FIRST, made_series

UTC_ZONE = ZoneInfo("UTC")
NOTHING = np.empty(0)
EMPTY = History(0, NOTHING, NOTHING, NOTHING, NOTHING)


def past(series: Series, count: int) -> History:
    part = series.head(count)
    return History(part.first, part.load, part.pv, part.rt, part.da)


def test_nothing_known_yet() -> None:
    load, pv = EnergyForecaster(UTC_ZONE).load(EMPTY, 96), EnergyForecaster(UTC_ZONE).pv(EMPTY, 96)
    assert (load[:, 0] < load[:, 1]).all()
    assert (load[:, 1] < load[:, 2]).all()
    assert 50 < load[:, 1].mean() < 150
    assert pv[48, 0] == 0, "there may be no panels"
    assert 200 < pv[48, 1] < 500 < pv[48, 2], "but most homes have some kilowatts (in January)"
    assert pv[:16].max() == 0, "which give nothing by night"
    market = price_outlook(EMPTY, np.full(96, 30.0))
    assert market.weights.sum() == pytest.approx(1)
    assert 28 < market.expected()[40] < 40


def test_two_weeks_beat_yesterday_and_bracket_the_truth() -> None:
    series = made_series(21, seed=9)
    errors, yesterday, inside = [], [], []
    for day in range(14, 20):
        known = past(series, day * 96)
        today = slice(day * 96, (day + 1) * 96)
        load = EnergyForecaster(UTC_ZONE).load(known, 96)
        errors.append(np.abs(load[:, 1] - series.load[today]).mean())
        yesterday.append(np.abs(known.load[-96:] - series.load[today]).mean())
        inside.append(
            ((load[:, 0] <= series.load[today]) & (series.load[today] <= load[:, 2])).mean()
        )
    assert np.mean(errors) < np.mean(yesterday)
    assert 0.6 < np.mean(inside) <= 1


def test_no_sun_at_night_and_no_negative_energy() -> None:
    series = made_series(8)
    pv = EnergyForecaster(UTC_ZONE).pv(past(series, 7 * 96), 96)
    assert pv.min() >= 0
    assert pv[:20].max() == 0
    assert pv[48, 1] > 300


def test_gaps_in_the_past_are_not_zero() -> None:
    known = past(made_series(8), 7 * 96)
    load = known.load.copy()
    load[::3] = np.nan
    holes = History(known.first, load, known.pv, known.rt, known.da)
    whole, part = (
        EnergyForecaster(UTC_ZONE).load(known, 96)[:, 1],
        EnergyForecaster(UTC_ZONE).load(holes, 96)[:, 1],
    )
    assert not np.isnan(part).any()
    assert part.mean() == pytest.approx(whole.mean(), rel=0.1)


def test_a_spike_makes_high_prices_likelier_and_fades() -> None:
    known = past(made_series(20), 20 * 96)
    spiked = History(known.first, known.load, known.pv, known.rt.copy(), known.da)
    spiked.rt[-1] = 900.0
    ahead = np.full(96, 30.0)
    calm, wild = (price_outlook(h, ahead).expected() for h in (known, spiked))
    assert wild[0] > 1.3 * calm[0]
    assert wild[90] == pytest.approx(calm[90], rel=0.2)


def test_scenarios_rise_and_transitions_are_chances() -> None:
    known = past(made_series(20), 20 * 96)
    model = learn(known)
    assert (model.transitions >= 0).all()
    np.testing.assert_allclose(model.transitions.sum(axis=1), 1)
    scenarios = price_outlook(known, np.array([30.0, np.nan, -40.0])).scenarios
    assert (np.diff(scenarios, axis=1) > 0).all()
    assert not np.isnan(scenarios).any()


def test_without_a_day_ahead_price_the_past_is_the_reference() -> None:
    known = past(made_series(10), 9 * 96)
    blind = History(known.first, known.load, known.pv, known.rt, np.full(len(known), np.nan))
    expected = price_outlook(blind, np.full(96, np.nan)).expected()
    evening, night = expected[76:82].mean(), expected[8:16].mean()
    assert evening > night


def test_the_score_counts_error_bias_and_coverage() -> None:
    at = [quarter_of(quarter_start(FIRST + i)) for i in range(3)]
    forecasts = [
        Forecast(i, (80, 100, 120), (0, 10, 20), 65, 20, 20, (10, 15, 20, 25, 90)) for i in at
    ]
    observed = [Observed(at[0], 110, None, 21), Observed(at[1], 130, None, None)]
    score = forecast_score(forecasts, observed)
    assert score.load is not None
    assert (score.load.count, score.load.mean_absolute, score.load.bias) == (2, 20, -20)
    assert score.load.inside == 0.5
    assert score.pv is None
    assert score.price is not None
    assert score.price.count == 1


def test_a_market_without_a_useful_day_ahead_price_is_known_by_its_last_week() -> None:
    series = made_series(12, seed=4)
    blind = Series(series.first, series.load, series.pv, series.rt, np.full(len(series), 30.0))
    ahead = np.full(96, 30.0)
    evening, night = slice(76, 82), slice(8, 20)
    early = price_outlook(past(blind, 96), ahead).expected()
    assert early[evening].mean() == pytest.approx(early[night].mean(), rel=0.2)
    late = price_outlook(past(blind, 11 * 96), ahead).expected()
    assert late[evening].mean() > 1.5 * late[night].mean()
    assert learn(past(series, 11 * 96)).trust == 1.0, "a good day-ahead price is believed"


def test_hours_that_spike_are_expected_to_spike() -> None:
    """The day-ahead price is flat and says nothing; every third evening real prices go through the roof."""
    series = made_series(30, seed=7)
    series.da[:] = 30.0
    series.rt[:] = 30.0 + np.random.default_rng(1).normal(0, 2, len(series))
    evening = (np.arange(len(series)) % 96 >= 72) & (np.arange(len(series)) // 96 % 3 == 0)
    series.rt[evening & (np.arange(len(series)) % 96 < 80)] = 300.0
    outlook = price_outlook(past(series, 29 * 96), np.full(96, 30.0))
    assert (np.diff(outlook.scenarios, axis=1) > 0).all()
    dear = outlook.scenarios[:, 11]  # about the 0.93 quantile
    assert dear[72:80].mean() > 2 * dear[24:56].mean()


@pytest.mark.parametrize("days", [3, 63])
def test_what_is_kept_of_the_market_is_what_a_restart_would_learn(days: int) -> None:
    series = made_series(days + 1, seed=4)
    kept, ahead = PriceForecaster(), np.full(96, 30.0)
    for end in range(days * 96, days * 96 + 60, 7):
        known = past(series, end).tail(60 * 96)
        one, other = (f.outlook(known, ahead) for f in (kept, PriceForecaster()))
        np.testing.assert_allclose(one.scenarios, other.scenarios, rtol=1e-9)
        np.testing.assert_allclose(one.transitions, other.transitions, rtol=1e-9)
        np.testing.assert_allclose(one.weights, other.weights, rtol=1e-9)


def test_unknown_prices_in_between_do_no_harm() -> None:
    series = made_series(12, seed=5)
    known = past(series, 11 * 96)
    known.rt[-6 * 96 :] = np.nan
    assert np.isfinite(price_outlook(known, np.full(144, np.nan)).scenarios).all()
    known.rt[:] = np.nan
    known.da[:] = np.nan
    assert np.isfinite(price_outlook(known, np.full(144, np.nan)).scenarios).all()


AUSTIN = (30.27, -97.74)


def morning(hours: int) -> tuple[History, Array]:
    """A new home's first quarter-hours from 13:00 UTC (8 in the morning), and the day after them."""
    began = quarter_index(datetime(2026, 6, 1, 13, tzinfo=UTC))
    pv = np.array(
        [
            pv_power(quarter_start(began + i) + QUARTER / 2, *AUSTIN, Panels(), 4) / 4
            for i in range(96 + 4 * hours)
        ]
    )
    none = np.full(4 * hours, np.nan)
    return History(began, none, pv[: 4 * hours], none, none), pv[4 * hours :]


def test_the_first_sunny_hours_tell_the_rest_of_the_day() -> None:
    known, truth = morning(3)
    blind, seeing = (
        EnergyForecaster(UTC_ZONE).pv(known, 96)[:, 1],
        EnergyForecaster(UTC_ZONE, AUSTIN).pv(known, 96)[:, 1],
    )
    assert seeing.sum() == pytest.approx(truth.sum(), rel=0.35)
    assert np.abs(seeing - truth).sum() < 0.5 * np.abs(blind - truth).sum()
    assert seeing[truth == 0].max() < 60  # the sun sets when it does


def test_a_known_place_never_forgets_what_the_home_measured() -> None:
    """After a week the shape of the clear sky weighs little: panels behind a hill stay dark."""
    series = made_series(8)
    known = past(series, 7 * 96)
    shaded = known.pv.copy()
    slots = (known.first + np.arange(shaded.size)) % 96
    shaded[slots < 56] = 0.0
    home = History(known.first, known.load, shaded, known.rt, known.da)
    pv = EnergyForecaster(UTC_ZONE, AUSTIN).pv(home, 96)[:, 1]
    dark = (home.end + np.arange(96)) % 96 < 56
    assert pv[dark].max() < 0.2 * pv.max()


@given(
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    first=st.integers(0, 4_000_000),
)
def test_every_place_has_an_ordinary_sky(latitude: float, longitude: float, first: int) -> None:
    sky = clear_sky_wm2((latitude, longitude), first, 200)
    assert sky.shape == (200,)
    assert (sky >= 0).all()
    assert (sky < 1100).all()


def test_a_load_stuck_at_zero_for_a_day_is_not_believed() -> None:
    series = made_series(12, seed=8)
    known = past(series, 11 * 96)
    stuck = History(known.first, known.load.copy(), known.pv, known.rt, known.da)
    stuck.load[-96:] = 0.0
    home = EnergyForecaster(UTC_ZONE)
    fooled, real = home.load(stuck, 96)[:, 1], series.load[11 * 96 :]
    assert fooled.mean() == pytest.approx(real.mean(), rel=0.15)


def test_a_load_that_is_always_the_same_is_believed() -> None:
    known = past(made_series(3), 3 * 96)
    even = History(known.first, np.full(len(known), 110.0), known.pv, known.rt, known.da)
    assert EnergyForecaster(UTC_ZONE).load(even, 96)[:, 1] == pytest.approx(110.0, rel=0.01)


@pytest.mark.parametrize(("month", "day"), [(3, 10), (11, 3)])
def test_the_evening_peak_stays_in_the_evening_when_the_clock_changes(month: int, day: int) -> None:
    """Cooking starts at 18:00 by the clock; the forecast of the day after the change knows."""
    zone = ZoneInfo("America/Chicago")
    end = quarter_index(datetime(2024, month, day, 23, tzinfo=zone).astimezone(UTC))
    first = end - 14 * 96
    hours = [quarter_start(first + i).astimezone(zone).hour for i in range(15 * 96)]
    load = np.array([800.0 if h in {18, 19} else 100.0 for h in hours])
    none = np.full(14 * 96, np.nan)
    known = History(first, load[: 14 * 96], none, none, none)
    expected = EnergyForecaster(zone).load(known, 96)[:, 1]
    assert np.abs(expected - load[14 * 96 :]).mean() < 60


def test_the_regression_says_the_same_whenever_it_is_made() -> None:
    """A forecaster that has run for days and one that starts now agree; the fit sees no later value."""
    series = made_series(16, seed=6)
    old = EnergyForecaster(UTC_ZONE)
    for hours in range(14 * 24, 15 * 24, 5):
        old.load(past(series, hours * 4), 96)
    known = past(series, 15 * 96 - 8)
    new = EnergyForecaster(UTC_ZONE)
    np.testing.assert_array_equal(old.load(known, 96), new.load(known, 96))
    np.testing.assert_array_equal(old.pv(known, 96), new.pv(known, 96))
