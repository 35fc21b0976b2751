"""The temperature outside from Open-Meteo: the last weeks, which the load forecast learns from, and the coming days.

It answers with both at once, so nothing need be kept: a restart asks anew. Free for non-commercial use.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from gateway.clock import Clock
from gateway.config.settings import Settings
from gateway.domain.intervals import QUARTER
from gateway.errors import ConfigError, ForecastError
from gateway.forecasts.pv_services import get_json
from gateway.forecasts.regression import WEEKS_DAYS
from gateway.forecasts.weather import Temperatures
from gateway.sun import Place
from gateway.supervise import Availability

PERIOD = timedelta(hours=3)
_KEEPS = timedelta(hours=24)  # what was said a day ago is still nearer than nothing
_COLDEST_C, _HOTTEST_C = -90.0, 60.0  # that were ever measured on Earth, about
_HOUR = timedelta(hours=1)


class OutsideTemperature:
    """Asked every three hours. While it cannot be had the load is forecast without it."""

    def __init__(self, place: Place, clock: Clock, url: str = "https://api.open-meteo.com") -> None:
        self._place, self._clock, self._url = place, clock, url
        self._availability = Availability("temperature of open-meteo")
        self._known: tuple[datetime, Temperatures] | None = None

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                self._known = self._clock.now(), await self._ask()
                self._availability.back()
            except ForecastError as error:
                self._availability.lost(f"{error}; the load is forecast without it")
            await self._clock.sleep(PERIOD.total_seconds())

    def known(self, now: datetime) -> Temperatures | None:
        """Past and coming; None while there is none or it is too old."""
        if self._known is None or not timedelta(0) <= now - self._known[0] <= _KEEPS:
            return None
        return self._known[1]

    async def _ask(self) -> Temperatures:
        latitude, longitude = self._place
        query = {
            "latitude": f"{latitude:g}",
            "longitude": f"{longitude:g}",
            "hourly": "temperature_2m",
            "past_days": str(WEEKS_DAYS + 2),
            "forecast_days": "4",
            "timeformat": "unixtime",
        }
        answer = await get_json("open-meteo", f"{self._url}/v1/forecast", query, {})
        try:
            return Temperatures.of(_quarters(answer["hourly"]))
        except (LookupError, TypeError, ValueError, OverflowError, OSError) as error:
            raise ForecastError(f"its answer is not understood: {error!r}") from error


def _quarters(table: Mapping[str, Any]) -> dict[datetime, float]:
    """Between two hours evenly. Raises ValueError for what no thermometer ever showed."""
    hours = [
        (datetime.fromtimestamp(int(moment), UTC), float(celsius))
        for moment, celsius in zip(table["time"], table["temperature_2m"], strict=True)
        if celsius is not None
    ]
    made = {}
    for (start, before), (end, after) in pairwise(hours):
        if not (_COLDEST_C <= before <= _HOTTEST_C and _COLDEST_C <= after <= _HOTTEST_C):
            raise ValueError(f"{before:g} °C at {start:%Y-%m-%d %H:%M} UTC")
        if end - start == _HOUR:
            for part in range(4):
                middle = (part + 0.5) / 4
                made[start + part * QUARTER] = before + middle * (after - before)
    return made


def outside_temperature(settings: Settings, clock: Clock) -> OutsideTemperature | None:
    """The configured service, None without one; raises ConfigError where the place is not known."""
    home, place = settings.household, settings.site.place
    if home.temperature is None:
        return None
    if place is None:
        raise ConfigError("household.temperature needs site.latitude and site.longitude")
    more = {"url": home.temperature_url.rstrip("/")} if home.temperature_url else {}
    return OutsideTemperature(place, clock, **more)
