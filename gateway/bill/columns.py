"""Quarter-hours side by side: a bill looks at forty days of them, and as many objects at once would be megabytes."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import overload

from gateway.bill.account import Quarter
from gateway.domain.flows import Flow
from gateway.domain.intervals import Interval

_SECOND = timedelta(seconds=1)


class Quarters(Sequence[Quarter]):
    """What was bought and given in each, Wh; in order of their start. An object is made when it is asked for."""

    def __init__(self, quarters: Iterable[Quarter] = ()) -> None:
        self.starts: list[datetime] = []
        self._seconds = array("q")
        self.import_wh, self.export_wh = array("q"), array("q")
        for quarter in quarters:
            self.add(quarter.interval.start, quarter.interval, quarter.import_wh, quarter.export_wh)

    def add(self, start: datetime, interval: Interval, import_wh: int, export_wh: int) -> None:
        """A later one than all before; ``start`` may be an object that somebody keeps anyway."""
        self.starts.append(start)
        self._seconds.append((interval.end - interval.start) // _SECOND)
        self.import_wh.append(import_wh)
        self.export_wh.append(export_wh)

    def interval(self, n: int) -> Interval:
        start = self.starts[n]
        return Interval(start, start + timedelta(seconds=self._seconds[n]))

    def hours(self, n: int) -> float:
        return self._seconds[n] / 3600

    def between(self, start: datetime, end: datetime) -> range:
        """The numbers of those that start in the half-open span."""
        return range(bisect_left(self.starts, start), bisect_left(self.starts, end))

    def number(self, start: datetime) -> int | None:
        """Which one starts at ``start``."""
        n = bisect_left(self.starts, start)
        return n if n < len(self.starts) and self.starts[n] == start else None

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, n: int) -> Quarter: ...
    @overload
    def __getitem__(self, n: slice) -> list[Quarter]: ...
    def __getitem__(self, n: int | slice) -> Quarter | list[Quarter]:
        if isinstance(n, slice):
            return [self[i] for i in range(*n.indices(len(self)))]
        return Quarter(self.interval(n), self.import_wh[n], self.export_wh[n])


@dataclass(frozen=True, slots=True)
class HeaterColumns:
    """What one rod or boiler drew, Wh, and the temperature of its water at the end; NaN = not known."""

    energy_wh: array[float]
    temperature_c: array[float]


class FlowColumns:
    """The flows of ``quarters``, number by number; NaN = not known. ``heat_wh`` is what all rods and boilers drew: of a row that is older than
    that word, nothing in a home without ``heaters``."""

    def __init__(
        self, quarters: Quarters, flows: Iterable[Flow], heaters: Collection[str] = ()
    ) -> None:
        unknown = array("d", [math.nan]) * len(quarters)
        self.heaters: dict[str, HeaterColumns] = {}
        self.heat_wh = unknown[:] if heaters else array("d", bytes(8 * len(quarters)))
        self.charge_wh, self.discharge_wh, self.pv_wh = unknown[:], unknown[:], unknown[:]
        self.car_wh, self.stored_wh, self.load_wh = unknown[:], unknown[:], unknown[:]
        self.plugged, self.there = bytearray(len(quarters)), bytearray(len(quarters))
        for flow in flows:
            n = quarters.number(flow.interval.start)
            if n is None:
                continue
            self.there[n], self.plugged[n] = True, bool(flow.plugged)
            self.charge_wh[n], self.discharge_wh[n] = _nan(flow.charge_wh), _nan(flow.discharge_wh)
            self.pv_wh[n], self.car_wh[n] = _nan(flow.pv_wh), _nan(flow.car_wh)
            self.stored_wh[n], self.load_wh[n] = _nan(flow.stored_wh), _nan(flow.load_wh)
            if flow.heated is not None:
                self.heat_wh[n] = sum(_nan(heated.energy_wh) for heated in flow.heated)
            for heated in flow.heated or ():
                its = self.heaters.setdefault(heated.name, HeaterColumns(unknown[:], unknown[:]))
                its.energy_wh[n] = _nan(heated.energy_wh)
                its.temperature_c[n] = _nan(heated.temperature_c)


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def or_0(value: float) -> float:
    """``value``, or nothing where it is not known."""
    return 0.0 if math.isnan(value) else value
