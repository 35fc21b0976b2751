"""Where the acts of the page's guests take place: a page beyond loopback, and others who are to be served meanwhile."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from gateway.agent.command_handler import CommandHandler, SeenCommands
from gateway.clock import SimClock
from gateway.dashboard.password import hashed
from gateway.dashboard.server import Dashboard
from gateway.publishing.commands import Command, CommandResult, done
from tests.dashboard.conftest import settings
from tests.dashboard.homes import NOW, Source, view
from tests.waiting import HANG_S

MB = 1024 * 1024
MOST_MEMORY = 16 * MB  # what strangers and page hold together
BOMBS = {"gzip": gzip.compress(bytes(8 * MB)), "deflate": zlib.compress(bytes(8 * MB))}
GOOD, BAD = "127.0.0.1", "127.0.0.2"
PASSWORD, CHEAP = "correct horse", 2**4
LOGGED_IN = {"good", "p", *(f"m{n}" for n in range(200))}  # ids of commands that somebody may give
COMMAND = json.dumps({"id": "good", "ts": NOW.isoformat(), "value": "hold"}).encode()
FORM = "application/x-www-form-urlencoded"


@dataclass
class Stage:
    """A page, what strangers were answered, and their connections."""

    dashboard: Dashboard
    source: Checked
    cookie: str
    statuses: list[int] = field(default_factory=list)
    open: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(
        self, address: str = BAD
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.dashboard.port, local_addr=(address, 0)
        )
        self.open.append(writer)
        return reader, writer

    async def say(self, data: bytes) -> bytes:
        """Send it on a connection of its own; what came back before it was closed, or fell silent."""
        reader, writer = await self.connect()
        answer = b""
        with suppress(ConnectionError, TimeoutError):
            writer.write(data)
            async with asyncio.timeout(60):
                answer = await reader.read(MB)
        writer.close()
        if answer.startswith(b"HTTP/1."):
            self.statuses.append(int(answer.split(maxsplit=2)[1]))
        return answer

    async def request(self, method: str, path: str, body: bytes = b"", /, **headers: str) -> None:
        given = {"Host": "127.0.0.1", "Content-Length": str(len(body)), "Cookie": self.cookie}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in given.items()]
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        await self.say(head.encode("latin-1", "replace") + body)


class Willing:
    """A home that does what it is told, and remembers."""

    def __init__(self) -> None:
        self.done: list[Command] = []

    async def apply(self, command: Command) -> CommandResult:
        self.done.append(command)
        return done(command, None)


class Checked(Source):
    """Commands are checked as at a real home, by the handler that does it there."""

    handler: CommandHandler
    home: Willing

    async def command(self, name: str, payload: bytes) -> Mapping[str, Any]:
        return (await self.handler.handle(name, payload, source="page")).body()


Act = Callable[[Stage], Awaitable[None]]


@asynccontextmanager
async def on_stage(folder: Path) -> AsyncIterator[Stage]:
    file = folder / "password"
    file.write_text(hashed(PASSWORD, CHEAP) + "\n")
    file.chmod(0o600)
    source = Checked(view())
    seen = SeenCommands(folder / "commands.sqlite")
    source.home = Willing()
    source.handler = CommandHandler(source.home, seen, SimClock(NOW))
    dashboard = Dashboard(settings(password_file=file), source, lambda: b"up 1\n")
    await dashboard.start()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        form = {"password": PASSWORD}
        answer = await client.post(
            f"http://127.0.0.1:{dashboard.port}/login", data=form, allow_redirects=False
        )
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
    stage = Stage(dashboard, source, cookie)
    yield stage
    for writer in stage.open:
        writer.transport.abort()
    await dashboard.stop()


async def others_are_served(stage: Stage) -> None:
    """A new connection, a login, a look and a command."""
    base = f"http://127.0.0.1:{stage.dashboard.port}"
    connector = aiohttp.TCPConnector(local_addr=(GOOD, 0))
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        asyncio.timeout(HANG_S),
        aiohttp.ClientSession(connector=connector, cookie_jar=jar) as client,
    ):
        await client.post(f"{base}/login", data={"password": PASSWORD})
        live = await client.get(f"{base}/api/live")
        assert live.status == 200
        assert (await live.json())["power"]["grid_w"] == -2710
        kind = {"Content-Type": "application/json"}
        told = await client.post(f"{base}/api/command/battery", data=COMMAND, headers=kind)
        assert (await told.json())["status"] == "ok"
