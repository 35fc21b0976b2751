"""The local web page: one aiohttp server, no build step, no request to anywhere else."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs

from aiohttp import web

from gateway.clock import Clock, WallClock
from gateway.config.agent_settings import Dashboard as DashboardSettings
from gateway.config.secrets import credential, is_loopback
from gateway.dashboard import security_txt
from gateway.dashboard.access import COOKIE, Access, Handler, here
from gateway.dashboard.car_routes import CarRoutes
from gateway.dashboard.day import day
from gateway.dashboard.door import HEADER_S, Door
from gateway.dashboard.health_routes import HealthRoutes
from gateway.dashboard.live import live
from gateway.dashboard.password import matches
from gateway.dashboard.past_routes import PastRoutes
from gateway.dashboard.view import HomeSource, HomeView
from gateway.dashboard.what_if_routes import WhatIfRoutes
from gateway.errors import ConfigError
from gateway.languages import LANGUAGES, catalogue, wanted
from gateway.log_budget import LogBudget
from gateway.store.audit import Audit, NoAudit

log = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"
_CHARTS = {"uPlot.iife.min.js": "text/javascript", "uPlot.min.css": "text/css"}
_PERIOD_S = 1.0
_FROZEN_S = 10.0  # a stream that takes nothing for so long is dropped
_MOST_LISTENERS = 60  # open pages; each costs a stream
_MOST_BYTES = 16 * 1024


class Dashboard:
    """The page of one home. `start` listens, `stop` lets go within a second.

    It runs on the world's own time: the pace of a page, sessions and rate limits are for people.
    """

    def __init__(
        self,
        settings: DashboardSettings,
        source: HomeSource,
        metrics: Callable[[], bytes] | None = None,
        clock: Clock | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._settings, self._source, self._metrics = settings, source, metrics
        self._clock = clock or WallClock()
        self._audit = audit or NoAudit()
        names = frozenset(settings.names or ())
        self._access = Access(self._clock, password_hash(settings), names, self._audit)
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._door = Door(self._clock, shared=bool(settings.names))
        self._streams: set[asyncio.Task[Any]] = set()
        self._told: dict[str, tuple[HomeView, bytes]] = {}  # the newest event of each kind
        self.port = settings.port

    async def start(self) -> int:
        """Listen; the port (a free one for ``port = 0``). Raises ConfigError when it cannot."""
        runner = web.AppRunner(
            self._app(),
            access_log=None,
            shutdown_timeout=1,
            keepalive_timeout=HEADER_S,
            lingering_time=1,
            logger=_http_log(self._clock),
        )
        await runner.setup()
        assert runner.server is not None  # noqa: S101 - it was set up
        host, port = self._settings.host, self._settings.port
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._door.watch(runner.server), host, port)
        except OSError as error:
            await runner.cleanup()
            place = f"dashboard.host = {host}, port = {port}"
            raise ConfigError(f"{place}: cannot listen there: {error.strerror}") from error
        self._runner, self.port = runner, self._server.sockets[0].getsockname()[1]
        log.info("the page is at http://%s:%d", host, self.port)
        return self.port

    async def stop(self) -> None:
        for stream in tuple(self._streams):
            stream.cancel()
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._access.middleware()], client_max_size=_MOST_BYTES)
        app.add_routes(
            [
                web.get("/", _file("index.html", "text/html")),
                web.get("/login", self._login_page),
                web.post("/login", self._login),
                web.post("/logout", self._logout),
                web.get("/api/live", self._live),
                web.get("/api/day", self._day),
                *PastRoutes(self._source).routes(),
                *CarRoutes(self._source).routes(),
                *HealthRoutes(self._source).routes(),
                *WhatIfRoutes(self._source).routes(),
                web.get("/events", self._events),
                web.post("/api/command/{name}", self._command),
                web.get("/static/{name}", _static),
                web.get(security_txt.PATH, self._security_txt),
            ]
        )
        if self._metrics is not None and self._settings.metrics:
            app.router.add_get("/metrics", self._scrape)
        return app

    async def _security_txt(self, _request: web.Request) -> web.StreamResponse:
        text = security_txt.security_txt(self._settings.security_contact)
        if text is None:
            raise web.HTTPNotFound(text="no contact is configured (dashboard.security_contact)")
        return web.Response(text=text, content_type="text/plain", charset="utf-8")

    async def _login_page(self, request: web.Request) -> web.StreamResponse:
        fault = "wrong" if "wrong" in request.query else ""
        return web.Response(text=_login_text(request, fault), content_type="text/html")

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/x-www-form-urlencoded":
            return web.Response(status=415, text="send the form")
        wait_s = self._access.wait_s(request)
        if wait_s > 0:
            self._audit.note("page", request.remote or "", "login", "too many guesses", done=False)
            return web.Response(
                status=429,
                text=_login_text(request, "wait"),
                headers={"Retry-After": str(round(wait_s) + 1)},
                content_type="text/html",
            )
        form = (await request.read()).decode(errors="replace")
        try:
            given = parse_qs(form, keep_blank_values=True, max_num_fields=10).get("password", [""])
        except ValueError:
            return web.Response(status=400, text="too many fields")
        token = await self._access.login(request, given[0])
        if token is None:
            return web.Response(status=303, headers={"Location": "/login?wrong"})
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(
            COOKIE,
            token,
            max_age=30 * 24 * 3600,
            httponly=True,
            samesite="Strict",
            secure=request.secure or request.headers.get("Origin", "").startswith("https:"),
        )
        return response

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        self._access.logout(request)
        response = web.Response(status=303, headers={"Location": "/login"})
        response.del_cookie(COOKIE)
        return response

    async def _live(self, _request: web.Request) -> web.StreamResponse:
        view = self._source.latest()
        return _json(self._now(view) if view else {})

    def _now(self, view: HomeView) -> dict[str, Any]:
        return live(view) | {"login": self._access.password_hash is not None}

    async def _day(self, _request: web.Request) -> web.StreamResponse:
        view = self._source.latest()
        response = _json(day(view) if view else {})
        response.enable_compression()
        return response

    async def _scrape(self, _request: web.Request) -> web.StreamResponse:
        text = self._metrics() if self._metrics else b""
        return web.Response(
            body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _command(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            return _json({"status": "rejected", "message": "send application/json"}, 415)
        name = request.match_info["name"]
        result = await self._source.command(name, await request.read())
        well = result.get("status") == "ok"
        applied = json.dumps(result.get("applied"), default=str)
        said = f"ok {applied}" if well else str(result.get("message"))
        self._audit.note("page", request.remote or "", f"command {name}", said, done=well)
        return _json(dict(result))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """A stream of ``live`` and, when a minute of the home is over, ``day``."""
        if len(self._streams) >= _MOST_LISTENERS:
            return web.Response(status=503, text="too many pages are open")
        task = asyncio.current_task()
        if task is not None:
            self._streams.add(task)
        if request.transport is not None:
            request.transport.set_write_buffer_limits(high=_MOST_BYTES)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.headers["Cache-Control"] = "no-store"
        try:
            await response.prepare(request)
            with suppress(ConnectionError, TimeoutError):  # gone, or frozen
                await self._stream(request, response)
        finally:
            self._streams.discard(task) if task else None
        return response

    def _said(self, kind: Literal["live", "day"], view: HomeView) -> bytes:
        """The event, made once for all who listen."""
        known = self._told.get(kind)
        if known is None or known[0] is not view:
            known = view, _event(kind, self._now(view) if kind == "live" else day(view))
            self._told[kind] = known
        return known[1]

    async def _stream(self, request: web.Request, response: web.StreamResponse) -> None:
        """Until the page is gone, which is noticed also while there is nothing to tell it."""
        sent_live, sent_minute = b"", None
        while request.transport is not None and not request.transport.is_closing():
            view = self._source.latest()
            if view is not None:
                now = self._said("live", view)
                minute = view.time.replace(second=0, microsecond=0)
                if now != sent_live:
                    await _write(response, now)
                    sent_live = now
                if minute != sent_minute:
                    await _write(response, self._said("day", view))
                    sent_minute = minute
            await self._clock.sleep(_PERIOD_S)


def password_hash(settings: DashboardSettings) -> str | None:
    """The hash that guards the page; raises ConfigError where one is needed and missing or unusable."""
    key = "dashboard.password_file"
    line = credential("dashboard_password", settings.password_file, key)
    if line is None:
        if not is_loopback(settings.host):
            raise ConfigError(
                f"dashboard.host = {settings.host!r} is reachable by others: set {key}"
                " (energy-gateway password makes the file), or use 127.0.0.1"
            )
        if settings.names:
            raise ConfigError(
                f"dashboard.names = {list(settings.names)} means that others reach the page: set {key}"
                " (energy-gateway password makes the file)"
            )
        return None
    try:
        matches("", line)
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from error
    return line


def _login_text(request: web.Request, fault: str) -> str:
    """The page that asks for the password, in the browser's language; ``fault`` is a key of `FAULTS`, or empty."""
    page = (_STATIC / "login.html").read_text(encoding="utf-8")
    for text in ("Log in", "Password", "Energy gateway", "Log in \N{EN DASH} Energy gateway"):
        page = page.replace(f">{text}<", f">{here(request, text)}<")
    if fault:
        said = f'<p class="wrong" role="alert">{here(request, FAULTS[fault])}</p>'
        page = page.replace("<!-- said -->", said)
    language = wanted(request.headers.get("Accept-Language", ""))
    return page.replace('lang="en"', f'lang="{language}"')


