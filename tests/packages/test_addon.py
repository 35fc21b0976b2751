"""The Home Assistant add-on and the container files: what can be seen without a container runtime.

Nothing here builds an image. The add-on's own code runs: against a supervisor's answer over real HTTP, and in front of the real page.
"""

from __future__ import annotations

import asyncio
import importlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from gateway import __version__
from gateway.config.load import load_settings
from gateway.dashboard.server import Dashboard
from tests.dashboard.conftest import settings as page_settings
from tests.dashboard.homes import Source

ROOT = Path(__file__).parents[2]
ADDON = ROOT / "home-assistant" / "energy-gateway"
OWN = """\
[[device]]
name = "inverter"
profile = "fronius-gen24"
host = "inverter.lan"
"""
BROKER = {"host": "core-mosquitto", "port": 1883, "ssl": False, "username": "addons", "password": "pw!", "protocol": "3.1.1"}  # fmt: skip


@pytest.fixture
def addon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`start` and `front`, as they lie beside each other in the image."""
    monkeypatch.syspath_prepend(str(ADDON))
    yield importlib.import_module("start"), importlib.import_module("front")
    for name in ("start", "front"):
        sys.modules.pop(name, None)


@asynccontextmanager
async def supervisor(body: object, status: int = 200) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer t0"
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/services/mqtt", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_the_broker_is_found_by_itself(addon: Any, tmp_path: Path) -> None:
    start, _ = addon
    async with supervisor({"result": "ok", "data": BROKER}) as url:
        broker = await asyncio.to_thread(start.broker_of, url, "t0")
    own, data = tmp_path / "own.toml", tmp_path / "data"
    data.mkdir()
    own.write_text(OWN)
    settings = load_settings(start.prepared(own, data, broker))
    assert (settings.mqtt.host, settings.mqtt.port) == ("core-mosquitto", 1883)
    assert settings.mqtt.username == "addons"
    assert settings.mqtt.password_file
    assert settings.mqtt.password_file.read_text() == "pw!"
    assert settings.mqtt.password_file.stat().st_mode & 0o077 == 0
    assert (settings.dashboard.host, settings.dashboard.port) == ("127.0.0.1", 8750)
    assert settings.state_dir == data / "state"
    assert own.read_text() == OWN


async def test_a_broker_of_the_file_goes_first_and_none_is_no_fault(
    addon: Any, tmp_path: Path
) -> None:
    start, _ = addon
    for body, status in (
        ({"result": "error"}, 400),
        ({"result": "ok", "data": {}}, 200),
        (["?"], 200),
    ):
        async with supervisor(body, status) as url:
            assert await asyncio.to_thread(start.broker_of, url, "t0") is None
    found = {"host": "a", "port": 1, "tls": False, "username": "", "password": ""}
    text = start.merged(OWN + '[mqtt]\nhost = "own.lan"\n', found, tmp_path)
    (tmp_path / "gateway.toml").write_text(text)
    assert load_settings(tmp_path / "gateway.toml").mqtt.host == "own.lan"
    assert start.merged(OWN, None, tmp_path).count("host = ") == 2, "of device and page"


@asynccontextmanager
async def in_front(addon: Any, allowed: str) -> AsyncIterator[str]:
    page = Dashboard(page_settings(), Source(), metrics=lambda: b"")
    await page.start()
    try:
        async with addon[1].serve(0, page.port, frozenset({allowed})) as port:
            yield f"http://127.0.0.1:{port}"
    finally:
        await page.stop()


async def test_the_page_in_home_assistants_frame(addon: Any) -> None:
    headers = {"Host": "homeassistant.example:8123", "X-Ingress-Path": "/api/hassio_ingress/abc"}
    async with (
        in_front(addon, "127.0.0.1") as url,
        aiohttp.ClientSession(headers=headers) as client,
    ):
        async with client.get(f"{url}/") as reply:
            text = await reply.text()
            assert reply.status == 200
            assert "X-Frame-Options" not in reply.headers
            assert "frame-ancestors 'self'" in reply.headers["Content-Security-Policy"]
        for path in re.findall(r'(?:src|href)="([^"#]+)"', text):
            assert not path.startswith("/"), f"{path} would leave the ingress"
        async with client.get(f"{url}/static/app.js") as reply:
            assert reply.status == 200
        origin = {"Origin": "https://homeassistant.example:8123"}
        async with client.post(f"{url}/api/command/trading", json={}, headers=origin) as reply:
            assert reply.status != 403, "the page's own buttons work"
        async with client.get(f"{url}/events") as reply:
            assert await reply.content.readline(), "its news is a stream"


async def test_nobody_but_home_assistant_is_answered(addon: Any) -> None:
    async with (
        in_front(addon, "172.30.32.2") as url,
        aiohttp.ClientSession() as client,
        client.get(f"{url}/") as reply,
    ):
        assert reply.status == 403


def test_no_file_of_the_page_leaves_its_folder() -> None:
    """Below a path of Home Assistant's an absolute address would lead to Home Assistant itself."""
    for folder in (ROOT / "gateway/dashboard/static", ROOT / "gateway/setup/static"):
        for file in (*folder.glob("*.js"), *folder.glob("*.html")):
            absolute = re.findall(
                r"""["'`](/(?:api|static|login|logout|events)\b[^"'`]*)""", file.read_text()
            )
            assert absolute == [], file.name


