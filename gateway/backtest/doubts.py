"""What in a series of prices looks like no price: an hour that nobody recorded is often stored as 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gateway.backtest.data import Series
from gateway.forecasts.history import DAY

# A market clears at exactly 0 for an hour now and then (sun and wind that is curtailed), not to the cent for four hours while
# the day before expected something else. NYISO N.Y.C. 2018: five days of 95 such quarter-hours; ERCOT HB_SOUTH 2024: none.
LEAST_QUARTERS = 16


def zero_spans(series: Series) -> Sequence[slice]:
    """Where the real-time price is exactly 0 for four hours or more though the day-ahead price is not."""
    zero = (series.rt == 0) & (series.da != 0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], zero, [False]])))
    pairs = edges.reshape(-1, 2).tolist()
    return [slice(begin, end) for begin, end in pairs if end - begin >= LEAST_QUARTERS]


def zero_warning(series: Series) -> str:
    """A line for people; empty where there is nothing to say."""
    spans = zero_spans(series)
    if not spans:
        return ""
    count = sum(span.stop - span.start for span in spans)
    share = 100 * count / len(series)
    return (
        f"{count} quarter-hours ({share:.1f} %, {len(spans)} spans, the first from {series.start(spans[0].start):%Y-%m-%d %H:%M} UTC) have a "
        "real-time price of exactly 0 for four hours or more: gaps that were stored as 0? They are taken as prices; fill or cut them if they are none"
    )


def without_zero_days(series: Series) -> Sequence[int]:
    """The intervals of all days (of the series, from its first interval) without such a span."""
    days = {
        i // DAY
        for span in zero_spans(series)
        for i in (*range(span.start, span.stop, DAY), span.stop - 1)
    }
    return [i for i in range(len(series)) if i // DAY not in days]