def _file(name: str, content_type: str) -> Handler:
    body = (_STATIC / name).read_bytes()

    async def send(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return send


async def _static(request: web.Request) -> web.StreamResponse:
    """Our own few files, those of the chart library, and the words of a language."""
    name = request.match_info["name"]
    if name in WORDS:
        return web.json_response(dict(catalogue(WORDS[name])))
    if name in _CHARTS:
        return web.Response(
            body=(_STATIC / "vendor" / name).read_bytes(),
            content_type=_CHARTS[name],
            charset="utf-8",
        )
    kind = _TYPES.get(Path(name).suffix)
    if kind is None or name not in _OWN:
        raise web.HTTPNotFound
    return web.Response(body=(_STATIC / name).read_bytes(), content_type=kind, charset="utf-8")


def _json(value: dict[str, Any], status: int = 200) -> web.Response:
    text = json.dumps(value, separators=(",", ":"), default=str)
    return web.Response(text=text, status=status, content_type="application/json")


async def _write(response: web.StreamResponse, data: bytes) -> None:
    """Raises TimeoutError for a page that does not read any more."""
    async with asyncio.timeout(_FROZEN_S):
        await response.write(data)


def _http_log(clock: Clock) -> logging.Logger:
    """What aiohttp says of requests that are none: a line now and then, without a traceback."""
    quiet = logging.getLogger(f"{__name__}.http")
    quiet.filters = [_OneLine(LogBudget(log, clock, most=1))]
    return quiet


class _OneLine(logging.Filter):
    """Says the reason of a record in a budget's line, and lets the record itself go no further."""

    def __init__(self, budget: LogBudget) -> None:
        super().__init__()
        self._budget = budget

    def filter(self, record: logging.LogRecord) -> bool:
        why = record.exc_info[1] if record.exc_info else None
        self._budget.say(logging.WARNING, "page: %s: %r", record.getMessage(), why)
        return False


def _event(kind: str, value: dict[str, Any]) -> bytes:
    text = json.dumps(value, separators=(",", ":"), default=str)
    return f"event: {kind}\ndata: {text}\n\n".encode()


WORDS = {f"words-{language}.json": language for language in LANGUAGES}
_TYPES = {
    ".webmanifest": "application/manifest+json",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
_OWN = frozenset(path.name for path in _STATIC.iterdir()) if _STATIC.is_dir() else frozenset()
FAULTS = {  # of a login, by the query of its page
    "wrong": "Wrong password.",
    "wait": "Too many wrong passwords, yours or of somebody else. Wait a minute, then try again.",
}
