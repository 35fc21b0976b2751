"""A hostile exchange: a real HTTP server between the home and an honest exchange, which it spoils.

It passes on whatever is asked, and while an `Act` is on it changes the answers. So what is true can be
compared afterwards with what the home believed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from gateway.clock import Clock

Spoil = Callable[[Any], Any]
Raw = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Act:
    """What is done to the answers whose path ends with ``route`` ('' = all).

    ``spoil`` changes the document (and returns it, or text or bytes to send instead); ``raw`` answers by
    itself. ``lies``: the answers are well formed, and not true.
    """

    name: str
    route: str = ""
    spoil: Spoil | None = None
    raw: Raw | None = None
    lies: bool = False


class Liar:
    def __init__(self, honest_url: str, clock: Clock) -> None:
        self.honest_url, self.clock = honest_url, clock
        self.act: Act | None = None
        self.ends = clock.now()
        self.spoiled = 0

    async def start(self) -> str:
        self.session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=2**20)
        app.router.add_route("*", "/{path:.*}", self.handle)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def close(self) -> None:
        await self.session.close()
        await self.runner.cleanup()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        act = self.act if self.clock.now() < self.ends else None
        concerned = act is not None and request.path.endswith(act.route)
        if act is not None and concerned and act.raw is not None:
            self.spoiled += 1
            return await act.raw(request)
        kept = ("Authorization", "Content-Type", "Idempotency-Key")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        async with self.session.request(
            request.method,
            self.honest_url + request.path_qs,
            data=await request.read(),
            headers=headers,
        ) as reply:
            body, status = await reply.read(), reply.status
            kind = reply.headers.get("Content-Type", "application/json")
        if act is not None and concerned and act.spoil is not None and status < 300:
            changed = act.spoil(json.loads(body))
            self.spoiled += 1
            if isinstance(changed, str):
                body = changed.encode("utf-8", "surrogatepass")
            else:
                body = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
        return web.Response(status=status, body=body, headers={"Content-Type": kind})


async def stream(request: web.Request, chunk: bytes, headers: dict[str, str]) -> web.StreamResponse:
    """The same piece again and again until the client has had enough."""
    reply = web.StreamResponse(headers=headers)
    await reply.prepare(request)
    try:
        while True:
            await reply.write(chunk)
            await asyncio.sleep(0)
    except (ConnectionError, OSError):
        return reply
