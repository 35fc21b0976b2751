"""Control as tables: what goes in at a tick, what comes out. Signs as in gateway.domain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.control.decide import decide
from gateway.domain.control import Reason
from gateway.domain.order import Order
from gateway.domain.readings import Snapshot
from tests.control.homes import (
    FUSE,
    NONE,
    SETTINGS,
    ask,
    assumed,
    battery,
    flat,
    home,
    inputs,
    order,
    priced,
    snapshot,
    sold,
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


def test_no_sun_is_held_back_for_a_price_that_nobody_has_published() -> None:
    seen = home(pv=4_000, grid=-3_500, soc=100)
    known = order(import_price=50.0, export_price=-20.0)
    guessed = order(import_price=50.0, export_price=-20.0, export_assumed=True)
    assert ask(seen, known).pv_limits_w
    assert ask(seen, guessed).pv_limits_w != ask(seen, known).pv_limits_w
