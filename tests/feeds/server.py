"""A provider's web server with recorded answers, and feeds that ask it: real HTTP on loopback."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from gateway.bounded_http import BoundedHttp
from gateway.config.tls import client_tls
from gateway.errors import FeedError
from gateway.feeds.ask import HttpAsk

RECORDED = Path(__file__).parent / "recorded"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Provider:
    """Serves every path by ``handler``; notes what it was asked."""

    url: str
    handler: Handler
    asked: list[web.Request] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.handler(request)


@asynccontextmanager
async def provider(handler: Handler) -> AsyncIterator[Provider]:
    made = Provider("", handler)
    app = web.Application(client_max_size=1024)
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def http_ask(secret: str | None = None, most: int = 100_000) -> AsyncIterator[HttpAsk]:
    http = BoundedHttp(client_tls("price_feed", None, None, None), FeedError, most)
    try:
        yield HttpAsk(http, secret)
    finally:
        await http.close()


def recorded(name: str) -> Handler:
    """The file of that name, whatever is asked; a CSV of CAISO comes in an archive, as OASIS sends it."""

    async def handler(request: web.Request) -> web.StreamResponse:
        body = (RECORDED / name).read_bytes()
        if name.startswith("caiso"):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("20251015_PRC_LMP_DAM.csv", body)
            body = packed.getvalue()
        return web.Response(body=body)

    return handler


def routes(**by_part: str) -> Handler:
    """The first file whose key stands in the path."""

    async def handler(request: web.Request) -> web.StreamResponse:
        name = next(n for part, n in by_part.items() if part in request.path)
        return await recorded(name)(request)

    return handler
