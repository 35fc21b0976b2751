"""A car and a boiler under one import limit: what must be comes first, then the dearer kWh, whoever began."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.decide import decide
from gateway.control.inputs import ContactorMemory, ControlMemory, HeaterMemory
from gateway.domain.control import Fuse, Setpoints
from gateway.domain.heat import Heater
from gateway.domain.order import StandingSettings
from gateway.domain.readings import HeaterState, Phase
from tests.control.homes import CONTROL, battery, charger, flat, inputs, order, snapshot

LIMIT_W, HOUSE_W, PRICE = 8_000.0, 1_000.0, 100.0
PER_AMPERE_W = 3 * 230.0
ROD = Heater(most_w=3_000, litres=300, target_c=55, min_c=42, max_c=65, ready_by=(time(18),))
HOME = replace(CONTROL, import_limit_w=LIMIT_W, heaters={"boiler": ROD})


def told(
    car_w: float = 0.0,
    rod_w: float = 0.0,
    car_worth: float = 150.0,
    rod_worth: float = 150.0,
    water_c: float = 45.0,
    late: bool = False,
    rod: Heater = ROD,
) -> tuple[float, int]:
    """What car and boiler are told, W, when they draw that now. ``late``: the car leaves in an hour."""
    seen = replace(
        snapshot(
            HOUSE_W + car_w + rod_w, 0.0, (), (charger("box", car_w, plugged=True),), inverters=()
        ),
        heaters=(HeaterState("boiler", rod_w, water_c),),
    )
    memory = ControlMemory(
        setpoints=Setpoints(chargers_a={"box": car_w / PER_AMPERE_W}),
        contactors={"box": ContactorMemory(charging=car_w > 0)},
        heaters={"boiler": HeaterMemory(on=rod_w > 0, at_s=990.0)},
    )
    asked = order(
        import_price=PRICE,
        export_price=50.0,
        car_values={"box": flat(car_worth)},
        heat_values={"boiler": flat(rod_worth)},
    )
    leaves = time(13) if late else time(23)
    wish = StandingSettings(20, departure_time=leaves, departure_energy_wh=10_000)
    control = replace(HOME, heaters={"boiler": rod})
    found = decide(inputs(seen, asked, control=control, settings=wish, memory=memory)).setpoints
    return found.chargers_a["box"] * PER_AMPERE_W, found.heaters_w["boiler"]


def settled(car_w: float = 0.0, rod_w: float = 0.0, **more: Any) -> tuple[float, int]:
    """The same some ticks later: what was told is drawn, and nothing of it changes any more."""
    now: tuple[float, int] = (car_w, round(rod_w))
    for _ in range(4):
        now = told(float(now[0]), float(now[1]), **more)
        assert HOUSE_W + sum(now) <= LIMIT_W + 1
    assert told(float(now[0]), float(now[1]), **more) == now
    return now


def test_a_late_car_takes_what_a_boiler_heats_for_its_price_alone() -> None:
    car_w, rod_w = settled(rod_w=3_000, late=True)
    assert car_w == pytest.approx(LIMIT_W - HOUSE_W, abs=PER_AMPERE_W)
    assert rod_w <= LIMIT_W - HOUSE_W - car_w


def test_cold_water_comes_before_a_car_that_can_wait() -> None:
    car_w, rod_w = settled(car_w=7_000, water_c=30.0)
    assert rod_w == 3_000
    assert car_w <= LIMIT_W - HOUSE_W - 3_000


def test_a_late_car_comes_before_cold_water() -> None:
    car_w, rod_w = settled(car_w=7_000, water_c=30.0, late=True)
    assert car_w == pytest.approx(7_000, abs=PER_AMPERE_W)
    assert rod_w <= 100, "what is left"


@pytest.mark.parametrize("began", ["car", "boiler"])
def test_else_the_dearer_kwh_is_served_whoever_began(began: str) -> None:
    drawn = {"car_w": 7_000.0} if began == "car" else {"rod_w": 3_000.0}
    car_w, rod_w = settled(**drawn, car_worth=150, rod_worth=300)
    assert rod_w == 3_000
    assert car_w <= 4_000
    car_w, rod_w = settled(**drawn, car_worth=300, rod_worth=150)
    assert car_w == pytest.approx(7_000, abs=PER_AMPERE_W)
    assert rod_w <= 100


@pytest.mark.parametrize("began", ["car", "boiler"])
def test_nearly_alike_nothing_that_runs_is_changed(began: str) -> None:
    drawn = {"car_w": 7_000.0} if began == "car" else {"rod_w": 3_000.0}
    for car_worth, rod_worth in ((300, 310), (310, 300)):
        car_w, rod_w = settled(**drawn, car_worth=car_worth, rod_worth=rod_worth)
        assert (car_w > 4_200) == (began == "car")
        assert (rod_w == 3_000) == (began == "boiler")


@pytest.mark.parametrize("needs", [{"water_c": 30.0}, {"rod_worth": 300.0}])
def test_a_boiler_that_no_limit_lets_in_keeps_no_car_waiting(needs: dict[str, float]) -> None:
    too_large = replace(ROD, most_w=LIMIT_W + 1_000, step_w=LIMIT_W + 1_000)
    car_w, rod_w = settled(**needs, rod=too_large)
    assert car_w == pytest.approx(LIMIT_W - HOUSE_W, abs=PER_AMPERE_W)
    assert rod_w == 0


def test_cold_water_that_may_not_be_heated_yet_keeps_no_car_waiting() -> None:
    calm = replace(ROD, min_off_s=600)
    seen = replace(
        snapshot(HOUSE_W, 0.0, (), (charger("box", 0.0, plugged=True),), inverters=()),
        heaters=(HeaterState("boiler", 0.0, 30.0),),
    )
    memory = ControlMemory(heaters={"boiler": HeaterMemory(on=False, since_s=900.0, at_s=990.0)})
    asked = order(import_price=PRICE, export_price=50.0, car_values={"box": flat(300.0)})
    wish = StandingSettings(20, departure_time=time(23), departure_energy_wh=10_000)
    control = replace(HOME, heaters={"boiler": calm})
    found = decide(inputs(seen, asked, control=control, settings=wish, memory=memory)).setpoints
    assert found.heaters_w["boiler"] == 0
    assert found.chargers_a["box"] * PER_AMPERE_W > 6_000


@pytest.mark.parametrize("late", [False, True])
def test_no_battery_stands_in_for_what_a_boiler_gives_to_a_car(late: bool) -> None:
    seen = replace(
        snapshot(
            HOUSE_W + 3_000, 0.0, (battery(soc_pct=20.0),), (charger("box", 0.0),), inverters=()
        ),
        heaters=(HeaterState("boiler", 3_000.0, 45.0),),
    )
    memory = ControlMemory(heaters={"boiler": HeaterMemory(on=True, at_s=990.0)})
    asked = order(
        import_price=PRICE,
        export_price=50.0,
        value=flat(50.0),
        car_values={"box": flat(300.0)},
        heat_values={"boiler": flat(150.0)},
    )
    leaves = time(13) if late else time(23)
    wish = StandingSettings(20, departure_time=leaves, departure_energy_wh=10_000)
    found = decide(inputs(seen, asked, control=HOME, settings=wish, memory=memory)).setpoints
    assert found.chargers_a["box"] * PER_AMPERE_W > 6_000
    assert sum(found.batteries_w.values()) <= 0, "it is at its reserve"


def test_a_late_car_takes_it_on_a_phase_that_the_boiler_fills_too() -> None:
    """25 A a phase, 5 A for the house, and 15 A on L1 for the boiler: 16 A are there once it gives way."""
    control = replace(
        CONTROL,
        fuse=Fuse(25.0),
        heaters={"boiler": replace(ROD, most_w=3_450)},
        phases={"boiler": (1,)},
    )
    asked = order(import_price=PRICE, export_price=50.0, heat_values={"boiler": flat(150.0)})
    wish = StandingSettings(20, departure_time=time(13), departure_energy_wh=10_000)
    memory = ControlMemory(heaters={"boiler": HeaterMemory(on=True, at_s=990.0)})
    car_a, rod_w = 0.0, 3_450
    for at in range(1_000, 1_020, 2):
        amps = (5 + car_a + rod_w / 230, 5 + car_a, 5 + car_a)
        assert max(amps) <= 25.01
        seen = replace(
            snapshot(230 * sum(amps), 0.0, (), (charger("box", car_a * 690),), inverters=()),
            heaters=(HeaterState("boiler", float(rod_w), 45.0),),
            phases=tuple(Phase(230 * a, a) for a in amps),
        )
        given = inputs(
            seen, asked, control=control, settings=wish, memory=memory, monotonic_s=float(at)
        )
        made = decide(given)
        memory, car_a = made.memory, made.setpoints.chargers_a["box"]
        rod_w = made.setpoints.heaters_w["boiler"]
    assert car_a == 16
    assert rod_w <= 920


def test_a_boiler_that_does_not_give_way_is_not_counted_on_for_long() -> None:
    """Its own boost or hygiene programme: the limit is kept by the car then, however late it is."""
    memory = ControlMemory(heaters={"boiler": HeaterMemory(on=True, at_s=990.0)})
    asked = order(
        import_price=PRICE,
        export_price=50.0,
        car_values={"box": flat(300.0)},
        heat_values={"boiler": flat(150.0)},
    )
    wish = StandingSettings(20, departure_time=time(13), departure_energy_wh=10_000)
    car_w, over_s = 0.0, 0
    for at in range(1_000, 1_600, 2):
        drawn_w = HOUSE_W + car_w + 3_000
        over_s += 2 * (drawn_w > LIMIT_W + 1)
        seen = replace(
            snapshot(drawn_w, 0.0, (), (charger("box", car_w),), inverters=()),
            heaters=(HeaterState("boiler", 3_000.0, 45.0),),
        )
        made = decide(
            inputs(seen, asked, control=HOME, settings=wish, memory=memory, monotonic_s=float(at))
        )
        memory, car_w = made.memory, made.setpoints.chargers_a["box"] * PER_AMPERE_W
    assert over_s <= 60


@given(
    car_w=st.sampled_from([0.0, 4_500.0, 7_000.0, 10_000.0]),
    rod_w=st.sampled_from([0.0, 1_000.0, 3_000.0]),
    car_worth=st.floats(0, 500),
    rod_worth=st.floats(0, 500),
    water_c=st.floats(20, 70),
    late=st.booleans(),
)
def test_together_they_stay_within_the_limit(
    car_w: float, rod_w: float, car_worth: float, rod_worth: float, water_c: float, late: bool
) -> None:
    car, rod = told(car_w, rod_w, car_worth, rod_worth, water_c, late)
    assert HOUSE_W + car + rod <= LIMIT_W + 1
