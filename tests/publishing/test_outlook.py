"""What will be, on MQTT: numbers that other software adds up to the same as the plan."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.control import Reason, Setpoints
from gateway.domain.heat import Heater
from gateway.domain.intervals import QUARTER, Interval, floor_quarter
from gateway.domain.plan import Plan, PlannedInterval
from gateway.domain.price import PriceSource
from gateway.domain.readings import HeaterState
from gateway.publishing.heat_outlook import HeaterNow
from gateway.publishing.outlook import FORECASTS, PlannedHome, outlook_messages, setpoints_message

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
    sent = outlook_messages(
        "energy/home", given_plan, now, PlannedHome("Europe/Berlin", "EUR", 10_000)
    )
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


ROD = Heater(most_w=3_500, litres=300, target_c=55, ready_by=(time(18),), loss_w=60)
PLUG = Heater(most_w=2_000, step_w=2_000, energy_wh=4_000, ready_by=(time(18),))


def test_a_heater_says_when_it_will_heat_and_how_warm_it_will_be() -> None:
    """A rod at 45 °C with two quarter-hours to come, and a plug that has drawn a part; local time is two hours ahead."""
    made = plan(floor_quarter(NOON), 96, 96)
    rod = tuple(875.0 if n in (4, 5) else 0.0 for n in range(96))
    plug = tuple(500.0 if n in (0, 1, 40) else 0.0 for n in range(96))
    schedule = tuple(
        replace(s, heat_wh=a + b) for s, a, b in zip(made.schedule, rod, plug, strict=True)
    )
    made = replace(made, schedule=schedule, heat_wh={"rod": rod, "plug": plug, "gone": plug})
    now = {
        "rod": HeaterNow(ROD, HeaterState("rod", 0.0, 45.0)),
        "plug": HeaterNow(PLUG, HeaterState("plug", 2_000.0, None, got_wh=1_000)),
    }
    sent = outlook_messages("b", made, NOON, PlannedHome("Europe/Berlin", "EUR", heaters=now))
    (body,) = (json.loads(m.payload) for m in sent if m.topic == "b/forecast/heat")
    assert body["next_hour"] == 1_000, "of the running hour"
    assert sum(h["value"] for h in body["hours"]) == 2 * 875 + 3 * 500
    assert set(body["heaters"]) == {"rod", "plug"}
    told = body["heaters"]["plug"]
    assert told == {
        "ready_by": "2026-06-01T16:00:00Z", "energy_wh": 2_000,
        "quarters": [
            {"start": "2026-06-01T10:15:00Z", "power_w": 2_000, "energy_wh": 1_500},
            {"start": "2026-06-01T10:30:00Z", "power_w": 2_000, "energy_wh": 2_000},
        ],
    }, "what is planned for tomorrow's water is not of today's"  # fmt: skip
    told = body["heaters"]["rod"]
    assert [q["start"][11:16] for q in told["quarters"]] == ["11:15", "11:30"]
    warmest = told["quarters"][-1]["temperature_c"]
    assert 45 + 1_750 / 349 - 0.3 < warmest < 45 + 1_750 / 349
    assert warmest - 1.0 < told["temperature_c"] < warmest, "it cools until six"
    unknown = replace(now["rod"], state=HeaterState("rod", None, None))
    sent = outlook_messages(
        "b", made, NOON, PlannedHome("Europe/Berlin", "EUR", heaters={"rod": unknown})
    )
    (body,) = (json.loads(m.payload) for m in sent if m.topic == "b/forecast/heat")
    assert body["heaters"]["rod"]["temperature_c"] is None


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
