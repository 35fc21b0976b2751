"""What must hold for every home, every order and every past: limits, the split, the monotone price."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.control.batteries import at_reserve, can_give_w, sized, split
from gateway.control.cars import CarsNow, choices
from gateway.control.decide import decide
from gateway.control.economics import DispatchInputs, battery_power_w
from gateway.control.inputs import ControlMemory, DecisionInputs
from gateway.domain.control import BatteryAssumptions, Reason, Setpoints
from gateway.domain.order import Order, StandingSettings
from gateway.domain.plan import BatterySpec, CarNeed, ValueCurve
from gateway.domain.readings import BatteryState, ChargerState
from tests.control.homes import (
    CONTROL,
    NOON,
    SETTINGS,
    battery,
    charger,
    flat,
    inputs,
    order,
    snapshot,
)

TOLERANCE_W = 1.0  # setpoints are whole W
power = st.floats(-12_000, 12_000)
price = st.none() | st.floats(-500, 3_000)
NAMES = ("a", "b", "c")


@st.composite
def batteries(draw: st.DrawFn, least: int = 1) -> tuple[BatteryState, ...]:
    count = draw(st.integers(least, 3))
    return tuple(
        battery(
            name,
            power_w=draw(st.floats(-5_000, 5_000)),
            soc_pct=draw(st.floats(0, 100)),
            capacity_wh=draw(st.floats(1_000, 30_000)),
            max_w=draw(st.floats(500, 8_000)),
        )
        for name in NAMES[:count]
    )


@st.composite
def cars(draw: st.DrawFn) -> tuple[ChargerState, ...]:
    return tuple(
        charger(
            name,
            power_w=draw(st.floats(0, 11_000)),
            plugged=draw(st.booleans()),
            got_wh=draw(st.none() | st.floats(0, 20_000)),
        )
        for name in ("left", "right")[: draw(st.integers(0, 2))]
    )


@st.composite
def orders(draw: st.DrawFn) -> Order | None:
    """Anything that an agent could say, sensible or not."""
    if draw(st.booleans()) and draw(st.booleans()):
        return None
    falling = sorted(draw(st.lists(st.floats(-500, 3_000), min_size=3, max_size=3)), reverse=True)
    curve = replace(flat(0), stored_wh=(0.0, 8_000.0, 40_000.0), value_per_mwh=tuple(falling))
    return order(
        draw(st.floats(0.01, 900)),
        resellable=draw(st.booleans()),
        peak_w=draw(st.none() | st.floats(0, 20_000)),
        position_wh=draw(st.sampled_from([0, 0, 500, -500, 10**7, -(10**7)])),
        import_price=draw(price),
        export_price=draw(price),
        value=draw(st.sampled_from([None, curve])),
        car_values=draw(st.sampled_from([{}, {"b": curve}, {"a": curve, "b": curve}])),
    )


@st.composite
def ticks(draw: st.DrawFn, least: int = 1) -> DecisionInputs:
    """A home at any moment, with an order and a past."""
    own = draw(batteries(least))
    before = draw(
        st.just({}) | st.fixed_dictionaries({b.name: st.integers(-8_000, 8_000) for b in own})
    )
    memory = ControlMemory(
        Setpoints(
            batteries_w=before,
            reason=draw(st.sampled_from([Reason.SELF_CONSUMPTION, *Reason])),
        ),
        draw(st.floats(0, 1_000)),
        regret=draw(st.sampled_from([0.0, 0.005, 1.0, math.inf])),
        decided_s=draw(st.floats(900, 1_000)),
    )
    return inputs(
        snapshot(draw(power), draw(st.floats(0, 12_000)), own, draw(cars())),
        draw(orders()),
        draw(st.none() | st.floats(-3_000, 3_000)),
        replace(
            CONTROL,
            import_limit_w=draw(st.none() | st.floats(2_000, 20_000)),
            export_limit_w=draw(st.none() | st.floats(0, 10_000)),
            battery_switch_cost=draw(st.sampled_from([0.0, 0.01, 1.0])),
        ),
        StandingSettings(
            reserve_pct=draw(st.floats(0, 60)),
            battery=draw(st.sampled_from(["auto", "auto", "hold"])),
            export_limit_w=draw(st.none() | st.floats(0, 10_000)),
            import_limit_w=draw(st.none() | st.floats(1_000, 20_000)),
            charge_now=draw(st.booleans()),
            departure_energy_wh=draw(st.floats(0, 30_000)),
        ),
        memory=memory,
    )


def without_battery_w(tick: DecisionInputs) -> float:
    """Import if the batteries did nothing."""
    grid = tick.snapshot.grid_w
    assert grid is not None
    return grid + sum(b.power_w or 0.0 for b in tick.snapshot.batteries)


def least(*limits: float | None) -> float:
    return min((w for w in limits if w is not None), default=1e9)


@given(ticks())
def test_never_over_the_fuse_while_the_batteries_can_help(tick: DecisionInputs) -> None:
    out = decide(tick).setpoints
    if out.battery_w is None:
        return  # an inverter by itself covers what it can
    imported_w = without_battery_w(tick) - out.battery_w
    limit_w = least(tick.control.import_limit_w, tick.settings.import_limit_w)
    most_w = sum(b.max_discharge_w or 0.0 for b in tick.snapshot.batteries)
    assert imported_w <= max(limit_w, without_battery_w(tick) - most_w) + TOLERANCE_W


@given(ticks())
def test_never_over_the_export_limit_by_the_battery(tick: DecisionInputs) -> None:
    out = decide(tick).setpoints
    if out.battery_w is None or out.battery_w <= 0:
        return
    exported_w = out.battery_w - without_battery_w(tick)
    limit_w = least(tick.control.export_limit_w, tick.settings.export_limit_w)
    assert exported_w <= limit_w + TOLERANCE_W


@given(ticks())
def test_no_battery_is_drained_below_its_reserve_but_for_the_fuse(tick: DecisionInputs) -> None:
    out = decide(tick).setpoints
    reserve = tick.settings.reserve_pct
    low = [b for b in tick.snapshot.batteries if at_reserve(b, reserve)]
    if not out.batteries_w:
        assert not low, "released, an inverter would go on below it"
        return
    given_w = sum(max(out.batteries_w[b.name], 0) for b in low)
    others_w = sum(can_give_w(b, reserve) for b in tick.snapshot.batteries)
    limit_w = least(tick.control.import_limit_w, tick.settings.import_limit_w)
    rising_w = 2 * 11_040 if tick.snapshot.car_plugged else 0
    needed_w = max(0.0, without_battery_w(tick) + rising_w - limit_w - others_w)
    assert given_w <= needed_w + TOLERANCE_W


HELP = {Reason.FUSE, Reason.IMPORT_LIMIT, Reason.GRID_OPERATOR}


@given(ticks())
def test_no_calm_empties_a_battery_into_a_car(tick: DecisionInputs) -> None:
    """Whatever was decided a moment before; only what was sold, and a limit of import, stand above it."""
    order, car_w = tick.order, tick.snapshot.charger_w or 0.0
    if car_w <= 100:
        return
    if order is not None:
        unsold = tuple(replace(t, position_wh=min(t.position_wh, 0)) for t in order.terms)
        tick = replace(tick, order=replace(order, terms=unsold))
    out = decide(tick).setpoints
    home_w = max(0.0, without_battery_w(tick) - car_w) + tick.control.deadband_w
    if out.battery_w is None:
        assert without_battery_w(tick) <= home_w + TOLERANCE_W, "the inverter covers the car"
    elif out.reason not in HELP:
        assert out.battery_w <= home_w + TOLERANCE_W


@given(ticks())
def test_what_must_stay_at_home_is_not_fed_into_the_grid(tick: DecisionInputs) -> None:
    """Energy of the flat night: the battery covers the house, whatever was decided a moment before."""
    if tick.order is None:
        return
    unsold = tuple(replace(t, position_wh=min(t.position_wh, 0)) for t in tick.order.terms)
    out = decide(replace(tick, order=replace(tick.order, resellable=False, terms=unsold))).setpoints
    if out.battery_w is not None and out.battery_w > 0:
        assert out.battery_w <= max(0.0, without_battery_w(tick)) + TOLERANCE_W


@given(
    ticks(), st.integers(1, 1_500), st.floats(0, 1_500), st.floats(1, 900), st.booleans()
)  # fmt: skip
def test_what_was_sold_is_delivered_where_it_can_be(
    tick: DecisionInputs, position_wh: int, delivered_wh: float, left_s: float, resellable: bool
) -> None:
    asked = order(left_s, position_wh=position_wh, resellable=resellable)
    auto = replace(tick.settings, battery="auto", charge_now=False, departure_energy_wh=0.0)
    past = ControlMemory()
    tick = replace(tick, order=asked, delivered_wh=delivered_wh, settings=auto, memory=past)
    without_w = without_battery_w(tick)
    export_w = (position_wh - delivered_wh) * 3600 / max(left_s, 5.0)
    own = tick.snapshot.batteries
    high_w = min(
        sum(can_give_w(b, tick.settings.reserve_pct) for b in own),
        without_w + least(tick.control.export_limit_w, tick.settings.export_limit_w),
    )
    low_w = max(
        -sum(b.max_charge_w or 0.0 for b in own),
        without_w - least(tick.control.import_limit_w, tick.settings.import_limit_w),
    )
    out = decide(tick).setpoints
    assert out.battery_w is not None
    if low_w <= high_w:
        best_w = min(max(without_w + export_w, low_w), high_w)
        assert abs(out.battery_w - best_w) <= TOLERANCE_W, "as much of it as limits allow"


@given(
    ticks(),
    st.sampled_from(["grid", "soc", "power"]),
    st.sampled_from(NAMES),
    st.sampled_from([None, False]),
)
def test_what_is_not_known_releases_the_batteries_above_their_reserve(
    tick: DecisionInputs, what: str, name: str, off_grid: bool | None
) -> None:
    """With the meter lost for a night, a battery went from 20 % to 5 %."""
    seen = replace(tick.snapshot, off_grid=off_grid)
    if what == "grid":
        seen = replace(seen, grid_w=None)
    else:
        gap = {"soc": "soc_pct", "power": "power_w"}[what]
        hit = tuple(replace(b, **{gap: None}) if b.name == name else b for b in seen.batteries)  # type: ignore[arg-type]
        assume(hit != seen.batteries)
        seen = replace(seen, batteries=hit)
    out = decide(replace(tick, snapshot=seen)).setpoints
    held = tick.settings.battery == "hold"
    outage = what == "grid" and off_grid is None  # then the reserve is what lights the house
    low = [b for b in seen.batteries if at_reserve(b, tick.settings.reserve_pct) and not outage]
    assert out.batteries_w == {b.name: 0 for b in (seen.batteries if held else low)}


@given(ticks())
def test_cars_draw_no_more_than_the_import_limit_leaves(tick: DecisionInputs) -> None:
    out = decide(tick).setpoints
    seen, grid_w = tick.snapshot, tick.snapshot.grid_w
    limit_w = least(tick.control.import_limit_w, tick.settings.import_limit_w)
    drawn_w = sum(a * 690 for a in out.chargers_a.values())
    assert grid_w is not None
    charging_w = max(0.0, -sum(b.power_w or 0.0 for b in seen.batteries))
    given_w = sum(b.power_w or 0.0 for b in seen.batteries)
    low = [b for b in seen.batteries if at_reserve(b, tick.settings.reserve_pct)]
    reserved_w = max(0.0, min(given_w, sum(max(0.0, b.power_w or 0.0) for b in low)))
    room_w = limit_w - (grid_w - (seen.charger_w or 0.0) - charging_w + reserved_w)
    assert drawn_w <= max(room_w, 0.0) + TOLERANCE_W
    blind = decide(replace(tick, snapshot=replace(seen, grid_w=None))).setpoints
    if limit_w < 1e9:
        assert sum(blind.chargers_a.values()) <= CONTROL.charger.min_a


@given(ticks(least=2))
def test_the_parts_are_whole_and_within_each_batterys_power(tick: DecisionInputs) -> None:
    out = decide(tick).setpoints
    for one in tick.snapshot.batteries:
        asked_w = out.batteries_w.get(one.name, 0)
        assert abs(asked_w) <= (one.max_charge_w or 0.0) + TOLERANCE_W, one


@given(batteries(), st.floats(0, 100), st.floats(-1, 1))
def test_a_split_adds_up_and_asks_nobody_for_what_it_has_not(
    own: tuple[BatteryState, ...], reserve: float, part: float
) -> None:
    own = sized(own, BatteryAssumptions())
    give_w = sum(can_give_w(b, reserve) for b in own)
    total_w = int(part * (give_w if part > 0 else sum(b.max_charge_w or 0.0 for b in own)))
    parts = split(total_w, own, reserve)
    assert sum(parts.values()) == total_w
    for one in own:
        if total_w > 0:
            assert 0 <= parts[one.name] <= can_give_w(one, reserve) + TOLERANCE_W
        else:
            assert 0 <= -parts[one.name] <= (one.max_charge_w or 0.0) + TOLERANCE_W


@given(
    st.tuples(st.integers(-200, 2_000), st.integers(-200, 2_000)), st.integers(1, 1_000),
    st.integers(-200, 2_000), st.integers(-8_000, 8_000), st.integers(0, 10_000),
    st.none() | st.integers(1_000, 12_000),
)  # fmt: skip
@settings(max_examples=300)
def test_dearer_energy_never_means_that_the_battery_gives_less(
    prices: tuple[int, int], more: int, value: int, net_w: int, stored_wh: int, fuse_w: int | None
) -> None:
    spec = BatterySpec(10_000, 2_000, 5_000, 4_000)
    low, high = min(prices), max(prices)  # a retailer buys at no more than it sells
    now = DispatchInputs(high, low, net_w, 5_000, fuse_w)
    later = replace(now, import_price=high + more, export_price=low + more)
    one = battery_power_w(flat(value), stored_wh, now, spec)
    other = battery_power_w(flat(value), stored_wh, later, spec)
    assert -spec.max_charge_w <= one <= spec.max_discharge_w
    assert other >= one - 1e-6
    worthier = battery_power_w(flat(value + more), stored_wh, now, spec)
    assert worthier <= one + 1e-6, "and what is worth more is kept"


@given(
    st.integers(-200, 2_000), st.integers(1, 1_000), st.integers(-200, 2_000),
    st.integers(-8_000, 8_000),
)  # fmt: skip
def test_dearer_energy_never_charges_a_car_more(
    price_: int, more: int, value: int, net_w: int
) -> None:
    need = CarNeed(5_000, NOON, 11_040, 4_140)
    curve: ValueCurve = flat(value)
    now = DispatchInputs(price_, price_ - 50, net_w)
    later = replace(now, import_price=price_ + more, export_price=price_ - 50 + more)
    powers = [
        sum(c.power_w for c in choices((need,), {"car": curve}, CarsNow(at))) for at in (now, later)
    ]
    assert powers[1] <= powers[0] + 1e-6


def test_the_battery_helps_under_the_fuse_whatever_its_energy_is_worth() -> None:
    """The plan's own bound, without any limit behind it."""
    spec = BatterySpec(10_000, 2_000, 5_000, 5_000)
    over = DispatchInputs(10, 5, 9_000, None, 8_000)
    assert battery_power_w(flat(5_000), 6_000, over, spec) == 1_000
    under = DispatchInputs(10, 5, 6_500, None, 8_000)
    assert battery_power_w(flat(5_000), 6_000, under, spec) == -1_500


def test_every_tick_of_a_quiet_home_repeats_itself() -> None:
    tick = inputs(snapshot(), order(position_wh=500), settings=SETTINGS)
    first = decide(tick)
    assert decide(replace(tick, memory=first.memory)).setpoints == first.setpoints
