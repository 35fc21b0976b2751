"""The set-up as a page: on loopback by default, and only for who has the one-time token of the terminal or the journal."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.clock import Clock
from gateway.dashboard.access import HEADERS, known_host, same_origin
from gateway.dashboard.door import HEADER_S, Door
from gateway.dashboard.server import WORDS
from gateway.dashboard.spoken import spoken
from gateway.devices.catalogue import all_profiles
from gateway.devices.network import places
from gateway.domain.sentences import reason_of
from gateway.errors import ConfigError, GatewayError
from gateway.languages import catalogue
from gateway.setup.document import ChosenDevice
from gateway.setup.finder import READ_S, row
from gateway.setup.preview import tomorrow
from gateway.setup.questions import GROUPS, Question
from gateway.setup.session import Session

COOKIE = "energy_gateway_setup"
_STATIC = Path(__file__).parent / "static"
_SHARED = Path(__file__).parents[1] / "dashboard" / "static"  # the page's own look
_FILES = {
    "setup.js": (_STATIC, "text/javascript"), "setup.css": (_STATIC, "text/css"),
    "text.js": (_SHARED, "text/javascript"), "words.js": (_SHARED, "text/javascript"), "style.css": (_SHARED, "text/css"), "icon.svg": (_SHARED, "image/svg+xml"),
    "uPlot.iife.min.js": (_SHARED / "vendor", "text/javascript"), "uPlot.min.css": (_SHARED / "vendor", "text/css"),
}  # fmt: skip
_MOST_BYTES = 64 * 1024
_READ_WHILE_S = 30.0  # devices are read so long after somebody looked


class SetupServer:
    """`serve` runs until the file is written. ``network`` is proposed for the search."""

    def __init__(
        self, session: Session, clock: Clock, host: str, port: int, network: str = ""
    ) -> None:
        self._session, self._clock = session, clock
        self._host, self._wanted_port, self._network = host, port, network
        self._token, self._cookie = secrets.token_urlsafe(24), ""
        self._written = asyncio.Event()
        self._search: asyncio.Event = asyncio.Event()
        self._targets: tuple[list[str], bool] = ([], True)
        self._looked = float("-inf")
        self._next = {"host": "127.0.0.1", "port": 8750}

    async def serve(self, ready: Callable[[str], None]) -> None:
        """Until the file is written; ``ready`` is called with the address that has the token. Raises ConfigError."""
        app = web.Application(middlewares=[self._guarded()], client_max_size=_MOST_BYTES)
        app.add_routes([
            web.get("/", self._page),
            web.get("/static/{name}", self._static),
            web.get("/api/setup", self._questions),
            web.get("/api/found", self._found),
            web.post("/api/search", self._start_search),
            web.post("/api/device", self._device),
            web.post("/api/check", self._check),
            web.post("/api/prices", self._prices),
            web.post("/api/broker", self._broker),
            web.post("/api/write", self._write),
        ])  # fmt: skip
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, keepalive_timeout=HEADER_S)
        await runner.setup()
        assert runner.server is not None  # noqa: S101 - it was set up
        door = Door(self._clock)
        try:
            server = await asyncio.get_running_loop().create_server(
                door.watch(runner.server), self._host, self._wanted_port
            )
        except OSError as error:
            await runner.cleanup()
            why = (error.strerror or "").rpartition(": ")[2]  # of a long sentence the end
            raise ConfigError(
                f"{self._host}:{self._wanted_port}: cannot listen there: {why};"
                " where a gateway runs stop it first, or name another port (--port, of run --setup-port)"
            ) from error
        port = server.sockets[0].getsockname()[1]
        try:
            async with asyncio.TaskGroup() as group:
                work = [
                    group.create_task(self._searching(), name="search"),
                    group.create_task(self._reading(), name="read"),
                ]
                ready(f"http://{_shown(self._host)}:{port}/?token={self._token}")
                await self._written.wait()
                for task in work:
                    task.cancel()
        finally:
            server.close()
            await runner.cleanup()
            await self._session.finder.close()

    def _guarded(self) -> Any:
        """Host, origin and session, as the page of the running gateway asks for them."""

        @web.middleware
        async def check(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            response = self._refusal(request)
            if response is None:
                try:
                    response = await handler(request)
                except web.HTTPException as error:
                    response = web.Response(status=error.status, text=error.text)
                except GatewayError as error:
                    response = web.json_response({"fault": spoken(reason_of(error))}, status=422)
            response.headers.update(HEADERS)
            return response

        return check

    def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        if not known_host(request.host):
            return web.Response(status=421, text="this name is not known to the gateway")
        if request.method != "GET" and (
            not same_origin(request.headers, request.host)
            or request.content_type != "application/json"
        ):
            return web.Response(status=403, text="requests from other pages are refused")
        mine = request.cookies.get(COOKIE, "")
        if self._cookie and hmac.compare_digest(mine.encode(), self._cookie.encode()):
            return None
        given = request.query.get("token", "")
        if (
            request.path == "/"
            and self._token
            and hmac.compare_digest(given.encode(), self._token.encode())
        ):
            self._token, self._cookie = "", secrets.token_urlsafe(24)  # once, and for one browser
            answer = web.Response(status=303, headers={"Location": "/"})
            answer.set_cookie(COOKIE, self._cookie, httponly=True, samesite="Strict")
            return answer
        return web.Response(status=401, text=_STRANGER)

    async def _page(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(_STATIC / "setup.html")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name in WORDS:
            return web.json_response(dict(catalogue(WORDS[name])))
        if name not in _FILES:
            raise web.HTTPNotFound
        folder, kind = _FILES[name]
        return web.Response(body=(folder / name).read_bytes(), content_type=kind, charset="utf-8")

    async def _questions(self, request: web.Request) -> web.StreamResponse:
        """``zone`` is the browser's, which stands in where the machine knows none of its own."""
        self._session.seen_from(request.query.get("zone", ""))
        return web.json_response({
            "groups": dict(GROUPS),
            "questions": [_shown_question(q) for q in self._session.asked],
            "network": self._network,
            "config": str(self._session.config),
            "profiles": sorted(all_profiles()),
        })  # fmt: skip

    async def _found(self, _request: web.Request) -> web.StreamResponse:
        self._looked = self._clock.monotonic()
        finder = self._session.finder
        done, of = finder.progress
        body = {
            "busy": finder.busy, "done": done, "of": of, "problems": [spoken(problem) for problem in finder.problems],
            "devices": [row(one) for one in finder.found.values()], "capacity_wh": finder.capacity_wh,
        }  # fmt: skip
        return web.json_response(body)

    async def _start_search(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        targets = str(body.get("where", "")).replace(",", " ").split()
        places(targets)  # a fault is said here, where it was asked
        self._targets = targets, body.get("multicast") is not False
        self._search.set()
        return web.json_response({})

    async def _device(self, request: web.Request) -> web.StreamResponse:
        """Choose a found device or leave it, or name one that does not tell what it is."""
        body = await _body(request)
        if "key" in body:
            self._session.choose(
                str(body["key"]), bool(body.get("wanted")), str(body.get("role", ""))
            )
            return web.json_response({})
        try:
            port, unit = int(body.get("port") or 502), body.get("unit")
            chosen = ChosenDevice(
                "device",
                str(body["profile"]),
                str(body["host"]).strip(),
                port,
                None if unit in (None, "") else int(unit),
            )
        except (KeyError, ValueError) as error:
            raise ConfigError(
                "a device needs host, profile, and numbers for port and unit"
            ) from error
        if not chosen.host:
            raise ConfigError("a device needs its address")
        self._session.finder.add(chosen)
        return web.json_response({})

    async def _check(self, request: web.Request) -> web.StreamResponse:
        """Which questions apply, what is wrong with the answers, and the file as it would be written."""
        answers = await _answers(request)
        found = self._session.read(answers)
        body: dict[str, Any] = {
            "asked": [q.key for q in found.asked],
            "faults": {key: why for key, why in found.faults.items() if answers.get(key, "").strip()},
            "missing": [key for key in found.faults if not answers.get(key, "").strip()],
            "text": "", "fault": "",
        }  # fmt: skip
        try:
            body["text"] = self._session.text(answers)[0]
        except ConfigError as error:
            body["fault"] = str(error)
        return web.json_response(body)

    async def _prices(self, request: web.Request) -> web.StreamResponse:
        _, settings = self._session.text(await _answers(request))
        return web.json_response((await tomorrow(settings, self._clock)).body())

    async def _broker(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"fault": await self._session.try_broker(await _answers(request))})

    async def _write(self, request: web.Request) -> web.StreamResponse:
        settings = await self._session.write(await _answers(request))
        self._written.set()
        return web.json_response({"port": settings.dashboard.port})

    async def _searching(self) -> None:
        while True:
            await self._search.wait()
            self._search.clear()
            try:
                await self._session.finder.search(*self._targets)
            except* (GatewayError, OSError) as group:  # the page goes on, and says it
                self._session.finder.problems += [reason_of(error) for error in group.exceptions]

    async def _reading(self) -> None:
        while True:
            if self._clock.monotonic() - self._looked < _READ_WHILE_S:
                await self._session.finder.read()
            await self._clock.sleep(READ_S)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        found = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise ConfigError("no JSON") from error
    if not isinstance(found, dict):
        raise ConfigError("no JSON object")
    return found


async def _answers(request: web.Request) -> dict[str, str]:
    return {str(key): str(value) for key, value in (await _body(request)).items()}


def _shown(host: str) -> str:
    """An address that a browser on this machine reaches."""
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared, not bound


def _shown_question(question: Question) -> dict[str, Any]:
    return {
        "key": question.key, "group": question.group, "text": question.text, "about": question.about, "form": question.form,
        "value": question.default, "required": question.required, "choices": [list(choice) for choice in question.choices],
    }  # fmt: skip


_STRANGER = (
    "Open the address with the token that the gateway has printed (terminal, or: journalctl -u energy-gateway). "
    "A token opens one browser, once; start the gateway again for a new one.\n"
)
