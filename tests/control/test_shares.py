"""Several batteries share what they are asked for by what each can give or take."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.control import BatteryAssumptions, Reason
from tests.control.homes import CONTROL, FUSE, ask, battery, priced, snapshot, sold


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
