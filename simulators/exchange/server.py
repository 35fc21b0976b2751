"""The exchange's HTTP side: routes, idempotency, problems. What is decided is decided in market."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from gateway.domain.intervals import iso
from gateway.errors import StorageError
from simulators.exchange import messages, openapi, problems, ticker
from simulators.exchange.access import Access
from simulators.exchange.evidence import Stored
from simulators.exchange.ledger import Registered
from simulators.exchange.limits import spread
from simulators.exchange.market import Market
from simulators.exchange.messages import Json
from simulators.exchange.questions import Question
from simulators.exchange.requests import Decision, Request
from simulators.exchange.routes import ROUTES, Write

log = logging.getLogger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Service:
    """What every route needs: the market, and who may ask."""

    market: Market
    access: Access


_SERVICE = web.AppKey("service", Service)
_ASKER = web.RequestKey("asker", str)


def make_app(market: Market, access: Access, *outer: Any) -> web.Application:
    """The application with every route of the binding; ``outer`` middlewares see the final answers."""
    app = web.Application(middlewares=[*outer, _as_problems], client_max_size=256 * 1024)
    app[_SERVICE] = Service(market, access)
    app[ticker.SENDERS] = set()
    app.on_shutdown.append(ticker.close_all)
    for route in ROUTES:
        path = f"/cts/{route.name}"
        if route.write is not None:
            app.router.add_post(path, _writer(route.name, route.write))
        elif route.read is not None and route.model is not None:
            app.router.add_post(path, _reader(route.read))
        elif route.read is not None:
            app.router.add_get(path, _reader(route.read), allow_head=False)
    app.router.add_get("/cts/ticker", _ticker, allow_head=False)
    app.router.add_post("/oauth2/token", _token)
    app.router.add_get("/openapi.json", _openapi, allow_head=False)
    return app


@web.middleware
async def _as_problems(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Every refusal leaves as problem+json with the server's time."""
    try:
        return await handler(request)
    except problems.Problem as problem:
        if (asker := request.get(_ASKER)) is not None:
            request.app[_SERVICE].market.activity.refused(asker, problem.kind)
        return _refusal(request, problem)
    except StorageError as error:
        log.warning("%s", error)
        return _refusal(request, problems.storage())
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kind = (error.reason or "error").lower().replace(" ", "-")
        return _refusal(request, problems.Problem(kind, error.status, error.reason))


def _refusal(request: web.Request, problem: problems.Problem) -> web.Response:
    now = request.app[_SERVICE].market.now()
    reply = _reply(now, problem.status, messages.dump(problem_json(now, problem, None)))
    if problem.retry_after_s is not None:
        # Spread by who asks: those who were refused together do not come back together.
        asker = request.headers.get("Authorization", "") or str(request.remote)
        wait_s = problem.retry_after_s
        reply.headers["Retry-After"] = str(
            wait_s if problem.status == 429 else spread(wait_s, asker)
        )
    return reply


def problem_json(now: datetime, problem: problems.Problem, request_id: str | None) -> Json:
    return {
        "type": f"urn:cts:problem:{problem.kind}",
        "title": problem.kind,
        "status": problem.status,
        "detail": problem.detail,
        "ordRejReason": problem.reject,
        "inResponseTo": request_id,
        "serverTime": iso(now),
    }


def _reply(now: datetime, status: int, body: bytes) -> web.Response:
    kind = "application/json" if status < 400 else "application/problem+json"
    headers = {"Content-Type": kind, "Date": _date(int(now.timestamp()))}
    return web.Response(status=status, body=body, headers=headers)


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _sign_in(request: web.Request, service: Service) -> Registered:
    party = service.access.sign_in(request)
    request[_ASKER] = party.party_id
    service.market.activity.asked(party.party_id, service.market.now())
    service.access.admit(party)
    return party


def _reader(read: Callable[[Market, Question], Awaitable[Json]]) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        service = request.app[_SERVICE]
        party = _sign_in(request, service)
        body = await request.read()
        await service.market.refresh()
        asked = Question(party, body, request.query, service.market.now())
        document = await read(service.market, asked)
        return _reply(asked.now, 200, messages.dump(document | {"serverTime": iso(asked.now)}))

    return handle


def _writer(operation: str, write: Write) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        service = request.app[_SERVICE]
        market, party = service.market, _sign_in(request, service)
        key = request.headers.get("Idempotency-Key", "")
        if not (0 < len(key) <= 255 and key.isprintable()):
            raise problems.missing_key()
        body = await request.read()
        # The time of receipt is taken after the whole body.
        now = market.now()
        document, signed = await _opened(service, party, request.content_type, body)
        asked = Request(party, document, now, signed)

        async def decide(request: Request) -> Decision:
            return await write.decide(market, request)

        stored, replayed = await market.requests.once(operation, key, asked, decide)
        if stored.status >= 400:
            market.activity.refused(party.party_id, stored.result["kind"])
        elif write.partly is not None and not replayed:
            for kind in write.partly(stored):
                market.activity.refused(party.party_id, kind)
        reply = _reply(now, stored.status, answer(write, stored, party.party_id))
        if replayed:
            reply.headers["Idempotent-Replayed"] = "true"
        return reply

    return handle


async def _opened(
    service: Service, party: Registered, content_type: str, body: bytes
) -> tuple[bytes, bytes | None]:
    """The document inside a signed body; a key that is new elsewhere is looked up first."""
    try:
        return service.access.open_document(party, content_type, body)
    except problems.Problem:
        changed = await service.market.changed(party)
        if changed is None:
            raise
        return service.access.open_document(changed, content_type, body)


def answer(write: Write, stored: Stored, party_id: str) -> bytes:
    """The one answer to a request that was carried out, whenever it is asked for."""
    received = datetime.fromtimestamp(stored.received_ms / 1000, UTC)
    if stored.status < 400:
        return messages.dump(write.answer(stored, party_id, received))
    found = stored.result
    problem = problems.Problem(found["kind"], stored.status, found["detail"], found["reject"])
    return messages.dump(problem_json(received, problem, _request_id(stored.payload)))


def _request_id(body: bytes) -> str | None:
    try:
        found = json.loads(body)
    except (
        ValueError,
        RecursionError,
    ):  # a number or a nesting that only the stricter reader takes
        return None
    value = found.get("requestId") if isinstance(found, dict) else None
    return value if isinstance(value, str) and value.isascii() else None


async def _token(request: web.Request) -> web.Response:
    service = request.app[_SERVICE]
    body = await request.read()
    if request.content_type != "application/x-www-form-urlencoded" or not body.isascii():
        raise problems.malformed("send a form, application/x-www-form-urlencoded")
    form = parse_qs(body.decode("ascii"))
    issued = service.access.issue_token(request, form.get("grant_type", [""])[0])
    reply = _reply(service.market.now(), 200, messages.dump(issued))
    reply.headers["Cache-Control"] = "no-store"
    return reply


async def _openapi(request: web.Request) -> web.Response:
    return _reply(request.app[_SERVICE].market.now(), 200, messages.dump(openapi.describe()))


async def _ticker(request: web.Request) -> web.StreamResponse:
    service = request.app[_SERVICE]
    party = _sign_in(request, service)
    await service.market.refresh()
    last = request.query.get("lastSeq", str(service.market.last_seq()))
    if not (last.isascii() and last.isdigit() and len(last) < 16):
        raise problems.malformed("lastSeq is a sequence number >= 0")
    return await ticker.serve(request, service.market, party.party_id, int(last))
