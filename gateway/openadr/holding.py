"""Which event holds when: priority, randomized starts, and what its numbers are in units of ours. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import heappop, heappush
from itertools import pairwise

from gateway.openadr.documents import Event

_WATTS = {"W": Decimal(1), "KW": Decimal(1000), "MW": Decimal(10) ** 6}
_WATT_HOURS = {"WH": Decimal(1), "KWH": Decimal(1000), "MWH": Decimal(10) ** 6}


@dataclass(frozen=True, slots=True)
class Holding:
    """One number of an event over the half-open span in which it holds."""

    event: Event
    interval: int
    kind: str
    start: datetime
    end: datetime
    value: Decimal
    own_units: str = ""  # of a number that is ours, not the event's

    @property
    def units(self) -> str:
        if self.own_units:
            return self.own_units
        found = self.event.descriptors.get(self.kind)
        return found.units if found else ""


def holdings(
    events: Iterable[Event], kinds: Sequence[str], since: datetime, before: datetime, home: str = ""
) -> Iterator[Holding]:
    """All that events say of ``kinds`` within the span, whatever goes first. Their starts are randomized for the
    home of that name; without a name they are as planned."""
    reach = timedelta(hours=1)
    for event in events:
        for span in event.spans(since - reach, before + reach):
            moved = randomized(home, event.id, span.shift) if home else timedelta(0)
            for payload in span.payloads:
                if payload.kind not in kinds:
                    continue
                part = (span.end - span.start) / len(payload.values)
                for count, value in enumerate(payload.values):
                    start = span.start + count * part + moved
                    end = span.end + moved if count + 1 == len(payload.values) else start + part
                    if start < before and end > since:
                        yield Holding(event, span.id, payload.kind, start, end, value)


def holding(found: Iterable[Holding], at: datetime) -> tuple[Holding, ...]:
    """Those that hold at that moment with the highest priority, the newest first: of one event, or of
    several that the programme has set against each other without saying which goes first."""
    now = [h for h in found if h.start <= at < h.end]
    first = min((h.event.priority for h in now), default=0)
    top = [h for h in now if h.event.priority == first]
    return tuple(sorted(top, key=_newest, reverse=True))


def without_overlap(found: Iterable[Holding]) -> Iterator[Holding]:
    """The same as a row of spans that do not overlap: where several hold, the first of `holding`."""
    best_first = sorted(found, key=_newest, reverse=True)
    best_first.sort(key=lambda h: h.event.priority)
    by_start = sorted(enumerate(best_first), key=lambda pair: pair[1].start)
    cuts = sorted({t for h in best_first for t in (h.start, h.end)})
    open_now: list[tuple[int, Holding]] = []  # a heap by rank, which no two share
    begun = 0
    for start, end in pairwise(cuts):
        while begun < len(by_start) and by_start[begun][1].start <= start:
            heappush(open_now, by_start[begun])
            begun += 1
        while open_now and open_now[0][1].end <= start:
            heappop(open_now)
        if open_now:
            best = open_now[0][1]
            yield Holding(best.event, best.interval, best.kind, start, end, best.value)


def _newest(each: Holding) -> tuple[datetime, str]:
    return each.event.modified, each.event.id


def randomized(home: str, event_id: str, longest: timedelta) -> timedelta:
    """How far this home moves its start: evenly within plus and minus ``longest``, the same at every start of ours."""
    if not longest:
        return longest
    digest = hashlib.sha256(f"{home} {event_id}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return timedelta(seconds=round((2 * share - 1) * longest.total_seconds()))


def power_w(value: Decimal, units: str) -> Decimal:
    """Raises ValueError for units of no power."""
    return value * _factor(units, _WATTS, "a power")


def energy_wh(value: Decimal, units: str) -> Decimal:
    """Raises ValueError for units of no energy."""
    return value * _factor(units, _WATT_HOURS, "an energy")


def _factor(units: str, known: dict[str, Decimal], what: str) -> Decimal:
    if units not in known:
        said = f"in {units}" if units else "without units"
        raise ValueError(f"{what} {said}; the event's descriptor should say {', '.join(known)}")
    return known[units]
