"""Which event holds when, and what it asks of the home."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.intervals import quarter
from gateway.domain.plan import BatterySpec, ValueCurve
from gateway.openadr.acting import (
    KINDS,
    SILENCE,
    dispatched_wh,
    limits,
    most_wh,
    usable,
    valued,
    wanted,
)
from gateway.openadr.documents import Descriptor, Event, EventInterval, Payload
from gateway.openadr.holding import (
    Holding,
    holding,
    holdings,
    power_w,
    randomized,
    without_overlap,
)
from tests.openadr.test_documents import NOON, read
from tests.openadr.vtn import event

HOUR = timedelta(hours=1)
SPEC = BatterySpec(10_000, 2_000, 5_000, 5_000)
FLAT = ValueCurve(quarter(NOON), (2_000.0, 10_000.0), (120.0, 80.0))


def found(*raw: dict[str, Any], home: str = "") -> Sequence[Holding]:
    events = [read(each) for each in raw]
    return list(holdings(events, KINDS, NOON - timedelta(days=1), NOON + timedelta(days=2), home))


def limit(name: str, kw: float, start: str, length: str = "PT1H", **more: Any) -> dict[str, Any]:
    return event(name, "IMPORT_CAPACITY_LIMIT", [kw], start, length, **more)


def import_w(held: Sequence[Holding], at: datetime) -> float | None:
    (command,) = (c for c in limits(held, at, at) if c.direction == "import")
    return command.limit_w


def test_a_limit_holds_in_its_interval_and_says_its_end() -> None:
    held = found(limit("a", 4.2, "2026-06-01T12:00:00Z"))
    assert import_w(held, NOON - timedelta(seconds=1)) is None
    for command in limits(held, NOON, NOON):
        if command.direction == "import":
            assert (command.limit_w, command.until) == (4_200.0, NOON + HOUR)
            assert command.source == "programme"
        else:
            assert command.limit_w is None
    assert import_w(held, NOON + HOUR) is None


def test_the_lower_number_goes_first_and_the_tighter_where_none_does() -> None:
    held = found(
        limit("wide", 9, "2026-06-01T12:00:00Z", "PT3H", priority=1),
        limit("tight", 2, "2026-06-01T13:00:00Z", "PT3H", priority=5),
        limit("urgent", 6, "2026-06-01T14:00:00Z", "PT30M", priority=0),
    )
    hours = [import_w(held, NOON + timedelta(minutes=m)) for m in (0, 60, 120, 150, 181)]
    assert hours == [9_000, 9_000, 6_000, 9_000, 2_000]
    same = found(limit("a", 5, "2026-06-01T12:00:00Z"), limit("b", 3, "2026-06-01T12:30:00Z"))
    assert import_w(same, NOON + timedelta(minutes=40)) == 3_000


def test_what_an_announced_limit_leaves_of_a_quarter_hour() -> None:
    held = found(
        limit("wide", 8, "2026-06-01T12:00:00Z", "PT2H", priority=5),
        limit("tight", 2, "2026-06-01T12:20:00Z", "PT5M", priority=1),
        limit("looser", 6, "2026-06-01T13:00:00Z", "PT1H", priority=1),
    )

    def most(minutes: int, kind: str = "IMPORT_CAPACITY_LIMIT") -> float | None:
        return most_wh(held, kind, quarter(NOON + timedelta(minutes=minutes)))

    assert most(-15) is None
    assert most(0) == 2_000
    assert most(15) == 500, "for five minutes of it only 2 kW are allowed"
    assert most(30) == 2_000
    assert most(60) == 1_500
    assert most(120) is None
    assert most(0, "EXPORT_CAPACITY_LIMIT") is None


def test_levels_are_the_limits_that_their_owner_has_set() -> None:
    raw = event("peak", "SIMPLE", [1, 2, 3, 0], "2026-06-01T12:00:00Z")
    held, refused = usable([read(raw)], NOON, "", (5_000, 1_500.5))
    assert refused == []
    hours = [import_w(held, NOON + h * HOUR) for h in range(5)]
    assert hours == [5_000, 1_500.5, 1_500.5, None, None]
    assert most_wh(held, "IMPORT_CAPACITY_LIMIT", quarter(NOON + HOUR)) == 1_500.5 / 4
    assert usable([read(raw)], NOON, "") == ([], []), "unless he has said nothing"
    for level in (4, -1, 1.5):
        odd = event("odd", "SIMPLE", [level], "2026-06-01T12:00:00Z")
        held, refused = usable([read(odd)], NOON, "", (5_000,))
        assert held == []
        assert f"SIMPLE level {level:g}" in refused[0]


def test_a_limit_without_end_lapses_a_day_after_its_server_fell_silent() -> None:
    held = found(limit("a", 4, "0001-01-01T00:00:00Z", "P9999Y"))
    (command,) = (c for c in limits(held, NOON, NOON) if c.direction == "import")
    assert command.limit_w == 4_000
    assert command.until is not None
    assert NOON + SILENCE < command.until <= NOON + SILENCE + timedelta(hours=12)
    again = limits(held, NOON + HOUR, NOON + HOUR)
    assert command in again, "no new command with every look"
    late = NOON + timedelta(hours=37)
    assert limits(held, late, NOON)[0].limit_w is None
    assert limits(held, late, late)[0].limit_w == 4_000


def test_a_start_is_randomized_by_the_home_and_stays_so() -> None:
    raw = limit("a", 4, "2026-06-01T12:00:00Z")
    raw["intervalPeriod"]["randomizeStart"] = "PT10M"
    starts = {found(raw, home=f"home-{n}")[0].start for n in range(200)}
    assert NOON - timedelta(minutes=10) <= min(starts) < NOON - timedelta(minutes=5)
    assert NOON + timedelta(minutes=5) < max(starts) <= NOON + timedelta(minutes=10)
    assert found(raw, home="one") == found(raw, home="one")
    (moved,) = found(raw, home="one")
    assert moved.end - moved.start == HOUR


@given(st.text(max_size=5), st.text(max_size=5), st.integers(0, 3600))
def test_no_home_is_moved_further_than_was_said(home: str, name: str, seconds: int) -> None:
    longest = timedelta(seconds=seconds)
    assert abs(randomized(home, name, longest)) <= longest


def test_an_event_of_numbers_that_cannot_be_meant_is_refused_alone() -> None:
    good = limit("good", 4, "2026-06-01T12:00:00Z")
    bad = [
        limit("negative", -4, "2026-06-01T12:00:00Z"),
        limit("huge", 2_000_000, "2026-06-01T12:00:00Z"),
        limit("unit", 4, "2026-06-01T12:00:00Z", payloadDescriptors=[{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "IMPORT_CAPACITY_LIMIT", "units": "GALLONS"}]),
        event("soc", "CHARGE_STATE_SETPOINT", [140], "2026-06-01T12:00:00Z", payloadDescriptors=[{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "CHARGE_STATE_SETPOINT", "units": "PERCENT"}]),
        event("unitless", "CHARGE_STATE_SETPOINT", [40], "2026-06-01T12:00:00Z"),
        event("endless", "DISPATCH_SETPOINT", [1] * 1000, "2026-06-01T12:00:00Z", "PT1S", duration="P9999Y"),
    ]  # fmt: skip
    held, refused = usable([read(each) for each in (*bad, good)], NOON, "home")
    assert {h.event.id for h in held} == {"good", "endless"}
    assert [sentence.split(":")[0].removeprefix("event ") for sentence in refused] == [
        "negative", "huge", "unit", "soc", "unitless",
    ]  # fmt: skip


def test_units() -> None:
    from decimal import Decimal  # noqa: PLC0415

    assert power_w(Decimal("4.2"), "KW") == 4_200
    assert power_w(Decimal(4200), "W") == 4_200
    with pytest.raises(ValueError, match="should say W, KW, MW"):
        power_w(Decimal(1), "")


# -- dispatch and charge --


def test_a_dispatch_is_energy_of_its_quarters() -> None:
    held = found(event("d", "DISPATCH_SETPOINT", [-4, 0, 2], "2026-06-01T12:00:00Z", "PT30M"))
    quarters = [quarter(NOON + timedelta(minutes=15 * n)) for n in range(-1, 7)]
    assert [dispatched_wh(held, q) for q in quarters] == [
        None, 1_000, 1_000, -1, -1, -500, -500, None,
    ]  # fmt: skip


def test_a_charge_is_dear_when_it_would_come_too_late_and_not_used_up_before() -> None:
    said = [{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "CHARGE_STATE_SETPOINT", "units": "PERCENT"}]  # fmt: skip
    held = found(event("c", "CHARGE_STATE_SETPOINT", [80], "2026-06-01T18:00:00Z", "PT2H", payloadDescriptors=said))  # fmt: skip

    def value(hours: float, stored_wh: float, probe_wh: float) -> float:
        now = NOON + timedelta(hours=hours)
        asked = wanted(held, now, SPEC)
        return valued(FLAT, asked, now, stored_wh, SPEC, 140.0).at(probe_wh)

    assert value(-8, 4_000, 4_000) == FLAT.at(4_000), "far away it changes nothing"
    assert value(0, 4_000, 4_000) == 140, "then it is not used up, nor bought early"
    assert value(0, 4_000, 8_500) == FLAT.at(8_500), "what is beyond it is free"
    assert value(5.2, 4_000, 4_000) > 1e6, "4 kWh at 5 kW need an hour"
    assert value(6.5, 8_000, 7_999) > 1e6, "in its time it is kept"
    assert value(8.5, 4_000, 4_000) == FLAT.at(4_000), "and after it all is as before"


def test_what_a_dispatch_will_give_is_held_back() -> None:
    held = found(event("d", "DISPATCH_SETPOINT", [-4], "2026-06-01T18:00:00Z"))
    (asked,) = wanted(held, NOON, SPEC)
    assert asked.stored_wh == pytest.approx(2_000 + 4_000 / 0.95)
    assert asked.start == NOON + 6 * HOUR
    assert (
        wanted(found(event("d", "DISPATCH_SETPOINT", [4], "2026-06-01T18:00:00Z")), NOON, SPEC)
        == ()
    )


# -- a row without overlaps --


def _event(number: int, start: int, length: int, priority: int) -> Event:
    at = NOON + timedelta(minutes=start)
    span = EventInterval(0, at, at + timedelta(minutes=length), (Payload("PRICE", (number,)),))  # type: ignore[arg-type]
    made = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Event(
        f"e{number}", "p1", "", priority, made, (span,), {"PRICE": Descriptor("KWH", "USD")}
    )


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30), st.integers(0, 2)), max_size=12))
def test_a_row_without_overlaps_says_what_holds(rows: list[tuple[int, int, int]]) -> None:
    events = [_event(n, *row) for n, row in enumerate(rows)]
    all_of = list(holdings(events, ("PRICE",), NOON, NOON + 2 * HOUR))
    row = list(without_overlap(all_of))
    for minute in range(75):
        at = NOON + timedelta(minutes=minute, seconds=30)
        here = [h.event.id for h in row if h.start <= at < h.end]
        assert here == [h.event.id for h in holding(all_of, at)[:1]]
