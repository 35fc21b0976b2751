"""Close each quarter-hour from the meter's cumulative counters: what was delivered is what it counted.

A quarter's border rarely falls on a poll, so a counter's value at the border is interpolated
between the polls around it. Where they lie more than `LONGEST_GAP_S` apart, or the counter went
backwards (meter changed, register wrapped), the quarter is marked as estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.intervals import QUARTER, Interval, floor_quarter, quarter
from gateway.domain.order import MeterCounters
from gateway.domain.trade import Metered, MeterQuality

LONGEST_GAP_S = 60.0


@dataclass(frozen=True, slots=True)
class _Count:
    time: datetime
    import_wh: float
    export_wh: float


class Metering:
    """Feed it every good pair of counters; it answers with each quarter that has ended.

    ``last`` is the newest metered quarter in the journal: after a restart inside a quarter the
    registers at its start are known from there.
    """

    def __init__(self, last: Metered | None = None) -> None:
        self._latest: _Count | None = None
        self._border: _Count | None = None
        self._estimated = False
        if last is not None:
            self._border = _Count(
                last.interval.end, float(last.import_register_wh), float(last.export_register_wh)
            )
            self._latest = self._border

    def add(self, time: datetime, import_wh: float, export_wh: float) -> list[Metered]:
        """Note the counters (Wh) at ``time``; the quarters that ended since the last call."""
        now, before = _Count(time, import_wh, export_wh), self._latest
        if before is None:
            self._latest = now
            if floor_quarter(time) == time:
                self._border = now
            return []
        if time <= before.time:
            return []
        if import_wh < before.import_wh - 0.5 or export_wh < before.export_wh - 0.5:
            return self._restart(now)
        closed: list[Metered] = []
        border = floor_quarter(before.time) + QUARTER
        while border <= time:
            at_border = _between(before, now, border)
            closed += self._close(at_border, (time - before.time).total_seconds())
            border += QUARTER
        self._latest = now
        return closed

    def at_start_of(self, interval: Interval) -> MeterCounters | None:
        """What was counted when ``interval`` began; None while that is unknown."""
        if self._border is None or self._border.time != interval.start:
            return None
        return MeterCounters(self._border.import_wh, self._border.export_wh)

    def _close(self, at_border: _Count, gap_s: float) -> list[Metered]:
        start, self._border = self._border, at_border
        estimated = self._estimated or gap_s > LONGEST_GAP_S
        self._estimated = False
        if start is None or at_border.time - start.time != QUARTER:
            return []  # we began inside this quarter: nothing true can be said of the whole
        imported, exported = round(at_border.import_wh), round(at_border.export_wh)
        return [
            Metered(
                interval=quarter(start.time),
                import_wh=max(0, imported - round(start.import_wh)),
                export_wh=max(0, exported - round(start.export_wh)),
                import_register_wh=imported,
                export_register_wh=exported,
                quality=MeterQuality.ESTIMATED if estimated else MeterQuality.MEASURED,
            )
        ]

    def _restart(self, now: _Count) -> list[Metered]:
        """The counters are not those of before: carry what was counted over to the new scale."""
        before, border = self._latest, self._border
        assert before is not None  # noqa: S101 - only called after a first count
        self._latest, self._estimated = now, True
        if border is not None and border.time == floor_quarter(now.time):
            self._border = _Count(
                border.time,
                now.import_wh - (before.import_wh - border.import_wh),
                now.export_wh - (before.export_wh - border.export_wh),
            )
        else:
            self._border = None
        return []


def _between(a: _Count, b: _Count, time: datetime) -> _Count:
    part = (time - a.time) / (b.time - a.time)
    return _Count(
        time,
        a.import_wh + part * (b.import_wh - a.import_wh),
        a.export_wh + part * (b.export_wh - a.export_wh),
    )
