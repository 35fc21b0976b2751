"""What Home Assistant's ingress asks, handed on to the gateway's page on loopback; nobody else is answered.

The page refuses names and frames that it does not know (DNS rebinding, click-jacking). Here both are known: the only caller is the
supervisor, who has checked the person's login, and the frame is Home Assistant's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length",
}  # fmt: skip
_MOST_BYTES = 1024 * 1024


class Front:
    """Hands on one request after another; bodies as they come, for the page's news is a stream."""

    def __init__(self, page_port: int, allowed: frozenset[str]) -> None:
        self._page, self._allowed = f"http://127.0.0.1:{page_port}", allowed
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        )  # fmt: skip

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.remote not in self._allowed:
            raise web.HTTPForbidden(text="this door is Home Assistant's")
        assert self._session is not None  # noqa: S101 - opened before it listens
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        if "Origin" in headers:
            headers["Origin"] = self._page
        body = await request.read() if request.can_read_body else None
        try:
            async with self._session.request(
                request.method, f"{self._page}{request.path_qs}", headers=headers, data=body, allow_redirects=False
            ) as reply:  # fmt: skip
                return await self._hand_on(request, reply)
        except aiohttp.ClientError:
            return web.Response(status=502, text="the gateway starts; look again in a moment")

    async def _hand_on(
        self, request: web.Request, reply: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status)
        for name, value in reply.headers.items():
            if name.lower() not in _HOP and name.lower() != "x-frame-options":
                response.headers.add(name, value)
        policy = response.headers.get("Content-Security-Policy", "")
        if policy:
            framed = policy.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
            response.headers["Content-Security-Policy"] = framed
        await response.prepare(request)
        async for chunk in reply.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


@asynccontextmanager
async def serve(port: int, page_port: int, allowed: frozenset[str]) -> AsyncIterator[int]:
    """Listen for the supervisor; the port, where 0 is any free one."""
    front = Front(page_port, allowed)
    await front.open()
    app = web.Application(client_max_size=_MOST_BYTES)
    app.router.add_route("*", "/{path:.*}", front.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 - the container's own network
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        await front.close()
