"""Prices of exactly zero for hours are named: an interval that nobody recorded is often stored so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.backtest.case import Case
from gateway.backtest.data import Series
from gateway.backtest.doubts import without_zero_days, zero_spans, zero_warning
from gateway.cli import make_app
from gateway.forecasts.history import DAY
from tests.planner.conftest import made_series, write_csv


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=12))
def test_every_long_span_of_zeros_is_found_and_no_short_one(runs: list[tuple[int, bool]]) -> None:
    zero = np.concatenate([np.full(count, is_zero) for count, is_zero in runs])
    series = made_series(6).head(zero.size)
    found = zero_spans(replace(series, rt=np.where(zero, 0.0, 25.0)))
    inside = np.zeros(zero.size, dtype=bool)
    for span in found:
        assert span.stop - span.start >= 16
        inside[span] = True
    assert not np.any(inside & ~zero)
    rest = "".join("0" if z else "x" for z in (zero & ~inside))
    assert "0" * 16 not in rest


def test_a_price_that_was_expected_to_be_zero_is_one() -> None:
    none = np.zeros(DAY)
    assert not zero_warning(replace(made_series(1), rt=none, da=none))


def test_the_days_of_new_york_that_nobody_recorded(new_york: tuple[Series, Case]) -> None:
    series, _ = new_york
    assert (
        "475 quarter-hours (3.3 %, 5 spans, the first from 2018-07-16 05:15 UTC)"
        in zero_warning(series)
    )
    assert len(without_zero_days(series)) == len(series) - 5 * DAY


def test_a_backtest_says_so_and_goes_on(tmp_path: Path) -> None:
    series = made_series(2)
    price = series.rt.copy()
    price[100:120] = 0.0
    file = write_csv(tmp_path / "home.csv", replace(series, rt=price))
    words = ["backtest", "--data", str(file), "--strategy", "greedy"]
    run = CliRunner().invoke(make_app("gateway.cli", ""), words)
    assert run.exit_code == 0, run.output
    assert "warning: 20 quarter-hours (10.4 %" in run.stderr
    assert "warning" not in run.stdout
