"""What the user says of the household, and the temperature outside, from a real HTTP server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.errors import ConfigError
from gateway.forecasts.history import History, quarter_index
from gateway.forecasts.household import forecaster_of, rest_days
from gateway.forecasts.temperature import OutsideTemperature, outside_temperature

NOW = datetime(2026, 1, 10, 6, tzinfo=UTC)
NOTHING = np.empty(0)


def settings_of(**household: Any) -> Settings:
    site = {"latitude": 48.1, "longitude": 11.6, "time_zone": "Europe/Berlin"}
    return Settings.model_validate(
        {"device": [{"name": "x", "host": "x"}], "site": site, "household": household}
    )


def test_holidays_are_those_of_the_place() -> None:
    bavaria = rest_days(settings_of(country="DE", subdivision="BY"))
    berlin = rest_days(settings_of(country="DE", subdivision="BE"))
    feast = date(2025, 6, 19)  # Corpus Christi, a Thursday
    assert bavaria(feast)
    assert not berlin(feast)
    assert berlin(date(2025, 6, 21)), "a Saturday everywhere"
    assert not rest_days(settings_of())(feast)


@pytest.mark.parametrize("said", [{"country": "XX"}, {"country": "DE", "subdivision": "QQ"}])
def test_an_unknown_place_says_what_would_be_right(said: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"household\.country: .*such as country = 'DE'"):
        rest_days(settings_of(**said))


def test_a_new_home_is_expected_as_its_user_says() -> None:
    """12 kW of panels and 9,000 kWh a year instead of 5 and about 3,000, before anything is measured."""
    none = History(quarter_index(datetime(2026, 6, 1, tzinfo=UTC)), *(NOTHING,) * 4)
    told = forecaster_of(settings_of(yearly_kwh=9_000, panels_w=12_000))
    untold = forecaster_of(settings_of())
    assert told.load(none, 96)[:, 1].sum() == pytest.approx(9_000_000 / 365, rel=0.01)
    sun, guess = told.pv(none, 96).sum(axis=0), untold.pv(none, 96).sum(axis=0)
    assert sun[1] == pytest.approx(2.4 * guess[1], rel=0.01)
    assert guess[0] < 0.01 * guess[1], "there may be no panels"
    assert sun[0] > 0.3 * sun[1]
    assert forecaster_of(settings_of(panels_w=0)).pv(none, 96).max() == 0


@dataclass
class Service:
    """Open-Meteo: what it was asked, and how it answers."""

    answer: Any = None
    status: int = 200
    asked: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        return web.json_response(self.answer, status=self.status)


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/v1/forecast", service.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def open_meteo(*celsius: float | None) -> dict[str, Any]:
    """Hours from midnight of the day, as its documentation shows them."""
    begin = int(NOW.replace(hour=0).timestamp())
    times = [begin + 3600 * i for i in range(len(celsius))]
    return {"hourly": {"time": times, "temperature_2m": list(celsius)}}


async def asked(outside: OutsideTemperature, clock: SimClock, until: datetime) -> None:
    async with asyncio.TaskGroup() as group:
        task = clock.spawn(group, outside.run(), "temperature")
        stop = clock.spawn(group, clock.sleep_until(until), "end")
        stop.add_done_callback(lambda _: task.cancel())


async def test_the_temperature_is_asked_for_the_place_and_read_by_quarter_hours() -> None:
    service, clock = Service(open_meteo(0.0, 4.0, None, 8.0, 8.0)), SimClock(NOW)
    async with serving(service) as url:
        outside = outside_temperature(
            settings_of(temperature="open-meteo", temperature_url=url), clock
        )
        assert outside is not None
        assert outside.known(NOW) is None
        await asked(outside, clock, NOW + timedelta(seconds=1))
        known = outside.known(clock.now())
    query = service.asked[0].query
    assert (query["latitude"], query["longitude"]) == ("48.1", "11.6")
    assert int(query["past_days"]) >= 45, "what the regression learns from"
    assert known is not None
    begin = quarter_index(NOW.replace(hour=0))
    np.testing.assert_allclose(known.over(begin, 4), [0.5, 1.5, 2.5, 3.5])
    assert np.isnan(known.over(begin + 4, 8)).all(), "a gap is no number"
    np.testing.assert_allclose(known.over(begin + 12, 4), 8.0)
    assert outside.known(NOW + timedelta(days=2)) is None, "too old"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (open_meteo(500.0, 500.0), 200),
        ({"hourly": {"time": [1]}}, 200),
        ([], 200),
        (open_meteo(1.0, 2.0), 429),
    ],
)
async def test_a_service_that_fails_is_said_once_and_changes_nothing(
    answer: Any, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    clock = SimClock(NOW)
    async with serving(Service(answer, status)) as url:
        outside = OutsideTemperature((48.1, 11.6), clock, url)
        await asked(outside, clock, NOW + timedelta(hours=7))
    assert outside.known(clock.now()) is None
    said = [r.getMessage() for r in caplog.records if "temperature of open-meteo" in r.getMessage()]
    assert len(said) == 1
    assert "the load is forecast without it" in said[0]


def test_without_a_place_it_says_what_is_missing() -> None:
    bare = Settings.model_validate(
        {"device": [{"name": "x", "host": "x"}], "household": {"temperature": "open-meteo"}}
    )
    with pytest.raises(ConfigError, match=r"household\.temperature needs site\.latitude"):
        outside_temperature(bare, SimClock(NOW))
