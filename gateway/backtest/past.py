"""The home's own past as the series of a backtest: quarter-hours from the history, gaps filled and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from gateway.backtest.data import Series
from gateway.domain.intervals import QUARTER, Interval
from gateway.domain.plan import Observed
from gateway.domain.price import mwh_price
from gateway.errors import ConfigError
from gateway.forecasts.history import DAY, Array, quarter_index, quarter_start
from gateway.tariff import TariffRules

LEAST_DAYS = 2
_STEP = 1000.0  # per MWh, to learn how a tariff follows the market


@dataclass(frozen=True, slots=True)
class OwnPast:
    """``filled``: quarter-hours of which load or sun was not known; ``unpriced``: those without a price that was seen.

    Both are of what is judged, after the first ``lead`` quarter-hours of the series, which are only learnt from.
    """

    series: Series
    filled: int
    unpriced: int
    lead: int = 0

    @property
    def judged(self) -> Series:
        """Without the lead."""
        return self.series.part(self.lead, len(self.series))


def own_past(
    quarters: Sequence[Observed],
    seen: Mapping[datetime, float],
    tariff: TariffRules,
    since: datetime | None = None,
) -> OwnPast:
    """What is before ``since`` is only learnt from. ``seen`` is the import price per kWh at the start of a quarter-hour, as it was then.

    What is not known is taken from the day before, else from the day after. Market prices are those at which ``tariff``
    gives what was seen; they count as known the day before, as a published price is. Raises ConfigError for too short a past.
    """
    if not quarters:
        raise ConfigError("the history has no quarter-hour of this home yet")
    first = quarter_index(quarters[0].interval.start)
    count = quarter_index(quarters[-1].interval.start) - first + 1
    if count < LEAST_DAYS * DAY:
        raise ConfigError(
            f"the history has {count / DAY:.1f} days; at least {LEAST_DAYS} are needed"
        )
    lead = 0 if since is None else max(quarter_index(since) - first, 0)
    load, pv = np.full(count, np.nan), np.full(count, np.nan)
    for row in quarters:
        at = quarter_index(row.interval.start) - first
        load[at] = np.nan if row.load_wh is None else max(row.load_wh, 0.0)
        pv[at] = np.nan if row.pv_wh is None else max(row.pv_wh, 0.0)
    if np.isnan(load).all():
        raise ConfigError(
            "the history does not know what the home used: no meter of the grid was read"
        )
    if np.isnan(pv).all():
        pv[:] = 0.0  # nothing measures panels: there are none
    market = _market(seen, tariff, first, count)
    filled = int(np.count_nonzero((np.isnan(load) | np.isnan(pv))[lead:]))
    follows = _follows(tariff, first, count)
    unpriced = int(np.count_nonzero(np.isnan(market[lead:]))) if follows else 0
    prices = _filled(market)
    series = Series(first, _filled(load), _filled(pv), prices, prices)
    return OwnPast(series, filled, unpriced, lead)


def _market(seen: Mapping[datetime, float], tariff: TariffRules, first: int, count: int) -> Array:
    """The market price of each interval, per MWh: NaN where none was seen, 0 where the tariff does not follow it."""
    prices = np.full(count, np.nan)
    for i in range(count):
        at_0, slope = _line(tariff, first + i)
        known = seen.get(quarter_start(first + i))
        if slope == 0.0:
            prices[i] = 0.0
        elif known is not None:
            prices[i] = (mwh_price(known) - at_0) / slope
    return prices


def _line(tariff: TariffRules, index: int) -> tuple[float, float]:
    """The import price at a market price of 0, and by how much it rises with it."""
    start = quarter_start(index)
    interval = Interval(start, start + QUARTER)
    low, high = tariff.import_price(interval, 0.0), tariff.import_price(interval, _STEP)
    if low is None or high is None:
        return 0.0, 0.0
    return low, (high - low) / _STEP


def _follows(tariff: TariffRules, first: int, count: int) -> bool:
    return any(_line(tariff, first + i)[1] != 0.0 for i in range(0, count, DAY // 4))


def _filled(values: Array) -> Array:
    """Without gaps: the day before, then the day after, then the mean."""
    known = values.copy()
    for i in np.flatnonzero(np.isnan(known)):
        if i >= DAY:
            known[i] = known[i - DAY]
    for i in np.flatnonzero(np.isnan(known))[::-1]:
        if i + DAY < known.size:
            known[i] = known[i + DAY]
    mean = float(np.nanmean(known)) if not np.isnan(known).all() else 0.0
    return np.where(np.isnan(known), mean, known)
