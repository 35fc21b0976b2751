"""The cars: what is still missing, by when, and what each charger gets now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.cars import CarsNow, choices
from gateway.control.charging import filled, latest_start, needs, next_departure, wished
from gateway.control.decide import decide
from gateway.control.economics import DispatchInputs
from gateway.control.inputs import DecisionInputs
from gateway.domain.control import ChargerAssumptions
from gateway.domain.intervals import quarter
from gateway.domain.order import Departure, Order
from gateway.domain.plan import CarNeed, ValueCurve
from gateway.domain.readings import ChargerState, Snapshot
from tests.control.homes import (
    CONTROL,
    NOON,
    SETTINGS,
    ask,
    battery,
    charger,
    inputs,
    order,
    snapshot,
)

CHICAGO = ZoneInfo("America/Chicago")
EVENING = datetime(2026, 6, 1, 3, 5, tzinfo=UTC)  # 22:05 the evening before, in Chicago
AT_HOME = replace(CONTROL, zone=CHICAGO)
WISH = replace(SETTINGS, departure_time=time(7), departure_energy_wh=9_000)


def need(got_wh: float | None = 2_000) -> CarNeed:
    (wanted,) = wished(needs((charger(got_wh=got_wh),), WISH, AT_HOME, EVENING))
    return wanted


def test_what_is_missing_until_the_next_morning() -> None:
    assert need().energy_wh == 7_000
    assert need().departure == datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "seen", [charger(plugged=False), charger(plugged=None), charger(got_wh=9_000)]
)
def test_no_need(seen: ChargerState) -> None:
    assert wished(needs((seen,), WISH, AT_HOME, EVENING)) == ()


def test_an_uncounted_session_is_asked_for_the_whole_wish() -> None:
    assert need(None).energy_wh == 9_000


def test_each_car_has_its_own_need_and_the_most_urgent_comes_first() -> None:
    cars = (
        charger("left", got_wh=7_000),
        charger("right", got_wh=2_000),
        charger("full", got_wh=9_000),
    )
    wanted = wished(needs(cars, WISH, AT_HOME, EVENING))
    assert [(n.name, n.energy_wh) for n in wanted] == [("right", 7_000), ("left", 2_000)]


MONDAY_7 = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("case", "now", "changes", "leaves", "energy_wh"),
    [
        ("the usual one", EVENING, {}, MONDAY_7, 9_000),
        ("only on other days of the week", EVENING, {"departure_days": (1, 2)}, MONDAY_7 + timedelta(days=1), 9_000),
        ("on no day: nothing is wanted", EVENING, {"departure_days": ()}, EVENING + timedelta(days=7), 0),
        ("a single one takes the place of that day's", EVENING,
         {"departures": (Departure(MONDAY_7 + timedelta(hours=3), 30_000),)}, MONDAY_7 + timedelta(hours=3), 30_000),
        ("a calendar's next", EVENING,
         {"departures": (Departure(MONDAY_7 + timedelta(days=3), 1.0), Departure(MONDAY_7 - timedelta(hours=2), 5_000))},
         MONDAY_7 - timedelta(hours=2), 5_000),
        ("a single one that is over does not count, nor that day's usual one", MONDAY_7 - timedelta(hours=1),
         {"departures": (Departure(MONDAY_7 - timedelta(hours=2), 5_000),)}, MONDAY_7 + timedelta(days=1), 9_000),
        ("across the change to summer time", datetime(2027, 3, 14, 7, tzinfo=UTC), {}, datetime(2027, 3, 14, 12, tzinfo=UTC), 9_000),
        ("the hour that comes twice: ready at the first", datetime(2026, 11, 1, 6, tzinfo=UTC),
         {"departure_time": time(1, 30)}, datetime(2026, 11, 1, 6, 30, tzinfo=UTC), 9_000),
        ("in the second of both the car has left", datetime(2026, 11, 1, 7, 10, tzinfo=UTC),
         {"departure_time": time(1, 30)}, datetime(2026, 11, 2, 7, 30, tzinfo=UTC), 9_000),
        ("the hour that is left out", datetime(2027, 3, 14, 7, tzinfo=UTC), {"departure_time": time(2, 30)},
         datetime(2027, 3, 14, 8, 30, tzinfo=UTC), 9_000),
    ],
)  # fmt: skip
def test_when_the_car_leaves(
    case: str, now: datetime, changes: dict[str, Any], leaves: datetime, energy_wh: float
) -> None:
    assert next_departure(now, replace(WISH, **changes), CHICAGO) == Departure(leaves, energy_wh), (
        case
    )


# -- what a Wh in the car is worth --


def curve(*values: float) -> ValueCurve:
    """Made when 7,000 Wh were wanted."""
    first = quarter(datetime(2026, 6, 1, 3, tzinfo=UTC))
    return ValueCurve(first, (0.0, 3_500.0, 7_000.0), values)


def at(price: float, net_w: float = 400, limit_w: float | None = None) -> DispatchInputs:
    return DispatchInputs(price, 20.0, net_w, import_limit_w=limit_w)


def power_w(values: ValueCurve, now: DispatchInputs, wanted: CarNeed) -> float:
    return sum(c.power_w for c in choices((wanted,), {wanted.name: values}, CarsNow(now)))


def test_the_car_charges_while_another_wh_in_it_is_worth_the_price() -> None:
    values = curve(200.0, 100.0, 0.0)
    assert power_w(values, at(150), need()) == 11_040
    assert power_w(values, at(150), need(3_000)) == 11_040  # 1,000 Wh since: worth 171
    assert power_w(values, at(150), need(5_000)) == 0  # 3,000 Wh since: worth 114
    assert power_w(values, at(150, net_w=-6_000), need(5_000)) == 6_000  # surplus: 20
    assert power_w(values, at(150, net_w=-900), need(5_000)) == 0  # too little for 6 A


@pytest.mark.parametrize(("least_w", "charges"), [(0.0, True), (500.0, False)])
def test_paid_to_import_only_the_value_counts_without_a_least_surplus(
    least_w: float, charges: bool
) -> None:
    """Import is paid for: the car's own start ended the surplus, and it began 44 times in a morning."""
    paid = DispatchInputs(-43.0, -103.0, 365.0, None, None)
    wants = CarNeed(
        0.0, NOON, 11_040.0, 1_380.0, "box", more_wh=50_000.0, more_value=20.0, surplus_w=least_w
    )
    (choice,) = choices((wants,), {}, CarsNow(paid))
    assert (choice.power_w > 0) is charges


