"""What a plan assumes of prices that nobody has published yet, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from gateway.domain.plan import PlannedInterval
from gateway.domain.price import PriceSource
from gateway.domain.sentences import Sentence, day_time, sentence


def assumptions(schedule: Sequence[PlannedInterval], zone: ZoneInfo) -> tuple[Sentence, ...]:
    """One sentence for each span whose price stands in for one that is not published; empty if none does."""
    sides: tuple[tuple[str, Callable[[PlannedInterval], PriceSource]], ...] = (
        ("import", lambda c: c.import_source),
        ("export", lambda c: c.export_source),
    )
    return tuple(line for name, source in sides for line in _of(name, source, schedule, zone))


def _of(
    name: str,
    source: Callable[[PlannedInterval], PriceSource],
    schedule: Sequence[PlannedInterval],
    zone: ZoneInfo,
) -> Iterator[Sentence]:
    for by, group in groupby(schedule, key=source):
        span = list(group)
        if by.assumed:
            start, end = _local(span[0].interval.start, zone), _local(span[-1].interval.end, zone)
            yield sentence("unpublished", what=name, start=start, end=end, source=by.value)


def _local(moment: datetime, zone: ZoneInfo) -> Sentence:
    return day_time(moment.astimezone(zone))
