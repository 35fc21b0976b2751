"""Close each quarter-hour from the meter's cumulative counters: what was delivered is what it counted.

A quarter's border rarely falls on a poll, so a counter's value at the border is interpolated
between the polls around it. Where they lie more than `LONGEST_GAP_S` apart, or the counter went
backwards (meter changed, register wrapped), the quarter is marked as estimated.

Where nobody looked for longer than `LONGEST_BRIDGE_S`, or the clock was set meanwhile, nothing is
said of single quarters: one `MeterGap` holds what the counters prove of all of it. So every Wh from
the first border on is in exactly one row, no quarter has two, and there are never more rows than
quarters have passed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.intervals import QUARTER, Interval, floor_quarter, quarter
from gateway.domain.order import MeterCounters
from gateway.domain.trade import Metered, MeterGap, MeterQuality

LONGEST_GAP_S = 60.0
LONGEST_BRIDGE_S = 3 * 3600.0  # the mean of a longer time says nothing of one of its quarters
JUMP_S = 30.0  # between wall time and monotonic time; network time moves a running clock by less


@dataclass(frozen=True, slots=True)
class Count:
    """The meter's counters at one moment; ``monotonic_s`` None = of a former life of the process."""

    time: datetime
    import_wh: float
    export_wh: float
    monotonic_s: float | None = None


class Metering:
    """Feed it every good pair of counters; it answers with what they prove.

    ``last`` is where the account ends: after a restart the registers there are known. ``has`` says
    whether the quarter that starts at a time is in the account already, as it is after a clock was set
    back: what is counted then goes into a gap.
    """

    def __init__(
        self, last: Count | None = None, has: Callable[[datetime], bool] = lambda _: False
    ) -> None:
        self._has = has
        self._latest = self._border = last
        self._estimated = self._gap = False

    def add(
        self, time: datetime, import_wh: float, export_wh: float, monotonic_s: float | None = None
    ) -> list[Metered | MeterGap]:
        """Note the counters (Wh) at ``time``; what has ended since the last call."""
        now = Count(time, import_wh, export_wh, monotonic_s)
        before, self._latest = self._latest, now
        if before is None:
            if floor_quarter(time) == time:
                self._border = now
            return []
        if import_wh < before.import_wh - 0.5 or export_wh < before.export_wh - 0.5:
            before = self._rebased(before, now)
        if time <= before.time and not _was_set(before, now):
            self._latest = before
            return []
        if _was_set(before, now) or (time - before.time).total_seconds() > LONGEST_BRIDGE_S:
            self._gap, self._estimated = self._border is not None, False
            return []
        closed: list[Metered | MeterGap] = []
        border = floor_quarter(before.time) + QUARTER
        while border <= time:
            at_border = _between(before, now, border)
            closed += self._close(at_border, (time - before.time).total_seconds())
            border += QUARTER
        return closed

    def at_start_of(self, interval: Interval) -> MeterCounters | None:
        """What was counted when ``interval`` began; None while that is unknown."""
        if self._border is None or self._border.time != interval.start or self._gap:
            return None
        return MeterCounters(self._border.import_wh, self._border.export_wh)

    def _close(self, at_border: Count, gap_s: float) -> list[Metered | MeterGap]:
        start = self._border
        known = self._has(at_border.time)  # the next quarter
        if self._gap and start is not None:
            if known:
                return []
            self._border, self._gap, self._estimated = at_border, False, False
            return [_gap(start, at_border)]
        self._border, self._gap = at_border, known
        estimated = self._estimated or gap_s > LONGEST_GAP_S
        self._estimated = False
        if start is None:
            return []  # we began inside this quarter: nothing true can be said of the whole
        if at_border.time - start.time != QUARTER:
            return [_gap(start, at_border)]
        return [_quarter(start, at_border, estimated=estimated)]

    def _rebased(self, before: Count, now: Count) -> Count:
        """The counters are not those of before: what was counted is carried over to the new scale."""
        self._estimated = True
        if self._border is not None:
            self._border = replace(
                self._border,
                import_wh=now.import_wh - (before.import_wh - self._border.import_wh),
                export_wh=now.export_wh - (before.export_wh - self._border.export_wh),
            )
        return replace(before, import_wh=now.import_wh, export_wh=now.export_wh)


def _was_set(before: Count, now: Count) -> bool:
    """Whether the clock was set between the two: time passed on it that did not pass, or the other way."""
    seconds = (now.time - before.time).total_seconds()
    if before.monotonic_s is None or now.monotonic_s is None:
        return seconds < 0
    return abs(seconds - (now.monotonic_s - before.monotonic_s)) > JUMP_S


def _quarter(start: Count, end: Count, *, estimated: bool) -> Metered:
    imported, exported = round(end.import_wh), round(end.export_wh)
    return Metered(
        interval=quarter(start.time),
        import_wh=max(0, imported - round(start.import_wh)),
        export_wh=max(0, exported - round(start.export_wh)),
        import_register_wh=imported,
        export_register_wh=exported,
        quality=MeterQuality.ESTIMATED if estimated else MeterQuality.MEASURED,
    )


def _gap(start: Count, end: Count) -> MeterGap:
    imported, exported = round(end.import_wh), round(end.export_wh)
    return MeterGap(
        since=start.time,
        until=end.time,
        import_wh=max(0, imported - round(start.import_wh)),
        export_wh=max(0, exported - round(start.export_wh)),
        import_register_wh=imported,
        export_register_wh=exported,
    )


def _between(a: Count, b: Count, time: datetime) -> Count:
    part = (time - a.time) / (b.time - a.time)
    return Count(
        time,
        a.import_wh + part * (b.import_wh - a.import_wh),
        a.export_wh + part * (b.export_wh - a.export_wh),
        None
        if a.monotonic_s is None or b.monotonic_s is None
        else a.monotonic_s + part * (b.monotonic_s - a.monotonic_s),
    )
