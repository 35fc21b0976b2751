"""A set of quarter-hours that takes next to no memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet, Set
from datetime import UTC, datetime

from gateway.domain.intervals import QUARTER

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_A_DAY = 96


class Quarters(MutableSet[datetime]):
    """By their starts, one number of 96 bits a UTC day: forty days take 5 kB where a set of `datetime` takes 500.

    A moment stands for the quarter-hour that holds it. Iterated in order of time.
    """

    __slots__ = ("_days",)

    def __init__(self, starts: Iterable[datetime] = ()) -> None:
        self._days: dict[int, int] = {}
        for start in starts:
            self.add(start)

    def __contains__(self, start: object) -> bool:
        if not isinstance(start, datetime):
            return False
        day, slot = _place(start)
        return bool(self._days.get(day, 0) >> slot & 1)

    def __iter__(self) -> Iterator[datetime]:
        for day, bits in sorted(self._days.items()):
            for slot in range(bits.bit_length()):
                if bits >> slot & 1:
                    yield _EPOCH + (day * _A_DAY + slot) * QUARTER

    def __len__(self) -> int:
        return sum(bits.bit_count() for bits in self._days.values())

    def __sub__(self, other: Set[object]) -> Quarters:
        if not isinstance(other, Quarters):
            return Quarters(start for start in self if start not in other)
        found = Quarters()
        for day, bits in self._days.items():
            if left := bits & ~other._days.get(day, 0):
                found._days[day] = left
        return found

    def add(self, value: datetime) -> None:
        day, slot = _place(value)
        self._days[day] = self._days.get(day, 0) | 1 << slot

    def discard(self, value: datetime) -> None:
        day, slot = _place(value)
        left = self._days.pop(day, 0) & ~(1 << slot)
        if left:
            self._days[day] = left


def _place(time: datetime) -> tuple[int, int]:
    """The day since 1970, and the quarter-hour of it."""
    return divmod((time - _EPOCH) // QUARTER, _A_DAY)
