"""What each route of the exchange does. Plain functions: (market, request) -> status and document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from gateway.domain.intervals import QUARTER, floor_to, iso
from simulators.exchange import documents, messages, problems
from simulators.exchange.market import Market
from simulators.exchange.messages import Json
from simulators.exchange.parties import Party
from simulators.exchange.settlement_engine import RUNS
from simulators.exchange.terms import METER_DATA_PROVIDER, market_order_id


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request: who asks, the document, the query, when it was received, the signed text."""

    party_id: str
    body: bytes
    query: Mapping[str, str]
    now: datetime
    evidence: str | None = None


ApiReply = tuple[int, Json]
PAGE = 1000  # transactions in one answer


def ceil_quarter(time: datetime) -> datetime:
    floor = floor_to(time, QUARTER)
    return floor if floor == time else floor + QUARTER


def _same_party(party_id: str, claimed: str) -> None:
    if claimed != party_id:
        raise problems.party_mismatch(claimed)


def _same_market(market: Market, market_id: str, segment_id: str) -> None:
    if (market_id, segment_id) != (market.terms.market_id, market.terms.segment_id):
        raise problems.unknown_instrument(f"no market {market_id!r} with segment {segment_id!r}")


def create_tender(market: Market, request: ApiRequest) -> ApiReply:
    document = documents.parse(documents.CreateTender, request.body)
    _same_party(request.party_id, document.party_id)
    _same_market(market, document.market_id, document.segment_id)
    tender_id = document.tender.tender_id
    order_id = market.order_entry.accept(
        request.party_id, documents.tender_request(document.tender), request.now, request.evidence
    )
    reply = messages.envelope(request.party_id, document.request_id, 201, "accepted", request.now)
    return 201, reply | {"tenderId": tender_id, "marketOrderId": order_id}


def create_stream_tender(market: Market, request: ApiRequest) -> ApiReply:
    document = documents.parse(documents.CreateStreamTender, request.body)
    _same_party(request.party_id, document.party_id)
    _same_market(market, document.market_id, document.segment_id)
    tender = document.tender
    created = []
    for index, part in enumerate(tender.tender_detail.stream.stream_intervals):
        tender_id = f"{tender.tender_id}.{part.stream_uid}"
        order_id, code, text, reject = None, 201, "accepted", None
        try:
            asked = documents.stream_request(tender, index)
            order_id = market.order_entry.accept(
                request.party_id, asked, request.now, request.evidence
            )
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
                "response": messages.response(code, text, document.request_id, request.now),
            }
        )
    reply = messages.envelope(
        request.party_id, document.request_id, 201, "each interval by itself", request.now
    )
    order_id = market_order_id(request.party_id, tender.tender_id)
    return 201, reply | {"marketOrderId": order_id, "createdTenders": created}


def cancel_tender(market: Market, request: ApiRequest) -> ApiReply:
    document = documents.parse(documents.CancelTender, request.body)
    _same_party(request.party_id, document.party_id)
    order_id, taken_back, success = market.order_entry.cancel(
        request.party_id, document.tender_id, request.now
    )
    text = "canceled" if success else "nothing was left to cancel"
    canceled = {
        "cancelReason": "REQUESTED",
        "marketOrderId": order_id,
        "remainingQuantity": taken_back,
        "success": success,
    }
    reply = messages.envelope(request.party_id, document.request_id, 200, text, request.now)
    return 200, reply | {"tenderId": document.tender_id, "eiCanceledResponse": canceled}


def deliver(market: Market, request: ApiRequest) -> ApiReply:
    document = documents.parse(documents.Deliver, request.body)
    _same_party(request.party_id, document.party_id)
    reading = documents.delivery(document)
    metered = document.metered_party_id or request.party_id
    if (metered != request.party_id or reading.quality == "REVENUE") and not _is_meter_provider(
        market, request
    ):
        raise problems.forbidden("only the meter data provider reports REVENUE, or for others")
    if market.parties.get(metered) is None:
        raise problems.malformed(f"meteredPartyId: {metered!r} is not registered")
    market.settlement.deliver(metered, reading, request.now, request.evidence)
    reply = messages.envelope(request.party_id, document.request_id, 201, "stored", request.now)
    return 201, reply | {
        "measurementPointId": document.measurement_point_id,
        "interval": messages.interval(document.interval.dt_start),
    }


