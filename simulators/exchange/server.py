"""The exchange's HTTP side: routes, idempotency, problems. What is decided is decided in market."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import formatdate
from functools import lru_cache, partial
from urllib.parse import parse_qs

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.domain.intervals import iso
from gateway.errors import StorageError
from simulators.exchange import messages, openapi, problems, ticker
from simulators.exchange.access import PARTY_NAME, Access, client_of
from simulators.exchange.evidence import Stored
from simulators.exchange.ledger import Registered
from simulators.exchange.limits import spread
from simulators.exchange.market import Market
from simulators.exchange.messages import Json
from simulators.exchange.questions import Question
from simulators.exchange.requests import Request
from simulators.exchange.routes import ROUTES, Write

log = logging.getLogger(__name__)
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Outer = Callable[[web.BaseRequest, Handler], Awaitable[web.StreamResponse]]
_MOST_BYTES = 256 * 1024


class _NotTheirs(logging.Filter):
    """That a client goes away, or sends what is no HTTP, is its own affair: strangers must not fill the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, (ConnectionError, HttpProcessingError))


_http_log = logging.getLogger(f"{__name__}.http")
_http_log.addFilter(_NotTheirs())


@dataclass(frozen=True, slots=True)
class Service:
    """What every route needs: the market, and who may ask; ``senders`` are the tickers that are heard."""

    market: Market
    access: Access
    senders: set[asyncio.Task[None]] = field(default_factory=set)


_ASKER = web.RequestKey("asker", str)


def make_runner(market: Market, access: Access, outer: Outer | None = None) -> web.BaseRunner:
    """A server with every route of the binding; ``outer`` is around all of them and sees the final answers.

    Paths are fixed, so one look into a table finds the handler: the router of an Application and its
    middlewares would be a twentieth of what a signed tender costs.
    """
    service = Service(market, access)
    inner = _as_problems(service, _found_in(handlers(service)))
    return _Runner(service, inner if outer is None else partial(_within, outer, inner))


async def _within(outer: Outer, inner: Handler, request: web.BaseRequest) -> web.StreamResponse:
    return await outer(request, inner)


class _Runner(web.ServerRunner):
    def __init__(self, service: Service, handle: Handler) -> None:
        super().__init__(web.Server(handle, access_log=None, logger=_http_log))
        self._service = service

    async def shutdown(self) -> None:
        """The exchange goes; its listeners may come back with their ``lastSeq``."""
        for sender in self._service.senders:
            sender.cancel()


def handlers(service: Service) -> dict[str, dict[str, Handler]]:
    """By path, then by method."""
    found: dict[str, dict[str, Handler]] = {}
    for route in ROUTES:
        if route.write is not None:
            one = {"POST": _writer(service, route.name, route.write)}
        elif route.read is not None:
            one = {"GET" if route.model is None else "POST": _reader(service, route.read)}
        found[f"/cts/{route.name}"] = one
    found["/cts/ticker"] = {"GET": partial(_ticker, service)}
    found["/oauth2/token"] = {"POST": partial(_token, service)}
    found["/openapi.json"] = {"GET": partial(_openapi, service)}
    return found


def _found_in(table: dict[str, dict[str, Handler]]) -> Handler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        methods = table.get(request.rel_url.raw_path)
        if methods is None:
            raise problems.Problem("not-found", 404, "Not Found")
        handler = methods.get(request.method)
        if handler is None:
            raise problems.Problem("method-not-allowed", 405, "Method Not Allowed")
        if "Expect" in request.headers:
            await _continue(request)
        return await handler(request)

    return handle


async def _continue(request: web.BaseRequest) -> None:
    """A sender that asks first whether to send its body (RFC 9110, 10.1.1) shall send it."""
    if request.headers["Expect"].lower() != "100-continue":
        raise web.HTTPExpectationFailed
    if request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # nothing of the answer


async def _body(request: web.BaseRequest) -> bytes:
    """All of it; no more is taken in than it may have, whether it says how long it is or not."""
    length = request.content_length
    if length is not None and length <= _MOST_BYTES:
        return await request.read()
    parts, size = list[bytes](), length or 0
    while size <= _MOST_BYTES and (part := await request.content.readany()):
        parts.append(part)
        size += len(part)
    if size > _MOST_BYTES:
        raise web.HTTPRequestEntityTooLarge(_MOST_BYTES, size)
    return b"".join(parts)


