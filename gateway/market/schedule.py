"""When the market closes, and when to wake for it. Pure; all times UTC.

An auction market has a call every ``call_period`` from ``first_call_lead`` to ``gate_closure_lead``
before each delivery interval; the last call is the gate's closure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.intervals import QUARTER, Interval, floor_quarter
from gateway.domain.trade import MarketRules


@dataclass(frozen=True, slots=True)
class BidTiming:
    """How long before a call to bid, beyond the market's guard, and how soon after to look.

    ``jitter_s`` differs from home to home, so that not all homes send in one second.
    """

    lead_s: float = 20.0
    jitter_s: float = 0.0
    after_s: float = 10.0

    @classmethod
    def of(cls, party_id: str) -> BidTiming:
        """The usual timing, with a jitter of 0 to 10 s that is the party's own and never changes."""
        spread = int.from_bytes(hashlib.sha256(party_id.encode()).digest()[:2], "big")
        return cls(jitter_s=spread % 10_000 / 1000)


def may_tender(rules: MarketRules, interval: Interval, now: datetime) -> bool:
    """Whether a tender sent now arrives the market's guard time before the gate closes."""
    return now <= interval.start - rules.gate_closure_lead - rules.guard


def may_cancel(rules: MarketRules, interval: Interval, now: datetime) -> bool:
    """Whether a cancel sent now arrives the guard time before cancels close."""
    return now <= interval.start - rules.cancel_closure_lead - rules.guard


def tradeable(rules: MarketRules, interval: Interval, now: datetime) -> bool:
    """Whether the interval's calls are near enough to bid and its gate is open."""
    soon = interval.start - now <= rules.first_call_lead + rules.call_period
    return soon and may_tender(rules, interval, now)


def next_wake(rules: MarketRules, now: datetime, timing: BidTiming) -> datetime:
    """The next moment to bid (before a call) or to look (after a call); always later than ``now``."""
    lead = _lead(rules, timing)
    after = timedelta(seconds=timing.after_s)
    calls = list(_calls(rules, now - after, now + rules.call_period + QUARTER + lead))
    wakes = [call - lead for call in calls] + [call + after for call in calls]
    return min(wake for wake in wakes if wake > now)


def is_bid_time(rules: MarketRules, now: datetime, timing: BidTiming) -> bool:
    """Whether ``now`` is at the bidding side of the next call: within its lead."""
    lead = _lead(rules, timing)
    return any(call - lead <= now < call for call in _calls(rules, now, now + lead + QUARTER))


def _lead(rules: MarketRules, timing: BidTiming) -> timedelta:
    """The time before a call that leaves room for cancels and for the guard."""
    cancels = max(timedelta(0), rules.cancel_closure_lead - rules.gate_closure_lead)
    least = rules.guard + cancels + timedelta(seconds=5)
    return max(timedelta(seconds=timing.lead_s), least) + timedelta(seconds=timing.jitter_s)


def _calls(rules: MarketRules, after: datetime, until: datetime) -> Iterator[datetime]:
    """All calls in the span, of any interval, unordered and with repeats."""
    start = floor_quarter(after + rules.gate_closure_lead)
    period = max(rules.call_period, timedelta(seconds=1))
    while start - rules.first_call_lead <= until:
        call = start - rules.gate_closure_lead
        while call >= start - rules.first_call_lead and call >= after:
            if call <= until:
                yield call
            call -= period
        start += QUARTER