def test_a_missing_file_is_said_and_ends_with_2() -> None:
    done = subprocess.run(
        [sys.executable, ADDON / "start.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "gateway.toml is missing" in done.stderr


# -- what stands in the files --


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def test_the_addons_description_is_whole() -> None:
    """The keys that Home Assistant asks for, and no privilege beyond them."""
    config = read(ADDON / "config.yaml")
    for key in ("name", "version", "slug", "description", "arch"):
        assert config[key], key
    assert config["version"] == __version__
    assert re.fullmatch(r"[-_.A-Za-z0-9]+", config["slug"])
    assert set(config["arch"]) == set(read(ADDON / "build.yaml")["build_from"])
    assert config["ingress"] is True
    assert config["services"] == ["mqtt:want"]
    assert config["apparmor"] is True
    assert not {"privileged", "full_access", "host_pid", "docker_api", "hassio_role"} & set(config)
    for option in config["options"]:
        assert option in config["schema"]
    start = (ADDON / "start.py").read_text()
    assert f"{config['ingress_port']}, " in start
    assert config["map"][0]["path"] == "/config"
    assert {"name", "url", "maintainer"} <= read(ADDON.parent / "repository.yaml").keys()
    profile = (ADDON / "apparmor.txt").read_text()
    assert f"profile {config['slug']} " in profile
    assert profile.count("{") == profile.count("}")


@pytest.mark.parametrize(
    "dockerfile", ["home-assistant/energy-gateway/Dockerfile", "container/Dockerfile"]
)
def test_images_come_by_short_names_and_copy_what_is_there(dockerfile: str) -> None:
    path = ROOT / dockerfile
    text = path.read_text()
    sources = re.findall(r"(?m)^FROM (\S+)", text)
    assert all("/" not in source for source in sources), "no registry is named"
    assert "STOPSIGNAL SIGTERM" in text
    base = path.parent if "home-assistant" in dockerfile else ROOT
    for line in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", text):
        for name in line.split():
            made = name in ("*.whl", "constraints.txt") and base == path.parent  # by `make addon`
            assert made or (base / name).exists(), name


def test_the_compose_file_gives_the_gateway_no_privilege() -> None:
    services = read(ROOT / "container/compose.yaml")["services"]
    gateway, broker = services["gateway"], services["broker"]
    assert gateway["cap_drop"] == ["ALL"]
    assert gateway["read_only"] is True
    assert "privileged" not in gateway
    assert all(str(port).startswith("127.0.0.1:") for port in broker["ports"])
    assert (ROOT / "container/mosquitto.conf").exists()
    assert "USER energy-gateway" in (ROOT / "container/Dockerfile").read_text()
