"""Under one fuse: a battery beside a car that draws."""

from __future__ import annotations

from dataclasses import replace

from gateway.control.decide import decide
from gateway.domain.control import Reason
from tests.control.homes import (
    FUSE,
    SETTINGS,
    after,
    ask,
    battery,
    charger,
    flat,
    inputs,
    order,
    priced,
    snapshot,
)


def test_the_battery_gives_way_to_the_car_under_the_fuse() -> None:
    """A battery that fills itself at night must not keep the car from its departure."""
    now = replace(SETTINGS, charge_now=True)
    filling = snapshot(
        6_000, batteries=(battery(power_w=-5_000),), chargers=(charger(),)
    )  # load 1 kW
    first = inputs(filling, priced(20, 500), control=FUSE, settings=now)
    out = decide(first)
    assert out.setpoints.chargers_a == {"box": 10}  # 6.9 of the 7 kW that the house leaves
    assert out.setpoints.battery_w == -100  # before the car draws
    rested = replace(first, memory=out.memory, monotonic_s=1_060.0)
    assert decide(rested).setpoints.battery_w == -5_000, (
        "a car that does not take what it may holds nobody up"
    )
    drawing = snapshot(
        8_000, batteries=(battery(power_w=-100),), chargers=(charger(power_w=6_900),)
    )
    assert decide(replace(rested, snapshot=drawing)).setpoints.battery_w == -100


def test_a_battery_that_helps_lets_the_car_draw_no_more() -> None:
    now = replace(SETTINGS, charge_now=True)
    helping = snapshot(-1_000, batteries=(battery(power_w=2_000),), chargers=(charger(),))
    out = ask(helping, None, control=FUSE, settings=now)
    assert out.chargers_a == {"box": 11}  # 8,000 W: what it gives beyond the house is not the car's
    allowed = replace(now, car_from_battery=True)
    assert ask(helping, None, control=FUSE, settings=allowed).chargers_a == {"box": 13}


def test_what_the_reserve_gives_to_the_fuse_is_no_room_for_a_car() -> None:
    """A house near its fuse, and a car at 10 A: a battery went from 20 % to 9 %, for the car was not dimmed."""
    now = replace(SETTINGS, charge_now=True)
    drawing = snapshot(
        8_000, batteries=(battery(power_w=2_000, soc_pct=20),), chargers=(charger(power_w=6_900),)
    )  # the house takes 3,100 W of 8,000
    out = ask(drawing, None, control=FUSE, settings=now)
    assert out.chargers_a == {"box": 7}
    above = replace(drawing, batteries=(battery(power_w=2_000, soc_pct=40),))
    assert ask(above, None, control=FUSE, settings=now).chargers_a == {"box": 10}


def test_a_battery_left_to_its_inverter_does_not_feed_a_car_for_the_sake_of_calm() -> None:
    """Whenever a car began to charge, the battery covered it for half a minute."""
    drawing = snapshot(
        6_500, batteries=(battery(power_w=5_000),), chargers=(charger(power_w=11_000),)
    )
    before = after({}, Reason.SELF_CONSUMPTION, since_s=999.0)
    assert ask(drawing, None, memory=before).battery_w == 500


def test_the_battery_goes_first_where_a_car_wants_more_than_the_fuse_carries() -> None:
    """What is stored is worth more than the price, the car's energy more still: the battery gives it what is beyond the fuse, and
    the car draws that only once the meter shows room."""
    asked = order(import_price=100, export_price=50, value=flat(103), car_values={"box": flat(1e5)})
    may = replace(SETTINGS, car_from_battery=True)
    at_fuse = snapshot(7_830, chargers=(charger(power_w=4_830),))  # the house takes 3 kW of 8
    for settings, soc_pct, gives_w in ((SETTINGS, 60, 0), (may, 60, 4_660), (may, 20, 0)):
        seen = replace(at_fuse, batteries=(battery(soc_pct=soc_pct),))
        out = ask(seen, asked, control=FUSE, settings=settings)
        assert (out.battery_w, out.chargers_a) == (gives_w, {"box": 7})
    giving = snapshot(
        3_170, batteries=(battery(power_w=4_660),), chargers=(charger(power_w=4_830),)
    )
    out = ask(giving, asked, control=FUSE, settings=may)
    assert (out.battery_w, out.chargers_a) == (4_660, {"box": 14})
    assert ask(giving, asked, control=FUSE).chargers_a == {"box": 7}
