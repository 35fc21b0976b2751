"""The port for PV forecasts of weather services. Optional; the home's own forecast stands.

A provider gives mean powers over spans of any length. They are brought to quarter-hours here, and the
better of own and the provider's, by what both erred in the last days, goes into the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import fmean
from typing import Protocol

from gateway.domain.intervals import QUARTER, Interval, floor_quarter
from gateway.domain.plan import Forecast, Outlook

Quantiles = tuple[float, float, float]  # low, middle, high
_SPREAD = 0.3  # of the middle either way, where a provider gives no quantiles
_OWN_QUARTERS = 4
_LEAST_COMPARED = 48  # quarter-hours of daylight: about a day


@dataclass(frozen=True, slots=True)
class ProvidedPower:
    """Expected mean AC power of the panels over ``span``, W: 0.1, 0.5 and 0.9 quantile."""

    span: Interval
    power_w: Quantiles


class PvProvider(Protocol):
    """A source of PV forecasts. The adapters live in `gateway.forecasts.pv_services`."""

    @property
    def name(self) -> str:
        """For the log."""

    @property
    def period(self) -> timedelta:
        """Between two requests: what the service's free tier allows."""

    @property
    def keeps(self) -> timedelta:
        """For how long a forecast is worth using."""

    async def fetch(self, now: datetime) -> Sequence[ProvidedPower]:
        """The coming powers; raises `gateway.errors.ForecastError` when the service gives none."""


def even(power_w: float) -> Quantiles:
    """Quantiles of a service that gives one number."""
    return power_w * (1 - _SPREAD), power_w, power_w * (1 + _SPREAD)


def quarters(rows: Iterable[ProvidedPower]) -> dict[datetime, Quantiles]:
    """Wh by start of the quarter-hour; only quarters that are covered whole."""
    energy: dict[datetime, list[float]] = {}
    covered: dict[datetime, timedelta] = {}
    for row in rows:
        start = floor_quarter(row.span.start)
        while start < row.span.end:
            part = min(row.span.end, start + QUARTER) - max(row.span.start, start)
            hours = part.total_seconds() / 3600
            held = energy.setdefault(start, [0.0, 0.0, 0.0])
            energy[start] = [a + b * hours for a, b in zip(held, row.power_w, strict=True)]
            covered[start] = covered.get(start, timedelta()) + part
            start += QUARTER
    return {
        start: (wh[0], wh[1], wh[2])
        for start, wh in sorted(energy.items())
        if covered[start] == QUARTER
    }


@dataclass(frozen=True, slots=True)
class Compared:
    """What both forecasts said of one past quarter-hour some hours before, and what came. Wh."""

    own_wh: float
    provider_wh: float
    real_wh: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Mean absolute errors, Wh a quarter-hour; None while too little could be compared."""

    own: float | None = None
    provider: float | None = None

    @property
    def provider_is_better(self) -> bool:
        """Not before it is measured: nobody knows how the panels were described to the service."""
        return self.own is not None and self.provider is not None and self.provider < self.own


def verdict(rows: Sequence[Compared]) -> Verdict:
    """Which forecast erred less; nights, where both are right, do not count."""
    day = [r for r in rows if max(r.own_wh, r.provider_wh, r.real_wh) > 1.0]
    if len(day) < _LEAST_COMPARED:
        return Verdict()
    return Verdict(
        fmean(abs(r.own_wh - r.real_wh) for r in day),
        fmean(abs(r.provider_wh - r.real_wh) for r in day),
    )


AHEAD = timedelta(hours=6)  # both are judged by what they said so long before
JUDGED_OVER = timedelta(days=7)


class Judge:
    """Notes what both forecasts say of the hours to come, and compares it with what came."""

    def __init__(self) -> None:
        self._said: dict[datetime, tuple[float, float]] = {}  # own and provided, Wh

    def note(
        self, own: Sequence[Forecast], provided: Mapping[datetime, Quantiles], now: datetime
    ) -> None:
        """What both say now."""
        first = next((f for f in own if f.interval.start >= now + AHEAD), None)
        if first is not None and (start := first.interval.start) in provided:
            self._said.setdefault(start, (first.pv_wh[1], provided[start][1]))

    def verdict(self, real_wh: Callable[[datetime], float | None], now: datetime) -> Verdict:
        """By what came; ``real_wh`` is None where it is not known or a limit held the panels back."""
        self._said = {t: said for t, said in self._said.items() if t >= now - JUDGED_OVER}
        came = ((said, real_wh(start)) for start, said in self._said.items())
        return verdict([Compared(*said, real) for said, real in came if real is not None])


def with_provider(outlook: Outlook, provided: Mapping[datetime, Quantiles]) -> Outlook:
    """The outlook with the provider's forecast of PV; the coming hour stays the home's own, which sees
    what the panels do now."""
    if not provided:
        return outlook
    near, far = outlook.forecasts[:_OWN_QUARTERS], outlook.forecasts[_OWN_QUARTERS:]
    replaced = (replace(f, pv_wh=provided.get(f.interval.start, f.pv_wh)) for f in far)
    return replace(outlook, forecasts=(*near, *replaced))
