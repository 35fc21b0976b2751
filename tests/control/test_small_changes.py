"""Calm: small changes are not written, a mode stays a while, and neither costs a limit, the reserve or a sale."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.control.decide import decide
from gateway.domain.control import Reason
from gateway.domain.order import Order
from gateway.domain.readings import BatteryState, Snapshot
from tests.control.homes import (
    CONTROL,
    FUSE,
    after,
    ask,
    battery,
    charger,
    home,
    inputs,
    order,
    priced,
    snapshot,
    sold,
)


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