def _as_problems(service: Service, handler: Handler) -> Handler:
    """Every refusal leaves as problem+json with the server's time."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except problems.Problem as problem:
            if (asker := request.get(_ASKER)) is not None:
                service.market.activity.refused(asker, problem.kind)
            return _refusal(service, request, problem)
        except StorageError as error:
            log.warning("%s", error)
            return _refusal(service, request, problems.storage())
        except web.HTTPException as error:
            if error.status < 400:
                raise
            kind = (error.reason or "error").lower().replace(" ", "-")
            return _refusal(service, request, problems.Problem(kind, error.status, error.reason))

    return handle


def _refusal(service: Service, request: web.BaseRequest, problem: problems.Problem) -> web.Response:
    now = service.market.now()
    reply = _reply(now, problem.status, messages.dump(problem_json(iso(now), problem, None)))
    if problem.retry_after_s is not None:
        # Spread by who asks: those who were refused together do not come back together.
        asker = request.headers.get("Authorization", "") or str(request.remote)
        wait_s = problem.retry_after_s
        reply.headers["Retry-After"] = str(
            wait_s if problem.status == 429 else spread(wait_s, asker)
        )
    return reply


def problem_json(time: str, problem: problems.Problem, request_id: str | None) -> Json:
    return {
        "type": f"urn:cts:problem:{problem.kind}",
        "title": problem.kind,
        "status": problem.status,
        "detail": problem.detail,
        "ordRejReason": problem.reject,
        "inResponseTo": request_id,
        "serverTime": time,
    }


def _reply(now: datetime, status: int, body: bytes) -> web.Response:
    kind = "application/json" if status < 400 else "application/problem+json"
    headers = {"Content-Type": kind, "Date": _date(int(now.timestamp()))}
    return web.Response(status=status, body=body, headers=headers)


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _sign_in(request: web.BaseRequest, service: Service) -> Registered:
    party = service.access.sign_in(request)
    request[_ASKER] = party.party_id
    service.market.activity.asked(party.party_id, service.market.now())
    service.access.admit(party)
    return party


def _reader(service: Service, read: Callable[[Market, Question], Awaitable[Json]]) -> Handler:
    async def handle(request: web.BaseRequest) -> web.Response:
        party = _sign_in(request, service)
        body = await _body(request)
        await service.market.refresh()
        asked = Question(party, body, request.query, service.market.now())
        document = await read(service.market, asked)
        return _reply(asked.now, 200, messages.dump(document | {"serverTime": iso(asked.now)}))

    return handle


def _writer(service: Service, operation: str, write: Write) -> Handler:
    market = service.market
    decide = partial(write.decide, market)

    async def handle(request: web.BaseRequest) -> web.Response:
        party = _sign_in(request, service)
        key = request.headers.get("Idempotency-Key", "")
        if not (0 < len(key) <= 255 and key.isprintable()):
            raise problems.missing_key()
        body = await _body(request)
        # The time of receipt is taken after the whole body.
        now = market.now()
        document, signed = await _opened(service, party, request.content_type, body)
        asked = Request(party, document, now, signed)
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
        changed = await service.market.renewed(party.party_id, party)
        if changed is None:
            raise
        return service.access.open_document(changed, content_type, body)


def answer(write: Write, stored: Stored, party_id: str) -> bytes:
    """The one answer to a request that was carried out, whenever it is asked for."""
    received = messages.moment(stored.received_ms)
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


async def _token(service: Service, request: web.BaseRequest) -> web.Response:
    body = await _body(request)
    if request.content_type != "application/x-www-form-urlencoded" or not body.isascii():
        raise problems.malformed("send a form, application/x-www-form-urlencoded")
    form = parse_qs(body.decode("ascii"))
    grant = form.get("grant_type", [""])[0]
    try:
        issued = service.access.issue_token(request, grant)
    except problems.Problem as problem:
        if problem.status != 401 or not await _registered_elsewhere(service, client_of(request)):
            raise
        issued = service.access.issue_token(request, grant)
    reply = _reply(service.market.now(), 200, messages.dump(issued))
    reply.headers["Cache-Control"] = "no-store"
    return reply


async def _registered_elsewhere(service: Service, client_id: str) -> bool:
    """Whether a party that had no secret here has one now. What is no name is asked of no store."""
    known = service.market.parties.get(client_id)
    if PARTY_NAME.fullmatch(client_id) is None or (known and known.secret_hash):
        return False
    return await service.market.renewed(client_id, known) is not None


async def _openapi(service: Service, _request: web.BaseRequest) -> web.Response:
    return _reply(service.market.now(), 200, messages.dump(openapi.describe()))


async def _ticker(service: Service, request: web.BaseRequest) -> web.StreamResponse:
    party = _sign_in(request, service)
    await service.market.refresh()
    last = request.query.get("lastSeq", str(service.market.last_seq()))
    if not (last.isascii() and last.isdigit() and len(last) < 16):
        raise problems.malformed("lastSeq is a sequence number >= 0")
    return await ticker.serve(request, service.market, party.party_id, int(last), service.senders)
