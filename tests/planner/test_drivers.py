"""What else a forecast follows: the kind of day, the temperature, a weather service; and that it knows no future."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backtest.case import Case
from gateway.backtest.data import Series, read_series
from gateway.backtest.simulate import Replay, simulate
from gateway.errors import ConfigError
from gateway.forecasts.drivers import rest_quarters, weekend
from gateway.forecasts.history import Array, History, quarter_index
from gateway.forecasts.load_pv import EnergyForecaster
from gateway.planner import strategy
from tests.planner.conftest import FIRST, made_series, write_csv

UTC_ZONE = ZoneInfo("UTC")


def past(series: Series, count: int) -> History:
    part = series.head(count)
    return History(part.first, part.load, part.pv, part.rt, part.da)


def family(days: int, first: int) -> Array:
    """At work from Monday to Friday, at home on Saturday, Sunday and on the holidays."""
    quarters = first + np.arange(days * 96)
    at_home = rest_quarters(first, days * 96, rest_or_holiday)
    hours = quarters % 96 / 4
    busy = (hours >= 8) & (hours < 18)
    noise = np.random.default_rng(4).normal(0, 10, quarters.size)
    return np.asarray(100.0 + 300.0 * (busy & at_home) + noise)


def rest_or_holiday(day: date) -> bool:
    return weekend(day) or (day.month, day.day) in {(5, 14), (5, 25)}


def test_a_holiday_is_expected_like_a_sunday() -> None:
    """A Thursday on which everybody stays at home, foreseen on Wednesday evening."""
    begin = quarter_index(datetime(2026, 3, 30, tzinfo=UTC))
    end = quarter_index(datetime(2026, 5, 13, 20, tzinfo=UTC))
    load = family(60, begin)
    nothing = np.full(end - begin, np.nan)
    known = History(begin, load[: end - begin], nothing, nothing, nothing)
    coming = load[end - begin :][:120]
    errors = [
        float(np.abs(EnergyForecaster(UTC_ZONE, None, rule).load(known, 120)[:, 1] - coming).mean())
        for rule in (rest_or_holiday, weekend)
    ]
    assert errors[0] < 0.75 * errors[1]


def test_a_cold_night_is_expected_where_the_temperature_is_known() -> None:
    """A heat pump follows the cold, which no day before it tells; without a thermometer nothing changes."""
    days, rng = 30, np.random.default_rng(8)
    celsius = np.repeat(rng.uniform(-8, 12, days), 96)
    count = (days - 1) * 96
    celsius[count:] = 14.0
    load = 90.0 + 12.0 * np.maximum(16 - celsius, 0) + rng.normal(0, 10, days * 96)
    nothing = np.full(count, np.nan)
    known = History(FIRST, load[:count], nothing, nothing, nothing)
    warm, cold, unknown = (
        EnergyForecaster(UTC_ZONE).load(known, 96, given)
        for given in (
            celsius,
            np.where(np.arange(days * 96) < count, celsius, -8.0),
            celsius * np.nan,
        )
    )
    np.testing.assert_array_equal(unknown, EnergyForecaster(UTC_ZONE).load(known, 96))
    error = [float(np.abs(x[:, 1] - load[count:]).mean()) for x in (warm, unknown)]
    assert error[0] < 0.5 * error[1]
    assert (cold[:, 1].mean() - warm[:, 1].mean()) == pytest.approx(
        12.0 * (celsius[-1] + 8), rel=0.3
    )


@given(seed=st.integers(0, 99), hour=st.integers(0, 23))
@settings(max_examples=8, deadline=None)
def test_the_regression_knows_nothing_of_the_future(seed: int, hour: int) -> None:
    """Whatever comes after an hour, what was forecast in it is the same; also by a forecaster that has lived on."""
    series = made_series(16, seed)
    now = 14 * 96 + 4 * hour
    lived = EnergyForecaster(UTC_ZONE)
    for at in range(12 * 96, now, 96):
        lived.load(past(series, at), 96)
    changed = series.load.copy()
    changed[now:] = changed[now:][::-1] * 1.9 + 77
    other = replace(series, load=changed, pv=np.where(np.arange(len(series)) < now, series.pv, 3.0))
    for column in ("load", "pv"):
        before = getattr(lived, column)(past(series, now), 144)
        after = getattr(EnergyForecaster(UTC_ZONE), column)(past(other, now), 144)
        np.testing.assert_array_equal(before, after)


@pytest.mark.story
def test_no_decision_of_a_learnt_home_knows_the_future(case: Case) -> None:
    """From the ninth day on the regression decides too: another future, temperature and service's word included."""
    index, days = 10 * 96 + 50, 11
    series = made_series(days)
    given_wh, celsius = series.pv * 1.1, 10 + 0 * series.pv
    series = replace(series, pv_forecast=given_wh, temperature=celsius)
    load, pv, rt, da = (x.copy() for x in (series.load, series.pv, series.rt, series.da))
    load[index:] = load[index:][::-1] * 1.7 + 31
    pv[index:] *= 0.2
    rt[index:] = 500 - rt[index:]
    other = replace(series, load=load, pv=pv, rt=rt, da=da)
    runs = [simulate(s.head(index + 1), case, strategy("value")) for s in (series, other)]
    for name in ("discharge", "value"):
        one, two = (getattr(run, name)[:index] for run in runs)
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("error", "used"), [(1.02, True), (3.0, False)])
def test_a_services_forecast_is_planned_with_once_it_has_erred_less(
    case: Case, error: float, used: bool
) -> None:
    series = made_series(9)
    told = replace(series, pv_forecast=series.pv * error)
    own, both = Replay(series, case), Replay(told, case)
    for i in range(0, 8 * 96, 4):
        alone, outlook = own.outlook(i), both.outlook(i)
        if i == 0:
            assert outlook.forecasts[20].pv_wh == alone.forecasts[20].pv_wh, "not yet measured"
    i = 8 * 96 - 4
    at = 20 + 24
    is_given = outlook.forecasts[at].pv_wh[1] == pytest.approx(told.pv_forecast[i + at])  # type: ignore[index]
    assert bool(is_given) == used


def test_the_two_columns_more_may_have_holes(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "home.csv", made_series(1))
    lines = path.read_text().splitlines()
    wider = [lines[0] + ",temperature_c,pv_forecast_wh", lines[1] + ",-3.5,", lines[2] + ",,12"]
    path.write_text("\n".join(wider) + "\n")
    series = read_series(path)
    np.testing.assert_array_equal(series.temperature, [-3.5, np.nan])
    np.testing.assert_array_equal(series.pv_forecast, [np.nan, 12])
    np.testing.assert_array_equal(series.part(1, 2).pv_forecast, [12])
    path.write_text("\n".join([wider[0], lines[1] + ",warm,"]) + "\n")
    with pytest.raises(ConfigError, match="row 2: temperature_c is 'warm'"):
        read_series(path)
