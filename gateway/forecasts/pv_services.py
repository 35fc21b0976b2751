"""Weather services that forecast PV, one class each: what to ask and what the answer means.

The only file that speaks HTTP to them; a failure of any kind is a ForecastError with one reason.
Facts of the services are from their public documentation (doc.forecast.solar, open-meteo.com/en/docs,
docs.solcast.com.au, "Rooftop Sites (Hobbyist)"). Each is asked no more often than its free tier allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import aiohttp

from gateway.config.secrets import credential
from gateway.config.settings import Settings
from gateway.domain.intervals import QUARTER, Interval
from gateway.errors import ConfigError, ForecastError
from gateway.forecasts.pv_provider import ProvidedPower, PvProvider, even
from gateway.forecasts.pv_topic import TopicForecast

TIMEOUT_S = 20.0
_LONGEST_SPAN = timedelta(hours=2)  # Forecast.Solar: a longer step is the night between two days
# Of the panels' peak power per 1,000 W/m2 on their plane: inverter, heat, dirt, wiring (IEC 61724
# performance ratio; usual homes have 0.75 to 0.9).
_PERFORMANCE = 0.85
_MOST_W = 100_000.0  # more than a home's connection


@dataclass(frozen=True, slots=True)
class Panels:
    """The panels as services want them: azimuth 0 = south, -90 = east, 90 = west."""

    latitude: float
    longitude: float
    tilt_deg: float
    azimuth_deg: float
    peak_w: float


@dataclass(frozen=True, slots=True)
class ForecastSolar:
    """Forecast.Solar: Wh between the named moments. Without a key 12 requests an hour; its figures
    change every quarter-hour at most."""

    panels: Panels
    url: str = "https://api.forecast.solar"
    key: str | None = None
    name: str = "forecast-solar"
    period: timedelta = timedelta(minutes=30)
    keeps: timedelta = timedelta(hours=12)

    async def fetch(self, now: datetime) -> Sequence[ProvidedPower]:
        p = self.panels
        place = f"{p.latitude:g}/{p.longitude:g}/{p.tilt_deg:g}/{p.azimuth_deg:g}"
        key = f"/{self.key}" if self.key else ""
        url = f"{self.url}{key}/estimate/watthours/period/{place}/{p.peak_w / 1000:g}"
        answer = await get_json(self.name, url, {"time": "utc"}, {})
        with_times = sorted((_utc(t), float(wh)) for t, wh in answer["result"].items())
        rows = []
        for (start, _), (end, wh) in pairwise(with_times):
            if end - start <= _LONGEST_SPAN:
                hours = (end - start).total_seconds() / 3600
                rows.append(ProvidedPower(Interval(start, end), even(wh / hours)))
        return rows


@dataclass(frozen=True, slots=True)
class OpenMeteo:
    """Open-Meteo: irradiance on the panels' plane, the mean of the quarter-hour before each moment.
    Free for non-commercial use up to 10,000 requests a day; its models run every hour at most."""

    panels: Panels
    url: str = "https://api.open-meteo.com"
    name: str = "open-meteo"
    period: timedelta = timedelta(hours=1)
    keeps: timedelta = timedelta(hours=12)

    async def fetch(self, now: datetime) -> Sequence[ProvidedPower]:
        p = self.panels
        query = {
            "latitude": f"{p.latitude:g}",
            "longitude": f"{p.longitude:g}",
            "minutely_15": "global_tilted_irradiance",
            "tilt": f"{p.tilt_deg:g}",
            "azimuth": f"{p.azimuth_deg:g}",
            "timeformat": "unixtime",
            "forecast_days": "3",
        }
        answer = await get_json(self.name, f"{self.url}/v1/forecast", query, {})
        table = answer["minutely_15"]
        rows = []
        for moment, irradiance in zip(
            table["time"], table["global_tilted_irradiance"], strict=True
        ):
            if irradiance is None:
                continue
            end = datetime.fromtimestamp(int(moment), UTC)
            # Tilted irradiance can come out below zero at dusk (open-meteo/open-meteo#1355).
            power_w = max(float(irradiance), 0.0) / 1000 * p.peak_w * _PERFORMANCE
            rows.append(ProvidedPower(Interval(end - QUARTER, end), even(power_w)))
        return rows


@dataclass(frozen=True, slots=True)
class Solcast:
    """Solcast's rooftop sites: kW with quantiles. The free tier has 10 requests a day."""

    site_id: str
    key: str
    url: str = "https://api.solcast.com.au"
    name: str = "solcast"
    period: timedelta = timedelta(hours=3)
    keeps: timedelta = timedelta(hours=18)

    async def fetch(self, now: datetime) -> Sequence[ProvidedPower]:
        url = f"{self.url}/rooftop_sites/{self.site_id}/forecasts"
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = await get_json(self.name, url, {"format": "json", "hours": "48"}, headers)
        rows = []
        for row in answer["forecasts"]:
            end, minutes = _utc(row["period_end"]), _minutes(row["period"])
            middle = 1000 * float(row["pv_estimate"])
            low = min(1000 * float(row.get("pv_estimate10", row["pv_estimate"])), middle)
            high = max(1000 * float(row.get("pv_estimate90", row["pv_estimate"])), middle)
            span = Interval(end - timedelta(minutes=minutes), end)
            rows.append(ProvidedPower(span, (low, middle, high)))
        return rows


