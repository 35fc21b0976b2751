"""The home's past as arrays on the quarter-hour grid, for the forecasts.

Index 0 is the first interval kept; what is not known is NaN. All times UTC, energies Wh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway.domain.intervals import QUARTER, Interval
from gateway.domain.plan import Observed

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 96  # quarter-hours


def quarter_index(time: datetime) -> int:
    """Quarter-hours since the Unix epoch."""
    return (time - EPOCH) // QUARTER


def quarter_start(index: int) -> datetime:
    return EPOCH + index * QUARTER


@lru_cache(maxsize=400)  # no plan looks further than four days ahead
def quarter_at(index: int) -> Interval:
    """The quarter-hour of that index; plans that follow each other share them."""
    start = quarter_start(index)
    return Interval(start, start + QUARTER)


@dataclass(frozen=True, slots=True)
class History:
    """``first`` is the `quarter_index` of index 0; the arrays end at the last interval that is over.

    ``da`` is the day-ahead price of the same past intervals, NaN where never published. ``held`` is where a limit
    held the sun back (empty: nowhere).
    """

    first: int
    load: Array
    pv: Array
    rt: Array
    da: Array
    held: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __len__(self) -> int:
        return int(self.load.size)

    @property
    def end(self) -> int:
        """The slot after the last known one."""
        return self.first + len(self)

    def head(self, count: int) -> History:
        """The first ``count`` intervals."""
        count = max(count, 0)
        load, pv, rt, da = (x[:count] for x in (self.load, self.pv, self.rt, self.da))
        return History(self.first, load, pv, rt, da, self.held[:count])

    def tail(self, count: int) -> History:
        """The last ``count`` intervals."""
        skip = max(len(self) - count, 0)
        load, pv, rt, da = (x[skip:] for x in (self.load, self.pv, self.rt, self.da))
        return History(self.first + skip, load, pv, rt, da, self.held[skip:])


def history_of(
    observed: Sequence[Observed],
    day_ahead: Mapping[datetime, float],
    now: datetime,
    keep: timedelta = timedelta(days=60),
) -> History:
    """What was observed before ``now``, at most ``keep`` back; gaps are NaN, and so is the load of an empty house."""
    end = quarter_index(now)
    earliest = end - keep // QUARTER
    rows = [(quarter_index(o.interval.start), o) for o in observed if o.interval.end <= now]
    rows = [(i, o) for i, o in rows if i >= earliest]
    first = min((i for i, _ in rows), default=end)
    load, pv, rt, da = (np.full(end - first, np.nan) for _ in range(4))
    held = np.zeros(end - first, dtype=bool)
    for i, o in rows:
        load[i - first] = np.nan if o.load_wh is None or o.away else o.load_wh
        held[i - first] = o.held_back
        pv[i - first] = np.nan if o.pv_wh is None else o.pv_wh
        rt[i - first] = np.nan if o.rt_price is None else o.rt_price
    for i in range(end - first):
        price = day_ahead.get(quarter_start(first + i))
        da[i] = np.nan if price is None else price
    return History(first, load, pv, rt, da, held)
