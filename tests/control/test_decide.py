"""Control as tables: what goes in at a tick, what comes out. Signs as in gateway.domain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.control.decide import decide
from gateway.domain.control import BatteryAssumptions, Reason
from gateway.domain.order import Order
from gateway.domain.readings import BatteryState, InverterState, Snapshot
from tests.control.homes import (
    CONTROL,
    SETTINGS,
    after,
    ask,
    battery,
    charger,
    flat,
    home,
    inputs,
    order,
    snapshot,
)

NONE = order()


def sold(wh: int, left_s: float = 900.0) -> Order:
    return order(left_s, position_wh=wh)


def priced(price: float, value: float, *, resellable: bool = True) -> Order:
    """Import and export at ``price``, a stored MWh worth ``value``."""
    return order(resellable=resellable, import_price=price, export_price=price, value=flat(value))


def assumed(price: float, value: float) -> Order:
    """The same where nobody has published the prices: they stand in for them."""
    return order(
        import_price=price,
        export_price=price,
        import_assumed=True,
        export_assumed=True,
        value=flat(value),
    )


@pytest.mark.parametrize(
    ("case", "seen", "asked", "delivered_wh", "battery_w", "reason"),
    [
        ("no order: the inverter keeps the meter at zero", home(), None, None, None, Reason.SELF_CONSUMPTION),
        ("an order without values: the same", home(), NONE, 0, None, Reason.SELF_CONSUMPTION),
        ("dear energy is given", home(), priced(200, 50), 0, 5_000, Reason.PRICE_DISCHARGE),
        ("cheap energy is stored", home(), priced(20, 50), 0, -5_000, Reason.PRICE_CHARGE),
        ("in between it rests", home(), priced(50, 50), 0, 0, Reason.PRICE_REST),
        ("what the inverter does by itself is left to it", home(grid=5_000), priced(200, 50), 0, None, Reason.SELF_CONSUMPTION),
        ("energy of the flat night covers the house only", home(), priced(200, 50, resellable=False), 0, None, Reason.SELF_CONSUMPTION),
        ("a price that is not known moves nothing", home(), order(value=flat(0), export_price=90.0), 0, None, Reason.SELF_CONSUMPTION),
        ("an assumed price: nothing is given to the grid for it", home(), assumed(200, 50), 0, None, Reason.SELF_CONSUMPTION),
        ("... nor bought for it: the battery rests", home(), assumed(20, 50), 0, 0, Reason.PRICE_REST),
        ("... but the sun's surplus is stored", home(pv=3_000, grid=-2_500), assumed(20, 50), 0, None, Reason.SELF_CONSUMPTION),
        ("... and what is stored is kept for a dearer hour", home(), assumed(50, 70), 0, 0, Reason.PRICE_REST),
        ("meter lost: released", home(grid=None), priced(200, 50), 0, None, Reason.NOT_MEASURED),
        ("battery's power lost: released", home(power=None), priced(200, 50), 0, None, Reason.NOT_MEASURED),
        ("charge lost: released", home(soc=None), priced(200, 50), 0, None, Reason.NOT_MEASURED),
        ("500 Wh sold, a quarter left: 2 kW out, and the 500 W of load", home(), sold(500), 0, 2_500, Reason.DELIVERY),
        ("half delivered at half time", home(grid=-2_000, power=2_500), sold(500, 450), 250, 2_500, Reason.DELIVERY),
        ("behind: more power for the rest", home(grid=-2_000, power=2_500), sold(500, 450), 200, 2_900, Reason.DELIVERY),
        ("done early: battery only covers the house", home(grid=-2_000, power=2_500), sold(500, 100), 500, 500, Reason.DELIVERY),
        ("ahead: takes the surplus back", home(pv=3_000, grid=-2_500), sold(100, 450), 150, -2_900, Reason.DELIVERY),
        ("never below the reserve for a commitment", home(soc=20), sold(500), 0, 0, Reason.RESERVE),
        ("export limit beats the commitment", home(), sold(2_000), 0, 5_000, Reason.EXPORT_LIMIT),
        ("export limit with surplus PV", home(pv=4_000, grid=-3_500), sold(2_000), 0, 1_500, Reason.EXPORT_LIMIT),
        ("delivered so far unknown: no blind chase", home(), sold(500), None, None, Reason.SELF_CONSUMPTION),
        ("at the reserve self-consumption is held", home(soc=20), NONE, 0, 0, Reason.RESERVE),
        ("at the reserve surplus still charges", home(pv=3_000, grid=-2_500, soc=20), NONE, 0, -2_500, Reason.RESERVE),
        ("bought 250 Wh: takes 1 kW", home(grid=0), sold(-250), 0, -1_000, Reason.DELIVERY),
    ],
)  # fmt: skip
def test_battery(
    case: str,
    seen: Snapshot,
    asked: Order | None,
    delivered_wh: float | None,
    battery_w: int | None,
    reason: Reason,
) -> None:
    out = ask(seen, asked, delivered_wh)
    assert (out.battery_w, out.reason) == (battery_w, reason), case


def test_an_order_for_another_time_is_none() -> None:
    """The interval has ended and no newer order has come: nothing of it holds."""
    late = inputs(home(), sold(500, 900), now=order().terms[0].interval.end)
    assert decide(late).setpoints.reason is Reason.SELF_CONSUMPTION


def test_the_owners_hold_comes_before_what_was_sold_and_outlives_order_and_meter() -> None:
    held = replace(SETTINGS, battery="hold")
    for seen in (home(), home(grid=None), home(soc=None)):
        for asked in (sold(500), None):
            out = ask(seen, asked, settings=held)
            assert (out.battery_w, out.reason) == (0, Reason.HOLD)


FUSE = replace(CONTROL, import_limit_w=8_000)


@pytest.mark.parametrize(
    ("case", "seen", "control", "settings", "battery_w", "reason"),
    [
        ("charging gives way", home(grid=6_000), FUSE, SETTINGS, -2_000, Reason.FUSE),
        ("the battery helps, whatever its energy is worth", home(grid=9_000), FUSE, SETTINGS, 1_000, Reason.FUSE),
        ("even below the reserve", home(grid=9_000, soc=10), FUSE, SETTINGS, 1_000, Reason.FUSE),
        ("the grid operator allows less", home(grid=6_000), FUSE, replace(SETTINGS, import_limit_w=4_200), 1_800, Reason.IMPORT_LIMIT),
        ("no setting widens the fuse", home(grid=6_000), FUSE, replace(SETTINGS, import_limit_w=20_000), -2_000, Reason.FUSE),
    ],
)  # fmt: skip
def test_the_import_is_limited_before_anything_else(
    case: str, seen: Snapshot, control: object, settings: object, battery_w: int, reason: Reason
) -> None:
    bought = ask(seen, sold(-3_000), control=control, settings=settings)
    assert (bought.battery_w, bought.reason) == (battery_w, reason), case
    cheap = ask(seen, priced(20, 500), control=control, settings=settings)
    assert cheap.battery_w == battery_w, f"{case}, at a price that asks for charging"


def test_an_order_cannot_widen_the_export_limit() -> None:
    wide = replace(SETTINGS, export_limit_w=50_000)
    assert ask(home(), sold(10_000), settings=wide).battery_w == 5_000
    big = snapshot(batteries=(battery(max_w=50_000),))
    assert ask(big, sold(10_000), settings=wide).battery_w == 5_500
    tight = replace(SETTINGS, export_limit_w=1_000)
    assert ask(big, sold(10_000), settings=tight).battery_w == 1_500


PV_ONLY = snapshot(pv=6_000, grid=-5_400, batteries=())


@pytest.mark.parametrize(
    ("case", "seen", "asked", "limit_w"),
    [
        ("far from the limit: none", home(pv=3_000, grid=-2_500), NONE, None),
        ("near the export limit", home(pv=6_000, grid=-5_400), NONE, 5_600),
        ("negative price: only what the home uses", home(pv=3_000, grid=-2_500), order(export_price=-5.0), 500),
        ("also where buying has no known price", home(pv=3_000, grid=-2_500), order(export_price=-5.0, import_price=None), 500),
        ("negative price but sold: deliver", home(pv=3_000, grid=-2_500), order(export_price=-5.0, position_wh=300), None),
        ("load unknown: held to the export limit", home(pv=None), NONE, 5_000),
        ("load unknown: no price is followed blindly", home(pv=None), order(export_price=-5.0), 5_000),
        ("no battery: the export limit holds all the same", PV_ONLY, NONE, 5_600),
        ("nor an order", PV_ONLY, None, 5_600),
    ],
)  # fmt: skip
def test_generation_limit(
    case: str, seen: Snapshot, asked: Order | None, limit_w: int | None
) -> None:
    assert ask(seen, asked).pv_limit_w == limit_w, case
    assert ask(seen, asked, keeps_export=True).pv_limit_w is None, case


def hybrid(pv: float, power: float, load: float, soc: float = 60.0) -> Snapshot:
    """Panels and battery behind one inverter, without losses."""
    one = InverterState("hybrid", pv, pv + power, tells_ac=True)
    own = (battery("hybrid", power, soc),)
    return snapshot(load - pv - power, pv, own, inverters=(one,))


NOTHING = replace(CONTROL, export_limit_w=0.0)


@pytest.mark.parametrize(
    ("case", "seen", "limits_w"),
    [
        ("what the battery takes behind the inverter is no room", hybrid(9_000, -5_000, 500), {"hybrid": 500}),
        ("at night the battery follows the load by itself", hybrid(0, 500, 500), {}),
        ("a battery with an inverter of its own takes from the house", snapshot(-3_500, 9_000, (battery(power_w=-5_000),)), {"roof": 5_500}),
        ("and feeds into it", snapshot(-2_000, 2_500, (battery(power_w=1_500),)), {"roof": 500}),
    ],
)  # fmt: skip
def test_generation_is_limited_by_what_the_register_limits(
    case: str, seen: Snapshot, limits_w: dict[str, int]
) -> None:
    """A home without feed-in exported 3.4 kW while its battery charged."""
    assert ask(seen, None, control=NOTHING).pv_limits_w == limits_w, case


def test_several_inverters_share_the_limit_by_what_they_give() -> None:
    def seen(east_w: float, west_w: float, load_w: float) -> Snapshot:
        inverters = tuple(
            InverterState(name, w, w, tells_ac=True)
            for name, w in (("east", east_w), ("west", west_w))
        )
        return snapshot(load_w - east_w - west_w, east_w + west_w, (), inverters=inverters)

    out = ask(seen(6_000, 2_000, 1_000), None)
    assert out.pv_limits_w == {"east": 4_500, "west": 1_500}
    # The west's sun goes: the east gets a part of what it leaves, and the west may come back.
    out = ask(seen(4_500, 500, 1_000), None)
    assert out.pv_limits_w == {"east": 5_000, "west": 1_000}
    fixed = InverterState("fixed", 2_000, 2_000, tells_ac=True, limitable=False)
    east = InverterState("east", 6_000, 6_000, tells_ac=True)
    mixed = snapshot(-7_000, 8_000, (), inverters=(east, fixed))
    assert ask(mixed, None).pv_limits_w == {"east": 4_000}, "what cannot be limited goes first"
    none = snapshot(-7_000, 8_000, (), inverters=(fixed,))
    assert ask(none, None).pv_limits_w == {}


def test_the_devices_own_export_limit() -> None:
    assert ask(home(), None).export_limit_w == 5_000
    assert ask(home(), order(export_price=-5.0)).export_limit_w == 0
    assert ask(home(), order(export_price=-5.0, position_wh=10)).export_limit_w == 5_000
    held = replace(SETTINGS, battery="hold")
    assert ask(home(), order(export_price=-5.0, position_wh=10), settings=held).export_limit_w == 0


# -- several batteries --


def test_an_order_is_split_by_what_each_can_still_give_or_take() -> None:
    """4,000 W were split 3,998 / 2, and one battery went to 0 % below a reserve of 20 %."""
    full = battery("small", soc_pct=100, capacity_wh=5_000)
    low = battery("large", soc_pct=20, capacity_wh=15_000)
    out = ask(snapshot(grid=0, batteries=(full, low)), sold(1_000))
    assert out.batteries_w == {"small": 4_000, "large": 0}
    out = ask(snapshot(grid=0, batteries=(full, low)), sold(-1_000))
    assert out.batteries_w == {"small": 0, "large": -4_000}
    half = battery("large", soc_pct=60, capacity_wh=15_000)
    out = ask(
        snapshot(grid=0, batteries=(battery("small", soc_pct=60, capacity_wh=5_000), half)),
        sold(1_000),
    )
    assert out.batteries_w == {"small": 1_000, "large": 3_000}


def test_the_one_at_its_reserve_is_held_and_the_other_covers_the_house() -> None:
    both = (battery("a", soc_pct=20), battery("b", soc_pct=60))
    out = ask(snapshot(grid=800, batteries=both), None)
    assert (out.batteries_w, out.reason) == ({"a": 0, "b": 800}, Reason.RESERVE)
    sun = ask(snapshot(grid=-800, pv=1_300, batteries=both), None)
    assert (sun.batteries_w, sun.reason) == ({"a": -533, "b": -267}, Reason.RESERVE)
    high = (battery("a", soc_pct=21), battery("b", soc_pct=60))
    assert ask(snapshot(grid=800, batteries=high), None).batteries_w == {}


def test_for_the_fuse_those_above_the_reserve_go_first() -> None:
    both = (battery("a", soc_pct=15), battery("b", soc_pct=60))
    out = ask(snapshot(grid=11_000, batteries=both), sold(-3_000), control=FUSE)
    assert out.batteries_w == {"a": 0, "b": 3_000}
    more = ask(snapshot(grid=15_000, batteries=both), None, control=FUSE)
    assert more.batteries_w == {"a": 2_000, "b": 5_000}


def test_a_battery_that_cannot_be_steered_is_part_of_the_home() -> None:
    both = (
        battery("mine", soc_pct=60),
        battery("other", power_w=1_000, soc_pct=60, steerable=False),
    )
    out = ask(snapshot(grid=-500, batteries=both), sold(500))
    assert out.batteries_w == {"mine": 1_500}
    none = (battery("other", power_w=1_000, steerable=False),)
    out = ask(snapshot(batteries=none), sold(500))
    assert (out.batteries_w, out.reason) == ({}, Reason.RELEASED)


def test_below_the_reserve_the_sun_charges_a_battery_that_states_no_limits() -> None:
    seen = snapshot(pv=4_500, grid=-4_000, batteries=(battery(soc_pct=15, max_w=None),))
    assert ask(seen, None).battery_w == -4_000


def test_a_power_that_nobody_states_is_the_configured_one() -> None:
    seen = snapshot(batteries=(battery(capacity_wh=None, max_w=None),))
    control = replace(CONTROL, battery=BatteryAssumptions(10_000, 3_000, 2_000))
    assert ask(seen, priced(200, 50), control=control).battery_w == 2_000
    assert ask(seen, priced(20, 50), control=control).battery_w == -3_000
    assert ask(seen, priced(200, 50)).battery_w is None, "without a size nothing is planned on it"


# -- calm --


def kept(
    seen: Snapshot,
    asked: Order | None,
    before: dict[str, int],
    reason: Reason,
    since_s: float = 0.0,
    **more: object,
) -> int | None:
    return ask(seen, asked, memory=after(before, reason, since_s), **more).battery_w


@pytest.mark.parametrize(
    ("before_w", "sold_wh", "battery_w"),
    [(2_530, 500, 2_530), (2_560, 500, 2_500), (-10, 0, 0)],
)
def test_small_changes_are_not_written(before_w: int, sold_wh: int, battery_w: int) -> None:
    asked = sold(sold_wh) if sold_wh else priced(50, 50)
    assert kept(home(), asked, {"battery": before_w}, Reason.DELIVERY) == battery_w


def test_small_changes_are_made_where_a_limit_asks_for_them() -> None:
    """The old power is 20 W over the fuse: that is no reason to keep it."""
    seen = home(grid=6_020, power=-2_000)
    assert kept(seen, priced(20, 500), {"battery": -4_000}, Reason.FUSE, control=FUSE) == -3_980


@pytest.mark.parametrize(
    ("case", "seen", "asked", "since_s", "changes"),
    [
        ("a price may not flap", home(), priced(20, 50), 990, False),
        ("it may change after its time", home(), priced(20, 50), 970, True),
        ("a commitment does not wait", home(), sold(-500), 990, True),
        ("nor does the reserve", home(soc=20), priced(200, 50), 990, True),
        ("nor a lost meter", home(grid=None), priced(20, 50), 990, True),
        ("nor the end of the order's lease", home(), None, 990, False),
    ],
)
def test_a_mode_that_prices_chose_stays_a_while(
    case: str, seen: Snapshot, asked: Order | None, since_s: float, changes: bool
) -> None:
    before = {"battery": 2_000}
    now = kept(seen, asked, before, Reason.PRICE_DISCHARGE, since_s)
    assert (now != 2_000) is changes, case


def test_an_old_power_that_breaks_the_fuse_is_not_kept() -> None:
    before = {"battery": -5_000}
    assert (
        kept(
            home(grid=11_000, power=-5_000),
            priced(200, 50),
            before,
            Reason.PRICE_CHARGE,
            995,
            control=FUSE,
        )
        != -5_000
    )
    assert (
        kept(
            home(grid=6_000, power=-5_000),
            priced(200, 50),
            before,
            Reason.PRICE_CHARGE,
            995,
            control=FUSE,
        )
        == -5_000
    )


@pytest.mark.parametrize("value", [0.0, 50.0, 150.0, 199.0])
def test_the_reserve_is_not_given_for_the_sake_of_calm(value: float) -> None:
    """A home of the demo went from 20 % to 5 % by night: what the reserve lost 'earned' money, so no calm ended."""
    calm = replace(CONTROL, battery_switch_cost=0.001)
    before = replace(after({}, Reason.SELF_CONSUMPTION), regret=0.0, decided_s=990.0)
    seen = home(grid=900, soc=20)
    out = ask(seen, priced(200, value), control=calm, memory=before)
    assert out.battery_w == 0


@pytest.mark.parametrize(
    ("batteries_w", "reason"),
    [({}, Reason.SELF_CONSUMPTION), ({"battery": 3_500}, Reason.PRICE_DISCHARGE)],
)
def test_no_battery_goes_on_into_a_car_for_the_sake_of_calm(
    batteries_w: dict[str, int], reason: Reason
) -> None:
    """Resting is better by prices, by less than a change costs; meanwhile a car draws 3 kW beside a house of 500 W."""
    calm = replace(CONTROL, battery_switch_cost=1.0)
    before = replace(after(batteries_w, reason), regret=0.0, decided_s=990.0)
    cars = (charger("car", power_w=3_000),)
    seen = snapshot(grid=0, batteries=(battery(power_w=3_500, soc_pct=60),), chargers=cars)
    out = ask(seen, priced(200, 230), control=calm, memory=before)
    assert out.battery_w is not None
    assert out.battery_w <= 500


def test_what_must_stay_at_home_is_not_fed_in_for_the_sake_of_calm() -> None:
    before, cheap = {"battery": 5_000}, priced(20, 50, resellable=False)
    now = kept(home(grid=-4_500, power=5_000), cheap, before, Reason.PRICE_DISCHARGE, 990)
    assert now is not None
    assert now <= 500, "no more than the house takes"


def test_a_commitment_is_delivered_from_whatever_is_stored() -> None:
    """What may not be resold is not sold; what was sold is owed."""
    asked = order(position_wh=500, resellable=False)
    assert ask(home(), asked).battery_w == 2_500
    bought = order(position_wh=-250, resellable=False)
    assert ask(home(), bought, delivered_wh=-2_000).battery_w == 500


def test_the_mode_is_timed_from_its_change() -> None:
    by_time = replace(CONTROL, battery_switch_cost=0.0)
    first = inputs(home(), priced(200, 50), control=by_time)
    one = decide(first)
    assert one.memory.mode_since_s == 1_000
    two = decide(replace(first, memory=one.memory, monotonic_s=1_010.0))
    assert two.memory.mode_since_s == 1_000
    held = decide(replace(first, order=priced(20, 50), memory=two.memory, monotonic_s=1_020.0))
    assert (held.setpoints.battery_w, held.memory.mode_since_s) == (5_000, 1_000)
    turned = decide(replace(first, order=priced(20, 50), memory=held.memory, monotonic_s=1_030.0))
    assert (turned.setpoints.battery_w, turned.memory.mode_since_s) == (-5_000, 1_030)


def test_small_drifts_of_the_split_are_not_written() -> None:
    def seen(soc: float) -> Snapshot:
        batteries: tuple[BatteryState, ...] = (battery("a", soc_pct=60), battery("b", soc_pct=soc))
        return snapshot(grid=0, batteries=batteries)

    before = {"a": 2_000, "b": 2_000}
    memory = after(before, Reason.DELIVERY)
    assert ask(seen(60.5), sold(1_000), memory=memory).batteries_w == before
    assert ask(seen(70), sold(1_000), memory=memory).batteries_w == {"a": 1_778, "b": 2_222}
    assert ask(seen(20), sold(1_000), memory=memory).batteries_w == {"a": 4_000, "b": 0}


# -- the battery and the car --


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


def test_no_sun_is_held_back_for_a_price_that_nobody_has_published() -> None:
    seen = home(pv=4_000, grid=-3_500, soc=100)
    known = order(import_price=50.0, export_price=-20.0)
    guessed = order(import_price=50.0, export_price=-20.0, export_assumed=True)
    assert ask(seen, known).pv_limits_w
    assert ask(seen, guessed).pv_limits_w != ask(seen, known).pv_limits_w
