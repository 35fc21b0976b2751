"""The physics balances, keeps its limits, and obeys its commands."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.physics.house import step
from simulators.physics.values import Commands, House, Inputs, State, imbalance_wh, soc_pct

HOUSE = House()
limits = st.none() | st.floats(-6000, 12000)
commands_of_any_kind = st.builds(
    Commands,
    discharge_limit_w=limits,
    charge_limit_w=limits,
    grid_charge=st.booleans(),
    reserve_pct=st.floats(0, 100),
    pv_limit_w=st.none() | st.floats(0, 12000),
    export_limit_w=st.none() | st.floats(0, 5000),
    ac_power_w=st.none() | st.floats(-12000, 12000),
    connected=st.booleans(),
    charge_current_a=st.floats(0, 32),
    charger_enabled=st.booleans(),
)
inputs_of_any_kind = st.builds(
    Inputs, pv_w=st.floats(0, 15000), load_w=st.floats(0, 15000), car_plugged=st.booleans()
)
moves = st.lists(
    st.tuples(commands_of_any_kind, inputs_of_any_kind, st.floats(0.001, 10)),
    min_size=1,
    max_size=30,
)


def after(
    commands: Commands, inputs: Inputs, stored_wh: float = 6750.0, seconds: float = 10.0
) -> State:
    return step(HOUSE, State(stored_wh), commands, inputs, seconds)


@given(moves, st.floats(0, 13500), st.floats(0, 60000))
def test_energy_balances_and_limits_hold(
    moves: list[tuple[Commands, Inputs, float]], stored: float, car: float
) -> None:
    first = state = State(stored_wh=stored, car_stored_wh=car)
    for commands, inputs, seconds in moves:
        state = step(HOUSE, state, commands, inputs, seconds)
        p = state.powers
        assert p.load + p.ev == pytest.approx(p.inverter_ac + p.grid, abs=1e-6)
        assert p.pv + p.battery - p.inverter_ac >= -1e-9  # conversion never gives
        assert p.losses >= -1e-6
        assert -1e-6 <= state.stored_wh <= HOUSE.battery.capacity_wh + 1e-6
        assert -5000.001 <= p.battery <= 5000.001
        assert -10000.001 <= p.inverter_ac <= 10000.001
        assert 0 <= p.pv <= inputs.pv_w
        assert 0 <= p.ev <= 11041
        if commands.pv_limit_w is not None:
            assert p.inverter_ac <= commands.pv_limit_w + 1e-6
    assert imbalance_wh(first, state) == pytest.approx(0, abs=1e-6)


def test_left_alone_it_zeroes_the_meter() -> None:
    night = after(Commands(), Inputs(pv_w=0, load_w=800))
    assert night.powers.grid == pytest.approx(0, abs=1e-6)
    assert night.powers.battery > 800
    day = after(Commands(), Inputs(pv_w=4000, load_w=800))
    assert day.powers.grid == pytest.approx(0, abs=1e-6)
    assert day.powers.battery < -2500


@pytest.mark.parametrize(
    ("commands", "battery_w"),
    [
        (Commands(discharge_limit_w=0), 0),  # hold
        (Commands(discharge_limit_w=-2000, grid_charge=True), -2000),  # forced charge
        (
            Commands(discharge_limit_w=-2000, grid_charge=False),
            0,
        ),  # only from PV, and there is none
        (Commands(charge_limit_w=-3000), 3000),  # forced discharge
        (Commands(charge_limit_w=-3000, discharge_limit_w=3000), 3000),
        (Commands(charge_limit_w=-3000, discharge_limit_w=-3000), 0),  # contradiction: rest
        (Commands(connected=False), 0),
    ],
)
def test_battery_obeys(commands: Commands, battery_w: float) -> None:
    assert after(commands, Inputs(pv_w=0, load_w=500)).powers.battery == pytest.approx(battery_w)


def test_it_stops_at_the_reserve_and_when_full() -> None:
    at_reserve = after(Commands(charge_limit_w=-5000, reserve_pct=50), Inputs(0, 500))
    assert at_reserve.powers.battery == pytest.approx(0, abs=1e-6)
    full = after(
        Commands(discharge_limit_w=-5000, grid_charge=True), Inputs(0, 500), stored_wh=13500
    )
    assert full.powers.battery == pytest.approx(0, abs=10)
    assert soc_pct(HOUSE, full) <= 100


def test_limits_of_generation_and_export_curtail_the_panels() -> None:
    sun = Inputs(pv_w=9000, load_w=500)
    limited = after(Commands(pv_limit_w=1000, charge_limit_w=0), sun)
    assert limited.powers.inverter_ac == pytest.approx(1000)
    assert limited.totals.curtailed > 0
    no_export = after(Commands(export_limit_w=0, charge_limit_w=0), sun)
    assert no_export.powers.grid == pytest.approx(0, abs=1e-6)


def test_the_car_takes_what_it_is_given_and_less_near_full() -> None:
    plugged = Inputs(0, 300, car_plugged=True)
    state = State(6750, car_stored_wh=30000)
    assert step(HOUSE, state, Commands(), plugged, 10).powers.ev == pytest.approx(11040)
    six = step(HOUSE, state, Commands(charge_current_a=6), plugged, 10)
    assert six.powers.ev == pytest.approx(4140)
    assert step(HOUSE, state, Commands(charge_current_a=5.9), plugged, 10).powers.ev == 0
    nearly = replace(state, car_stored_wh=58000)
    assert 0 < step(HOUSE, nearly, Commands(), plugged, 10).powers.ev < 5000
    full = replace(state, car_stored_wh=60000)
    assert step(HOUSE, full, Commands(), plugged, 10).powers.ev == 0
