"""What each route of the exchange does: a question, or a decision and the answer made from it.

A route that changes something decides once (`decide`) and is answered from the stored decision
(`answer`), now and whenever the same key is sent again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from gateway.domain.intervals import QUARTER, floor_to, iso
from simulators.exchange import documents, messages, problems, receipts
from simulators.exchange.evidence import Stored
from simulators.exchange.ledger import Registered, TenderState
from simulators.exchange.market import Market
from simulators.exchange.messages import Json
from simulators.exchange.names import market_order_id
from simulators.exchange.order_entry import Receipt
from simulators.exchange.requests import Decision, Request
from simulators.exchange.rows import Batch, to_quarter
from simulators.exchange.settlement_engine import RUNS
from simulators.exchange.terms import METER_DATA_PROVIDER, epoch_ms

PAGE = 1000  # transactions in one answer


@dataclass(frozen=True, slots=True)
class Question:
    """A request that only asks: by whom, with which document or query, when it was received."""

    party: Registered
    body: bytes
    query: Mapping[str, str]
    now: datetime


def ceil_quarter(time: datetime) -> datetime:
    floor = floor_to(time, QUARTER)
    return floor if floor == time else floor + QUARTER


def _same_party(party: Registered, claimed: str) -> None:
    if claimed != party.party_id:
        raise problems.party_mismatch(claimed)


def _same_market(market: Market, market_id: str, segment_id: str) -> None:
    if (market_id, segment_id) != (market.terms.market_id, market.terms.segment_id):
        raise problems.unknown_instrument(f"no market {market_id!r} with segment {segment_id!r}")


def _may_trade(market: Market, party: Registered) -> None:
    if market.halted:
        raise problems.halted()
    if market.parties.is_revoked(party.party_id):
        raise problems.party_revoked(party.party_id)


# --- what changes something -------------------------------------------------------------------


async def create_tender(market: Market, request: Request) -> Decision:
    document = documents.parse(documents.CreateTender, request.body)
    _same_party(request.party, document.party_id)
    _same_market(market, document.market_id, document.segment_id)
    _may_trade(market, request.party)
    asked, name = documents.tender_request(document.tender), document.tender.tender_id
    known = await market.ledger.known(request.party.number, name, False, [0])
    batch, seq = Batch(), market.number()
    receipt = Receipt(request.party, seq, request.now, frozenset(known))
    market.entry.accept(receipt, asked, batch)
    return Decision(seq, 201, None, batch, name)


def created_tender(stored: Stored, party_id: str, now: datetime) -> Json:
    document = documents.parse(documents.CreateTender, stored.payload)
    tender_id = document.tender.tender_id
    reply = messages.envelope(party_id, document.request_id, 201, "accepted", now)
    order_id = market_order_id(party_id, tender_id)
    return reply | {"tenderId": tender_id, "marketOrderId": order_id}


async def create_stream_tender(market: Market, request: Request) -> Decision:
    document = documents.parse(documents.CreateStreamTender, request.body)
    _same_party(request.party, document.party_id)
    _same_market(market, document.market_id, document.segment_id)
    _may_trade(market, request.party)
    tender, party = document.tender, request.party
    uids = [part.stream_uid for part in tender.tender_detail.stream.stream_intervals]
    known = await market.ledger.known(party.number, tender.tender_id, True, uids)
    batch, seq = Batch(), market.number()
    receipt = Receipt(party, seq, request.now, frozenset(known))
    refused: dict[str, tuple[int, str, int | None]] = {}
    for index in range(len(uids)):
        try:
            market.entry.accept(receipt, documents.stream_request(tender, index), batch)
        except problems.Problem as problem:
            refused[str(index)] = problem.status, problem.detail, problem.reject
    return Decision(seq, 201, refused or None, batch, tender.tender_id, stream=True)


def created_stream(stored: Stored, party_id: str, now: datetime) -> Json:
    document = documents.parse(documents.CreateStreamTender, stored.payload)
    tender, refused, created = document.tender, stored.result or {}, []
    for index, part in enumerate(tender.tender_detail.stream.stream_intervals):
        tender_id = f"{tender.tender_id}.{part.stream_uid}"
        accepted = 201, "accepted", None
        code, text, reject = refused.get(str(index), accepted)
        created.append(
            {
                "streamUid": part.stream_uid,
                "tenderId": tender_id,
                "marketOrderId": market_order_id(party_id, tender_id) if code == 201 else None,
                "ordRejReason": reject,
                "response": messages.response(code, text, document.request_id, now),
            }
        )
    reply = messages.envelope(party_id, document.request_id, 201, "each interval by itself", now)
    order_id = market_order_id(party_id, tender.tender_id)
    return reply | {"marketOrderId": order_id, "createdTenders": created}


def refused_intervals(stored: Stored) -> list[str]:
    """One name for each interval that was refused, but for those of 0 Wh: they are meant to be."""
    stream = documents.parse(documents.CreateStreamTender, stored.payload).tender.tender_detail
    wh = [part.stream_interval_quantity for part in stream.stream.stream_intervals]
    refused = (stored.result or {}).items()
    return [f"interval-{status}" for index, (status, _, _) in refused if wh[int(index)]]


async def cancel_tender(market: Market, request: Request) -> Decision:
    document = documents.parse(documents.CancelTender, request.body)
    party, tender_id = request.party, document.tender_id
    _same_party(party, document.party_id)
    taken = 0
    order = market.entry.book.find(party.party_id, tender_id)
    if order is None and await market.ledger.tender(party.number, tender_id) is None:
        raise problems.unknown_tender(f"no tender {tender_id!r} of this party")
    batch, seq = Batch(), market.number()
    if order is not None:
        taken = market.entry.cancel(order, seq, request.now, batch)
    return Decision(seq, 200, [taken, bool(taken)], batch, tender_id)


def canceled_tender(stored: Stored, party_id: str, now: datetime) -> Json:
    document = documents.parse(documents.CancelTender, stored.payload)
    taken, success = stored.result
    text = "canceled" if success else "nothing was left to cancel"
    canceled = {
        "cancelReason": "REQUESTED",
        "marketOrderId": market_order_id(party_id, document.tender_id),
        "remainingQuantity": taken,
        "success": success,
    }
    reply = messages.envelope(party_id, document.request_id, 200, text, now)
    return reply | {"tenderId": document.tender_id, "eiCanceledResponse": canceled}


async def deliver(market: Market, request: Request) -> Decision:
    document = documents.parse(documents.Deliver, request.body)
    _same_party(request.party, document.party_id)
    reading = documents.meter_reading(document)
    name = document.metered_party_id or request.party.party_id
    metered, provider = market.parties.get(name), request.party.role == METER_DATA_PROVIDER
    if (name != request.party.party_id or reading.quality == "REVENUE") and not provider:
        raise problems.forbidden("only the meter data provider reports REVENUE, or for others")
    if metered is None:
        raise problems.malformed(f"meteredPartyId: {name!r} is not registered")
    start = market.settlement.deliverable(reading, request.now)
    older = await market.ledger.deliveries(metered.number, start)
    batch = Batch()
    for seq, _quality in older:
        same = await market.ledger.evidence(seq)
        if same is not None and _reported(same) == reading:
            return Decision(market.number(), 201, None, batch)
    seq = market.number()
    receipt = Receipt(metered, seq, request.now)
    market.settlement.deliver(receipt, reading, [quality for _, quality in older], batch)
    return Decision(seq, 201, None, batch)


def _reported(stored: Stored) -> object:
    return documents.meter_reading(documents.parse(documents.Deliver, stored.payload))


def delivered(stored: Stored, party_id: str, now: datetime) -> Json:
    document = documents.parse(documents.Deliver, stored.payload)
    reply = messages.envelope(party_id, document.request_id, 201, "stored", now)
    return reply | {
        "measurementPointId": document.measurement_point_id,
        "interval": messages.interval(document.interval.dt_start),
    }


async def attest(market: Market, request: Request) -> Decision:
    document = documents.parse(documents.Attest, request.body)
    _same_party(request.party, document.party_id)
    head = document.head_sequence, document.head_hash
    receipt = receipts.countersigned(
        market, request.party.party_id, head, request.signed, request.now
    )
    result = {"receipt": receipt, "exchangeKey": receipts.public_key(market)}
    return Decision(market.number(), 201, result, Batch())


def attested(stored: Stored, party_id: str, now: datetime) -> Json:
    document = documents.parse(documents.Attest, stored.payload)
    reply = messages.envelope(party_id, document.request_id, 201, "received", now)
    return reply | dict(stored.result)


# --- what only answers ------------------------------------------------------------------------


async def manage_market(market: Market, asked: Question) -> Json:
    document = documents.parse(documents.ManageReferenceData, asked.body)
    reply = _snapshot(asked, document)
    return reply | {"marketReferenceData": messages.market_reference(market.terms)}


async def manage_segment(market: Market, asked: Question) -> Json:
    document = documents.parse(documents.ManageReferenceData, asked.body)
    most_wh = asked.party.capacity_w // 4
    most_wh -= most_wh % market.terms.lot_wh
    segment = messages.segment_reference(market.terms, most_wh, asked.now)
    return _snapshot(asked, document) | {"segmentReferenceData": [segment]}


async def manage_sessions(market: Market, asked: Question) -> Json:
    document = documents.parse(documents.ManageReferenceData, asked.body)
    sessions = [
        messages.session_out(market.terms, start, market.session_status(start), asked.now)
        for start in _starts(market, asked, document)
    ]
    return _snapshot(asked, document) | {"sessionData": sessions}


async def manage_instruments(market: Market, asked: Question) -> Json:
    document = documents.parse(documents.ManageReferenceData, asked.body)
    instruments = [messages.instrument_out(start) for start in _starts(market, asked, document)]
    return _snapshot(asked, document) | {"instrumentData": instruments}


def _snapshot(asked: Question, document: documents.ManageReferenceData) -> Json:
    _same_party(asked.party, document.party_id)
    reply = messages.envelope(asked.party.party_id, document.request_id, 200, "snapshot", asked.now)
    return reply | {"subscriptionActionTaken": "SNAPSHOT"}


def _starts(
    market: Market, asked: Question, document: documents.ManageReferenceData
) -> list[datetime]:
    """The instruments of the bounding interval, else those that can be traded now."""
    first, last = asked.now, asked.now + market.terms.preopen
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


async def request_position(market: Market, asked: Question) -> Json:
    document = documents.parse(documents.RequestPosition, asked.body)
    _same_party(asked.party, document.requestor)
    _same_party(asked.party, document.position_party)
    first, last = _bounds(document.bounding_interval)
    first = ceil_quarter(first)
    rows = await market.ledger.positions(
        asked.party.number, to_quarter(first), to_quarter(ceil_quarter(last))
    )
    parts = [
        {"streamUid": index, "dtStart": messages.start_out(start), "streamIntervalQuantity": net}
        for index, (start, net) in enumerate(rows)
    ]
    party_id = asked.party.party_id
    reply = messages.envelope(party_id, document.request_id, 200, "sell +", asked.now)
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


async def party(market: Market, asked: Question) -> Json:
    known = asked.party
    return {"partyId": known.party_id, "role": known.role, "registeredCapacity": known.capacity_w}


async def tenders(market: Market, asked: Question) -> Json:
    party_id, step = asked.party.party_id, market.last_step
    gate, step_ms = market.entry.last_closed, 0 if step is None else epoch_ms(step)
    found: list[TenderState] = []
    if (tender_id := asked.query.get("tenderId")) is not None:
        state = await market.ledger.tender(asked.party.number, tender_id)
        found = [] if state is None else [state]
    else:
        for order in market.entry.book.of(asked.party.number):
            t, done = order.tender, order.tender.quantity - order.left
            if order.left:
                rest = (t.price, t.quantity, t.expires_ms, done, 0, 0)
                found.append(TenderState(order.tender_id, t.start, t.buy, *rest))
    stated = [(state, messages.order_status(state, gate, step_ms)) for state in found]
    if tender_id is None:
        stated = [(state, status) for state, status in stated if status in messages.OPEN]
    rows = [messages.tender_out(party_id, state, status) for state, status in stated]
    if tender_id is not None and rows:
        signed = await market.ledger.signed_tender(asked.party.number, tender_id)
        rows[0]["signedDocument"] = None if signed is None else signed.decode("ascii")
    return {"tenders": rows}


async def transactions(market: Market, asked: Question) -> Json:
    after = _cursor(asked)
    rows = await market.ledger.fills(asked.party.number, after, PAGE + 1)
    page = rows[:PAGE]
    return {
        "transactions": [messages.transaction_out(asked.party.party_id, row) for row in page],
        "last": page[-1].seq if page else after,
        "more": len(rows) > PAGE,
    }


async def calls(market: Market, asked: Question) -> Json:
    if "after" in asked.query:
        after = _cursor(asked)
        rows = await market.ledger.calls_after(after, PAGE + 1)
    else:
        first, last = documents.span(asked.query.get("start", ""), asked.query.get("end", ""))
        after = 0
        rows = await market.ledger.calls(
            to_quarter(ceil_quarter(first)), to_quarter(ceil_quarter(last))
        )
    page = rows[:PAGE]
    return {
        "calls": [messages.call_out(row) for row in page],
        "last": page[-1].seq if page else after,
        "more": len(rows) > PAGE,
    }


def _cursor(asked: Question) -> int:
    after = asked.query.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) < 16):
        raise problems.malformed("after is a sequence number >= 0")
    return int(after)


async def prices(market: Market, asked: Question) -> Json:
    first, last = documents.span(asked.query.get("start", ""), asked.query.get("end", ""))
    start, found = floor_to(first, QUARTER), []
    latest = await market.ledger.latest_calls(to_quarter(start), to_quarter(ceil_quarter(last)))
    while start < last:
        posted = market.prices.posted(start, asked.now)
        found.append(messages.prices_out(start, posted, latest.get(to_quarter(start))))
        start += QUARTER
    return {"prices": found}


async def settlements(market: Market, asked: Question) -> Json:
    first, last = documents.span(asked.query.get("start", ""), asked.query.get("end", ""))
    run = asked.query.get("run")
    if run not in (None, *RUNS):
        raise problems.malformed(f"run is one of {', '.join(RUNS)}")
    rows = await market.ledger.statements(
        asked.party.number, to_quarter(ceil_quarter(first)), to_quarter(ceil_quarter(last))
    )
    runs: dict[int | None, str] = {row.seq: made.name for row, made in rows}
    return {
        "settlements": [
            messages.settlement_out(asked.party.party_id, row, made, runs.get(row.reverses))
            for row, made in rows
            if run in (None, made.name)
        ]
    }


async def manage_ticker(market: Market, asked: Question) -> Json:
    document = documents.parse(documents.ManageTicker, asked.body)
    _same_party(asked.party, document.party_id)
    taken, party_id = document.subscription_action_requested, asked.party.party_id
    reply = messages.envelope(party_id, document.request_id, 200, taken.lower(), asked.now)
    reply |= {
        "subscriptionRequestId": document.request_id,
        "subscriptionActionTaken": taken,
        "tickerType": document.ticker_type,
        "lastSeq": market.last_seq(),
    }
    if taken != "CANCEL":
        path = f"/cts/ticker?subscriptionId={party_id}.{document.ticker_type}"
        reply["multicastListenReference"] = path
    return reply


@dataclass(frozen=True, slots=True)
class Write:
    """A route that changes something: the decision, and the answer made from what is stored;
    ``partly`` names what was refused inside a request that was carried out."""

    decide: Callable[[Market, Request], Awaitable[Decision]]
    answer: Callable[[Stored, str, datetime], Json]
    partly: Callable[[Stored], list[str]] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One route under /cts. Writes need an Idempotency-Key and, over TLS, a signature."""

    name: str
    about: str
    model: type[BaseModel] | None = None
    write: Write | None = None
    read: Callable[[Market, Question], Awaitable[Json]] | None = None
    query: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_REFERENCE = documents.ManageReferenceData
