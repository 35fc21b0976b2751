"""What only asks: plain questions to the market and its ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.domain.intervals import QUARTER, floor_to, iso
from simulators.exchange import documents, messages, problems
from simulators.exchange.ledger import Registered, TenderState
from simulators.exchange.market import Market
from simulators.exchange.messages import Json
from simulators.exchange.rows import to_quarter
from simulators.exchange.settlement_engine import RUNS
from simulators.exchange.terms import epoch_ms

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
    reply = messages.envelope(
        asked.party.party_id, document.request_id, 200, "snapshot", messages.iso(asked.now)
    )
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
    reply = messages.envelope(party_id, document.request_id, 200, "sell +", messages.iso(asked.now))
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
        if documents.is_uid(tender_id):  # else nobody can have one of that name
            state = await market.ledger.tender(asked.party.number, tender_id)
            found = [] if state is None else [state]
    else:
        found = await market.resting(asked.party.number)
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
    reply = messages.envelope(
        party_id, document.request_id, 200, taken.lower(), messages.iso(asked.now)
    )
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
