"""A small VTN with the standard's paths: tokens, programmes, events page by page, reports. Real HTTP on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CLIENT, SECRET = "ven-client", "s3cret-of-the-home"
MADE = "2026-06-01T00:00:00Z"
PROGRAM = {
    "id": "p1",
    "createdDateTime": MADE,
    "modificationDateTime": MADE,
    "objectType": "PROGRAM",
    "programName": "home-flex",
    "payloadDescriptors": [
        {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": kind, "units": "KW"}
        for kind in ("IMPORT_CAPACITY_LIMIT", "EXPORT_CAPACITY_LIMIT", "DISPATCH_SETPOINT")
    ],
}


def event(
    name: str,
    kind: str,
    values: list[Any],
    start: str | None,
    length: str | None = "PT1H",
    **more: Any,
) -> dict[str, Any]:
    """An event of one row of intervals of the same length, one value each."""
    period = {"start": start, "duration": length}
    return {
        "id": name,
        "createdDateTime": MADE,
        "modificationDateTime": MADE,
        "objectType": "EVENT",
        "programID": "p1",
        "eventName": name,
        "intervalPeriod": {k: v for k, v in period.items() if v is not None},
        "intervals": [
            {"id": n, "payloads": [{"type": kind, "values": [value]}]}
            for n, value in enumerate(values)
        ],
    } | more


@dataclass
class SmallVtn:
    """``fault`` is an answer that is given to every question instead, status and body; ``report_fault`` the same
    for reports alone, and status 0 is a connection that breaks off. A report with ``chokes_on`` in its name is answered with 500."""

    url: str = ""
    programs: list[dict[str, Any]] = field(default_factory=lambda: [dict(PROGRAM)])
    events: list[Any] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    fault: tuple[int, bytes] | None = None
    report_fault: tuple[int, bytes] | None = None
    chokes_on: str = "nothing"
    most: int = 50  # of a page, whatever is asked for
    skips: bool = True
    tokens: int = 0
    asked: list[str] = field(default_factory=list)
    _good: set[str] = field(default_factory=set)

    def revoke(self) -> None:
        """The tokens that are out are good no more."""
        self._good.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        if self.fault is not None:
            status, body = self.fault
            return web.Response(status=status, body=body)
        if request.path == "/auth/token":
            return await self._token(request)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self._good:
            return web.json_response({"title": "Unauthorized", "status": 401}, status=401)
        if request.method == "POST" and request.path == "/reports":
            if self.report_fault is not None:
                return _faulty(request, *self.report_fault)
            report = await request.json()
            if self.chokes_on in report["reportName"]:
                return web.Response(status=500)
            self.reports.append(report)
            return web.json_response(report, status=201)
        rows = {"/programs": self.programs, "/events": self.events}[request.path]
        skip, limit = int(request.query["skip"]), int(request.query["limit"])
        skip = skip if self.skips else 0
        return web.json_response(rows[skip : skip + min(limit, self.most)])

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if (form["client_id"], form["client_secret"]) != (CLIENT, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        self.tokens += 1
        token = f"token-{self.tokens}"
        self._good.add(token)
        return web.json_response({"access_token": token, "token_type": "Bearer"})


def _faulty(request: web.Request, status: int, body: bytes) -> web.StreamResponse:
    if status == 0 and request.transport is not None:
        request.transport.abort()
    return web.Response(status=status or 500, body=body)


@asynccontextmanager
async def small_vtn(port: int = 0, vtn: SmallVtn | None = None) -> AsyncIterator[SmallVtn]:
    made = vtn or SmallVtn()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
