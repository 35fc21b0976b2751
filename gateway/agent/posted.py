"""What the exchange published of each quarter-hour, in columns of a fixed size: two months take the memory of one day's objects.

Immutable: a newer one has columns of its own.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from gateway.domain.intervals import QUARTER, quarter
from gateway.domain.price import Price
from gateway.forecasts.history import EPOCH, quarter_index, quarter_start
from gateway.market.exchanges import PublishedPrices

_SLOTS = (
    timedelta(days=62) // QUARTER
)  # the forecasts look 60 days back; prices are known 36 h ahead
_COLUMNS = ("import_ticks", "export_ticks", "day_ahead_ticks", "imbalance_ticks")
_UNKNOWN = -(2**63)  # no price: they are bounded where they come in
_NOTHING = -1


class PostedPrices(Mapping[datetime, PublishedPrices]):
    """By the start of the quarter-hour; the newest 62 days of them. ``rows`` are of quarter-hours of the grid."""

    __slots__ = ("_indices", "_ticks")

    def __init__(self, rows: Iterable[PublishedPrices] = ()) -> None:
        self._indices = array("q", [_NOTHING]) * _SLOTS  # `quarter_index` of what stands in a slot
        self._ticks = {name: array("q", [_UNKNOWN]) * _SLOTS for name in _COLUMNS}
        self._put(rows)

    def updated(self, rows: Iterable[PublishedPrices]) -> PostedPrices:
        """With what has become known since."""
        other = PostedPrices.__new__(PostedPrices)
        other._indices = self._indices[:]
        other._ticks = {name: column[:] for name, column in self._ticks.items()}
        other._put(rows)
        return other

    def _put(self, rows: Iterable[PublishedPrices]) -> None:
        for row in rows:
            index = quarter_index(row.interval.start)
            slot = index % _SLOTS
            self._indices[slot] = index
            for name, column in self._ticks.items():
                ticks = getattr(row, name)
                column[slot] = _UNKNOWN if ticks is None else ticks

    def per_mwh(self, column: str) -> Mapping[datetime, float]:
        """One of the prices, in currency units per MWh, where it is known."""
        return _Column(self, column)

    def ticks(self, at: datetime, column: str) -> int | None:
        """One price of the quarter-hour that starts ``at``; None = not known."""
        slot = self._slot(at)
        found = _UNKNOWN if slot is None else self._ticks[column][slot]
        return None if found == _UNKNOWN else found

    def __getitem__(self, at: datetime) -> PublishedPrices:
        slot = self._slot(at)
        if slot is None:
            raise KeyError(at)
        known = (column[slot] for column in self._ticks.values())
        return PublishedPrices(quarter(at), *(None if t == _UNKNOWN else t for t in known))

    def __iter__(self) -> Iterator[datetime]:
        return (quarter_start(index) for index in sorted(self._indices) if index != _NOTHING)

    def __len__(self) -> int:
        return _SLOTS - self._indices.count(_NOTHING)

    def _slot(self, at: datetime) -> int | None:
        index, rest = divmod(at - EPOCH, QUARTER)
        slot = index % _SLOTS
        return None if rest or self._indices[slot] != index else slot


class _Column(Mapping[datetime, float]):
    """Read where it stands: nobody needs two months of it as objects."""

    __slots__ = ("_name", "_posted")

    def __init__(self, posted: PostedPrices, name: str) -> None:
        self._posted, self._name = posted, name

    def __getitem__(self, at: datetime) -> float:
        ticks = self._posted.ticks(at, self._name)
        if ticks is None:
            raise KeyError(at)
        return Price(ticks).per_mwh

    def __iter__(self) -> Iterator[datetime]:
        return (at for at in self._posted if self._posted.ticks(at, self._name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