async def ask(provider: PvProvider, now: datetime) -> Sequence[ProvidedPower]:
    """The provider's forecast; whatever is wrong with its answer is a ForecastError."""
    try:
        rows = await provider.fetch(now)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ForecastError(f"its answer is not understood: {error!r}") from error
    for row in rows:
        if not all(0 <= power_w <= _MOST_W for power_w in row.power_w):  # NaN is neither
            text = f"{row.power_w[1]:g} W at {row.span.start:%Y-%m-%d %H:%M} UTC"
            raise ForecastError(f"its answer cannot be of a home's panels: {text}")
    if not any(row.span.end > now for row in rows):
        raise ForecastError("its answer says nothing of the time to come")
    return rows


async def get_json(
    name: str, url: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> dict[str, Any]:
    """One GET; raises ForecastError. The address may hold a key: it never reaches the text."""
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            aiohttp.ClientSession() as session,
            session.get(url, params=query, headers=headers) as answer,
        ):
            if answer.status != 200:
                why = "its limit of requests is used up" if answer.status == 429 else "refused"
                raise ForecastError(f"{why} (HTTP {answer.status})")
            document = await answer.json(content_type=None)
    except TimeoutError as error:
        raise ForecastError(f"no answer within {TIMEOUT_S:g} s") from error
    except (aiohttp.ClientError, ValueError, RecursionError) as error:
        raise ForecastError(f"cannot be asked: {type(error).__name__}") from error
    if not isinstance(document, dict):
        raise ForecastError(f"{name} answered no JSON object")
    return document


def pv_provider(settings: Settings) -> PvProvider | None:
    """The configured provider, None without one; raises ConfigError for what is missing."""
    stated = settings.pv_forecast
    if stated is None:
        return None
    if stated.provider == "mqtt":
        if stated.topic is None:
            raise ConfigError("pv_forecast: mqtt needs topic")
        return TopicForecast(stated.topic)
    key = credential("pv_forecast", stated.key_file, "pv_forecast.key_file")
    more: dict[str, Any] = {"url": stated.url.rstrip("/")} if stated.url else {}
    if stated.provider == "solcast":
        if not stated.site_id or not key:
            raise ConfigError("pv_forecast: solcast needs site_id and key_file")
        return Solcast(stated.site_id, key, **more)
    place = settings.site.place
    if place is None or stated.peak_w is None:
        raise ConfigError(
            f"pv_forecast: {stated.provider} needs site.latitude, site.longitude and peak_w"
        )
    panels = Panels(*place, stated.tilt_deg, stated.azimuth_deg, stated.peak_w)
    if stated.provider == "open-meteo":
        return OpenMeteo(panels, **more)
    return ForecastSolar(panels, key=key, **more)


def _minutes(text: str) -> int:
    """Of a period such as PT30M; Solcast knows PT5M to PT60M."""
    known = {f"PT{minutes}M": minutes for minutes in (5, 10, 15, 20, 30, 60)} | {"PT1H": 60}
    return known[text]


def _utc(text: str) -> datetime:
    """A moment in ISO 8601; without a zone it is UTC, as asked for."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
