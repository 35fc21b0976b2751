"""What a car is seen to draw, and what is known of sun that is held back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.throttled import (
    FRESH_S,
    PATIENCE_S,
    SunMemory,
    held,
    held_back_w,
)
from gateway.domain.control import ChargerAssumptions, Setpoints
from gateway.domain.readings import InverterState
from gateway.site.car_watch import AGAIN_S, SETTLED_S, CarSeen, CarWatch, seen
from tests.control.homes import CONTROL, battery, charger, snapshot

BOX, NEW = ChargerAssumptions(), CarSeen()


def looked(
    told_a: float, power_w: float | None, for_s: float = SETTLED_S, car: CarSeen = NEW
) -> CarSeen:
    """After the charger was told a current, and again ``for_s`` later."""
    begun = seen(car, told_a, power_w, BOX, 100.0)
    return seen(begun, told_a, power_w, BOX, 100.0 + for_s)


@pytest.mark.parametrize(
    ("case", "told_a", "power_w", "phases", "most_w"),
    [
        ("three phases", 16, 11_040, 3, None),
        ("two, with a meter that is 3 % off", 16, 7_140, 2, None),
        ("one, at the least current", 6, 1_380, 1, None),
        ("one phase of a charger that may give 32 A", 32, 7_360, 1, None),
        ("a car that takes 10 kW at most", 16, 10_000, None, 10_000),
        ("one phase at 8 A of the 16 that it may draw", 16, 1_840, 1, 1_840),
        ("it wakes up, or is full", 16, 200, None, None),
        ("paused", 0, 0, None, None),
        ("not measured", 16, None, None, None),
    ],
)  # fmt: skip
def test_a_car_is_known_by_what_it_draws(
    case: str, told_a: float, power_w: float | None, phases: int | None, most_w: float | None
) -> None:
    found = looked(told_a, power_w)
    assert (found.phases, found.most_w) == (phases, most_w), case
    assert looked(told_a, power_w, SETTLED_S - 1).phases is None, "not before it has settled"


def test_a_current_that_a_car_can_follow_says_nothing_of_what_it_can_not() -> None:
    known = looked(16, 1_840)
    assert looked(8, 1_840, car=known).most_w == 1_840
    assert looked(6, 1_380, car=known).most_w == 1_840
    assert looked(16, 3_680, car=known).most_w is None, "it has become warm and takes all"
    assert looked(8, 1_840, AGAIN_S, known).most_w is None, "who follows for an hour is asked anew"


def test_a_car_that_followed_is_not_judged_by_one_look() -> None:
    """A lease that ran out for a moment, or another's limit."""
    three = looked(16, 11_040)
    once = seen(three, 16, 5_520, BOX, 200.0)
    assert once.most_w is None
    assert seen(once, 16, 5_520, BOX, 200.0 + SETTLED_S).most_w == 5_520
    back = seen(once, 16, 11_040, BOX, 210.0)
    assert seen(back, 16, 5_520, BOX, 200.0 + SETTLED_S).most_w is None


def test_a_new_current_is_a_new_look_and_a_new_car_a_new_question() -> None:
    one = looked(16, 3_680)
    assert one.phases == 1
    assert looked(16, 11_040, car=replace(one, told_a=0)).phases == 3
    watch = CarWatch(CONTROL)
    for at in (0.0, 1.0, 50.0):
        home = watch.look(snapshot(chargers=(charger(power_w=3_680),)), {"box": 16}, at)
    assert home.chargers[0].phases == 1
    watch.look(snapshot(chargers=(charger(plugged=False),)), {}, 60.0)
    home = watch.look(snapshot(chargers=(charger(),)), {"box": 16}, 61.0)
    assert home.chargers[0].phases is None


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 6.0, 16.0]), st.none() | st.floats(0, 30_000)), max_size=20
    )
)
def test_what_is_seen_is_possible(looks: list[tuple[float, float | None]]) -> None:
    car = CarSeen()
    for i, (told_a, power_w) in enumerate(looks):
        car = seen(car, told_a, power_w, BOX, 30.0 * i)
        assert car.phases in (None, 1, 2, 3)
        assert car.most_w is None or car.most_w > 0


# -- sun that is held back --

ROOF = InverterState("roof", 600.0, 600.0, tells_ac=True)
LIMITED = Setpoints(pv_limits_w={"roof": 600})
FULL = battery(soc_pct=100.0)


@pytest.mark.parametrize(
    ("case", "grid_w", "pv_w", "soc_pct", "before", "by"),
    [
        ("at the limit, the battery full", 0, 600, 100, LIMITED, "seen"),
        ("a load that came just now is not seen yet", 4_000, 600, 100, LIMITED, "told"),
        ("the battery takes what is too much", 0, 600, 60, LIMITED, "no"),
        ("nobody limits anything", 0, 600, 100, Setpoints(), "no"),
        ("night", 0, 0, 100, LIMITED, "no"),
        ("it gives less than it may", 4_000, 400, 100, LIMITED, "no"),
    ],
)  # fmt: skip
def test_when_sun_is_held_back(
    case: str, grid_w: float, pv_w: float, soc_pct: float, before: Setpoints, by: str
) -> None:
    roof = replace(ROOF, pv_w=pv_w, ac_w=pv_w)
    home = snapshot(grid_w, pv_w, (battery(soc_pct=soc_pct),), inverters=(roof,))
    assert held(home, 0.0, before, keeps_export=False) == by, case


def look(
    memory: SunMemory, at: float, *, by: str, sun_w: float = 600, cars_w: float = 0
) -> tuple[float, SunMemory]:
    return held_back_w(memory, sun_w, at, by=by, cars_w=cars_w, least_w=4_140)  # type: ignore[arg-type]


def test_what_the_panels_gave_before_holds_for_a_while_and_then_more_is_tried() -> None:
    _, memory = look(SunMemory(), 0.0, by="no", sun_w=5_000)
    assert look(memory, 10.0, by="seen")[0] == 4_400
    assert look(memory, PATIENCE_S + 1, by="seen")[0] > 4_140, "enough for a car to start"
    assert look(memory, FRESH_S + 1, by="seen", cars_w=4_140)[0] > 0, (
        "and one that draws may try more"
    )


def test_each_try_in_vain_makes_the_next_one_rarer_and_a_good_one_forgets_them() -> None:
    memory, at = SunMemory(), 0.0
    waits = []
    for _ in range(4):
        begun = at
        while look(memory, at, by="seen")[0] == 0:
            at += 60
        waits.append(at - begun)
        _, memory = look(memory, at, by="seen")  # a car starts
        _, memory = look(memory, at + 20, by="no", cars_w=4_140)  # the sun is not enough
        _, memory = look(memory, at + 200, by="seen")  # and it stops
        at += 200
    assert waits == sorted(waits)
    assert waits[-1] > 2 * waits[1] > 0
    assert look(memory, at, by="seen", cars_w=4_140)[1].failed == 0
