"""Losses by power: a curve in place of one efficiency each way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backtest.case import Case, case_from
from gateway.backtest.foresight import perfect_foresight
from gateway.backtest.simulate import no_battery, self_consumption, simulate
from gateway.control.economics import DispatchInputs, battery_power_w
from gateway.domain.intervals import quarter_of
from gateway.domain.plan import BatterySpec, Curve, ValueCurve, efficiency_at
from gateway.errors import ConfigError
from gateway.forecasts.history import quarter_start
from gateway.planner import strategy
from tests.planner.conftest import FIRST, made_series

pytestmark = pytest.mark.story  # whole weeks, pure

# A small inverter on a large battery: poor at little power, best at half of it.
REAL: Curve = ((100.0, 0.55), (400.0, 0.82), (1_500.0, 0.95), (5_000.0, 0.93))
EVEN: Curve = ((1_000.0, 0.95),)
SPEC = BatterySpec(13_500, 2_700, 5_000, 5_000)


@given(st.floats(0, 8_000))
def test_between_the_points_it_is_linear_and_outside_flat(power: float) -> None:
    expected = np.interp(power, *np.array(REAL).T)
    assert efficiency_at(REAL, power) == pytest.approx(expected)


@given(st.floats(-1_250, 1_250))
def test_stored_energy_changes_by_the_efficiency_at_that_power(discharge_wh: float) -> None:
    change = SPEC.by_power(REAL, REAL).change_wh(discharge_wh, 0.25)
    efficiency = efficiency_at(REAL, abs(discharge_wh) * 4)
    expected = -discharge_wh / efficiency if discharge_wh > 0 else -discharge_wh * efficiency
    assert change == pytest.approx(expected)


def test_an_even_curve_is_the_same_as_one_number(case: Case) -> None:
    series = made_series(3)
    curved = replace(case, battery=case.battery.by_power(EVEN, EVEN))
    for run in (no_battery, self_consumption, perfect_foresight):
        assert run(series, curved).total == pytest.approx(run(series, case).total, abs=1e-9)
    value = strategy("value")
    ours = simulate(series, curved, value).total
    assert ours == pytest.approx(simulate(series, case, value).total, abs=1e-6)


def test_a_little_load_is_not_worth_the_inverters_losses() -> None:
    curve = ValueCurve(quarter_of(quarter_start(FIRST)), (2_700.0, 13_500.0), (100.0, 100.0))
    lossy = SPEC.by_power(REAL, REAL)
    little, much = DispatchInputs(160.0, 20.0, 120.0), DispatchInputs(160.0, 20.0, 2_000.0)
    assert battery_power_w(curve, 8_000, little, SPEC) == 120
    assert battery_power_w(curve, 8_000, little, lossy) == 0  # 100 / 0.57 + 20 is more than 160
    assert battery_power_w(curve, 8_000, much, lossy) == 2_000


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_knowing_the_losses_earns_more(case: Case, seed: int) -> None:
    """The same home: once the plan knows its inverter, once it takes the mean of the curve."""
    real = replace(case, battery=case.battery.by_power(REAL, REAL))
    series = made_series(6, seed)
    value = strategy("value")
    aware = simulate(series, real, value)

    class Unaware:
        name = "unaware"

        def plan(self, outlook):  # type: ignore[no-untyped-def]
            even = replace(outlook.battery, charge_efficiency=0.9, discharge_efficiency=0.9)
            even = replace(even, charge_curve=(), discharge_curve=())
            return value.plan(replace(outlook, battery=even))

    assert aware.total > simulate(series, real, Unaware()).total - 0.02
    best = perfect_foresight(series, real)
    assert aware.total <= best.total + 1e-6
    assert "a bound, no schedule" in best.note
    assert perfect_foresight(series, case).note == ""
    assert aware.stored.min() >= case.battery.reserve_wh - 1e-6


def test_the_configuration_reads_a_curve(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(
        '[tariff]\nimport_price = { kind = "flat", per_kwh = "0.14" }\n'
        "[battery]\ncharge_efficiency_by_power = [[300, 0.8], [2000, 0.95]]\n"
    )
    battery = case_from(config).battery
    assert battery.charge_curve == ((300, 0.8), (2000, 0.95))
    assert battery.charge_efficiency == 0.95
    for wrong, says in (
        ("[[2000, 0.95], [300, 0.8]]", "must be above 0 and rise"),
        ("[[300, 95]]", "lies between 0 and 1"),
        ("[[300]]", "charge_efficiency_by_power"),
    ):
        config.write_text(f"[battery]\ncharge_efficiency_by_power = {wrong}\n")
        with pytest.raises(ConfigError, match=says):
            case_from(config)
