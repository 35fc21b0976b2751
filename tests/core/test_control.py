"""Control as tables: what goes in at a tick, what comes out. Signs as in gateway.domain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control import ChargerSpec, Pace, Wish, decide, steady
from gateway.domain.control import Commitment, Limits, Reason, Setpoints
from gateway.domain.readings import Snapshot

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIMITS = Limits(
    import_limit_w=None,
    export_limit_w=5_000,
    reserve_pct=20,
    max_charge_w=5_000,
    max_discharge_w=5_000,
)
NONE = Commitment(0, 0.0, 900)


def home(
    pv: float | None = 0,
    battery: float | None = 0,
    grid: float | None = 500,
    soc: float | None = 60,
    charger: float | None = 0,
    plugged: bool | None = False,
) -> Snapshot:
    load = None if None in (pv, battery, grid) else (pv or 0) + (battery or 0) + (grid or 0)
    return Snapshot(
        NOW, {}, pv, battery, soc, grid, load, charger, plugged, 0.0, 0.0, 0.0
    )  # fmt: skip


@pytest.mark.parametrize(
    ("case", "snapshot", "commitment", "wish", "battery_w", "reason"),
    [
        ("no wish: the inverter keeps the meter at zero", home(), NONE, Wish(), None, Reason.SELF_CONSUMPTION),
        ("a wish passes", home(), NONE, Wish(2_000, reason=Reason.PRICE_DISCHARGE), 2_000, Reason.PRICE_DISCHARGE),
        ("meter lost: released", home(grid=None), NONE, Wish(2_000), None, Reason.NOT_MEASURED),
        ("charge lost: released", home(soc=None), NONE, Wish(2_000), None, Reason.NOT_MEASURED),
        ("500 Wh sold, a quarter left: 2 kW out, and the 500 W of load", home(), Commitment(500, 0, 900), Wish(), 2_500, Reason.DELIVERY),
        ("half delivered at half time", home(battery=2_500, grid=-2_000), Commitment(500, 250, 450), Wish(), 2_500, Reason.DELIVERY),
        ("behind: more power for the rest", home(battery=2_500, grid=-2_000), Commitment(500, 200, 450), Wish(), 2_900, Reason.DELIVERY),
        ("done early: battery only covers the house", home(battery=2_500, grid=-2_000), Commitment(500, 500, 100), Wish(), 500, Reason.DELIVERY),
        ("ahead: takes the surplus back", home(pv=3_000, battery=0, grid=-2_500), Commitment(100, 150, 450), Wish(), -2_900, Reason.DELIVERY),
        ("never below the reserve for a commitment", home(soc=20), Commitment(500, 0, 900), Wish(), 0, Reason.RESERVE),
        ("export limit beats the commitment", home(), Commitment(2_000, 0, 900), Wish(), 5_000, Reason.EXPORT_LIMIT),
        ("export limit with surplus PV", home(pv=4_000, battery=0, grid=-3_500), Commitment(2_000, 0, 900), Wish(), 1_500, Reason.EXPORT_LIMIT),
        ("delivered so far unknown: the wish, no blind chase", home(), Commitment(500, None, 900), Wish(), None, Reason.SELF_CONSUMPTION),
        ("at the reserve self-consumption is held", home(soc=20), NONE, Wish(), 0, Reason.RESERVE),
        ("at the reserve surplus still charges", home(pv=3_000, grid=-2_500, soc=20), NONE, Wish(), -2_500, Reason.RESERVE),
        ("bought 250 Wh: takes 1 kW", home(grid=0), Commitment(-250, 0, 900), Wish(), -1_000, Reason.DELIVERY),
    ],
)  # fmt: skip
def test_battery(
    case: str,
    snapshot: Snapshot,
    commitment: Commitment,
    wish: Wish,
    battery_w: int | None,
    reason: Reason,
) -> None:
    out = decide(snapshot, commitment, wish, LIMITS)
    assert (out.battery_w, out.reason) == (battery_w, reason), case


@pytest.mark.parametrize(
    ("case", "snapshot", "wish_w", "fuse_w", "amperes"),
    [
        ("full power", home(plugged=True), 11_040, None, 16.0),
        ("whole amperes, rounded up: rather ready than short", home(plugged=True), 7_000, None, 11.0),
        ("nothing worth starting for", home(plugged=True), 90, None, 0.0),
        ("less than the least current: the least", home(plugged=True), 1_000, None, 6.0),
        ("the fuse leaves room for less", home(grid=5_000, charger=0, plugged=True), 11_040, 12_000, 10.0),
        ("the car's own power is not counted twice", home(grid=9_000, charger=6_900, plugged=True), 11_040, 12_000, 14.0),
        ("the fuse leaves no room", home(grid=11_000, charger=0, plugged=True), 11_040, 12_000, 0.0),
        ("meter lost: the least, never the last", home(grid=None, plugged=True), 11_040, 12_000, 6.0),
        ("no wish", home(plugged=True), None, None, None),
        ("no charger heard of", home(plugged=None), 11_040, None, None),
    ],
)  # fmt: skip
def test_car(
    case: str, snapshot: Snapshot, wish_w: float | None, fuse_w: float | None, amperes: float | None
) -> None:
    limits = Limits(fuse_w, None, 20, 5_000, 5_000)
    out = decide(snapshot, NONE, Wish(car_w=wish_w), limits, ChargerSpec())
    assert out.charge_current_a == amperes, case


PV_ONLY = replace(home(pv=6_000, grid=-5_400), battery_w=None, battery_soc_pct=None)


@pytest.mark.parametrize(
    ("case", "snapshot", "commitment", "curtail", "limit_w"),
    [
        ("far from the limit: none", home(pv=3_000, grid=-2_500), NONE, False, None),
        ("near the export limit", home(pv=6_000, grid=-5_400), NONE, False, 5_600),
        ("negative price: only what the home uses", home(pv=3_000, grid=-2_500), NONE, True, 500),
        ("negative price but sold: deliver", home(pv=3_000, grid=-2_500), Commitment(300, 0, 900), True, None),
        ("load unknown: held to the export limit", home(pv=None), NONE, False, 5_000),
        ("load unknown: no price is followed blindly", home(pv=None), NONE, True, 5_000),
        ("no battery: the export limit holds all the same", PV_ONLY, NONE, False, 5_600),
    ],
)  # fmt: skip
def test_generation_limit(
    case: str, snapshot: Snapshot, commitment: Commitment, curtail: bool, limit_w: int | None
) -> None:
    out = decide(snapshot, commitment, Wish(curtail=curtail), LIMITS)
    assert out.pv_limit_w == limit_w, case


power = st.floats(-12_000, 12_000)


@given(
    pv=st.floats(0, 10_000), battery=st.floats(-5_000, 5_000), grid=power, soc=st.floats(0, 100),
    position=st.integers(-2_000, 2_000), delivered=st.floats(-2_000, 2_000),
    left=st.floats(0, 900), wish=st.none() | power,
)  # fmt: skip
def test_limits_always_hold(
    pv: float, battery: float, grid: float, soc: float,
    position: int, delivered: float, left: float, wish: float | None,
) -> None:  # fmt: skip
    snapshot = home(pv, battery, grid, soc)
    out = decide(snapshot, Commitment(position, delivered, left), Wish(wish), LIMITS)
    if out.battery_w is None:
        assert soc > LIMITS.reserve_pct
        return
    assert -5_000 <= out.battery_w <= 5_000
    if soc <= LIMITS.reserve_pct:
        assert out.battery_w <= 0
    assert LIMITS.export_limit_w is not None
    if out.battery_w > 0:
        exported = -(grid + battery - out.battery_w)
        assert exported <= LIMITS.export_limit_w + 1


def keep(new: Setpoints, old: Setpoints, stayed_s: float = 1e9) -> Setpoints:
    return steady(new, old, Pace(50, stayed_s, 30), home(), LIMITS)


def test_small_changes_are_not_written() -> None:
    old = Setpoints(battery_w=1_000)
    assert keep(Setpoints(battery_w=1_030), old).battery_w == 1_000
    assert keep(Setpoints(battery_w=1_060), old).battery_w == 1_060
    assert keep(Setpoints(battery_w=-10), Setpoints(battery_w=10)).battery_w == -10
    assert keep(Setpoints(), old).battery_w is None


def test_an_old_power_that_breaks_the_fuse_is_not_kept() -> None:
    limits = Limits(10_000, None, 20, 5_000, 5_000)
    old = Setpoints(battery_w=-5_000, reason=Reason.PRICE_CHARGE)
    new = Setpoints(battery_w=1_000, reason=Reason.PRICE_DISCHARGE)
    pace = Pace(50, stayed_s=5, dwell_s=30)
    assert steady(new, old, pace, home(grid=11_000), limits) == new
    assert steady(new, old, pace, home(grid=1_000), limits).battery_w == -5_000


def test_below_the_reserve_the_sun_charges_a_battery_that_states_no_limits() -> None:
    limits = Limits(None, None, 20, None, None)
    out = decide(home(pv=4_500, grid=-4_000, soc=15), NONE, Wish(), limits)
    assert out.battery_w == -4_000


@pytest.mark.parametrize(
    ("case", "reason", "stayed_s", "changes"),
    [
        ("a price may not flap", Reason.PRICE_CHARGE, 10, False),
        ("it may change after its time", Reason.PRICE_CHARGE, 30, True),
        ("a commitment does not wait", Reason.DELIVERY, 10, True),
        ("nor does the reserve", Reason.RESERVE, 10, True),
        ("nor a lost meter", Reason.NOT_MEASURED, 10, True),
    ],
)
def test_a_mode_that_prices_chose_stays_a_while(
    case: str, reason: Reason, stayed_s: float, changes: bool
) -> None:
    old = Setpoints(battery_w=2_000, reason=Reason.PRICE_DISCHARGE)
    new = Setpoints(battery_w=-2_000, reason=reason)
    assert (keep(new, old, stayed_s) == new) is changes, case


CHARGER = ChargerSpec()
FUSE = replace(LIMITS, import_limit_w=8_000)


def test_the_battery_gives_way_to_the_car_under_the_fuse() -> None:
    """A battery that fills itself at night must not keep the car from its departure."""
    filling = home(battery=-5_000, grid=6_000, plugged=True)  # load 1 kW
    wish = Wish(-5_000, car_w=11_040, reason=Reason.PRICE_CHARGE, car_rises=True)
    out = decide(filling, NONE, wish, FUSE, CHARGER)
    assert out.charge_current_a == 10  # 6.9 of the 7 kW that the house leaves
    assert out.battery_w == -100  # before the car draws
    rested = decide(filling, NONE, replace(wish, car_rises=False), FUSE, CHARGER)
    assert rested.battery_w == -5_000, "a car that does not take what it may holds nobody up"
    drawing = home(battery=-100, grid=8_000, plugged=True, charger=6_900)
    assert decide(drawing, NONE, wish, FUSE, CHARGER).battery_w == -100


def test_a_battery_that_helps_lets_the_car_draw_no_more() -> None:
    helping = home(battery=2_000, grid=-1_000, plugged=True)
    out = decide(helping, NONE, Wish(car_w=11_040), FUSE, CHARGER)
    assert out.charge_current_a == 13  # 8,000 - (-1,000) W: the fuse sees the grid
