"""Events as the standard has them: times, repetition, what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bounded_json import parsed
from gateway.openadr.documents import (
    ENDLESS,
    LONGEST_SHIFT,
    NUMBERS,
    Event,
    duration,
    event_of,
    program_of,
)
from tests.openadr.vtn import PROGRAM, event

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NONSENSE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def read(raw: Any) -> Event:
    """As it comes over the wire."""
    program = program_of(parsed(json.dumps(PROGRAM).encode()))
    return event_of(parsed(json.dumps(raw).encode()), {program.id: program})


def spans(found: Event, hours: float = 24) -> list[tuple[float, float]]:
    """The hours from noon on in which its intervals begin and end."""
    return [
        ((i.start - NOON) / HOUR, (i.end - NOON) / HOUR)
        for i in found.spans(NOON, NOON + timedelta(hours=hours))
    ]


def test_intervals_follow_each_other() -> None:
    found = read(event("e", "PRICE", [0.17, 0.2], "2026-06-01T12:00:00Z"))
    assert spans(found) == [(0, 1), (1, 2)]
    assert [i.payloads[0].values for i in found.intervals] == [
        (Decimal("0.17"),),
        (Decimal("0.2"),),
    ]
    assert found.descriptors["IMPORT_CAPACITY_LIMIT"].units == "KW", "of the programme"


def test_an_interval_has_its_own_period() -> None:
    raw = event("e", "PRICE", [1, 2, 3], "2026-06-01T14:00:00+02:00")
    raw["intervals"][1]["intervalPeriod"] = {"duration": "PT2H"}
    raw["intervals"][2]["intervalPeriod"] = {"start": "2026-06-01T18:00:00Z", "duration": "PT30M"}
    assert spans(read(raw)) == [(0, 1), (1, 3), (6, 6.5)]


def test_intervals_may_stand_in_any_order() -> None:
    raw = event("e", "PRICE", [1, 2], "2026-06-01T12:00:00Z")
    for interval, start in zip(
        raw["intervals"], ("2026-06-05T12:00:00Z", "2026-06-01T13:00:00Z"), strict=True
    ):
        interval["intervalPeriod"] = {"start": start, "duration": "PT1H"}
    assert spans(read(raw)) == [(1, 2)], "a later one hides none"


def test_now_and_without_end() -> None:
    raw = event("e", "IMPORT_CAPACITY_LIMIT", [4], "0001-01-01T00:00:00Z", "P9999Y")
    (only,) = read(raw).intervals
    assert only.start == datetime(2026, 6, 1, tzinfo=UTC), "when it was made"
    assert only.end == ENDLESS
    raw = event("e", "IMPORT_CAPACITY_LIMIT", [4], "0001-01-01", "P0Y0M0DT2H0M0S")
    assert read(raw).intervals[0].end == only.start + 2 * HOUR


def test_a_cancelled_event_has_no_time() -> None:
    raw = event("e", "IMPORT_CAPACITY_LIMIT", [4], "0001-01-01", "PT0S")
    assert read(raw).intervals == ()
    assert spans(read(raw)) == []


def test_its_own_duration_repeats_or_cuts() -> None:
    day = event("e", "PRICE", [1] * 24, "2026-05-01T00:00:00Z", duration="P9999Y")
    assert spans(read(day), 3) == [(0, 1), (1, 2), (2, 3)], "a month later, at the hour's price"
    cut = event("e", "PRICE", [1] * 24, "2026-06-01T12:00:00Z", duration="PT90M")
    assert spans(read(cut)) == [(0, 1), (1, 1.5)]
    week = event("e", "PRICE", [1, 2], "2026-06-01T12:00:00Z", duration="PT5H")
    assert spans(read(week)) == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT1H", HOUR),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("P2W", timedelta(weeks=2)),
        ("PT0S", timedelta(0)),
        ("-PT5M", -timedelta(minutes=5)),
        ("P9999Y", timedelta.max),
        ("P9999Y0M0DT0H0M0S", timedelta.max),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert duration(text) == length


@pytest.mark.parametrize(
    "text", ["P", "PT", "1H", "P1M", "PT9999999H", "P1Y ", "PT1H1H", "", None, 3600, "P1DT"]
)
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        duration(text)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"intervalPeriod": None}, "without start"),
        ({"intervalPeriod": {"start": "2026-06-01T12:00:00Z"}}, "without start or duration"),
        ({"intervalPeriod": {"start": "2026-06-01T12:00:00", "duration": "PT1H"}}, "no time zone"),
        ({"intervalPeriod": {"start": "1815-06-18T12:00:00Z", "duration": "PT1H"}}, "century"),
        ({"intervalPeriod": {"start": "2026-06-01T12:00:00Z", "duration": "-PT1H"}}, "less than"),
        ({"intervalPeriod": {"start": "2026-06-01T12:00:00Z", "duration": "PT1H", "randomizeStart": "PT5H"}}, "randomized"),
        ({"priority": -1}, "not within"),
        ({"id": "../../etc"}, "an id"),
        ({"intervals": [{"id": 0, "payloads": []}] * 1001}, "at most 1000"),
        ({"intervals": [{"id": 0, "payloads": [{"type": "PRICE", "values": [1e30]}]}]}, "PRICE of"),
        ({"eventName": "x" * 300}, "too long"),
        *(({"intervals": [{"id": 0, "payloads": [{"type": kind, "values": values}]}]}, f"{kind} without a number")
          for kind in NUMBERS for values in ([], ["3.5"], [None], [True], [3.5, "4"])),
    ],
)  # fmt: skip
def test_what_is_refused(change: dict[str, Any], why: str) -> None:
    raw = event("e", "PRICE", [1], "2026-06-01T12:00:00Z") | change
    with pytest.raises(NONSENSE, match=why):
        read(raw)


def test_a_text_of_a_kind_that_nobody_follows_is_no_fault() -> None:
    words = [{"type": "ALERT_GRID_EMERGENCY", "values": ["save power"]}, {"type": "X_NEW", "values": [None]}]  # fmt: skip
    raw = event("e", "PRICE", [1], "2026-06-01T12:00:00Z") | {"intervals": [{"id": 0, "payloads": words}]}  # fmt: skip
    (interval,) = read(raw).intervals
    assert interval.payloads == ()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=12)
        | st.sampled_from(["PT1H", "P9999Y", "2026-06-01T12:00:00Z", "0001-01-01", "PRICE"]),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "start", "duration", "intervalPeriod", "payloads", "values", "type", "intervals"]),
            inner, max_size=5,
        ),
        max_leaves=12,
    ),
    st.sampled_from(["intervals", "intervalPeriod", "duration", "payloadDescriptors", "reportDescriptors"]),
)  # fmt: skip
def test_nonsense_is_refused_by_a_known_error(part: Any, where: str) -> None:
    raw = event("e", "PRICE", [1], "2026-06-01T12:00:00Z") | {where: part}
    try:
        found = read(raw)
    except NONSENSE:
        return
    assert all(i.end > i.start and i.shift <= LONGEST_SHIFT for i in found.intervals)
    assert all(i.end <= ENDLESS for i in found.spans(NOON, NOON + timedelta(days=1)))
