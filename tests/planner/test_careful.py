"""The first days: the plan never costs what the inverter alone would hardly regret."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gateway.backtest.case import Case
from gateway.backtest.data import Series
from gateway.backtest.simulate import Replay, self_consumption, simulate
from gateway.config.tariff import Tariff
from gateway.domain.plan import BatterySpec, Outlook
from gateway.forecasts.history import DAY
from gateway.planner import strategy
from gateway.planner.careful import as_good_as_full, enough_for
from gateway.planner.dispatch import (
    DispatchInterval,
    ValueIntegral,
    after_interval,
    best_discharge,
)
from gateway.tariff import TariffRules
from tests.planner.conftest import made_series

MOST_BEHIND = 0.2
SPEC = BatterySpec(13_500, 2_700, 5_000, 5_000)
TIME_OF_USE = {
    "import_price": {
        "kind": "time_of_use",
        "otherwise_per_kwh": "0.18",
        "periods": [
            {"from": "16:00", "to": "21:00", "per_kwh": "0.42"},
            {"from": "23:00", "to": "07:00", "per_kwh": "0.10"},
        ],
    },
    "export_price": {"kind": "flat", "per_kwh": "0.05"},
}


def _bought(net_wh: np.ndarray, stored: float) -> float:
    """What the inverter alone takes from the grid, AC Wh."""
    bought = 0.0
    for net in net_wh.tolist():
        room = (SPEC.capacity_wh - stored) / SPEC.charge_efficiency
        left = (stored - SPEC.reserve_wh) * SPEC.discharge_efficiency
        x = min(net, SPEC.max_discharge_w / 4, left) if net > 0 else -min(-net, 1_250.0, room)
        stored = after_interval(stored, x, 0.25, SPEC)
        bought += max(net - x, 0.0)
    return bought


@settings(max_examples=100, deadline=None)
@given(net_wh=hnp.arrays(float, 24, elements=st.floats(-2_000, 2_000)))
def test_as_much_as_is_kept_saves_as_much_as_a_full_battery(net_wh: np.ndarray) -> None:
    least = as_good_as_full(net_wh, np.full(net_wh.size, 0.25), SPEC)[0]
    after = net_wh[1:]
    assert _bought(after, least) == pytest.approx(_bought(after, SPEC.capacity_wh), abs=1e-6)
    if least > SPEC.reserve_wh + 10:
        assert _bought(after, least - 10) > _bought(after, SPEC.capacity_wh) + 1


def _second_evening(case: Case, price: float) -> tuple[Outlook, float]:
    """The outlook of a home's second evening that was told nothing of the price, and what it would do at it, AC Wh."""
    series = made_series(3)
    begin = DAY + 76
    replay = Replay(series, replace(case, careful=True))
    outlook = replay.outlook(begin)
    plan = strategy("value").plan(outlook)
    curve = plan.value(outlook.now, price)
    assert curve is not None
    step = DispatchInterval(0.25, 250.0, price + 45, price)
    return outlook, best_discharge(ValueIntegral.of_curve(curve), 6_000, step, case.battery)


@pytest.mark.parametrize("price", [-200.0, 1.0, 30.0, 60.0, 90.0, 1_000.0, 4_000.0])
def test_the_house_is_served_and_its_energy_is_not_sold(case: Case, price: float) -> None:
    outlook, given_wh = _second_evening(case, price)
    assert outlook.caution > 0
    if price < 0:
        assert given_wh < -1_000, "who is paid for taking energy takes it"
    else:
        assert given_wh == pytest.approx(250.0, abs=1.0)


def test_after_three_days_nothing_is_held(case: Case) -> None:
    replay = Replay(made_series(4), replace(case, careful=True))
    assert replay.outlook(3 * DAY - 1).caution
    assert not replay.outlook(3 * DAY).caution
    assert not Replay(made_series(4), replace(case, careful=False)).outlook(0).caution


@pytest.mark.parametrize("begin", [0, 60, 117])
def test_no_first_days_are_behind_the_inverter_alone(
    new_york: tuple[Series, Case], begin: int
) -> None:
    """The starts that cost most before: up to 0.71 USD."""
    series, case = new_york
    three = series.part(begin * DAY, (begin + 3) * DAY)
    for tariff in (None, TIME_OF_USE):
        rules = (
            TariffRules(Tariff.model_validate(tariff), ZoneInfo("Etc/GMT+5")) if tariff else None
        )
        here = replace(case, careful=True, tariff=case.tariff if rules is None else rules)
        planned = simulate(three, here, strategy("value")).total
        assert planned > self_consumption(three, here).total - MOST_BEHIND


@settings(max_examples=100, deadline=None)
@given(net_wh=hnp.arrays(float, 24, elements=st.floats(-2_000, 2_000)))
def test_what_is_kept_for_soon_serves_the_house_as_a_full_battery_would(
    net_wh: np.ndarray,
) -> None:
    """For four hours, though no sun should come."""
    kept = min(enough_for(4.0, net_wh, np.full(24, 0.25), SPEC)[0], SPEC.capacity_wh)
    after = np.maximum(net_wh[1:17], 0.0)
    assert _bought(after, kept) == pytest.approx(_bought(after, SPEC.capacity_wh), abs=1e-6)
    if kept > SPEC.reserve_wh + 10:
        assert _bought(after, kept - 10) > _bought(after, SPEC.capacity_wh) + 1


def test_a_spike_is_sold_on_the_third_evening_but_not_what_is_needed_soon(
    ercot: Series, case: Case
) -> None:
    """The first evening of the data on which a spike came: 273 per MWh, and a night's energy at 20."""
    three, here = ercot.head(3 * DAY), replace(case, horizon_h=36.0, careful=True)
    planned, alone = simulate(three, here, strategy("value")), self_consumption(three, here)
    spike = int(np.argmax(three.rt))
    assert planned.grid[spike] < -500, "it is sold"
    assert np.all(planned.grid[spike:] < 1.0), "and the evening needs nothing from the grid"
    assert planned.total > alone.total + 0.2