def _is_meter_provider(market: Market, request: ApiRequest) -> bool:
    known = market.parties.get(request.party_id)
    return known is not None and known.role == METER_DATA_PROVIDER


# --- what only answers ------------------------------------------------------------------------


def manage_market(market: Market, request: ApiRequest) -> Json:
    document = documents.parse(documents.ManageReferenceData, request.body)
    reply = _snapshot(request, document)
    return reply | {"marketReferenceData": messages.market_reference(market.terms)}


def manage_segment(market: Market, request: ApiRequest) -> Json:
    document = documents.parse(documents.ManageReferenceData, request.body)
    known = market.parties.get(request.party_id)
    most_wh = 0 if known is None else known.capacity_w // 4
    most_wh -= most_wh % market.terms.lot_wh
    segment = messages.segment_reference(market.terms, most_wh, request.now)
    return _snapshot(request, document) | {"segmentReferenceData": [segment]}


def manage_sessions(market: Market, request: ApiRequest) -> Json:
    document = documents.parse(documents.ManageReferenceData, request.body)
    sessions = [
        messages.session_out(market.terms, start, market.session_status(start), request.now)
        for start in _starts(market, request, document)
    ]
    return _snapshot(request, document) | {"sessionData": sessions}


def manage_instruments(market: Market, request: ApiRequest) -> Json:
    document = documents.parse(documents.ManageReferenceData, request.body)
    instruments = [messages.instrument_out(start) for start in _starts(market, request, document)]
    return _snapshot(request, document) | {"instrumentData": instruments}


def _snapshot(request: ApiRequest, document: documents.ManageReferenceData) -> Json:
    _same_party(request.party_id, document.party_id)
    reply = messages.envelope(request.party_id, document.request_id, 200, "snapshot", request.now)
    return reply | {"subscriptionActionTaken": "SNAPSHOT"}


def _starts(
    market: Market, request: ApiRequest, document: documents.ManageReferenceData
) -> list[datetime]:
    """The instruments of the bounding interval, else those that can be traded now."""
    now = request.now
    first, last = now, now + market.terms.preopen
    if document.bounding_interval is not None:
        first, last = _bounds(document.bounding_interval)
    start, starts = ceil_quarter(first), []
    while start < last:
        starts.append(start)
        start += QUARTER
    return starts


def _bounds(bounding: documents.IntervalType) -> tuple[datetime, datetime]:
    length_s = documents.seconds(bounding.duration)
    try:
        first = bounding.dt_start.astimezone(UTC)
        last = datetime.fromtimestamp(first.timestamp() + length_s, UTC)
    except (OverflowError, ValueError, OSError):
        raise problems.malformed("boundingInterval is out of range") from None
    return documents.span(iso(first), iso(last))


def request_position(market: Market, request: ApiRequest) -> Json:
    document = documents.parse(documents.RequestPosition, request.body)
    _same_party(request.party_id, document.requestor)
    _same_party(request.party_id, document.position_party)
    first, last = _bounds(document.bounding_interval)
    first = ceil_quarter(first)
    rows = market.store.all(
        "SELECT start, SUM(CASE side WHEN 'SELL' THEN quantity ELSE -quantity END) AS net"
        " FROM fill WHERE party_id = ? AND start >= ? AND start < ? GROUP BY start ORDER BY start",
        request.party_id,
        iso(first),
        iso(ceil_quarter(last)),
    )
    parts = [
        {"streamUid": index, "dtStart": row["start"], "streamIntervalQuantity": row["net"]}
        for index, row in enumerate(rows)
    ]
    reply = messages.envelope(request.party_id, document.request_id, 200, "sell +", request.now)
    return reply | {
        "requestor": document.requestor,
        "positionParty": request.party_id,
        "boundingInterval": document.bounding_interval.model_dump(mode="json", by_alias=True),
        "positions": {
            "streamIntervalDuration": "PT15M",
            "streamStart": iso(first),
            "streamIntervals": parts,
        },
    }


def party(market: Market, request: ApiRequest) -> Json:
    known = market.parties.get(request.party_id) or Party(request.party_id, "home", 0)
    return {"partyId": known.party_id, "role": known.role, "registeredCapacity": known.capacity_w}


def tenders(market: Market, request: ApiRequest) -> Json:
    if (tender_id := request.query.get("tenderId")) is not None:
        found = market.order_entry.find(request.party_id, tender_id)
        rows = [] if found is None else [found]
    else:
        rows = market.store.all(
            "SELECT * FROM tender WHERE party_id = ? AND status IN ('NEW', 'PARTIALLY_FILLED')"
            " ORDER BY start, market_order_id",
            request.party_id,
        )
    return {"tenders": [messages.tender_out(row) for row in rows]}


