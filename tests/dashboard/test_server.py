"""Who gets in, what is refused, and that the page asks nobody else for anything."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.clock import SimClock
from gateway.dashboard.password import hashed
from gateway.dashboard.server import Dashboard
from gateway.errors import ConfigError
from tests.dashboard.conftest import settings
from tests.dashboard.homes import NOW, Source

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHEAP = 2**4  # scrypt's cost in tests


def url(dashboard: Dashboard, path: str) -> str:
    return f"http://127.0.0.1:{dashboard.port}{path}"


async def test_json_and_metrics(dashboard: Dashboard) -> None:
    async with aiohttp.ClientSession() as client:
        live = await (await client.get(url(dashboard, "/api/live"))).json()
        assert live["power"]["grid_w"] == -2710
        assert live["devices"][2] | {"readings": []} == {
            "name": "charger", "model": "", "online": False, "asleep": False, "seen": "2026-06-15T19:37:10Z", "bad": [], "phases": None, "phases_why": None, "heat_why": "",
            "fault": "192.168.1.30:502: cannot connect", "readings": [],
        }  # fmt: skip
        assert live["devices"][2]["readings"][0]["value"] is None
        assert live["account"] == "18.3422"
        day = await (await client.get(url(dashboard, "/api/day"))).json()
        assert day["end"] - day["start"] == 48 * 3600
        assert len(day["past"]["time"]) == 176  # 14:37 in steps of five minutes
        assert day["plan"]["time"][0] == NOW.replace(minute=30, second=0).timestamp()
        assert len(day["plan"]["stored_value_per_kwh"]) == len(day["plan"]["time"])
        assert day["tenders"][0]["start"] > day["tenders"][-1]["start"]
        sold = {row["start"]: row for row in day["deliveries"]}
        assert sold["2026-06-15T18:45:00Z"]["money"] is not None
        assert sold["2026-06-15T19:15:00Z"]["money"] is None
        assert "energy_gateway_up 1" in await (await client.get(url(dashboard, "/metrics"))).text()


async def test_it_can_be_put_on_a_phone_s_home_screen(dashboard: Dashboard) -> None:
    async with aiohttp.ClientSession() as client:
        page = await (await client.get(url(dashboard, "/"))).text()
        assert 'rel="manifest" href="static/manifest.webmanifest"' in page
        answer = await client.get(url(dashboard, "/static/manifest.webmanifest"))
        assert answer.content_type == "application/manifest+json"
        manifest = json.loads(await answer.text())
        assert manifest["display"] == "standalone"
        for icon in manifest["icons"]:
            assert (await client.get(url(dashboard, f"/static/{icon['src']}"))).status == 200


async def test_before_the_first_look_there_is_nothing_and_no_error(source: Source) -> None:
    source.now = None
    empty = Dashboard(settings(), source)
    await empty.start()
    async with aiohttp.ClientSession() as client:
        assert await (await client.get(url(empty, "/api/live"))).json() == {}
        assert (await client.get(url(empty, "/metrics"))).status == 404
    await empty.stop()


async def test_every_answer_is_locked_down(dashboard: Dashboard) -> None:
    async with aiohttp.ClientSession() as client:
        for path in ("/", "/login", "/api/live", "/events", "/static/app.js", "/nowhere", "/static/../server.py"):  # fmt: skip
            answer = await client.get(url(dashboard, path))
            if path != "/events":
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy, path
                assert "unsafe" not in policy
                assert "Access-Control-Allow-Origin" not in answer.headers
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
            answer.close()
        assert (await client.get(url(dashboard, "/static/../server.py"))).status == 404
        assert (await client.get(url(dashboard, "/static/%2e%2e%2fserver.py"))).status == 404


async def test_foreign_host_and_origin(dashboard: Dashboard, source: Source) -> None:
    post = url(dashboard, "/api/command/trading")
    body: dict[str, Any] = {"data": b'{"id":"1","value":true}'}
    kind = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession() as client:
        rebound = await client.get(url(dashboard, "/api/live"), headers={"Host": "evil.example"})
        assert rebound.status == 421
        assert 'names = ["evil.example"]' in await rebound.text(), (
            "says what to set, if it is yours"
        )
        for foreign in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": f"http://127.0.0.1:{dashboard.port + 1}"},
        ):
            assert (await client.post(post, headers=kind | foreign, **body)).status == 403
        assert (
            await client.post(post, headers={"Content-Type": "text/plain"}, **body)
        ).status == 415
        assert source.asked == []
        own = {"Origin": f"http://127.0.0.1:{dashboard.port}", "Sec-Fetch-Site": "same-origin"}
        assert (await client.post(post, headers=kind | own, **body)).status == 200
        large = await client.post(post, headers=kind, data=b"x" * 20_000)
        assert large.status == 413
    assert [name for name, _ in source.asked] == ["trading"]


async def test_no_listening_beyond_loopback_without_a_password(
    source: Source, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0.*dashboard\.password_file"):
        Dashboard(settings(host="0.0.0.0"), source)  # noqa: S104 - that is the point
    with pytest.raises(ConfigError, match=r"dashboard\.names .* set dashboard\.password_file"):
        Dashboard(settings(names=["energy.home.example"]), source)
    (tmp_path / "plain").write_text("hunter2")
    with pytest.raises(
        ConfigError, match=r"is no scrypt hash; make one with: energy-gateway password"
    ):
        Dashboard(settings(password_file=tmp_path / "plain"), source)


async def test_a_port_that_is_taken_is_named(dashboard: Dashboard, source: Source) -> None:
    with pytest.raises(ConfigError, match=rf"port = {dashboard.port}: cannot listen there"):
        await Dashboard(settings(port=dashboard.port), source).start()


@pytest.fixture
def guarded(source: Source, tmp_path: Path) -> tuple[Dashboard, SimClock]:
    file = tmp_path / "password"
    file.write_text(hashed("correct horse", CHEAP) + "\n")
    clock = SimClock(NOW)
    return Dashboard(settings(password_file=file), source, lambda: b"up 1\n", clock), clock


async def pass_days(clock: SimClock, days: float) -> None:
    async with asyncio.TaskGroup() as group:
        clock.spawn(group, clock.sleep(days * 86_400), "time")


async def test_login(guarded: tuple[Dashboard, SimClock]) -> None:
    dashboard, clock = guarded
    await dashboard.start()
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as client:
        login = url(dashboard, "/login")
        assert (await client.get(url(dashboard, "/"))).url.path == "/login"
        for path in ("/api/live", "/api/day", "/events", "/metrics", "/static/app.js"):
            assert (await client.get(url(dashboard, path))).status == 401, path
        assert (await client.post(url(dashboard, "/api/command/trading"), json={})).status == 401
        wrong = await client.post(login, data={"password": "wrong"}, allow_redirects=False)
        assert wrong.headers["Location"] == "/login?wrong"
        told = await client.get(url(dashboard, "/login?wrong"))
        assert "Wrong password." in await told.text()
        assert "Set-Cookie" not in wrong.headers
        right = await client.post(login, data={"password": "correct horse"}, allow_redirects=False)
        cookie = right.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert (await client.get(url(dashboard, "/api/live"))).status == 200
        await client.post(url(dashboard, "/logout"))
        assert (await client.get(url(dashboard, "/api/live"))).status == 401
        await client.post(login, data={"password": "correct horse"})
        assert (await client.get(url(dashboard, "/api/live"))).status == 200
        await pass_days(clock, 31)
        assert (await client.get(url(dashboard, "/api/live"))).status == 401
    await dashboard.stop()


async def test_guessing_is_slow(guarded: tuple[Dashboard, SimClock]) -> None:
    dashboard, clock = guarded
    await dashboard.start()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        login = url(dashboard, "/login")
        for _ in range(5):
            await client.post(login, data={"password": "guess"})
        blocked = await client.post(
            login, data={"password": "correct horse"}, allow_redirects=False
        )
        assert blocked.status == 429
        assert 0 < int(blocked.headers["Retry-After"]) <= 61
        await pass_days(clock, 61 / 86_400)
        await client.post(login, data={"password": "correct horse"})
        assert (await client.get(url(dashboard, "/api/live"))).status == 200
    await dashboard.stop()


async def test_prometheus_may_use_basic_authentication_for_metrics_alone(
    guarded: tuple[Dashboard, SimClock],
) -> None:
    dashboard, _ = guarded
    await dashboard.start()
    right = {"Authorization": aiohttp.encode_basic_auth("prometheus", "correct horse")}
    wrong = {"Authorization": aiohttp.encode_basic_auth("prometheus", "x")}
    async with aiohttp.ClientSession() as client:
        assert (await client.get(url(dashboard, "/metrics"), headers=right)).status == 200
        assert (await client.get(url(dashboard, "/metrics"), headers=wrong)).status == 401
        assert (await client.get(url(dashboard, "/api/live"), headers=right)).status == 401
    await dashboard.stop()


async def test_the_stream_sends_live_and_day(dashboard: Dashboard, source: Source) -> None:
    async with aiohttp.ClientSession() as client, client.get(url(dashboard, "/events")) as stream:
        kinds: list[str] = []
        while len(kinds) < 2:
            line = (await stream.content.readline()).decode()
            if line.startswith("event: "):
                kinds.append(line[7:].strip())
            elif line.startswith("data: "):
                assert json.loads(line[6:])
        assert kinds == ["live", "day"]


async def test_a_client_that_never_finishes_holds_up_nobody(dashboard: Dashboard) -> None:
    _, slow = await asyncio.open_connection("127.0.0.1", dashboard.port)
    slow.write(b"POST /api/command/trading HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le")
    async with aiohttp.ClientSession() as client:
        for _ in range(20):
            assert (await client.get(url(dashboard, "/api/live"))).status == 200
    slow.close()
    await slow.wait_closed()
