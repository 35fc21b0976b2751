"""What a house needs while nobody is at home: what it needed at night, or better, since they left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from statistics import fmean, median
from zoneinfo import ZoneInfo

from gateway.domain.plan import Observed, Outlook

_NIGHT = range(1, 5)  # local hours in which most sleep
_NIGHTS, _SINCE = timedelta(days=14), timedelta(days=2)
_ENOUGH = 8  # quarter-hours of an empty house tell more than the nights before
_SPREAD = 0.5


def while_away(outlook: Outlook, past: Sequence[Observed], zone: ZoneInfo) -> Outlook:
    """The outlook of a house that stays empty; unchanged where its past tells nothing."""
    known = [
        (o.load_wh, o) for o in past if o.load_wh is not None and o.interval.start < outlook.now
    ]
    empty = [wh for wh, o in known if o.away and o.interval.start >= outlook.now - _SINCE]
    nights = [
        wh
        for wh, o in known
        if o.interval.start >= outlook.now - _NIGHTS
        and o.interval.start.astimezone(zone).hour in _NIGHT
    ]
    if len(empty) < _ENOUGH and not nights:
        return outlook
    load_wh = fmean(empty) if len(empty) >= _ENOUGH else median(nights)
    load = (load_wh * (1 - _SPREAD), load_wh, load_wh * (1 + _SPREAD))
    return replace(outlook, forecasts=[replace(f, load_wh=load) for f in outlook.forecasts])
