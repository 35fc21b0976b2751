"""The exchange's HTTP side: routes, idempotency, problems. What is decided is decided in market."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import formatdate
from functools import lru_cache

from aiohttp import web

from gateway.domain.intervals import iso
from gateway.errors import StorageError
from simulators.exchange import messages, openapi, problems, ticker
from simulators.exchange.access import Access
from simulators.exchange.market import Market
from simulators.exchange.messages import Json
from simulators.exchange.routes import ROUTES, ApiReply, ApiRequest

log = logging.getLogger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Service:
    """What every route needs: the market, and who may ask."""

    market: Market
    access: Access


_SERVICE = web.AppKey("service", Service)


def make_app(market: Market, access: Access) -> web.Application:
    """The application with every route of the binding."""
    app = web.Application(middlewares=[_as_problems], client_max_size=256 * 1024)
    app[_SERVICE] = Service(market, access)
    app[ticker.SOCKETS] = set()
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
        return problem_response(request.app[_SERVICE].market.now(), problem)
    except StorageError as error:
        log.warning("%s", error)
        return problem_response(request.app[_SERVICE].market.now(), problems.storage())
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kind = (error.reason or "error").lower().replace(" ", "-")
        return problem_response(
            request.app[_SERVICE].market.now(), problems.Problem(kind, error.status, error.reason)
        )


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


def problem_response(now: datetime, problem: problems.Problem) -> web.Response:
    reply = _reply(now, problem.status, messages.dump(problem_json(now, problem, None)))
    if problem.retry_after_s is not None:
        reply.headers["Retry-After"] = str(problem.retry_after_s)
    return reply


def _reply(now: datetime, status: int, text: str) -> web.Response:
    kind = "application/json" if status < 400 else "application/problem+json"
    headers = {"Content-Type": kind, "Date": _date(int(now.timestamp()))}
    return web.Response(status=status, body=text.encode(), headers=headers)


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _reader(read: Callable[[Market, ApiRequest], Json]) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        service = request.app[_SERVICE]
        party_id = service.access.sign_in(request)
        body = await request.read()
        received = ApiRequest(party_id, body, request.query, service.market.now())
        document = read(service.market, received)
        return _reply(
            received.now, 200, messages.dump(document | {"serverTime": iso(received.now)})
        )

    return handle


def _writer(operation: str, write: Callable[[Market, ApiRequest], ApiReply]) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        service = request.app[_SERVICE]
        party_id = service.access.sign_in(request)
        key = request.headers.get("Idempotency-Key", "")
        if not 0 < len(key) <= 255:
            raise problems.missing_key()
        body = await request.read()
        # From here on nothing is awaited: the time of receipt is taken after the whole body.
        now = service.market.now()
        document, evidence = service.access.open_document(party_id, request.content_type, body)
        received = ApiRequest(party_id, document, request.query, now, evidence)
        return _once(service.market, (party_id, operation, key), received, write)

    return handle


def _once(
    market: Market,
    scope: tuple[str, str, str],
    received: ApiRequest,
    write: Callable[[Market, ApiRequest], ApiReply],
) -> web.Response:
    """Carry a request out once: its answer is stored in the transaction that carries it out."""
    fingerprint = _fingerprint(received.body)
    with market.store.transaction():
        old = market.store.one(
            "SELECT * FROM idempotency WHERE party_id = ? AND operation = ? AND key = ?", *scope
        )
        if old is None:
            status, text = _carry_out(market, received, write)
            market.store.insert(
                "idempotency",
                {
                    "party_id": scope[0],
                    "operation": scope[1],
                    "key": scope[2],
                    "fingerprint": fingerprint,
                    "status": status,
                    "body": text,
                    "time": iso(received.now),
                },
            )
    if old is None:  # only now is it durable
        return _reply(received.now, status, text)
    if old["fingerprint"] != fingerprint:
        raise problems.key_reused()
    reply = _reply(received.now, old["status"], old["body"])
    reply.headers["Idempotent-Replayed"] = "true"
    return reply


def _carry_out(
    market: Market, received: ApiRequest, write: Callable[[Market, ApiRequest], ApiReply]
) -> tuple[int, str]:
    try:
        status, document = write(market, received)
    except problems.Problem as problem:
        if problem.status in (400, 503):
            raise  # not carried out, may be sent again with the same key
        status = problem.status
        document = problem_json(received.now, problem, _request_id(received.body))
    return status, messages.dump(document)


def _fingerprint(body: bytes) -> str:
    """SHA-256 of the document with sorted keys: spelling does not make another request."""
    try:
        text = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise problems.malformed("the body is not JSON") from None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _request_id(body: bytes) -> str | None:
    found = json.loads(body)
    value = found.get("requestId") if isinstance(found, dict) else None
    return value if isinstance(value, str) else None


async def _token(request: web.Request) -> web.Response:
    service = request.app[_SERVICE]
    form = await request.post()
    answer = service.access.issue_token(request, str(form.get("grant_type", "")))
    reply = _reply(service.market.now(), 200, json.dumps(answer))
    reply.headers["Cache-Control"] = "no-store"
    return reply


async def _openapi(request: web.Request) -> web.Response:
    return _reply(request.app[_SERVICE].market.now(), 200, json.dumps(openapi.describe()))


async def _ticker(request: web.Request) -> web.StreamResponse:
    service = request.app[_SERVICE]
    party_id = service.access.sign_in(request)
    last = request.query.get("lastSeq", str(service.market.events.last_seq()))
    if not (last.isascii() and last.isdigit() and len(last) < 16):
        raise problems.malformed("lastSeq is a sequence number >= 0")
    return await ticker.serve(request, service.market, party_id, int(last))
