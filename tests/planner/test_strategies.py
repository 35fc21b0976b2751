"""Every strategy in the folder keeps the same contract."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.tariff import Tariff
from gateway.domain.intervals import quarter
from gateway.domain.plan import BatterySpec, CarNeed, Observed, Outlook
from gateway.planner import Strategy, strategy
from gateway.planner.outlook import Home, KnownPrices, Options, build_outlook
from gateway.tariff import TariffRules

START = datetime(2024, 6, 1, 6, tzinfo=UTC)
TARIFFS = [
    {"import_price": {"kind": "flat", "per_kwh": "0.14"}},
    {
        "import_price": {"kind": "wholesale", "adder_per_kwh": "0.045"},
        "export_price": {"kind": "wholesale"},
    },
    {"import_price": {"kind": "flat", "per_kwh": "0.14"}, "flat_night": {}},
]
prices = st.floats(-200, 3000)


@st.composite
def outlooks(draw: st.DrawFn) -> Outlook:
    past = draw(st.integers(0, 60))
    energy = st.floats(0, 1500)
    observed = [
        Observed(
            quarter(START + i * timedelta(minutes=15)), draw(energy), draw(energy), draw(prices)
        )
        for i in range(past)
    ]
    now = START + past * timedelta(minutes=15) + timedelta(seconds=draw(st.integers(0, 899)))
    capacity = draw(st.floats(1000, 20000))
    reserve = capacity * draw(st.floats(0, 0.9))
    spec = BatterySpec(
        capacity,
        reserve,
        draw(st.floats(0, 8000)),
        draw(st.floats(0, 8000)),
        draw(st.floats(0.7, 1)),
        draw(st.floats(0.7, 1)),
        draw(st.sampled_from([0.0, 10.0])),
        draw(st.sampled_from([0.0, 20.0])),
    )
    stored = reserve + (capacity - reserve) * draw(st.floats(0, 1))
    one = CarNeed(15000, now + timedelta(hours=7), 11000, 1400)
    two = CarNeed(9000, now + timedelta(hours=4), 3680, 1400, "other", more_wh=9000, more_value=30)
    cars = draw(st.sampled_from([(), (one,), (two, one)]))
    home = Home(
        draw(st.sampled_from([None, spec])),
        stored,
        stored * draw(st.floats(0, 1)),
        cars,
        draw(st.sampled_from([None, 0.0, 5000.0])),
        draw(st.sampled_from([None, 9000.0])),
        car_from_battery=draw(st.booleans()),
    )
    ahead = {START + timedelta(hours=h) / 4: draw(prices) for h in range(past, past + 8)}
    tariff = TariffRules(
        Tariff.model_validate(draw(st.sampled_from(TARIFFS))), ZoneInfo("America/Chicago")
    )
    return build_outlook(now, observed, KnownPrices(ahead), tariff, home, Options(horizon_h=6))


@pytest.fixture(params=["greedy", "value"])
def planner(request: pytest.FixtureRequest) -> Strategy:
    return strategy(request.param)


@settings(max_examples=60, deadline=None)
@given(outlook=outlooks())
@pytest.mark.parametrize("name", ["greedy", "value"])
def test_any_outlook_gives_a_feasible_plan(name: str, outlook: Outlook) -> None:
    plan = strategy(name).plan(outlook)
    assert plan == strategy(name).plan(outlook)
    for curve in plan.values:
        assert all(a >= b - 1e-6 for a, b in pairwise(curve.value_per_mwh))
        assert all(a < b for a, b in pairwise(curve.stored_wh))
    stored, spec = outlook.stored_wh, outlook.battery
    for step in plan.schedule:
        balance = step.load_wh + step.car_wh - step.pv_wh - step.battery_wh
        if outlook.export_limit_w is not None:  # what may not leave is lost
            balance = max(balance, -outlook.export_limit_w / 4)
        assert step.grid_wh == pytest.approx(balance, abs=1e-6)
        if spec:
            assert step.stored_wh >= min(spec.reserve_wh, stored) - 1e-6
            assert step.stored_wh <= spec.capacity_wh + 1e-6
            assert -spec.max_charge_w / 4 - 1e-6 <= step.battery_wh
            assert step.battery_wh <= spec.max_discharge_w / 4 + 1e-6
            stored = step.stored_wh
        if step.car_wh > 0 and not (outlook.car_from_battery or _by_more(outlook)):
            house_wh = step.load_wh - step.pv_wh
            assert step.battery_wh <= max(house_wh, 0.0) + 1e-6, (
                "the battery serves the house alone"
            )
    for offer in plan.offers:
        assert offer.interval.start >= outlook.now
        assert all(a.price_per_mwh < b.price_per_mwh for a, b in pairwise(offer.steps))
        assert all(a.net_wh <= b.net_wh for a, b in pairwise(offer.steps))
        assert all(s.net_wh % outlook.lot_wh == 0 for s in offer.steps)
    _assert_deliverable(plan.offers, outlook)


@settings(max_examples=30, deadline=None)
@given(outlook=outlooks())
def test_a_plan_from_forecasts_one_by_one_is_the_same(outlook: Outlook) -> None:
    """The planner reckons from arrays where it has them; forecasts that somebody made himself say as much."""
    each = replace(outlook, forecasts=tuple(outlook.forecasts))
    assert each == outlook
    plan = strategy("value").plan(outlook)
    assert plan == strategy("value").plan(each)
    first = strategy("value").plan(replace(outlook, values_only=True))
    assert first.values == plan.values[: outlook.offer_intervals + 1]
    assert first.price_values == plan.price_values


def _by_more(outlook: Outlook) -> bool:
    """What a car takes beyond its wish is of the surplus; the schedule says it, no plan hangs on it."""
    return any(car.more_wh > 0 for car in outlook.cars)


def test_a_battery_that_may_not_feed_the_car_sells_nothing_while_it_charges() -> None:
    """The market pays far more than energy is worth; the car that must leave soon draws from the grid."""
    tariff = TariffRules(Tariff.model_validate(TARIFFS[0]), ZoneInfo("UTC"))
    dark = [Observed(quarter(START + i * timedelta(minutes=15)), 88, 0, 25) for i in range(-96, 0)]
    ahead = {START + timedelta(hours=h) / 4: 300.0 if h < 4 else 25.0 for h in range(96)}
    car = CarNeed(8_000, START + timedelta(minutes=45), 11_000, 1_400)
    for allowed in (False, True):
        home = Home(
            BatterySpec(13_500, 0, 5_000, 5_000), 12_000, 12_000, (car,), car_from_battery=allowed
        )
        options = Options(horizon_h=12, trading=True)
        plan = strategy("value").plan(
            build_outlook(START, dark, KnownPrices(ahead), tariff, home, options)
        )
        first = plan.schedule[0]
        assert first.car_wh > 2_500
        assert (first.battery_wh > 1_000) == allowed
        if not allowed:
            steps = plan.offers[0].steps
            assert steps, "what the car draws is bought"
            assert all(s.net_wh < -2_500 for s in steps), "and nothing is sold"


def _assert_deliverable(offers: object, outlook: Outlook) -> None:
    """All sells filled at once need no more than what is stored above the reserve and may be sold."""
    spec = outlook.battery
    held = 0.0
    if spec:
        held = max(min(outlook.stored_wh - spec.reserve_wh, outlook.resellable_wh), 0.0)
    sold = 0.0
    by_interval = {f.interval: f for f in outlook.forecasts}
    for offer in offers:  # type: ignore[attr-defined]
        most = max([s.net_wh for s in offer.steps] + [0])
        f = by_interval[offer.interval]
        surplus = max(f.pv_wh[1] - f.load_wh[1], 0.0)
        sold += max(most - surplus, 0.0)
        if outlook.export_limit_w is not None:
            assert most <= outlook.export_limit_w / 4 + 1e-6
    assert sold <= held + 1e-6


def test_a_market_that_pays_more_than_the_retailer_raises_the_value() -> None:
    """Import flat, the retailer pays 20; the market pays 300 in the evening."""
    tariff = TariffRules(
        Tariff.model_validate(
            {
                "import_price": {"kind": "flat", "per_kwh": "0.14"},
                "export_price": {"kind": "flat", "per_kwh": "0.02"},
            }
        ),
        ZoneInfo("UTC"),
    )
    ahead = {START + timedelta(hours=h) / 4: 300.0 if 40 <= h < 48 else 25.0 for h in range(96)}
    home = Home(BatterySpec(13_500, 2_700, 5_000, 5_000), 9_000, 9_000)
    begin = START - timedelta(days=1)
    dark = [Observed(quarter(begin + i * timedelta(minutes=15)), 88, 0, 25) for i in range(96)]
    curves = []
    for trading in (False, True):
        outlook = build_outlook(
            START, dark, KnownPrices(ahead), tariff, home, Options(trading=trading)
        )
        plan = strategy("value").plan(outlook)
        curves.append(plan.values[0].at(9_000))
        sold = sum(max(-c.grid_wh, 0) for c in plan.schedule)
        assert (sold > 3_000) == trading
    assert curves[1] > 1.2 * curves[0]


def test_buys_of_all_intervals_together_find_room_in_the_battery() -> None:
    """Nearly full, and each quarter is cheaper than everything after it: the room is bought once."""
    tariff = TariffRules(
        Tariff.model_validate({"import_price": {"kind": "flat", "per_kwh": "0.14"}}),
        ZoneInfo("UTC"),
    )
    ahead = {START + timedelta(hours=h) / 4: 10.0 if h < 8 else 300.0 for h in range(96)}
    spec = BatterySpec(13_500, 2_700, 5_000, 5_000)
    room_wh = 1_500.0
    home = Home(spec, spec.capacity_wh - room_wh, 9_000)
    outlook = build_outlook(START, [], KnownPrices(ahead), tariff, home, Options(trading=True))
    offers = strategy("value").plan(outlook).offers
    bought = sum(-min([s.net_wh for s in offer.steps] + [0]) for offer in offers)
    load_wh = sum(
        f.load_wh[1] for f in outlook.forecasts if f.interval in [o.interval for o in offers]
    )
    assert bought > 0
    assert bought <= load_wh + room_wh / spec.charge_efficiency + 10 * len(offers)


@pytest.mark.parametrize("spec", [None, BatterySpec(10_000, 2_000, 5_000, 5_000)])
def test_a_surplus_above_the_export_limit_is_not_offered(
    planner: Strategy, spec: BatterySpec | None
) -> None:
    """Ten kilowatts of sun, a full battery or none, and three kilowatts that may leave the home."""
    past = [Observed(quarter(START + i * timedelta(minutes=15)), 100, 2_500, 50) for i in range(96)]
    home = Home(spec, 10_000, 10_000, (), 3_000.0)
    tariff = TariffRules(Tariff.model_validate(TARIFFS[0]), ZoneInfo("UTC"))
    outlook = build_outlook(
        past[-1].interval.end, past, KnownPrices(), tariff, home, Options(6, trading=True)
    )
    most = [max(s.net_wh for s in offer.steps) for offer in planner.plan(outlook).offers]
    assert most
    assert max(most) == 750
