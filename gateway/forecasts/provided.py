"""Keeps the provider's PV forecast fresh, and judges it against the home's own."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from gateway.clock import Clock
from gateway.config.settings import Settings
from gateway.domain.intervals import iso, parse_utc
from gateway.domain.plan import Forecast, Observed
from gateway.errors import ForecastError, StorageError
from gateway.forecasts.pv_provider import (
    Judge,
    PvProvider,
    Quantiles,
    Verdict,
    quarters,
)
from gateway.forecasts.pv_services import ask, pv_provider
from gateway.forecasts.pv_topic import TopicForecast
from gateway.supervise import Availability

log = logging.getLogger(__name__)


class SettingStore(Protocol):
    """Small durable values by name, such as the journal's file keeps."""

    def setting(self, name: str, value: str | None = None) -> str | None:
        """The stored value; given ``value`` it is stored first. Raises StorageError."""


class ProviderForecast:
    """One provider's PV forecast. It replaces the home's own while it is fresh and errs less.

    The newest answer is kept over restarts, so that none of a day's few requests is wasted.
    """

    def __init__(self, provider: PvProvider, store: SettingStore, clock: Clock) -> None:
        self._provider, self._kept, self._clock = provider, store, clock
        self._availability = Availability(f"PV forecast of {provider.name}")
        self._key = f"pv_forecast.{provider.name}"
        self._rows: dict[datetime, Quantiles] = {}
        self._fetched: datetime | None = None
        self._judge = Judge()
        self._verdict = Verdict()
        self._used = False
        self._restore()

    async def run(self) -> None:
        """For ever. A service that fails is asked again after its usual period: rather stale than banned."""
        while True:
            now = self._clock.now()
            self._forget_the_future(now)
            if self._fetched is not None and now < self._fetched + self._provider.period:
                await self._clock.sleep_until(self._fetched + self._provider.period)
                continue
            try:
                self._rows = quarters(await ask(self._provider, now))
                self._fetched = now
                self._availability.back()
                self._store()
            except ForecastError as error:
                self._availability.lost(f"{error}; the home's own forecast is used")
                await self._clock.sleep(self._provider.period.total_seconds())

    @property
    def verdict(self) -> Verdict:
        """Both errors as measured last."""
        return self._verdict

    def chosen(self, now: datetime) -> Mapping[datetime, Quantiles]:
        """Wh by quarter-hour to plan with; empty while the home's own forecast is the better one."""
        use = self._fresh(now) and self._verdict.provider_is_better
        if use != self._used:
            self._used = use
            log.info("PV forecast: %s is used", self._provider.name if use else "the home's own")
        return self._rows if use else {}

    def judge(self, own: Sequence[Forecast], past: Sequence[Observed], now: datetime) -> None:
        """Note what both say now of the hours to come, and compare what they said with what came.

        ``own`` is the home's own forecast, whichever is used.
        """
        if self._fresh(now):
            self._judge.note(own, self._rows, now)
        seen = [o for o in past if o.pv_wh is not None and not o.held_back]
        self._verdict = self._judge.verdict({o.interval.start: o.pv_wh for o in seen}.get, now)

    def _fresh(self, now: datetime) -> bool:
        if self._fetched is None:
            return False
        return timedelta(0) <= now - self._fetched <= self._provider.keeps

    def _forget_the_future(self, now: datetime) -> None:
        """A clock that ran ahead was set right: what was fetched then counts as never fetched."""
        if self._fetched is not None and self._fetched > now:
            self._fetched = None

    def _store(self) -> None:
        assert self._fetched is not None  # noqa: S101 - set just before
        rows = {iso(start): wh for start, wh in self._rows.items()}
        try:
            self._kept.setting(self._key, json.dumps({"at": iso(self._fetched), "rows": rows}))
        except StorageError:
            return  # only a restart would miss it

    def _restore(self) -> None:
        try:
            stored = json.loads(self._kept.setting(self._key) or "{}")
            rows = stored.get("rows", {}).items()
            self._rows = {parse_utc(t): (wh[0], wh[1], wh[2]) for t, wh in rows}
            self._fetched = parse_utc(stored["at"]) if "at" in stored else None
        except (StorageError, ValueError, TypeError, LookupError, AttributeError):
            self._rows, self._fetched = {}, None
        self._forget_the_future(self._clock.now())


def forecast_of(
    settings: Settings,
    store: SettingStore,
    clock: Clock,
    listen: Callable[[str, Callable[[bytes], None]], None],
) -> ProviderForecast | None:
    """The configured one, None without one; ``listen`` has a topic heard. Raises ConfigError."""
    provider = pv_provider(settings)
    if provider is None:
        return None
    if isinstance(provider, TopicForecast):
        listen(provider.topic, provider.hear)
    return ProviderForecast(provider, store, clock)
