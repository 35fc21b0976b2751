"""DSO+T's battery case: capacity by its own rule, and the change of a bill that follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.network.scenario import Scenario
from simulators.network.transactive import capacity_usd, mean_change


def test_capacity_is_paid_with_its_reserve_and_its_price_falls_five_times_as_fast_as_the_peak() -> (
    None
):
    assert capacity_usd(1.0, 1.0) == pytest.approx(75 * 1.15)
    assert capacity_usd(1.0, 0.9) == pytest.approx(75 * 1.15 / 2)
    assert capacity_usd(1.0, 0.8) == pytest.approx(0.0, abs=1e-9)


@given(st.floats(0, 20), st.floats(0, 2), st.floats(0, 2))
def test_a_lower_peak_never_costs_more_and_nobody_is_paid_for_his_peak(
    peak_kw: float, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert 0 <= capacity_usd(peak_kw, low) <= capacity_usd(peak_kw, high)


def test_batteries_in_nearly_every_home_lower_peak_and_bills() -> None:
    change = mean_change(Scenario(), 2024, 1)
    assert change.peak < 1
    assert change.energy < 0
    assert change.capacity < 0
    assert change.total == pytest.approx(change.energy + change.capacity + change.transmission)
