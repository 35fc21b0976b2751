"""Beyond what is published: estimates that say their source, a plan that knows their doubt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.tariff import Tariff
from gateway.domain.intervals import QUARTER, Interval, quarter, quarters
from gateway.domain.plan import BatterySpec, CarNeed, Plan
from gateway.domain.price import PriceSource
from gateway.forecasts.published import published_outlook
from gateway.planner import strategy
from gateway.planner.assumed import assumptions
from gateway.planner.outlook import Home, KnownPrices, build_outlook
from gateway.tariff import TariffRules

BERLIN = ZoneInfo("Europe/Berlin")
BATTERY = BatterySpec(10_000, 1_000, 5_000, 5_000)
DAY = timedelta(days=1)


def at(day: int, hour: int, minute: int = 0, month: int = 10) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


def usual_price(moment: datetime) -> float:
    """Per MWh: 180 at night, 270 by day, 450 from 18 to 21 o'clock."""
    hour = moment.astimezone(BERLIN).hour
    return 450.0 if 18 <= hour < 21 else 180.0 if hour < 6 else 270.0


def published(
    start: datetime, end: datetime, price: Callable[[datetime], float] = usual_price
) -> dict[datetime, float]:
    return {i.start: price(i.start) for i in quarters(start, end)}


def planned(
    now: datetime, known: Mapping[datetime, float], home: Home, export: str = "0.075"
) -> Plan:
    tariff = Tariff.model_validate(
        {
            "currency": "EUR",
            "import_price": {"kind": "published"},
            "export_price": {"kind": "flat", "per_kwh": export},
        }
    )
    prices = KnownPrices(published_import=known, usual_import=290.0)
    outlook = build_outlook(now, (), prices, TariffRules(tariff, BERLIN), home)
    return strategy("value").plan(outlook)


def test_the_number_says_where_it_comes_from() -> None:
    now = at(14, 20)
    known = published(at(6, 0), at(15, 0))
    ahead = list(quarters(now, now + DAY))
    found = published_outlook(known, ahead, BERLIN, 290.0)
    assert set(found.sources) == {PriceSource.PUBLISHED, PriceSource.RECENT}
    assert found.sources.count(PriceSource.PUBLISHED) == 16
    assert found.prices.tolist() == [usual_price(i.start) for i in ahead]
    assert (found.scenarios[:16] == found.prices[:16, None]).all(), "what is known has no spread"
    only_today = published_outlook(published(at(14, 0), at(15, 0)), ahead, BERLIN, 290.0)
    assert set(only_today.sources[16:]) == {PriceSource.YESTERDAY}
    spread = only_today.scenarios[16:]
    assert (spread[:, 0] < only_today.prices[16:]).all()
    assert (spread[:, -1] > only_today.prices[16:]).all()
    week = published_outlook(published(at(8, 0), at(9, 0)), ahead, BERLIN, 290.0)
    assert PriceSource.LAST_WEEK in week.sources
    nothing = published_outlook({}, ahead, BERLIN, 290.0)
    assert set(nothing.sources) == {PriceSource.TYPICAL}
    assert set(nothing.prices.tolist()) == {290.0}


def test_a_hole_in_the_feed_is_filled_and_no_more() -> None:
    now, hole = at(14, 10), [at(14, 18), at(14, 18, 15)]
    known = published(at(7, 0), at(16, 0))
    for moment in hole:
        del known[moment]
    found = published_outlook(known, list(quarters(now, at(16, 0))), BERLIN, 290.0)
    guessed = [
        i.start for i, s in zip(quarters(now, at(16, 0)), found.sources, strict=True) if not s.known
    ]
    assert guessed == hole
    assert found.prices[32] == 450.0


@pytest.mark.parametrize("day", [24, 25, 26])  # clocks go back on the 25th
def test_a_clock_change_moves_no_evening(day: int) -> None:
    known = published(at(10, 0), at(day, 0))
    evening = [quarter(at(day, 19)), quarter(at(day, 12))]
    found = published_outlook(known, evening, BERLIN, 290.0)
    assert found.prices.tolist() == [450.0, 270.0]


@given(
    st.dictionaries(st.integers(-1500, 140), st.floats(-500, 5000), max_size=60),
    st.integers(1, 144),
)
def test_it_always_has_a_number_and_rising_scenarios(rows: dict[int, float], count: int) -> None:
    now = at(14, 20)
    known = {now + i * QUARTER: price for i, price in rows.items()}
    ahead = [Interval(now + i * QUARTER, now + (i + 1) * QUARTER) for i in range(count)]
    found = published_outlook(known, ahead, BERLIN, 290.0)
    assert (found.prices == found.prices).all()
    assert ((found.scenarios[:, 1:] - found.scenarios[:, :-1]) >= -1e-9).all()
    for i, interval in enumerate(ahead):
        assert found.sources[i].known == (interval.start in known)


def test_a_car_does_not_wait_for_the_export_price() -> None:
    """Seen: it waited for 7.5 ct, which was what export earns, and paid 27 in the morning."""
    now = at(14, 21)

    def dear_night(moment: datetime) -> float:
        return 270.0 if moment.astimezone(BERLIN).hour < 20 else 90.0

    known = published(at(7, 0), at(15, 0), dear_night)
    car = CarNeed(20_000, at(15, 7), 11_000, 4_140)
    plan = planned(now, known, Home(None, cars=(car,)))
    before = sum(c.car_wh for c in plan.schedule if c.interval.start < at(15, 0))
    assert before == pytest.approx(20_000, rel=0.02), "in the hours that are known to be cheap"
    assert assumptions(plan.schedule, BERLIN)[0].text.startswith("import price from Thu 00:00")


def test_without_a_feed_for_a_day_the_battery_is_kept_for_the_peak() -> None:
    now = at(14, 15)
    silent = published(at(7, 0), at(13, 18))  # the last word was of yesterday
    home = Home(BATTERY, stored_wh=3_500, resellable_wh=3_500)
    plan = planned(now, silent, home)
    by_day = [c for c in plan.schedule if c.interval.end <= at(14, 18)]
    at_peak = [c for c in plan.schedule if at(14, 18) <= c.interval.start < at(14, 21)]
    assert sum(c.battery_wh for c in by_day) < 200
    assert sum(c.battery_wh for c in at_peak) > 800
    assert all(c.import_quote.known is None for c in (*by_day, *at_peak))


def test_with_no_price_ever_seen_the_home_just_lives_on_its_sun() -> None:
    plan = planned(at(14, 15), {}, Home(BATTERY, stored_wh=3_500, resellable_wh=3_500))
    assert {c.import_source for c in plan.schedule} == {PriceSource.TYPICAL}
    assert all(c.grid_wh <= c.load_wh + 1 for c in plan.schedule), "no grid energy is stored for it"
    assert "what is usual" in assumptions(plan.schedule, BERLIN)[0].text
