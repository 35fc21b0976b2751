"""What a heater is told: warm in time, by the sun first, in the cheap hours, inside every limit, and rarely switched."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.decide import decide
from gateway.control.inputs import ControlMemory, DecisionInputs, HeaterMemory
from gateway.domain.control import Fuse, GridLimits
from gateway.domain.heat import Heater, HeatReason, SgReady, last_ready, next_ready
from gateway.domain.readings import HeaterState, Phase, Snapshot
from tests.control.homes import CONTROL, NOON, battery, flat, inputs, order, snapshot

ROD = Heater(most_w=3_000, litres=300, target_c=55, min_c=42, max_c=65, ready_by=(time(18),))
PLUG = Heater(
    most_w=2_000, energy_wh=4_000, step_w=2_000, ready_by=(time(18),), min_on_s=300, min_off_s=300
)
PUMP = replace(ROD, most_w=1_800, step_w=1_800, cop=3.0, min_on_s=900, min_off_s=900)
CHEAP: dict[str, Any] = {"import_price": 100.0, "export_price": 50.0}


def tank(
    temperature_c: float | None = 45.0, power_w: float | None = 0.0, **more: Any
) -> HeaterState:
    return HeaterState("boiler", power_w, temperature_c, **more)


def seen(
    state: HeaterState, grid: float | None = 400.0, pv: float | None = 0.0, **more: Any
) -> Snapshot:
    more.setdefault("batteries", ())
    return replace(snapshot(grid, pv, **more), heaters=(state,))


def asked(
    home: Snapshot, spec: Heater = ROD, worth: float | None = None, **more: Any
) -> DecisionInputs:
    """``worth`` of a MWh into the water, by the plan."""
    prices = more.pop("prices", CHEAP)
    values: dict[str, Any] = {} if worth is None else {"heat_values": {"boiler": flat(worth)}}
    control = replace(more.pop("control", CONTROL), heaters={"boiler": spec})
    return inputs(home, order(**prices, **values), control=control, **more)


def told(one: DecisionInputs) -> tuple[int | None, HeatReason]:
    setpoints = decide(one).setpoints
    return setpoints.heaters_w.get("boiler"), setpoints.heat_reasons["boiler"]


def on(since_s: float = 0.0, **more: Any) -> ControlMemory:
    return ControlMemory(
        heaters={"boiler": HeaterMemory(on=True, since_s=since_s, at_s=990.0, **more)}
    )


def off(regret: float = 1.0) -> ControlMemory:
    """It has been off for long, and that has cost so much."""
    return ControlMemory(heaters={"boiler": HeaterMemory(regret=regret, at_s=990.0)})


def test_it_heats_where_a_kwh_in_the_water_is_worth_more_than_it_costs() -> None:
    assert told(asked(seen(tank()), worth=150.0)) == (3_000, HeatReason.CHEAP)
    assert told(asked(seen(tank()), worth=90.0)) == (0, HeatReason.LATER)


def test_it_takes_the_surplus_and_no_more_where_only_that_pays() -> None:
    watts, why = told(asked(seen(tank(), grid=-1_700, pv=2_500), worth=80.0))
    assert (watts, why) == (1_700, HeatReason.SUN)


def test_what_it_draws_already_is_no_load_that_takes_the_surplus_from_it() -> None:
    home = seen(tank(power_w=1_700), grid=0, pv=2_500)
    assert told(asked(home, worth=80.0, memory=on())) == (1_700, HeatReason.SUN)


def test_surplus_that_earns_nothing_heats_beyond_the_target() -> None:
    warm = seen(tank(58.0), grid=-2_000, pv=2_500)
    assert told(asked(warm, prices={"import_price": 300.0, "export_price": 0.0})) == (
        2_000,
        HeatReason.SUN,
    )
    assert told(asked(warm, prices={"import_price": 300.0, "export_price": 80.0}))[0] == 0


def test_never_beyond_its_most_nor_where_the_temperature_is_not_known() -> None:
    dear = {"import_price": -500.0, "export_price": -500.0}
    assert told(asked(seen(tank(65.1)), prices=dear)) == (0, HeatReason.WARM)
    assert told(asked(seen(tank(None)), prices=dear)) == (0, HeatReason.UNKNOWN)


def test_too_cold_it_heats_whatever_that_costs_until_it_is_some_kelvin_warmer() -> None:
    dear = {"import_price": 900.0, "export_price": 50.0}
    assert told(asked(seen(tank(41.0)), prices=dear)) == (3_000, HeatReason.COLD)
    assert told(asked(seen(tank(44.0, 3_000)), prices=dear, memory=on(cold=True))) == (
        3_000,
        HeatReason.COLD,
    )
    assert told(asked(seen(tank(45.5, 3_000)), prices=dear, memory=on(cold=True)))[0] == 0


def test_past_its_latest_start_it_heats_without_a_plan_or_an_order() -> None:
    late: dict[str, Any] = {"now": NOON + timedelta(hours=5, minutes=10)}
    home = seen(tank(45.0))
    alone = replace(asked(home, **late), order=None)
    assert told(alone) == (3_000, HeatReason.DEADLINE)
    early = replace(asked(home), order=None)
    assert told(early)[0] == 0, "six hours before it can wait"


def test_the_fuse_and_the_operator_come_before_warm_water() -> None:
    cold = seen(tank(30.0), grid=4_000)
    small = replace(CONTROL, import_limit_w=6_000)
    assert told(asked(cold, control=small)) == (2_000, HeatReason.LIMIT)
    dimmed = asked(cold, operator=GridLimits(import_w=4_200))
    assert told(dimmed) == (200, HeatReason.LIMIT)
    assert told(asked(seen(tank(30.0), grid=None), control=small))[0] == 0, "blind: nothing"


def test_a_phase_of_the_fuse_is_kept_where_the_meter_tells_them() -> None:
    control = replace(CONTROL, fuse=Fuse(16), phases={"boiler": (1,)})
    phases = (Phase(2_500, None), Phase(100, None), Phase(100, None))
    home = replace(seen(tank(30.0), grid=2_700), phases=phases)
    watts, why = told(asked(home, control=control))
    assert (watts, why) == (16 * 230 - 2_500, HeatReason.LIMIT)


def test_a_battery_that_helps_the_fuse_is_not_emptied_into_the_tank() -> None:
    helps = battery(power_w=2_000.0, soc_pct=20.0)
    home = seen(tank(30.0, 3_000), grid=6_000, batteries=(helps,))
    small = replace(CONTROL, import_limit_w=6_000)
    assert told(asked(home, control=small, memory=on()))[0] == 1_000


@pytest.mark.parametrize(("ready", "watts"), [(13, 2_000), (23, 0)])
def test_a_battery_that_charges_gives_way_to_water_that_must_be_warm(
    ready: int, watts: int
) -> None:
    """All that the connection allows goes into the battery in a cheap hour. Water whose time has come is heated, and in the same tick
    the battery takes that much less; water that can wait does wait."""
    house_w, limit_w, charges_w = 350.0, 4_200.0, 3_840.0
    charging = battery(power_w=-charges_w, soc_pct=30)
    home = seen(tank(None), grid=house_w + charges_w, batteries=(charging,))
    prices = {"import_price": 50.0, "export_price": 20.0, "value": flat(400.0)}
    spec = replace(PLUG, ready_by=(time(ready),))
    control = replace(CONTROL, import_limit_w=limit_w)
    setpoints = decide(asked(home, spec, control=control, prices=prices)).setpoints
    assert setpoints.heaters_w["boiler"] == watts
    assert setpoints.battery_w is not None
    at_meter_w = house_w + watts - setpoints.battery_w
    assert limit_w - 100 < at_meter_w <= limit_w, "and what is left is charged"


def test_a_plug_without_a_thermometer_gets_its_energy_and_stops() -> None:
    home = seen(tank(None, got_wh=3_900.0))
    assert told(asked(home, PLUG, worth=150.0, memory=off())) == (2_000, HeatReason.CHEAP)
    done = seen(tank(None, 2_000, got_wh=4_010.0))
    assert told(asked(done, PLUG, worth=150.0, memory=on())) == (0, HeatReason.WARM)


def test_steps_are_kept_and_never_above_what_is_there() -> None:
    steps = replace(ROD, step_w=1_000)
    home = seen(tank(), grid=-2_700, pv=3_000)
    assert told(asked(home, steps, worth=80.0, memory=off())) == (2_000, HeatReason.SUN)
    assert told(asked(home, steps, worth=80.0, memory=off(0.0))) == (0, HeatReason.STEADY)


def test_what_only_prices_ask_for_waits_for_the_least_times() -> None:
    rule = replace(PLUG, min_on_s=300)
    home = seen(tank(None, 2_000))
    soon = asked(home, rule, worth=10.0, memory=on(since_s=900.0, regret=9.0))
    assert told(soon)[0] == 2_000
    later = asked(home, rule, worth=10.0, memory=on(since_s=600.0, regret=9.0))
    assert told(later)[0] == 0
    small = replace(CONTROL, import_limit_w=100)
    forced = asked(home, rule, worth=10.0, memory=on(since_s=900.0), control=small)
    assert told(forced)[0] == 0, "a limit waits for nothing"


def test_a_heat_pump_is_encouraged_let_go_and_locked_only_for_the_operator() -> None:
    pump = tank(45.0, None, pump=True)
    cheap = decide(
        asked(
            seen(pump),
            PUMP,
            worth=400.0,
            memory=off(),
        )
    ).setpoints
    assert cheap.sg_ready == {"boiler": SgReady.ENCOURAGED}
    assert "boiler" not in cheap.heaters_w
    dear = decide(asked(seen(pump), PUMP, worth=10.0)).setpoints
    assert dear.sg_ready == {}
    runs = tank(45.0, 1_800, pump=True)
    limited = asked(seen(runs, grid=6_000), PUMP, worth=10.0, operator=GridLimits(import_w=4_200))
    assert decide(limited).setpoints.sg_ready == {"boiler": SgReady.BLOCKED}


def test_without_a_grid_rods_are_off_and_pumps_are_their_own() -> None:
    away = replace(seen(tank(30.0)), off_grid=True)
    setpoints = decide(asked(away, worth=900.0)).setpoints
    assert setpoints.heaters_w == {"boiler": 0}
    assert setpoints.sg_ready == {}


def test_one_that_nobody_described_is_not_steered() -> None:
    setpoints = decide(inputs(seen(tank(20.0)), order(**CHEAP))).setpoints
    assert (setpoints.heaters_w, setpoints.sg_ready, setpoints.heat_reasons) == ({}, {}, {})


@given(
    grid=st.floats(-9_000, 12_000),
    drawn=st.floats(0, 3_000),
    temperature=st.floats(5, 95),
    limit=st.floats(500, 12_000),
    worth=st.floats(-500, 2_000),
    step=st.sampled_from([0.0, 500.0, 1_000.0, 3_000.0]),
    hour=st.floats(0, 23.9),
)
def test_no_limit_is_broken_and_no_water_boils(
    grid: float,
    drawn: float,
    temperature: float,
    limit: float,
    worth: float,
    step: float,
    hour: float,
) -> None:
    spec = replace(ROD, step_w=step)
    home = seen(tank(temperature, drawn), grid=grid, pv=3_000.0)
    one = asked(
        home,
        spec,
        worth=worth,
        control=replace(CONTROL, import_limit_w=limit),
        memory=on(),
        now=NOON + timedelta(hours=hour),
    )
    watts, _ = told(one)
    assert watts is not None
    assert 0 <= watts <= 3_000
    assert watts == 0 or grid - drawn + watts <= limit + 1
    assert not (watts and temperature >= spec.max_c)
    if step:
        assert watts % step == 0


@given(hour=st.floats(0, 400), count=st.integers(1, 4))
def test_the_next_time_is_the_first_to_come(hour: float, count: int) -> None:
    zone, now = CONTROL.zone, NOON + timedelta(hours=hour)
    times = tuple(time(h) for h in (6, 12, 18, 23)[:count])
    ahead, behind = next_ready(now, times, zone), last_ready(now, times, zone)
    assert behind <= now < ahead <= now + timedelta(hours=24)
    assert (ahead - behind) <= timedelta(hours=24)