def transactions(market: Market, request: ApiRequest) -> Json:
    after = request.query.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) < 16):
        raise problems.malformed("after is a sequence number >= 0")
    rows = market.store.all(
        "SELECT * FROM fill WHERE party_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        request.party_id,
        int(after),
        PAGE + 1,
    )
    page = rows[:PAGE]
    return {
        "transactions": [messages.transaction_out(row) for row in page],
        "last": page[-1]["seq"] if page else int(after),
        "more": len(rows) > PAGE,
    }


def prices(market: Market, request: ApiRequest) -> Json:
    first, last = documents.span(request.query.get("start", ""), request.query.get("end", ""))
    now = request.now
    start, found = floor_to(first, QUARTER), []
    while start < last:
        found.append(messages.prices_out(start, market.prices.posted(start, now)))
        start += QUARTER
    return {"prices": found}


def settlements(market: Market, request: ApiRequest) -> Json:
    first, last = documents.span(request.query.get("start", ""), request.query.get("end", ""))
    run = request.query.get("run", "%")
    if run not in ("%", *RUNS):
        raise problems.malformed(f"run is one of {', '.join(RUNS)}")
    rows = market.store.all(
        "SELECT * FROM settlement WHERE party_id = ? AND start >= ? AND start < ? AND run LIKE ?"
        " ORDER BY seq",
        request.party_id,
        iso(ceil_quarter(first)),
        iso(ceil_quarter(last)),
        run,
    )
    return {"settlements": [messages.settlement_out(row) for row in rows]}


def manage_ticker(market: Market, request: ApiRequest) -> Json:
    document = documents.parse(documents.ManageTicker, request.body)
    _same_party(request.party_id, document.party_id)
    taken = document.subscription_action_requested
    reply = messages.envelope(
        request.party_id, document.request_id, 200, taken.lower(), request.now
    )
    reply |= {
        "subscriptionRequestId": document.request_id,
        "subscriptionActionTaken": taken,
        "tickerType": document.ticker_type,
        "lastSeq": market.events.last_seq(),
    }
    if taken != "CANCEL":
        path = f"/cts/ticker?subscriptionId={request.party_id}.{document.ticker_type}"
        reply["multicastListenReference"] = path
    return reply


@dataclass(frozen=True, slots=True)
class Route:
    """One route under /cts. Writes need an Idempotency-Key and, over TLS, a signature."""

    name: str
    about: str
    model: type[BaseModel] | None = None
    write: Callable[[Market, ApiRequest], ApiReply] | None = None
    read: Callable[[Market, ApiRequest], Json] | None = None
    query: tuple[str, ...] = ()


ROUTES = (
    Route("createTender", "offer to trade in one interval", documents.CreateTender, create_tender),
    Route(
        "createStreamTender",
        "offers for intervals that follow each other",
        documents.CreateStreamTender,
        create_stream_tender,
    ),
    Route("cancelTender", "take the rest of a tender back", documents.CancelTender, cancel_tender),
    Route("deliver", "report a meter reading", documents.Deliver, deliver),
    Route(
        "manageMarketReferenceData",
        "the market",
        documents.ManageReferenceData,
        read=manage_market,
    ),
    Route(
        "manageSegmentReferenceData",
        "scales, lots, gates",
        documents.ManageReferenceData,
        read=manage_segment,
    ),
    Route(
        "manageSessionData",
        "state of the sessions",
        documents.ManageReferenceData,
        read=manage_sessions,
    ),
    Route(
        "manageInstrumentData",
        "the instruments",
        documents.ManageReferenceData,
        read=manage_instruments,
    ),
    Route("requestPosition", "net position", documents.RequestPosition, read=request_position),
    Route(
        "manageTickerSubscription", "ask for a ticker", documents.ManageTicker, read=manage_ticker
    ),
    Route("party", "own registration", read=party),
    Route("tenders", "own tenders: open ones, or one by its id", read=tenders, query=("tenderId",)),
    Route("transactions", "own fills after a sequence number", read=transactions, query=("after",)),
    Route("prices", "published prices", read=prices, query=("start", "end")),
    Route("settlements", "own statements", read=settlements, query=("start", "end", "run")),
)