def test_the_fuse_leaves_what_it_leaves() -> None:
    values = curve(200.0, 200.0, 200.0)
    assert power_w(values, at(150, net_w=3_000, limit_w=8_000), need()) == 5_000
    assert power_w(values, at(150, net_w=4_500, limit_w=8_000), need()) == 0


# -- one charger, as a table --

NOW = replace(SETTINGS, charge_now=True)
LONG = replace(SETTINGS, departure_time=time(12))  # at noon: a day from now
LATE = replace(SETTINGS, departure_time=time(13))  # in an hour; 10 kWh take 54 minutes


def values(worth: float, price: float | None, **more: Any) -> Order:
    """A Wh in the car is worth ``worth`` whatever it has got; exporting earns 20."""
    worthy = ValueCurve(order().terms[0].interval, (0.0, 10_000.0), (worth, worth))
    return order(import_price=price, export_price=20.0, car_values={"box": worthy}, **more)


def seen(grid: float | None = 500.0, pv: float | None = 0.0, **car: object) -> Snapshot:
    return snapshot(grid, pv, batteries=(), chargers=(charger(**car),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case", "home", "asked", "settings", "fuse_w", "amperes"),
    [
        ("worth more than it costs: full power", seen(), values(200, 150), LONG, None, 16),
        ("worth less: it waits", seen(), values(100, 150), LONG, None, 0),
        ("the sun's surplus is worth it, in the nearest amperes", seen(-5_000, 5_500), values(100, 150), LONG, None, 7),
        ("too little sun for the least current", seen(-900, 1_400), values(100, 150), LONG, None, 0),
        ("a price that is not known: rather ready than short", seen(), values(100, None), LONG, None, 16),
        ("no order, and time enough: it waits", seen(), None, LONG, None, 0),
        ("no order from its latest start on: full power", seen(), None, LATE, None, 16),
        ("an order that does not know the car is none", seen(), order(import_price=10.0, export_price=5.0), LATE, None, 16),
        ("it has got what it wants", seen(got_wh=10_000), None, LATE, None, 0),
        ("charge now", seen(got_wh=10_000), None, NOW, None, 16),
        ("the fuse leaves room for less", seen(5_000), None, NOW, 12_000, 10),
        ("the car's own power is not counted twice", seen(9_000, power_w=6_900), None, NOW, 12_000, 14),
        ("the fuse leaves no room", seen(11_000), None, NOW, 12_000, 0),
        ("meter lost: the least, never the last", seen(None), None, NOW, 12_000, 6),
        ("the charger's power lost: the least", seen(power_w=None), None, NOW, 12_000, 6),
        ("under the fuse the plan's power is rounded down", seen(3_000), values(200, 150), LONG, 8_000, 7),
        ("the peak of a demand charge is a limit of the plan", seen(3_000), values(200, 150, peak_w=8_000), LONG, None, 7),
        ("no car", seen(plugged=False), None, NOW, None, None),
        ("not known whether there is one", seen(plugged=None), None, NOW, None, None),
        ("a charger that is only read is load", seen(steerable=False), None, NOW, None, None),
    ],
)  # fmt: skip
def test_one_car(
    case: str,
    home: Snapshot,
    asked: Order | None,
    settings: object,
    fuse_w: float | None,
    amperes: float | None,
) -> None:
    control = replace(CONTROL, import_limit_w=fuse_w)
    assert ask(home, asked, settings=settings, control=control).charge_current_a == amperes, case


def test_it_starts_at_its_latest_start_and_not_before() -> None:
    (wanted,) = wished(needs((charger(),), LATE, CONTROL, NOON))
    start = latest_start(wanted)
    late, early = start + timedelta(seconds=1), start - timedelta(seconds=1)
    assert ask(seen(), None, settings=LATE, now=early).charge_current_a == 0
    assert ask(seen(), None, settings=LATE, now=late).charge_current_a == 16
    full = timedelta(hours=wanted.energy_wh / wanted.max_power_w)
    assert start + full < wanted.departure, "it is ready in time, with some to spare"


def test_from_its_latest_start_on_it_charges_until_it_has_what_was_wished() -> None:
    """Who charges at full power gains time: looked at anew each time, it stopped and started each minute."""
    seen_car = replace(charger(), phases=3)
    (wanted,) = wished(needs((seen_car,), LATE, CONTROL, NOON))
    tick = inputs(seen(), None, settings=LATE, control=replace(CONTROL, car_dwell_s=120.0))
    begin, got_wh = latest_start(wanted) + timedelta(seconds=1), 0.0
    told: list[float] = []
    for seconds in range(0, 3_600, 10):
        home = snapshot(
            500.0 + 11_040 * (seconds > 0),
            batteries=(),
            chargers=(replace(seen_car, session_wh=got_wh),),
        )
        now = begin + timedelta(seconds=seconds)
        decision = decide(replace(tick, snapshot=home, now=now, monotonic_s=1_000.0 + seconds))
        tick = replace(tick, memory=decision.memory)
        told.append(decision.setpoints.charge_current_a or 0.0)
        got_wh += told[-1] * 690 / 360
    assert told == sorted(told, reverse=True), "one start, one stop"
    assert 9_990 <= got_wh < 10_100
    moved = replace(tick, settings=LONG, snapshot=seen(), monotonic_s=5_000.0)
    assert decide(moved).setpoints.charge_current_a == 0, "and not for another departure"


def test_charge_now_is_for_the_car_that_stands_there() -> None:
    first = inputs(seen(), None, settings=replace(LONG, charge_now=True))
    one = decide(first)
    assert one.setpoints.charge_current_a == 16
    gone = decide(replace(first, snapshot=seen(plugged=False), memory=one.memory))
    other = replace(first, memory=gone.memory)
    assert decide(other).setpoints.charge_current_a == 0, "the next car has the usual wish"
    ended = decide(replace(other, settings=LONG))
    anew = replace(first, memory=ended.memory)
    assert decide(anew).setpoints.charge_current_a == 16, "until the user says it again"


# -- the contactor --


class Ticks:
    """One car over several ticks."""

    def __init__(self, dwell_s: float = 120.0) -> None:
        self.next = inputs(
            seen(), None, settings=LONG, control=replace(CONTROL, car_dwell_s=dwell_s)
        )

    def at(self, seconds: float, asked: Order | None, **changes: object) -> float | None:
        tick: DecisionInputs = replace(self.next, monotonic_s=seconds, order=asked, **changes)  # type: ignore[arg-type]
        decision = decide(tick)
        self.next = replace(self.next, memory=decision.memory)
        return decision.setpoints.charge_current_a


CHEAP, DEAR = values(200, 150), values(100, 150)


def test_the_contactor_rests_between_two_changes_of_price() -> None:
    ticks = Ticks()
    assert ticks.at(1_000, CHEAP) == 16
    assert ticks.at(1_060, DEAR) == 6
    assert ticks.at(1_120, DEAR) == 0
    assert ticks.at(1_130, CHEAP) == 0
    assert ticks.at(1_131, CHEAP, settings=LATE) == 16, "a car that is late does not wait"
    assert ticks.at(1_132, CHEAP, snapshot=seen(got_wh=10_000)) == 0, "it has its energy"
    assert ticks.at(1_133, CHEAP, snapshot=seen(plugged=False)) is None


def test_a_raised_current_is_expected_to_come() -> None:
    """The battery makes room before the car draws, and only for a while: not every car takes all."""
    fuse = replace(CONTROL, import_limit_w=12_000)
    first = inputs(seen(1_000), None, settings=NOW, control=fuse)
    with_battery = replace(first.snapshot, batteries=(battery(power_w=0.0),))
    first = replace(first, snapshot=with_battery, order=order(position_wh=-1_000))
    one = decide(first)
    assert one.setpoints.chargers_a == {"box": 15}
    assert one.setpoints.battery_w == -650
    two = decide(replace(first, memory=one.memory, monotonic_s=1_040.0))
    assert two.setpoints.battery_w == -3_000


# -- several chargers --


def cars(*states: tuple[str, float | None]) -> tuple[ChargerState, ...]:
    return tuple(charger(name, 0.0, got_wh is not None, got_wh) for name, got_wh in states)


@pytest.mark.parametrize(
    ("case", "chargers", "room_a", "settings", "shares"),
    [
        ("alike, the odd ampere to the first", (("left", 2_000), ("right", 7_000)), 21, LATE, {"left": 11, "right": 10}),
        ("the most of each", (("left", 2_000), ("right", 7_000)), 40, NOW, {"left": 16, "right": 16}),
        ("not enough for both: the first", (("left", 2_000), ("right", 2_000)), 11, NOW, {"left": 11, "right": 0}),
        ("nothing for anybody", (("left", 2_000), ("right", 7_000)), 5, NOW, {"left": 0, "right": 0}),
        ("nobody stands at the right one", (("left", 2_000), ("right", None)), 20, NOW, {"left": 16, "right": 0}),
        ("the right one has its wish", (("left", 2_000), ("right", 10_000)), 30, LATE, {"left": 16, "right": 0}),
        ("charge now is for every car", (("left", 2_000), ("right", 10_000)), 32, NOW, {"left": 16, "right": 16}),
        ("only the one that is late", (("left", 9_000), ("right", 0)), 32, replace(LATE, departure_time=time(13, 5)), {"left": 0, "right": 16}),
    ],
)  # fmt: skip
def test_shares(
    case: str,
    chargers: tuple[tuple[str, float | None], ...],
    room_a: float,
    settings: object,
    shares: dict[str, float],
) -> None:
    home = snapshot(0.0, batteries=(), chargers=cars(*chargers))
    control = replace(CONTROL, import_limit_w=room_a * 690)
    late = replace(settings, departure_time=time(12, 20)) if settings is LATE else settings
    assert ask(home, None, settings=late, control=control).chargers_a == shares, case


def test_a_charger_that_is_only_read_gives_no_room() -> None:
    """It does not give way: what it draws is load to the other one."""
    both = (charger("left"), charger("right", power_w=11_000, steerable=False))
    home = snapshot(12_000, batteries=(), chargers=both)
    out = ask(home, None, settings=NOW, control=replace(CONTROL, import_limit_w=17_000))
    assert out.chargers_a == {"left": 7}  # 5 kW are left


@pytest.mark.parametrize(("grid_w", "power_w", "amperes"), [(5_000, 4_140, 7), (3_000, 0, 0)])
def test_a_silent_charger_makes_no_other_blind(grid_w: float, power_w: float, amperes: int) -> None:
    """What the meter sees leaves room or not: given the least all the same, a car began and was cut off 25 times in an hour."""
    both = (charger("left", power_w=power_w), charger("right", power_w=None, plugged=None))
    home = snapshot(grid_w, batteries=(), chargers=both)
    out = ask(home, None, settings=NOW, control=replace(CONTROL, import_limit_w=6_000))
    assert out.chargers_a["left"] == amperes


def test_chargers_of_different_size_share_the_fuse() -> None:
    one_phase = {"right": ChargerAssumptions(phases=1, max_a=32)}
    control = replace(CONTROL, chargers=one_phase, import_limit_w=12_000)
    home = snapshot(0.0, batteries=(), chargers=cars(("left", 0), ("right", 0)))
    out = ask(home, None, settings=NOW, control=control)
    assert out.chargers_a == {"left": 13, "right": 13}  # 8,970 + 2,990 of 12,000 W


@given(
    budget=st.floats(-5_000, 50_000),
    most=st.lists(st.floats(0, 32), min_size=1, max_size=4),
    phases=st.lists(st.sampled_from([1, 3]), min_size=4, max_size=4),
)
def test_shares_are_whole_legal_currents_within_the_budget(
    budget: float, most: list[float], phases: list[int]
) -> None:
    specs = {str(i): ChargerAssumptions(phases=phases[i]) for i in range(len(most))}
    given_a = filled({str(i): a for i, a in enumerate(most)}, specs, budget)
    assert all(a == int(a) and 6 <= a <= most[int(n)] + 1e-6 for n, a in given_a.items())
    assert sum(a * specs[n].per_ampere_w for n, a in given_a.items()) <= max(budget, 0) + 1e-6
