"""Where chargers dial in: one WebSocket server for all of the home's, at ``ws(s)://here:port/<station>``.

Security profile 1 is HTTP Basic with the station's name, profile 2 the same over TLS. A station that is not configured, a wrong password or a
version that neither side speaks gets no connection. The newest connection of a station counts; the one before is closed.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from aiohttp import WSMsgType, web

from gateway.bridge.ocpp.backend import Backend
from gateway.bridge.ocpp.charger import Charger
from gateway.bridge.ocpp.dialect import Dialect
from gateway.bridge.ocpp.session import Session
from gateway.bridge.ocpp.v16 import V16
from gateway.bridge.ocpp.v201 import V201
from gateway.clock import Clock, pause
from gateway.config.home_settings import Ocpp
from gateway.config.tls import server_tls
from gateway.escape import printable
from gateway.log_budget import LogBudget
from gateway.supervise import Availability, CalmAvailability

log = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024  # of a message
AGAIN_S = 5.0  # real seconds between two tries to listen
PING_S = 20.0  # a connection on which nothing comes back for half of it more is dead
_DIALECTS: Mapping[str, type[V16 | V201]] = {"ocpp2.0.1": V201, "ocpp1.6": V16}


@dataclass(frozen=True, slots=True)
class Station:
    """One charger that may dial in; ``password`` None where it may come without."""

    charger: Charger
    station: str
    password: str | None
    backend: str | None = None
    backend_password: str | None = None


class Csms:
    """The central system of the home's own chargers."""

    def __init__(self, settings: Ocpp, stations: Sequence[Station], clock: Clock) -> None:
        """Raises ConfigError for a certificate that cannot be used."""
        self._settings, self._clock = settings, clock
        self._stations = {s.station: s for s in stations}
        self._tls = None
        if settings.cert_file is not None:
            self._tls = server_tls("ocpp", settings.cert_file, settings.key_file)
        self._open: dict[str, web.WebSocketResponse] = {}
        self._availability = {
            s.station: CalmAvailability(s.charger.name, clock=clock) for s in stations
        }
        self._budget = LogBudget(log, clock, most=3)
        self.port, self.listening = settings.port, asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. A port that is taken is said, and tried again."""
        app = web.Application(client_max_size=1024)
        app.router.add_get("/{path:.*}", self._dial)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        listening = Availability("the port of the chargers")
        try:
            while True:
                host, port = self._settings.host, self._settings.port
                site = web.TCPSite(runner, host, port, ssl_context=self._tls)
                try:
                    await site.start()
                    break
                except OSError as error:
                    listening.lost(f"ocpp.host = {host}, port = {port}: {error.strerror}")
                await pause(AGAIN_S)
            listening.back()
            self.port = runner.addresses[0][1]
            self.listening.set()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _dial(self, request: web.Request) -> web.StreamResponse:
        name = unquote(request.path.rstrip("/").rsplit("/", 1)[-1])
        station = self._stations.get(name)
        if station is None:
            self._say("a station %s dials in, which is not configured", name)
            return web.Response(status=404)
        if not _may_enter(station, request.headers.get("Authorization", "")):
            self._say("station %s comes with a wrong password, or without", name)
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="ocpp"'})
        offered = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        spoken = next((p for p in _DIALECTS if p in offered), None)
        if spoken is None:
            self._say("station %s speaks neither OCPP 1.6 nor 2.0.1", name)
            return web.Response(status=400)
        link = web.WebSocketResponse(
            protocols=(spoken,), heartbeat=PING_S, max_msg_size=MOST_BYTES, compress=False
        )
        await link.prepare(request)
        await self._talk(station, link, _DIALECTS[spoken]())
        return link

    async def _talk(self, station: Station, link: web.WebSocketResponse, dialect: Dialect) -> None:
        before = self._open.get(station.station)
        self._open[station.station] = link
        if before is not None:
            with suppress(OSError):
                await before.close()
        backend = None
        if station.backend is not None:
            url = f"{station.backend.rstrip('/')}/{station.station}"
            secret = station.backend_password
            backend = Backend(url, dialect.subprotocol, secret, station.charger.name)
        send = partial(_send, link)
        station.charger.came()
        self._availability[station.station].back()
        try:
            async with asyncio.TaskGroup() as group:

                def spawn(work: Coroutine[Any, Any, None]) -> None:
                    group.create_task(_quietly(work), name=f"ocpp {station.station}")

                session = Session(station.charger, dialect, send, spawn, backend)
                jobs = [group.create_task(_quietly(session.work()), name="ocpp limits")]
                if backend is not None:
                    jobs.append(group.create_task(_quietly(backend.run(send)), name="ocpp backend"))
                async for message in link:
                    if message.type is not WSMsgType.TEXT:
                        break
                    await session.hear(message.data)
                await link.close()
                for job in jobs:
                    job.cancel()
        finally:
            if self._open.get(station.station) is link:
                del self._open[station.station]
                station.charger.went()
                self._availability[station.station].lost("its connection has ended")

    def _say(self, what: str, name: str) -> None:
        self._budget.say(logging.WARNING, what, repr(printable(name, 60)))


async def _send(link: web.WebSocketResponse, text: str) -> None:
    if not link.closed:
        with suppress(ConnectionError):
            await link.send_str(text)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    with suppress(ConnectionError):
        await work


def _may_enter(station: Station, header: str) -> bool:
    if station.password is None:
        return True
    want = base64.b64encode(f"{station.station}:{station.password}".encode()).decode()
    return hmac.compare_digest(header.encode(), f"Basic {want}".encode())
