"""What will be, on MQTT: numbers that other software adds up to the same as the plan."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.control import Reason, Setpoints
from gateway.domain.intervals import QUARTER, Interval, floor_quarter
from gateway.domain.plan import Plan, PlannedInterval
from gateway.domain.price import PriceSource
from gateway.publishing.outlook import FORECASTS, outlook_messages, setpoints_message

NOON = datetime(2026, 6, 1, 10, 20, tzinfo=UTC)  # 12:20 in Berlin


def plan(start: datetime, count: int, known: int) -> Plan:
    steps = tuple(
        PlannedInterval(
            Interval(start + i * QUARTER, start + (i + 1) * QUARTER),
            load_wh=100 + i, pv_wh=200 + i, battery_wh=-50, car_wh=0, grid_wh=-50 - i, stored_wh=5000 + 10 * i,
            import_price=300.0, export_price=80.0, market_price=50.0,
            import_source=PriceSource.PUBLISHED if i < known else PriceSource.YESTERDAY,
        )
        for i in range(count)
    )  # fmt: skip
    return Plan(made_at=start, strategy="value", values=(), offers=(), schedule=steps)


def told(now: datetime, given_plan: Plan | None) -> dict[str, dict[str, object]]:
    sent = outlook_messages("energy/home", given_plan, now, "Europe/Berlin", "EUR", 10_000)
    assert all(m.retain and m.qos == 1 for m in sent)
    return {m.topic.removeprefix("energy/home/"): json.loads(m.payload) for m in sent}


def test_a_day_as_planned() -> None:
    found = told(NOON, plan(floor_quarter(NOON), 144, 60))
    quarters = found["plan/schedule"]["quarters"]
    assert isinstance(quarters, list)
    assert len(quarters) == 144
    assert quarters[0] == {
        "start": "2026-06-01T10:15:00Z", "pv_wh": 200, "load_wh": 100, "grid_wh": -50, "battery_wh": -50, "car_wh": 0, "heat_wh": 0,
        "soc_pct": 50.0, "import_price": 0.3, "import_price_known": True, "export_price": 0.08, "export_price_known": True,
    }  # fmt: skip
    sun = found["forecast/pv"]
    assert sun["next_hour"] == 200 + 201 + 202  # what is left of the running hour
    to_midnight = 4 * 12 - 1 - 4 * 0  # from 12:15 to 24:00 in Berlin
    assert sun["remaining_today"] == sum(200 + i for i in range(to_midnight))
    assert found["forecast/import_price"]["known_until"] == "2026-06-02T01:15:00Z"
    assert found["forecast/export_price"]["unit"] == "EUR/kWh"


def test_without_a_plan_nothing_is_made_up() -> None:
    found = told(NOON, None)
    assert found["plan/schedule"] == {"ts": None, "currency": "EUR", "quarters": []}
    for name in FORECASTS:
        assert found[f"forecast/{name}"]["next_hour"] is None
        assert found[f"forecast/{name}"]["hours"] == []


@given(st.integers(0, 200), st.integers(1, 384))
def test_hours_add_up_and_stay_small_enough_to_be_recorded(late: int, count: int) -> None:
    start = floor_quarter(NOON)
    now = start + timedelta(minutes=late)
    found = told(now, plan(start, count, count))
    for name in ("pv", "load", "grid", "battery"):
        hours = found[f"forecast/{name}"]["hours"]
        quarters = found["plan/schedule"]["quarters"]
        assert isinstance(hours, list)
        assert isinstance(quarters, list)
        assert sum(h["value"] for h in hours) == sum(q[f"{name}_wh"] for q in quarters)
        assert len(json.dumps(found[f"forecast/{name}"])) < 16_384
        assert [h["start"] for h in hours] == sorted({h["start"] for h in hours})


def test_setpoints_say_what_is_asked_and_null_where_nothing_is() -> None:
    nothing = json.loads(setpoints_message("energy/home", Setpoints()).payload)
    assert nothing["battery_w"] is None
    assert nothing["chargers_a"] == {}
    asked = Setpoints(
        batteries_w={"one": 1500, "two": -500}, chargers_a={"car": 10.0}, export_limit_w=3000
    )
    body = json.loads(setpoints_message("energy/home", asked).payload)
    assert (body["battery_w"], body["chargers_a"], body["export_limit_w"]) == (
        1000,
        {"car": 10.0},
        3000,
    )
    assert body["reason"] == Reason.RELEASED.value
