"""One phase or three: when a charger is switched, how rarely, and never under a car that draws."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control import charging
from gateway.control.decide import decide
from gateway.control.inputs import ControlMemory, DecisionInputs, PhaseMemory
from gateway.control.phases import (
    PATIENCE_S,
    PAUSE_S,
    SETTLE_S,
    STOPPED_W,
    PhaseRules,
    pausing,
    switched,
)
from gateway.domain.control import ChargerAssumptions, ControlSettings, Fuse, PhaseReason
from gateway.domain.readings import Phase, Snapshot
from gateway.site.car_watch import CarWatch
from tests.control.homes import CONTROL, NOON, SETTINGS, charger, snapshot

RULES = PhaseRules(dwell_s=300.0, cost=0.03)
ONE_A_SECOND = 3600 * 0.003  # so much an hour that ten seconds are worth a switch


def run(
    memory: PhaseMemory, gain: float, power_w: float | None, begin: int, end: int
) -> PhaseMemory:
    for at in range(begin, end):
        memory = switched(memory, gain, power_w, float(at), RULES)
    return memory


def test_a_switch_waits_until_it_is_worth_it_and_the_car_has_stopped() -> None:
    memory = run(PhaseMemory(), ONE_A_SECOND, 4_140.0, 0, 10)
    assert not pausing(memory, 9.0)
    memory = run(memory, ONE_A_SECOND, 4_140.0, 10, 13)
    assert pausing(memory, 13.0)
    assert not memory.one, "the car still draws"
    memory = run(memory, ONE_A_SECOND, 0.0, 13, 13 + int(PAUSE_S))
    assert memory.one
    assert pausing(memory, memory.since_s + SETTLE_S - 1)
    assert not pausing(memory, memory.since_s + SETTLE_S)


def test_it_is_kept_why_a_charger_was_switched() -> None:
    """To one phase for little, back for much, or because all is needed; a switch that was given up changes nothing."""
    stopped = 13 + int(PAUSE_S)
    one = run(run(PhaseMemory(), ONE_A_SECOND, 4_140.0, 0, 13), ONE_A_SECOND, 0.0, 13, stopped)
    assert (one.one, one.why) == (True, PhaseReason.LITTLE)
    later = stopped + int(RULES.dwell_s)
    for gain, why in ((ONE_A_SECOND, PhaseReason.MUCH), (math.inf, PhaseReason.URGENT)):
        back = run(one, gain, 0.0, later, later + 30)
        assert (back.one, back.why) == (False, why)
    stuck = run(one, ONE_A_SECOND, 1_380.0, later, later + 30 + int(PATIENCE_S))
    assert (stuck.one, stuck.why) == (True, PhaseReason.LITTLE)


def test_a_car_that_does_not_stop_is_not_switched_under_load() -> None:
    memory = run(PhaseMemory(), ONE_A_SECOND, 4_140.0, 0, 13 + int(PATIENCE_S))
    assert not memory.one
    assert not pausing(memory, 14 + PATIENCE_S)
    assert not pausing(run(memory, ONE_A_SECOND, 4_140.0, 200, 250), 250.0), (
        "nor tried again at once"
    )


def test_power_that_is_not_measured_is_no_stop() -> None:
    assert not run(PhaseMemory(), ONE_A_SECOND, None, 0, 100).one


looks = st.lists(
    st.tuples(
        st.floats(-5.0, 5.0) | st.just(float("inf")), st.floats(0.0, 11_000.0), st.floats(0.1, 90.0)
    ),
    max_size=200,
)


@given(looks)
def test_switches_are_apart_and_never_under_load(moves: list[tuple[float, float, float]]) -> None:
    memory, at, switches = PhaseMemory(), 0.0, []
    for gain, power_w, passed_s in moves:
        at += passed_s
        after = switched(memory, gain, power_w, at, RULES)
        if after.one != memory.one:
            switches.append(at)
            assert power_w < STOPPED_W
            assert pausing(memory, at)
            assert pausing(after, at)
        memory = after
    assert all(later - before >= RULES.dwell_s for before, later in pairwise(switches))


@given(looks)
def test_no_gain_no_switch(moves: list[tuple[float, float, float]]) -> None:
    memory, at = PhaseMemory(), 0.0
    for gain, power_w, passed_s in moves:
        at += passed_s
        memory = switched(memory, min(gain, 0.0), power_w, at, RULES)
    assert not memory.one


@given(looks)
def test_as_many_switches_as_were_worth_one(moves: list[tuple[float, float, float]]) -> None:
    """What was lost by not switching pays for each switch: the relay is never worn for nothing."""
    memory, at, switches, lost = PhaseMemory(at_s=0.0), 0.0, 0, 0.0
    for gain, power_w, passed_s in moves:
        at += passed_s
        worth = min(gain, 5.0)
        lost += max(0.0, worth) * min(passed_s, 60.0) / 3600
        after = switched(memory, worth, power_w, at, RULES)
        switches += after.one != memory.one
        memory = after
    assert switches * RULES.cost <= lost + 1e-9


def watched(power_w: float, told_a: float, *, on_one: bool = False) -> Snapshot:
    """A car that was seen for a minute."""
    watch, now = CarWatch(CONTROL), snapshot(chargers=())
    box = replace(charger(power_w=power_w), switchable=True)
    for at in (0.0, 1.0, 60.0):
        now = watch.look(
            replace(snapshot(), chargers=(box,)), {"box": told_a}, at, ("box",) if on_one else ()
        )
    return now


@pytest.mark.parametrize(
    ("power_w", "on_one", "phases", "other"),
    [
        (4_140.0, False, 3, 1),
        (2_760.0, False, 2, 1),
        (1_380.0, False, 1, None),  # it takes one anyway
        (1_380.0, True, 1, 3),  # nobody has seen it on three
    ],
)
def test_what_a_switch_would_change(
    power_w: float, on_one: bool, phases: int, other: int | None
) -> None:
    (box,) = watched(power_w, 6.0, on_one=on_one).chargers
    assert (box.phases, box.other_phases) == (phases, other)


def test_what_was_learnt_on_one_phase_is_not_taken_for_all() -> None:
    watch, three = CarWatch(CONTROL), {"box": 6.0}
    box = replace(charger(power_w=1_380.0), switchable=True)
    for at in (0.0, 1.0, 60.0):
        watch.look(replace(snapshot(), chargers=(box,)), three, at, ("box",))
    again = watch.look(replace(snapshot(), chargers=(box,)), {"box": 0.0}, 61.0)
    assert again.chargers[0].phases is None, "on all phases it has not been seen yet"


def test_a_charger_of_32_a_loads_one_phase_within_the_unbalance() -> None:
    control = replace(CONTROL, charger=ChargerAssumptions(max_a=32.0))
    box = replace(charger(), phases=1, switchable=True, other_phases=3)
    assert charging.spec_of(box, control).max_a == 20.0
    told = replace(control, fuse=Fuse(63.0, unbalance_a=16.0))
    assert charging.spec_of(box, told).max_a == 16.0


@given(st.floats(0.0, 24.0), st.floats(0.0, 24.0), st.floats(0.0, 24.0))
def test_on_one_phase_no_phase_passes_its_fuse(first: float, second: float, third: float) -> None:
    """Nobody said on which phase the car is: whichever it is, its fuse carries it."""
    control: ControlSettings = replace(CONTROL, fuse=Fuse(25.0))
    box = replace(charger(), phases=1, switchable=True, other_phases=3)
    house = replace(
        snapshot(grid=230 * (first + second + third), batteries=(), chargers=(box,)),
        phases=tuple(Phase(230 * a, a) for a in (first, second, third)),
    )
    settings = replace(SETTINGS, charge_now=True)
    memory = ControlMemory(phases={"box": PhaseMemory(one=True, since_s=-1000.0)})
    told = decide(
        DecisionInputs(
            house,
            settings,
            None,
            None,
            replace(control, phase_dwell_s=1e9),
            NOON,
            0.0,
            memory=memory,
        )
    )
    current_a = told.setpoints.chargers_a["box"]
    assert max(first, second, third) + current_a <= 25.0 + 1e-6
    assert current_a == 0 or current_a >= 6
