"""The coming intervals as arrays, and as `Forecast`s where somebody looks at one: a plan is reckoned from the arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import overload

import numpy as np

from gateway.domain.intervals import Interval
from gateway.domain.plan import Forecast
from gateway.domain.price import PriceSource
from gateway.forecasts.history import Array

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PriceTable:
    """One price of each interval [T] per MWh, what it is in each scenario [T, K], and where it comes from."""

    expected: Array
    scenarios: Array
    sources: Sequence[PriceSource]


class Horizon(Sequence[Forecast]):
    """The forecasts of an outlook. Wh quantiles [T, 3]; see `Forecast`."""

    __slots__ = (
        "_made",
        "bought",
        "flat_night",
        "hours",
        "intervals",
        "load_wh",
        "market_price",
        "market_scenarios",
        "pv_wh",
        "sold",
    )

    def __init__(
        self,
        intervals: Sequence[Interval],
        energy_wh: tuple[Array, Array],
        market: tuple[Array, Array],
        retail: tuple[PriceTable, PriceTable],
        flat_night: Sequence[bool],
    ) -> None:
        """``energy_wh`` are load and PV, ``market`` the expected price and the scenarios, ``retail`` what is bought
        and sold."""
        self.intervals, self.flat_night = intervals, flat_night
        self.hours = np.array([(i.end - i.start) / _HOUR for i in intervals])
        self.load_wh, self.pv_wh = energy_wh
        self.market_price, self.market_scenarios = market
        self.bought, self.sold = retail
        self._made: tuple[Forecast, ...] | None = None

    @classmethod
    def of(cls, forecasts: Sequence[Forecast]) -> Horizon:
        """The same as arrays; without scenarios every interval has one, its expected price."""
        if isinstance(forecasts, Horizon):
            return forecasts
        count = max(len(forecasts[0].market_scenarios), 1)

        def table(rows: Sequence[tuple[float, tuple[float, ...]]]) -> tuple[Array, Array]:
            expected = np.array([price for price, _ in rows])
            return expected, np.array([each or (price,) * count for price, each in rows])

        bought = table([(f.import_price, f.import_scenarios) for f in forecasts])
        sold = table([(f.export_price, f.export_scenarios) for f in forecasts])
        made = cls(
            [f.interval for f in forecasts],
            (np.array([f.load_wh for f in forecasts]), np.array([f.pv_wh for f in forecasts])),
            table([(f.market_price, f.market_scenarios) for f in forecasts]),
            (
                PriceTable(*bought, [f.import_source for f in forecasts]),
                PriceTable(*sold, [f.export_source for f in forecasts]),
            ),
            [f.flat_night for f in forecasts],
        )
        made._made = tuple(forecasts)
        return made

    def __len__(self) -> int:
        return len(self.intervals)

    @overload
    def __getitem__(self, at: int) -> Forecast: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Forecast]: ...
    def __getitem__(self, at: int | slice) -> Forecast | Sequence[Forecast]:
        if self._made is None and isinstance(at, int):
            return self._one(range(len(self))[at])
        return self._all()[at]

    def __iter__(self) -> Iterator[Forecast]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return f"Horizon({self._all()!r})"

    def _one(self, t: int) -> Forecast:
        """One alone: somebody who looks at a few does not pay for all."""
        load, pv = self.load_wh[t].tolist(), self.pv_wh[t].tolist()
        bought, sold = self.bought, self.sold
        return Forecast(
            self.intervals[t],
            (load[0], load[1], load[2]),
            (pv[0], pv[1], pv[2]),
            float(bought.expected[t]),
            float(sold.expected[t]),
            float(self.market_price[t]),
            tuple(self.market_scenarios[t].tolist()),
            tuple(bought.scenarios[t].tolist()),
            tuple(sold.scenarios[t].tolist()),
            self.flat_night[t],
            bought.sources[t],
            sold.sources[t],
        )

    def _all(self) -> tuple[Forecast, ...]:
        if self._made is None:
            columns = zip(
                self.intervals,
                map(tuple, self.load_wh.tolist()),
                map(tuple, self.pv_wh.tolist()),
                self.bought.expected.tolist(),
                self.sold.expected.tolist(),
                self.market_price.tolist(),
                map(tuple, self.market_scenarios.tolist()),
                map(tuple, self.bought.scenarios.tolist()),
                map(tuple, self.sold.scenarios.tolist()),
                self.flat_night,
                self.bought.sources,
                self.sold.sources,
                strict=True,
            )
            self._made = tuple(Forecast(*each) for each in columns)
        return self._made
