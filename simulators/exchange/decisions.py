"""What changes something: a decision is made once, and the answer is made from what is stored of it."""

from __future__ import annotations

from simulators.exchange import documents, messages, problems, receipts
from simulators.exchange.evidence import Stored
from simulators.exchange.ledger import Registered
from simulators.exchange.market import Market
from simulators.exchange.messages import Json
from simulators.exchange.names import market_order_id
from simulators.exchange.order_entry import Receipt
from simulators.exchange.requests import Decision, Request
from simulators.exchange.rows import Batch
from simulators.exchange.settlement_engine import QUALITIES
from simulators.exchange.terms import METER_DATA_PROVIDER


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


async def create_tender(market: Market, request: Request) -> Decision:
    document = documents.create_tender(request.body)
    _same_party(request.party, document.party_id)
    _same_market(market, document.market_id, document.segment_id)
    _may_trade(market, request.party)
    asked, name = documents.tender_request(document.tender), document.tender.tender_id
    known = await market.ledger.known(request.party.number, name, False, [0])
    batch, seq = Batch(), market.number()
    receipt = Receipt(request.party, seq, request.now, frozenset(known))
    market.entry.accept(receipt, asked, batch)
    return Decision(seq, 201, None, batch, name)


def created_tender(stored: Stored, party_id: str, time: str) -> Json:
    document = documents.create_tender(stored.payload)
    tender_id = document.tender.tender_id
    reply = messages.envelope(party_id, document.request_id, 201, "accepted", time)
    order_id = market_order_id(party_id, tender_id)
    return reply | {"tenderId": tender_id, "marketOrderId": order_id}


async def create_stream_tender(market: Market, request: Request) -> Decision:
    document = documents.create_stream_tender(request.body)
    _same_party(request.party, document.party_id)
    _same_market(market, document.market_id, document.segment_id)
    _may_trade(market, request.party)
    tender, party = document.tender, request.party
    uids = [part.stream_uid for part in documents.stream_parts(tender)]
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


def created_stream(stored: Stored, party_id: str, time: str) -> Json:
    document = documents.create_stream_tender(stored.payload)
    tender, refused, created = document.tender, stored.result or {}, []
    for index, part in enumerate(documents.stream_parts(tender)):
        tender_id = f"{tender.tender_id}.{part.stream_uid}"
        accepted = 201, "accepted", None
        code, text, reject = refused.get(str(index), accepted)
        created.append(
            {
                "streamUid": part.stream_uid,
                "tenderId": tender_id,
                "marketOrderId": market_order_id(party_id, tender_id) if code == 201 else None,
                "ordRejReason": reject,
                "response": messages.response(code, text, document.request_id, time),
            }
        )
    reply = messages.envelope(party_id, document.request_id, 201, "each interval by itself", time)
    order_id = market_order_id(party_id, tender.tender_id)
    return reply | {"marketOrderId": order_id, "createdTenders": created}


def refused_intervals(stored: Stored) -> list[str]:
    """One name for each interval that was refused, but for those of 0 Wh: they are meant to be."""
    tender = documents.create_stream_tender(stored.payload).tender
    wh = [part.stream_interval_quantity for part in documents.stream_parts(tender)]
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


def canceled_tender(stored: Stored, party_id: str, time: str) -> Json:
    document = documents.parse(documents.CancelTender, stored.payload)
    taken, success = stored.result
    text = "canceled" if success else "nothing was left to cancel"
    canceled = {
        "cancelReason": "REQUESTED",
        "marketOrderId": market_order_id(party_id, document.tender_id),
        "remainingQuantity": taken,
        "success": success,
    }
    reply = messages.envelope(party_id, document.request_id, 200, text, time)
    return reply | {"tenderId": document.tender_id, "eiCanceledResponse": canceled}


async def deliver(market: Market, request: Request) -> Decision:
    document = documents.deliver(request.body)
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
    taken = market.settlement.taken(metered.number, start)
    if reading in taken:
        return Decision(market.number(), 201, None, batch)
    qualities = [quality for _, quality in older] + [QUALITIES.index(r.quality) for r in taken]
    seq = market.number()
    receipt = Receipt(metered, seq, request.now)
    market.settlement.deliver(receipt, reading, qualities, batch)
    return Decision(seq, 201, None, batch)


def _reported(stored: Stored) -> object:
    return documents.meter_reading(documents.deliver(stored.payload))


def delivered(stored: Stored, party_id: str, time: str) -> Json:
    document = documents.deliver(stored.payload)
    reply = messages.envelope(party_id, document.request_id, 201, "stored", time)
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


def attested(stored: Stored, party_id: str, time: str) -> Json:
    document = documents.parse(documents.Attest, stored.payload)
    reply = messages.envelope(party_id, document.request_id, 201, "received", time)
    return reply | dict(stored.result)
