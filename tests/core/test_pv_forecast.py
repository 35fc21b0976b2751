"""Outside PV forecasts against a real HTTP server that answers as the services' documentation says."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from gateway.checkup import faults
from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.config.tariff import Tariff
from gateway.domain.intervals import QUARTER, Interval, floor_quarter, quarter
from gateway.domain.plan import Forecast, Observed
from gateway.errors import ConfigError, ForecastError
from gateway.forecasts.provided import ProviderForecast
from gateway.forecasts.pv_provider import (
    Compared,
    ProvidedPower,
    even,
    quarters,
    verdict,
    with_provider,
)
from gateway.forecasts.pv_services import ask, pv_provider
from gateway.planner.outlook import Home, KnownPrices, Options, build_outlook
from gateway.store.settings import SettingsStore
from gateway.tariff import TariffRules

NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class Service:
    """A weather service: what it was asked, and how it answers."""

    answer: Any = None
    status: int = 200
    asked: list[web.Request] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        if isinstance(self.answer, str):
            return web.Response(text=self.answer, status=self.status)
        return web.json_response(self.answer, status=self.status)


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[Service]:
    app = web.Application()
    app.router.add_get("/{path:.*}", service.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield service
    finally:
        await runner.cleanup()


def settings_of(url: str, folder: Path, **stated: Any) -> Settings:
    return Settings.model_validate(
        {
            "device": [{"name": "x", "host": "x"}],
            "state_dir": folder,
            "site": {"latitude": 30.27, "longitude": -97.74},
            "pv_forecast": {"provider": "forecast-solar", "peak_w": 5_000, "url": url} | stated,
        }
    )


def forecast_solar(peak_wh: float = 900.0) -> dict[str, Any]:
    """Wh since the moment before; a day begins with a 0 at sunrise."""
    result: dict[str, float] = {"2026-06-01T05:10:00+00:00": 0, "2026-06-01T06:00:00+00:00": 120}
    for hour in range(7, 20):
        result[f"2026-06-01T{hour:02}:00:00+00:00"] = peak_wh if hour == 13 else 400
    result |= {"2026-06-02T05:10:00+00:00": 0, "2026-06-02T06:00:00+00:00": 90}
    ratelimit = {"period": 3600, "limit": 12, "remaining": 11}
    return {"result": result, "message": {"code": 0, "type": "success", "ratelimit": ratelimit}}


def open_meteo() -> dict[str, Any]:
    times = [int((NOW + i * QUARTER).timestamp()) for i in range(96)]
    values: list[float | None] = [0.0] * 96
    values[25], values[26], values[95] = 800.0, -84.0, None  # 12:15, after sunset, not yet known
    return {
        "minutely_15_units": {"time": "unixtime", "global_tilted_irradiance": "W/m²"},
        "minutely_15": {"time": times, "global_tilted_irradiance": values},
    }


def solcast() -> dict[str, Any]:
    row = {"pv_estimate": 3.2, "pv_estimate10": 1.0, "pv_estimate90": 4.0, "period": "PT30M"}
    ends = ("2026-06-01T12:30:00.0000000Z", "2026-06-01T13:00:00.0000000Z")
    return {"forecasts": [row | {"period_end": end} for end in ends]}


CASES: list[tuple[dict[str, Any], Callable[[], Any], tuple[float, float, float], str]] = [
    ({}, forecast_solar, (157.5, 225.0, 292.5), "/estimate/watthours/period/30.27/-97.74/30/0/5"),
    (
        {"provider": "open-meteo", "azimuth_deg": -90, "tilt_deg": 15},
        open_meteo,
        (595.0, 850.0, 1105.0),
        "/v1/forecast",
    ),
    ({"provider": "solcast", "site_id": "abcd-1"}, solcast, (250, 800, 1000), "/rooftop_sites/abcd-1/forecasts"),
]  # fmt: skip


@pytest.mark.parametrize(("stated", "answer", "noon_wh", "path"), CASES)
async def test_a_service_is_asked_as_it_says_and_understood(
    stated: dict[str, Any],
    answer: Callable[[], Any],
    noon_wh: tuple[float, float, float],
    path: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "key").write_text("sesame\n")
    if stated.get("provider") == "solcast":
        stated = stated | {"key_file": tmp_path / "key"}
    async with serving(Service(answer())) as service:
        provider = pv_provider(settings_of(service.url, tmp_path, **stated))
        assert provider is not None
        rows = quarters(await ask(provider, NOW))
    assert rows[NOON] == pytest.approx(noon_wh)
    request = service.asked[0]
    assert request.path == path
    if provider.name == "solcast":
        assert request.headers["Authorization"] == "Bearer sesame"
    if provider.name == "open-meteo":
        assert (request.query["azimuth"], request.query["tilt"]) == ("-90", "15")
        assert rows[NOON + QUARTER] == (0, 0, 0), "less than nothing is nothing"
        assert len(rows) == 95
    if provider.name == "forecast-solar":
        assert NOW.replace(hour=20) not in rows, "the night between two days is no production"


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        ({"message": "slow down"}, 429, "limit of requests is used up"),
        ({"message": "no"}, 401, "refused .HTTP 401."),
        ("<html>", 200, "cannot be asked"),
        ([1], 200, "no JSON object"),
        ({"result": None}, 200, "not understood"),
        ({"result": {"yesterday": 1, "today": 2}}, 200, "not understood"),
        ({"result": {}}, 200, "nothing of the time to come"),
        ({"result": {"2026-06-01T13:00": 1, "2026-06-01T14:00": math.nan}}, 200, "cannot be of"),
        ({"result": {"2026-06-01T13:00": 1, "2026-06-01T14:00": -500}}, 200, "cannot be of"),
        ({"result": {"2026-06-01T13:00": 1, "2026-06-01T14:00": 1e9}}, 200, "-06-01 13:00 UTC"),
        ({"result": {"0001-01-01T00:00+12:00": 1}}, 200, "not understood"),
        ("[" * 100_000, 200, "cannot be asked"),
    ],
)
async def test_a_bad_answer_is_one_reason(
    answer: Any, status: int, says: str, tmp_path: Path
) -> None:
    async with serving(Service(answer, status)) as service:
        provider = pv_provider(settings_of(service.url, tmp_path))
        assert provider is not None
        with pytest.raises(ForecastError, match=says) as failed:
            await ask(provider, NOW)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("period", ["PT99999999999M", "PT0M", "PT2H", "", None])
async def test_a_period_that_solcast_does_not_have_is_refused(period: Any, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sesame")
    answer = solcast()
    answer["forecasts"][0]["period"] = period
    stated = {"provider": "solcast", "site_id": "a", "key_file": tmp_path / "key"}
    async with serving(Service(answer)) as service:
        provider = pv_provider(settings_of(service.url, tmp_path, **stated))
        assert provider is not None
        with pytest.raises(ForecastError, match="not understood"):
            await ask(provider, NOW)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"peak_w": None}, "needs site.latitude, site.longitude and peak_w"),
        ({"provider": "solcast"}, "needs site_id and key_file"),
    ],
)
def test_what_is_missing_is_said_at_the_start(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=says):
        pv_provider(settings_of("http://127.0.0.1:1", tmp_path, **change))


def test_check_says_it_before_the_start(tmp_path: Path) -> None:
    text = '[pv_forecast]\nprovider = "open-meteo"\n'
    settings = settings_of("http://127.0.0.1:1", tmp_path, provider="open-meteo", peak_w=None)
    (said,) = faults(tmp_path / "gateway.toml", text, settings)
    assert "gateway.toml:2: pv_forecast.provider" in said
    assert "needs site.latitude, site.longitude and peak_w" in said


async def run_until(forecast: ProviderForecast, clock: SimClock, end: datetime) -> None:
    async with asyncio.TaskGroup() as group:
        task = clock.spawn(group, forecast.run(), "forecast")
        stop = clock.spawn(group, clock.sleep_until(end), "end")
        stop.add_done_callback(lambda _: task.cancel())


def provided(url: str, tmp_path: Path, clock: SimClock, store: SettingsStore) -> ProviderForecast:
    provider = pv_provider(settings_of(url, tmp_path))
    assert provider is not None
    return ProviderForecast(provider, store, clock)


async def test_it_asks_no_more_often_than_allowed_also_over_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, clock = SettingsStore(tmp_path / "settings.sqlite"), SimClock(NOW)
    caplog.set_level(logging.INFO)
    async with serving(Service(forecast_solar())) as service:
        await run_until(
            provided(service.url, tmp_path, clock, store),
            clock,
            NOW + timedelta(hours=2, minutes=10),
        )
        assert len(service.asked) == 5  # one each half hour
        again = provided(service.url, tmp_path, clock, store)
        await run_until(again, clock, clock.now() + timedelta(minutes=10))
        assert len(service.asked) == 5, "the stored answer is young enough"
        service.status = 503
        await run_until(again, clock, clock.now() + timedelta(hours=3))
        lost = [r.getMessage() for r in caplog.records if "is lost" in r.getMessage()]
        assert len(lost) == 1
        assert lost[0].startswith("PV forecast of forecast-solar is lost: refused (HTTP 503)")
        assert len(service.asked) <= 5 + 7, "a failing service is not asked more often"
        service.status = 200
        await run_until(again, clock, clock.now() + timedelta(hours=1))
        assert [r for r in caplog.records if r.getMessage().endswith("is back")]
    store.close()


async def test_a_clock_that_is_set_back_makes_it_ask_again(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "settings.sqlite")
    async with serving(Service(forecast_solar())) as service:
        ahead = SimClock(NOW + timedelta(days=7))
        service.answer["result"] |= {"2026-06-09T12:00Z": 0, "2026-06-09T13:00Z": 5}
        forecast = provided(service.url, tmp_path, ahead, store)
        await run_until(forecast, ahead, ahead.now() + timedelta(minutes=1))
        assert len(service.asked) == 1
        forecast._verdict = verdict([Compared(60.0, 225.0, 200.0)] * 48)
        right = SimClock(NOW)
        forecast._clock = right
        assert forecast.chosen(NOW) == {}, "of a clock that ran ahead"
        await run_until(forecast, right, NOW + timedelta(minutes=1))
        assert len(service.asked) == 2
        assert forecast.chosen(NOW + timedelta(minutes=1)) != {}
    store.close()


async def test_both_are_judged_by_what_they_said_six_hours_ahead(tmp_path: Path) -> None:
    """The trading loop makes three plans a quarter-hour; each says it of the same one."""
    store, clock = SettingsStore(tmp_path / "settings.sqlite"), SimClock(NOW)
    async with serving(Service(forecast_solar())) as service:
        forecast = provided(service.url, tmp_path, clock, store)
        await run_until(forecast, clock, NOW + timedelta(seconds=1))
    for i in range(30):
        moment = NOW + timedelta(minutes=5 * i)
        forecast.judge(forecasts_from(floor_quarter(moment), 60.0), [], moment)
        assert max(forecast._judge._said) <= moment + timedelta(hours=6, minutes=15)
    assert len(forecast._judge._said) == 11
    store.close()


def forecasts(pv_wh: float) -> list[Forecast]:
    return [
        Forecast(quarter(NOW + i * QUARTER), (0, 0, 0), (pv_wh / 2, pv_wh, pv_wh * 2), 0, 0, 0)
        for i in range(96)
    ]


async def test_the_better_one_is_used_once_it_is_known_and_not_when_stale(tmp_path: Path) -> None:
    store, clock = SettingsStore(tmp_path / "settings.sqlite"), SimClock(NOW)
    truth = 225.0  # what the service says of noon; our own says 60
    async with serving(Service(forecast_solar())) as service:
        forecast = provided(service.url, tmp_path, clock, store)
        await run_until(forecast, clock, NOW + timedelta(minutes=1))
    assert forecast.chosen(NOW) == {}, "nothing was compared yet"
    # six hours ahead, quarter by quarter; service: 100 (400 Wh an hour) but for noon's 225
    past: list[Observed] = []
    for i in range(56):
        moment = NOW + i * QUARTER
        forecast.judge(forecasts_from(moment, 60.0), past, moment)
        past.append(Observed(quarter(moment), 0, 100.0))
    end = NOW + timedelta(hours=11)
    assert forecast.verdict.own is None, "too little was compared: not half a day"
    rows = [Compared(60.0, truth, 200.0)] * 48
    assert verdict(rows).provider_is_better
    assert not verdict([Compared(60.0, truth, 70.0)] * 48).provider_is_better
    assert not verdict([Compared(60.0, truth, 200.0)] * 47).provider_is_better
    assert not verdict([Compared(0.0, 0.0, 0.0)] * 500).provider_is_better
    forecast._verdict = verdict(rows)
    assert forecast.chosen(end)[NOON][1] == truth
    assert forecast.chosen(NOW + timedelta(hours=13)) == {}, "stale"
    store.close()


def forecasts_from(moment: datetime, pv_wh: float) -> list[Forecast]:
    return [
        replace(f, interval=quarter(moment + i * QUARTER)) for i, f in enumerate(forecasts(pv_wh))
    ]


def test_the_plan_sees_it_from_the_second_hour_on() -> None:
    rows = quarters([ProvidedPower(Interval(NOW, NOW + timedelta(hours=3)), even(4_000))])
    assert rows[NOW] == pytest.approx((700, 1000, 1300))
    assert len(rows) == 12
    ragged = [ProvidedPower(Interval(NOW, NOW + timedelta(minutes=20)), even(4_000))]
    assert list(quarters(ragged)) == [NOW], "a quarter that is covered in part is not known"
    rules = TariffRules(Tariff(), ZoneInfo("UTC"))
    own = build_outlook(NOW, [], KnownPrices(), rules, Home(None), Options(6.0))
    ours = [f.pv_wh[1] for f in own.forecasts]
    middles = [f.pv_wh[1] for f in with_provider(own, rows).forecasts]
    assert middles == ours[:4] + [1000.0] * 8 + ours[12:]
    assert with_provider(own, {}) is own
