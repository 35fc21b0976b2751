"""When the trader wakes: in time for every call, and soon after it."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.intervals import floor_to, quarter
from gateway.market.schedule import BidTiming, may_cancel, may_tender, next_wake, tradeable
from tests.market.values import MINUTE, RULES, T0

SECOND = timedelta(seconds=1)


def test_a_call_has_a_wake_before_and_one_after() -> None:
    timing = BidTiming(lead_s=40, jitter_s=2, after_s=10)
    assert next_wake(RULES, T0, timing) == T0 + 10 * SECOND
    assert next_wake(RULES, T0 + 10 * SECOND, timing) == T0 + 5 * MINUTE - 42 * SECOND
    assert next_wake(RULES, T0 + 5 * MINUTE - 42 * SECOND, timing) == T0 + 5 * MINUTE + 10 * SECOND


def test_the_jitter_of_a_party_is_its_own_and_stays() -> None:
    assert BidTiming.of("a") == BidTiming.of("a") != BidTiming.of("b")
    assert 0 <= BidTiming.of("home").jitter_s < 10


@given(st.integers(0, 86_400_000), st.floats(0, 60), st.floats(0, 10), st.floats(0.5, 30))
def test_every_call_is_woken_for_with_room_for_cancels_and_guard(
    ms: int, lead: float, jitter: float, after: float
) -> None:
    timing, now = BidTiming(lead, jitter, after), T0 + timedelta(milliseconds=ms)
    woken: list[datetime] = []
    end = now + 20 * MINUTE
    at = now
    while at < end:
        later = next_wake(RULES, at, timing)
        assert later > at
        at = later
        woken.append(at)
    call = floor_to(now, 5 * MINUTE) + 10 * MINUTE
    last_gate = quarter(floor_to(call, 15 * MINUTE) + 15 * MINUTE)
    before = [w for w in woken if call - 2 * MINUTE < w < call]
    assert len(before) == 1
    if last_gate.start - RULES.gate_closure_lead == call:
        assert may_tender(RULES, last_gate, before[0])
        assert may_cancel(RULES, last_gate, before[0])
    assert any(call < w <= call + 31 * SECOND for w in woken)


def test_the_guard_before_the_gate() -> None:
    interval = quarter(T0)
    gate = T0 - 5 * MINUTE
    assert may_tender(RULES, interval, gate - 15 * SECOND)
    assert not may_tender(RULES, interval, gate - timedelta(seconds=14.999))
    assert may_cancel(RULES, interval, gate - 25 * SECOND)
    assert not may_cancel(RULES, interval, gate - 24 * SECOND)
    assert not tradeable(RULES, interval, T0 - 66 * MINUTE)
    assert tradeable(RULES, interval, T0 - 65 * MINUTE)
