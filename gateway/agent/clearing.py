"""The clearing price of the present quarter-hour, and the month's highest import: what the journal
already knows and the planner should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.agent.prices import real_time_at
from gateway.agent.state import StateKeeper
from gateway.domain.intervals import Interval
from gateway.domain.price import Price
from gateway.store.journal import Journal


class Clearing:
    """Looks a quarter's clearing price up: in our own fills, else in the published prices.

    An auction has one price for all, so a fill of ours tells it; the last call before the gate knew
    most. An exchange with posted prices publishes it ahead. Where neither speaks it is not known.
    """

    def __init__(self, journal: Journal, keeper: StateKeeper) -> None:
        self._journal, self._keeper = journal, keeper
        self._found: tuple[tuple[Interval, int], float | None] | None = None

    def price(self, interval: Interval) -> float | None:
        """Per MWh; None while it is not known."""
        key = (interval, self._journal.book.last_sequence)
        if self._found is None or self._found[0] != key:
            self._found = (key, self._of_fills(interval))
        if self._found[1] is not None:
            return self._found[1]
        state = self._keeper.state
        return real_time_at(state.settings.tariff, state.feeds, state.prices, interval.start)

    def _of_fills(self, interval: Interval) -> float | None:
        book = self._journal.book
        ours = book.of_interval(book.transactions, interval)
        return Price(max(ours, key=lambda t: t.sequence).price_ticks).per_mwh if ours else None


def month_peak_w(journal: Journal, zone: ZoneInfo, now: datetime) -> float:
    """The highest mean import of a metered quarter-hour in the present local month, W.

    The journal keeps 40 days of meter readings over restarts: always the whole month.
    """
    begins = now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    ends = (begins + timedelta(days=32)).replace(day=1)
    first, after, rows = begins.astimezone(UTC), ends.astimezone(UTC), journal.book.metered
    of_month = (rows[start] for start in rows if first <= start < after)
    return max((m.import_wh / m.interval.hours for m in of_month), default=0.0)
