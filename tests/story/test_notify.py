"""A message reaches a real web server by apprise; secrets never reach the log."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.agent.compose import Agent
from gateway.agent.notices import Kind, Notice
from gateway.clock import WallClock
from gateway.config.load import load_settings
from gateway.domain.sentences import other
from gateway.errors import ConfigError
from tests.waiting import HANG_S, eventually

TEXT = """
state_dir = "{folder}/state"
[[device]]
name = "inverter"
profile = "fronius-gen24"
host = "127.0.0.1"
port = 1
[dashboard]
enabled = false
[notify]
urls_file = "{folder}/urls"
"""


def agent(folder: Path, urls: str) -> Agent:
    (folder / "urls").write_text(urls)
    (folder / "gateway.toml").write_text(TEXT.format(folder=folder))
    return Agent(load_settings(folder / "gateway.toml"), WallClock(), lambda _: None)


async def test_a_message_arrives_and_a_service_that_is_away_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    came: list[dict[str, Any]] = []
    broken = False

    async def take(request: web.Request) -> web.Response:
        if not broken:
            came.append(json.loads(await request.text()))
        return web.Response(status=500 if broken else 200)

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    home = agent(tmp_path, f"# mine\njson://user:hunter2@127.0.0.1:{port}/hook\n")
    try:
        notifier = home._notifier
        assert notifier is not None
        async with asyncio.timeout(HANG_S):
            await notifier._send(
                Notice(Kind.LIMIT, other("the import limit of 4200 W is not kept"))
            )
            await eventually(lambda: bool(came))
            broken = True
            await notifier._send(Notice(Kind.ALARM, other("one")))
            await notifier._send(Notice(Kind.ALARM, other("two")))
    finally:
        await home.close()
        await runner.cleanup()
    assert came[0]["title"] == "home: limit"
    assert came[0]["message"] == "the import limit of 4200 W is not kept"
    assert sum("the notification service is lost" in r.getMessage() for r in caplog.records) == 1
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("urls", "says"),
    [
        ("", "notify.urls_file holds no address"),
        ("# none\n", "holds no address"),
        ("json://127.0.0.1\nnonsense with secret\n", "address 2 is none that apprise knows"),
    ],
)
async def test_an_address_that_is_none_is_said_without_it(tmp_path: Path, urls: str, says: str) -> None:  # fmt: skip
    with pytest.raises(ConfigError, match=says) as caught:
        agent(tmp_path, urls)
    assert "secret" not in str(caught.value)


def test_nothing_is_sent_unless_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(TEXT.format(folder=tmp_path).partition("[notify]")[0])
    assert load_settings(tmp_path / "gateway.toml").notify is None
