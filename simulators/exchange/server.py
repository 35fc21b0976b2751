"""The exchange's HTTP face: routes, idempotency, problems. What is decided is decided in the desks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web

from gateway.domain.intervals import QUARTER, floor_to, iso
from simulators.exchange import messages, problems
from simulators.exchange.market import Market, Party
from simulators.exchange.messages import Json
from simulators.exchange.terms import market_order_id

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Write = Callable[[Market, str, bytes, datetime], tuple[int, Json]]
_Read = Callable[[Market, str, web.Request], Json]


@dataclass(frozen=True, slots=True)
class Desk:
    """What every route needs: the market, and who asks (``sign_in`` raises a Problem)."""

    market: Market
    sign_in: Callable[[web.Request], str]


_DESK = web.AppKey("desk", Desk)


def make_app(market: Market, sign_in: Callable[[web.Request], str]) -> web.Application:
    """The application; ``sign_in`` gives the party of a request or raises a Problem."""
    app = web.Application(middlewares=[_as_problems], client_max_size=256 * 1024)
    app[_DESK] = Desk(market, sign_in)
    writes = {
        "createTender": create_tender,
        "createStreamTender": create_stream_tender,
        "cancelTender": cancel_tender,
        "deliver": deliver,
    }
    for name, write in writes.items():
        app.router.add_post(f"/cts/{name}", _writer(name, write))
    documents = {
        "manageMarketReferenceData": manage_market,
        "manageSegmentReferenceData": manage_segment,
        "manageSessionData": manage_sessions,
        "manageInstrumentData": manage_instruments,
        "requestPosition": request_position,
    }
    for name, document in documents.items():
        app.router.add_post(f"/cts/{name}", _document(document))
    reads = {
        "party": party,
        "tenders": tenders,
        "transactions": transactions,
        "prices": prices,
        "settlements": settlements,
    }
    for name, read in reads.items():
        app.router.add_get(f"/cts/{name}", _reader(read))
    return app


@web.middleware
async def _as_problems(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Every refusal leaves as problem+json with the server's time."""
    try:
        return await handler(request)
    except problems.Problem as problem:
        return problem_response(request.app[_DESK].market.now(), problem)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kind = (error.reason or "error").lower().replace(" ", "-")
        return problem_response(
            request.app[_DESK].market.now(), problems.Problem(kind, error.status, error.reason)
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
    reply = web.Response(status=status, text=text, content_type=kind)
    reply.headers["Date"] = format_datetime(now.astimezone(UTC), usegmt=True)
    return reply


def _reader(read: _Read) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        desk = request.app[_DESK]
        market, party_id = desk.market, desk.sign_in(request)
        body = read(market, party_id, request)
        now = market.now()
        return _reply(now, 200, messages.dump(body | {"serverTime": iso(now)}))

    return handle


def _document(answer: Callable[[Market, str, bytes], Json]) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        desk = request.app[_DESK]
        market, party_id = desk.market, desk.sign_in(request)
        body = answer(market, party_id, await request.read())
        return _reply(market.now(), 200, messages.dump(body))

    return handle


def _writer(operation: str, write: _Write) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        desk = request.app[_DESK]
        market, party_id = desk.market, desk.sign_in(request)
        key = request.headers.get("Idempotency-Key", "")
        if not 0 < len(key) <= 255:
            raise problems.missing_key()
        body = await request.read()
        # From here on nothing is awaited: the time of receipt is taken after the whole body.
        return _once(market, (party_id, operation, key), body, write)

    return handle


def _once(market: Market, scope: tuple[str, str, str], body: bytes, write: _Write) -> web.Response:
    """Carry a request out once: its answer is stored in the transaction that carries it out."""
    now = market.now()
    fingerprint = _fingerprint(body)
    with market.store.transaction():
        old = market.store.one(
            "SELECT * FROM idempotency WHERE party_id = ? AND operation = ? AND key = ?", *scope
        )
        if old is None:
            status, text = _carry_out(market, scope[0], body, now, write)
            if status < 500:
                columns = ("party_id", "operation", "key")
                market.store.insert(
                    "idempotency",
                    dict(zip(columns, scope, strict=True))
                    | {
                        "fingerprint": fingerprint,
                        "status": status,
                        "body": text,
                        "time": iso(now),
                    },
                )
            return _reply(now, status, text)
    if old["fingerprint"] != fingerprint:
        raise problems.key_reused()
    reply = _reply(now, old["status"], old["body"])
    reply.headers["Idempotent-Replayed"] = "true"
    return reply


def _carry_out(
    market: Market, party_id: str, body: bytes, now: datetime, write: _Write
) -> tuple[int, str]:
    try:
        status, document = write(market, party_id, body, now)
    except problems.Problem as problem:
        if problem.status in (400, 503):
            raise  # not carried out, may be sent again with the same key
        status, document = problem.status, problem_json(now, problem, _request_id(body))
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


def _same_party(party_id: str, claimed: str) -> None:
    if claimed != party_id:
        raise problems.party_mismatch(claimed)


def _same_market(market: Market, market_id: str, segment_id: str) -> None:
    if (market_id, segment_id) != (market.terms.market_id, market.terms.segment_id):
        raise problems.unknown_instrument(f"no market {market_id!r} with segment {segment_id!r}")


# --- what changes something -------------------------------------------------------------------


def create_tender(market: Market, party_id: str, body: bytes, now: datetime) -> tuple[int, Json]:
    document = messages.parse(messages.CreateTender, body)
    _same_party(party_id, document.party_id)
    _same_market(market, document.market_id, document.segment_id)
    tender_id = document.tender.tender_id
    order_id = market.tenders.accept(party_id, messages.asked(document.tender), now, None)
    reply = messages.envelope(party_id, document.request_id, 201, "accepted", now)
    return 201, reply | {"tenderId": tender_id, "marketOrderId": order_id}


def create_stream_tender(
    market: Market, party_id: str, body: bytes, now: datetime
) -> tuple[int, Json]:
    document = messages.parse(messages.CreateStreamTender, body)
    _same_party(party_id, document.party_id)
    _same_market(market, document.market_id, document.segment_id)
    tender = document.tender
    created = []
    for index, part in enumerate(tender.tender_detail.stream.stream_intervals):
        tender_id = f"{tender.tender_id}.{part.stream_uid}"
        order_id, code, text, reject = None, 201, "accepted", None
        try:
            asked = messages.asked_stream(tender, index)
            order_id = market.tenders.accept(party_id, asked, now, None)
        except problems.Problem as problem:
            if problem.status in (403, 503):
                raise
            code, text, reject = problem.status, problem.detail, problem.reject
        created.append(
            {
                "streamUid": part.stream_uid,
                "tenderId": tender_id,
                "marketOrderId": order_id,
                "ordRejReason": reject,
                "response": messages.response(code, text, document.request_id, now),
            }
        )
    reply = messages.envelope(party_id, document.request_id, 201, "each interval by itself", now)
    order_id = market_order_id(party_id, tender.tender_id)
    return 201, reply | {"marketOrderId": order_id, "createdTenders": created}


def cancel_tender(market: Market, party_id: str, body: bytes, now: datetime) -> tuple[int, Json]:
    document = messages.parse(messages.CancelTender, body)
    _same_party(party_id, document.party_id)
    order_id, taken_back, success = market.tenders.cancel(party_id, document.tender_id, now)
    text = "canceled" if success else "nothing was left to cancel"
    canceled = {
        "cancelReason": "REQUESTED",
        "marketOrderId": order_id,
        "remainingQuantity": taken_back,
        "success": success,
    }
    reply = messages.envelope(party_id, document.request_id, 200, text, now)
    return 200, reply | {"tenderId": document.tender_id, "eiCanceledResponse": canceled}


def deliver(market: Market, party_id: str, body: bytes, now: datetime) -> tuple[int, Json]:
    document = messages.parse(messages.Deliver, body)
    _same_party(party_id, document.party_id)
    market.books.deliver(party_id, messages.delivery(document), now, None)
    reply = messages.envelope(party_id, document.request_id, 201, "stored", now)
    return 201, reply | {
        "measurementPointId": document.measurement_point_id,
        "interval": messages.interval(document.interval.dt_start),
    }


# --- what only answers ------------------------------------------------------------------------


def manage_market(market: Market, party_id: str, body: bytes) -> Json:
    document = messages.parse(messages.ManageReferenceData, body)
    reply = _snapshot(market, party_id, document)
    return reply | {"marketReferenceData": messages.market_reference(market.terms)}


def manage_segment(market: Market, party_id: str, body: bytes) -> Json:
    document = messages.parse(messages.ManageReferenceData, body)
    known = market.party(party_id)
    most_wh = 0 if known is None else known.capacity_w // 4
    most_wh -= most_wh % market.terms.lot_wh
    segment = messages.segment_reference(market.terms, most_wh, market.now())
    return _snapshot(market, party_id, document) | {"segmentReferenceData": [segment]}


def manage_sessions(market: Market, party_id: str, body: bytes) -> Json:
    document = messages.parse(messages.ManageReferenceData, body)
    now = market.now()
    sessions = [
        messages.session_out(market.terms, start, market.session_status(start), now)
        for start in _starts(market, document)
    ]
    return _snapshot(market, party_id, document) | {"sessionData": sessions}


def manage_instruments(market: Market, party_id: str, body: bytes) -> Json:
    document = messages.parse(messages.ManageReferenceData, body)
    instruments = [messages.instrument_out(start) for start in _starts(market, document)]
    return _snapshot(market, party_id, document) | {"instrumentData": instruments}


def _snapshot(market: Market, party_id: str, document: messages.ManageReferenceData) -> Json:
    _same_party(party_id, document.party_id)
    reply = messages.envelope(party_id, document.request_id, 200, "snapshot", market.now())
    return reply | {"subscriptionActionTaken": "SNAPSHOT"}


def _starts(market: Market, document: messages.ManageReferenceData) -> list[datetime]:
    """The instruments of the bounding interval, else those that can be traded now."""
    now = market.now()
    first, last = now, now + market.terms.preopen
    if document.bounding_interval is not None:
        first, last = _bounds(document.bounding_interval)
    start = floor_to(first, QUARTER)
    if start < first:
        start += QUARTER
    starts = []
    while start < last:
        starts.append(start)
        start += QUARTER
    return starts


def _bounds(bounding: messages.IntervalType) -> tuple[datetime, datetime]:
    length_s = messages.seconds(bounding.duration)
    try:
        first = bounding.dt_start.astimezone(UTC)
        last = datetime.fromtimestamp(first.timestamp() + length_s, UTC)
    except (OverflowError, ValueError, OSError):
        raise problems.malformed("boundingInterval is out of range") from None
    return messages.span(iso(first), iso(last))


def request_position(market: Market, party_id: str, body: bytes) -> Json:
    document = messages.parse(messages.RequestPosition, body)
    _same_party(party_id, document.requestor)
    _same_party(party_id, document.position_party)
    first, last = _bounds(document.bounding_interval)
    first = floor_to(first, QUARTER)
    rows = market.store.all(
        "SELECT start, SUM(CASE side WHEN 'SELL' THEN quantity ELSE -quantity END) AS net"
        " FROM fill WHERE party_id = ? AND start >= ? AND start < ? GROUP BY start ORDER BY start",
        party_id,
        iso(first),
        iso(last),
    )
    parts = [
        {"streamUid": index, "dtStart": row["start"], "streamIntervalQuantity": row["net"]}
        for index, row in enumerate(rows)
    ]
    reply = messages.envelope(party_id, document.request_id, 200, "sell +", market.now())
    return reply | {
        "requestor": document.requestor,
        "positionParty": party_id,
        "boundingInterval": document.bounding_interval.model_dump(mode="json", by_alias=True),
        "positions": {
            "streamIntervalDuration": "PT15M",
            "streamStart": iso(first),
            "streamIntervals": parts,
        },
    }


def party(market: Market, party_id: str, request: web.Request) -> Json:
    known = market.party(party_id) or Party(party_id, "home", 0)
    return {"partyId": known.party_id, "role": known.role, "registeredCapacity": known.capacity_w}


def tenders(market: Market, party_id: str, request: web.Request) -> Json:
    if (tender_id := request.query.get("tenderId")) is not None:
        rows = market.store.all(
            "SELECT * FROM tender WHERE party_id = ? AND tender_id = ?", party_id, tender_id
        )
    else:
        rows = market.store.all(
            "SELECT * FROM tender WHERE party_id = ? AND status IN ('NEW', 'PARTIALLY_FILLED')"
            " ORDER BY start, market_order_id",
            party_id,
        )
    return {"tenders": [messages.tender_out(row) for row in rows]}


def transactions(market: Market, party_id: str, request: web.Request) -> Json:
    after = request.query.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) < 16):
        raise problems.malformed("after is a sequence number >= 0")
    rows = market.store.all(
        "SELECT * FROM fill WHERE party_id = ? AND seq > ? ORDER BY seq LIMIT 1000",
        party_id,
        int(after),
    )
    last = rows[-1]["seq"] if rows else int(after)
    return {"transactions": [messages.transaction_out(row) for row in rows], "last": last}


def prices(market: Market, party_id: str, request: web.Request) -> Json:
    first, last = messages.span(request.query.get("start", ""), request.query.get("end", ""))
    now = market.now()
    start, found = floor_to(first, QUARTER), []
    while start < last:
        found.append(messages.prices_out(start, market.prices.posted(start, now)))
        start += QUARTER
    return {"prices": found}


def settlements(market: Market, party_id: str, request: web.Request) -> Json:
    first, last = messages.span(request.query.get("start", ""), request.query.get("end", ""))
    run = request.query.get("run", "%")
    rows = market.store.all(
        "SELECT * FROM settlement WHERE party_id = ? AND start >= ? AND start < ? AND run LIKE ?"
        " ORDER BY seq",
        party_id,
        iso(first),
        iso(last),
        run,
    )
    return {"settlements": [messages.settlement_out(row) for row in rows]}
