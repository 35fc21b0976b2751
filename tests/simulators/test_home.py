"""The home at its clock: lazy, but the same whoever looks and when."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.data import read_csv
from simulators.physics.home import Home, Truth
from simulators.scenario import Scenario
from tests.simulators.conftest import START, HandClock


def home_at(clock: HandClock, seed: int = 0) -> Home:
    return Home(clock, Scenario(START, seed=seed))


@given(looks=st.lists(st.floats(0, 7200), max_size=40), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_looking_changes_nothing(looks: list[float], seed: int) -> None:
    def run(looks: list[float]) -> Truth:
        clock = HandClock()
        home = home_at(clock, seed=seed)
        for moment in sorted([*looks, 1800.5, 3000.0]):
            clock.time = START + timedelta(seconds=moment)
            home.state()
            if moment == 1800.5:
                home.command(discharge_limit_w=-2500.0, grid_charge=True)
            if moment == 3000.0:
                home.command(discharge_limit_w=None)
        clock.time = START + timedelta(seconds=7200)
        return home.truth()

    assert run(looks) == run([])


def test_timers_act_at_their_moment_however_late_the_look() -> None:
    def run(looks: list[float]) -> Truth:
        clock = HandClock()
        home = home_at(clock)
        home.command(charge_limit_w=-3000.0)
        home.timer("lease", 90.0, lambda: home.command(charge_limit_w=None))
        for moment in looks:
            clock.time = START + timedelta(seconds=moment)
            home.state()
        clock.time = START + timedelta(seconds=1000)
        return home.truth()

    assert run([]) == run([10, 89, 90, 91, 500])
    assert run([]).state.totals.discharge > 70


def test_a_restarted_timer_waits_again_and_a_stopped_one_never_acts(clock: HandClock) -> None:
    home = home_at(clock)
    acted: list[datetime] = []
    home.timer("a", 60.0, lambda: acted.append(home.now))
    home.timer("b", 60.0, lambda: acted.append(home.now))
    clock.forward(40)
    assert home.remaining_s("a") == pytest.approx(20)
    home.timer("a", 60.0, lambda: acted.append(home.now))
    home.timer("b", None, lambda: None)
    clock.forward(59)
    home.state()
    assert acted == []
    clock.forward(1000)
    home.state()
    assert acted == [START + timedelta(seconds=100)]


def test_a_clock_that_steps_back_does_no_harm(clock: HandClock) -> None:
    home = home_at(clock)
    clock.forward(1000)
    before = home.truth()
    clock.forward(-500)
    assert home.truth() == before


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_synthetic_week_is_believable_and_balances(clock: HandClock, seed: int) -> None:
    home = home_at(clock, seed=seed)
    clock.forward(7 * 86400)
    truth = home.truth()
    totals = truth.state.totals
    assert abs(truth.imbalance_wh) < 1e-3
    assert 100_000 < totals.load < 300_000
    assert 150_000 < totals.pv < 400_000
    assert 20_000 < totals.ev < 200_000
    assert 0.03 < totals.losses / (totals.load + totals.ev) < 0.10


def test_the_car_comes_goes_and_says_what_it_wants(clock: HandClock) -> None:
    home = home_at(clock, seed=3)
    home.command(charger_enabled=False)
    wish = home.car()
    assert wish is not None
    assert wish.energy_wh == pytest.approx(60_000 * 0.25 / 0.92)
    assert START < wish.departure < START + timedelta(hours=14)
    clock.time = wish.departure + timedelta(seconds=10)
    assert home.car() is None
    clock.time = START + timedelta(hours=20)
    later = home.car()
    assert later is not None
    assert later.energy_wh > wish.energy_wh + 7_000  # it has driven


def test_a_recorded_week_is_kept_to_the_watt_hour(clock: HandClock, real_csv: Path) -> None:
    recording = read_csv(real_csv)
    for noise in (0.0, 0.2):
        clock.time = recording.start
        home = Home(clock, Scenario(recording.start, recording=recording, noise=noise))
        clock.time += timedelta(days=7)
        truth = home.truth()
        assert truth.state.totals.load == pytest.approx(sum(recording.load_wh[:672]), abs=1e-3)
        pv = truth.state.totals.pv + truth.state.totals.curtailed
        assert pv == pytest.approx(sum(recording.pv_wh[:672]), abs=1e-3)
        assert abs(truth.imbalance_wh) < 1e-3
