"""Serves the page and its data, which it asks of the exchange through the operator's socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from gateway.errors import ConfigError
from simulators.exchange.operator import ask_operator

_HERE = Path(__file__).parent
_FILES = {
    "/": ("fleet.html", "text/html"),
    "/fleet.css": ("fleet.css", "text/css"),
    "/fleet.js": ("fleet.js", "text/javascript"),
    "/fleet.svg": ("fleet.svg", "image/svg+xml"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_HOSTS = ("127.0.0.1", "localhost", "[::1]")


@dataclass
class FleetPage:
    """A page that is served at ``url``."""

    url: str
    _runner: web.AppRunner

    async def close(self) -> None:
        await self._runner.cleanup()


async def serve_fleet(state: Path, port: int) -> FleetPage:
    """On loopback; ``state`` is the folder of the exchange. ConfigError where the port is taken."""

    async def data(request: web.Request) -> web.Response:
        query = {name: request.query.get(name, "") for name in ("text", "state")}
        try:
            found = await ask_operator(state, "fleet", {n: v for n, v in query.items() if v})
        except ConfigError as error:
            return web.json_response({"error": str(error)}, status=503)
        return web.json_response(found)

    app = web.Application(middlewares=[_only_from_here])
    app.router.add_get("/fleet.json", data)
    for path, (name, kind) in _FILES.items():
        app.router.add_get(path, _file(name, kind))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(f"the fleet page cannot listen on port {port}: {error}") from error
    return FleetPage(f"http://127.0.0.1:{runner.addresses[0][1]}", runner)


@web.middleware
async def _only_from_here(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A name that a stranger points at this machine is refused (DNS rebinding)."""
    if request.host.rpartition(":")[0] not in _HOSTS and request.host not in _HOSTS:
        raise web.HTTPForbidden(text="ask for it by 127.0.0.1 or localhost")
    reply = await handler(request)
    reply.headers.update(_HEADERS)
    return reply


def _file(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    text = (_HERE / name).read_text(encoding="utf-8")

    async def send(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind)

    return send