ROUTES = (
    Route(
        "createTender",
        "offer to trade in one interval",
        documents.CreateTender,
        Write(create_tender, created_tender),
    ),
    Route(
        "createStreamTender",
        "offers for intervals that follow each other",
        documents.CreateStreamTender,
        Write(create_stream_tender, created_stream, refused_intervals),
    ),
    Route(
        "cancelTender",
        "take the rest of a tender back",
        documents.CancelTender,
        Write(cancel_tender, canceled_tender),
    ),
    Route("deliver", "report a meter reading", documents.Deliver, Write(deliver, delivered)),
    Route(
        "attest", "a receipt for the head of an account", documents.Attest, Write(attest, attested)
    ),
    Route("manageMarketReferenceData", "the market", _REFERENCE, read=manage_market),
    Route("manageSegmentReferenceData", "scales, lots, gates", _REFERENCE, read=manage_segment),
    Route("manageSessionData", "state of the sessions", _REFERENCE, read=manage_sessions),
    Route("manageInstrumentData", "the instruments", _REFERENCE, read=manage_instruments),
    Route("requestPosition", "net position", documents.RequestPosition, read=request_position),
    Route(
        "manageTickerSubscription", "ask for a ticker", documents.ManageTicker, read=manage_ticker
    ),
    Route("party", "own registration", read=party),
    Route("tenders", "own tenders: open ones, or one by its id", read=tenders, query=("tenderId",)),
    Route("transactions", "own fills after a sequence number", read=transactions, query=("after",)),
    Route(
        "calls",
        "clearing price of every call: after a sequence number, or of the intervals of a span",
        read=calls,
        query=("after", "start", "end"),
        optional=("start", "end"),
    ),
    Route("prices", "published prices", read=prices, query=("start", "end")),
    Route("settlements", "own statements", read=settlements, query=("start", "end", "run")),
)
