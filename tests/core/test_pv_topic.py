"""A PV forecast by MQTT: Wh by moment, as Home Assistant has it; what is no forecast is one reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.errors import ConfigError, ForecastError
from gateway.forecasts.provided import forecast_of
from gateway.forecasts.pv_services import ask
from gateway.forecasts.pv_topic import TopicForecast
from gateway.store.settings import SettingsStore

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def test_energy_of_hours_is_their_mean_power() -> None:
    forecast = TopicForecast("home/sun")
    said = {"2026-06-01T14:00:00+02:00": 3200, "2026-06-01T12:30:00Z": 1000.5, "2026-06-01T13:30:00Z": 0, "2026-06-02T06:00:00Z": 400}  # fmt: skip
    forecast.hear(json.dumps(said).encode())
    rows = await ask(forecast, NOON)
    assert [(r.span.start, r.span.end - r.span.start, r.power_w[1]) for r in rows] == [
        (NOON, HOUR / 2, 6400),
        (NOON + HOUR / 2, HOUR, 1000.5),
        (datetime(2026, 6, 2, 6, tzinfo=UTC), HOUR, 400),
    ], "the night between is no hour"


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"unavailable", b"[1]", b"{}", b'{"x": 1}', b'{"2026-06-01T12:00:00": 1}',
        b'{"2026-06-01T12:00:00Z": null}', b'{"2026-06-01T12:00:00Z": NaN}', b'{"2026-06-01T12:00:00Z": 1e12}',
        b'{"2026-06-01T12:00:00Z": -5}', b'{"2020-06-01T12:00:00Z": 5}', b"[" * 60_000, b" " * 70_000,
    ],
)  # fmt: skip
async def test_what_is_no_forecast(payload: bytes) -> None:
    forecast = TopicForecast("home/sun")
    forecast.hear(payload)
    with pytest.raises(ForecastError):
        await ask(forecast, NOON)


def test_its_topic_is_heard(tmp_path: Path) -> None:
    heard: list[str] = []
    stated = {"device": [{"name": "x", "host": "x"}], "pv_forecast": {"provider": "mqtt"}}
    store = SettingsStore(tmp_path / "settings.sqlite")

    def made(raw: Mapping[str, object]) -> object:
        settings = Settings.model_validate(raw)
        return forecast_of(settings, store, SimClock(NOON), lambda topic, _: heard.append(topic))

    with pytest.raises(ConfigError, match="mqtt needs topic"):
        made(stated)
    assert made(stated | {"pv_forecast": {"provider": "mqtt", "topic": "home/sun"}}) is not None
    assert heard == ["home/sun"]
    store.close()
