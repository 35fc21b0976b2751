"""The documents that go out, binding CTS-JSON/1: plain functions from rows to JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from gateway.domain import intervals
from simulators.exchange.ledger import Executed, TenderState
from simulators.exchange.names import (
    backstop_id,
    call_id,
    market_order_id,
    settlement_id,
    transaction_id,
)
from simulators.exchange.rows import Call, Run, Session, Statement, from_quarter, from_s
from simulators.exchange.terms import MARKET_PARTY, PostedPrices, Terms

OPEN = ("NEW", "PARTIALLY_FILLED")

Json = dict[str, Any]
_WRITE = msgspec.json.Encoder().encode
iso = lru_cache(maxsize=256)(intervals.iso)  # answers name the same moments again and again
_second = lru_cache(maxsize=4)(lambda seconds: intervals.iso(from_s(seconds)).removesuffix("Z"))


def moment(ms: int) -> str:
    """As `iso`, of milliseconds since 1970: no two requests are received at the same."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03}Z" if rest else f"{_second(seconds)}Z"


def start_out(quarter: int) -> str:
    return iso(from_quarter(quarter))


def interval(start: datetime | str) -> Json:
    return {"dtStart": start if isinstance(start, str) else iso(start), "duration": "PT15M"}


def envelope(party_id: str, request_id: str, code: int, text: str, time: str) -> Json:
    """What every reply carries, so that stored evidence stands alone; ``time`` as it is written."""
    return {
        "partyId": party_id,
        "counterPartyId": MARKET_PARTY,
        "inResponseTo": request_id,
        "refId": request_id,
        "response": response(code, text, request_id, time),
        "serverTime": time,
    }


def response(code: int, text: str, ref_id: str, time: str) -> Json:
    """EiResponse; ``time`` as it is written."""
    return {
        "responseCode": code,
        "responseDescription": text,
        "refId": ref_id,
        "createdDateTime": time,
    }


def tender_out(party_id: str, state: TenderState, status: str) -> Json:
    """EiTenderType with the market's state of it."""
    canceled = state.canceled > 0
    reason = ("SUPERVISORY" if state.supervisory else "REQUESTED") if canceled else None
    return {
        "marketOrderId": market_order_id(party_id, state.tender_id),
        "tenderId": state.tender_id,
        "side": side(state.buy),
        "resourceDesignator": "ENERGY",
        "expirationTime": iso(datetime.fromtimestamp(state.expires_ms / 1000, UTC)),
        "allOrNone": False,
        "tenderDetail": {
            "interval": interval(from_quarter(state.start)),
            "price": state.price,
            "quantity": state.quantity,
        },
        "ordStatus": status,
        "cancelReason": reason,
        "remainingQuantity": _left(state) if status in OPEN else 0,
    }


def order_status(state: TenderState, gate: int, step_ms: int) -> str:
    """The FIX word: ``gate`` is the quarter-hour that closed last, ``step_ms`` the last call time."""
    if state.canceled:
        return "CANCELED"
    if not _left(state):
        return "FILLED"
    if state.start <= gate or state.expires_ms <= step_ms:
        return "EXPIRED"
    return "PARTIALLY_FILLED" if state.filled else "NEW"


def _left(state: TenderState) -> int:
    return state.quantity - state.filled - state.canceled


def side(buy: int) -> str:
    return "BUY" if buy else "SELL"


def transaction_out(party_id: str, fill: Executed) -> Json:
    """EiTransaction; ``seq`` is the party's cursor."""
    start, time = from_quarter(fill.start), from_s(fill.time)
    if fill.name is None:
        tender_id = backstop_id(start, time, fill.buy)
    else:
        tender_id = f"{fill.name}.{fill.uid}" if fill.stream else fill.name
    order_id = market_order_id(party_id, tender_id)
    name = transaction_id(call_id(start, time), order_id)
    return {
        "seq": fill.seq,
        "transactionId": name,
        "marketTransactionId": name,
        "transactiveState": "TRANSACTION",
        "callTime": iso(time),
        "tender": {
            "tenderId": tender_id,
            "marketOrderId": order_id,
            "side": side(fill.buy),
            "resourceDesignator": "ENERGY",
            "tenderDetail": {
                "interval": interval(start),
                "price": fill.price,
                "quantity": fill.quantity,
            },
        },
    }


def create_transaction_out(party_id: str, fill: Executed) -> Json:
    """EiCreateTransactionPayload, as the market pushes it; to be acknowledged, not consented to."""
    transaction = transaction_out(party_id, fill)
    return {
        "requestId": transaction["transactionId"],
        "partyId": MARKET_PARTY,
        "counterPartyId": party_id,
        "marketTransactionId": transaction["transactionId"],
        "transaction": transaction,
    }


def ticker_out(call: Call) -> Json:
    """EiTransactionTickerType of a call: its uniform price (null = no cross) and volume."""
    return {
        "tickerId": call_id(from_quarter(call.start), from_s(call.time)),
        "tickerType": "TRANSACTIONS",
        "interval": interval(from_quarter(call.start)),
        "price": call.price,
        "quantity": call.volume,
        "resourceDesignator": "ENERGY",
        "saleTime": iso(from_s(call.time)),
    }


def call_out(call: Call) -> Json:
    """A call that was held: what every party may know of it, whether it traded or not."""
    return {
        "seq": call.seq,
        "callId": call_id(from_quarter(call.start), from_s(call.time)),
        "interval": interval(from_quarter(call.start)),
        "callTime": iso(from_s(call.time)),
        "clearingPrice": call.price,
        "clearedQuantity": call.volume,
    }


def settlement_out(party_id: str, row: Statement, run: Run, reversed_run: str | None) -> Json:
    """A statement; money in 1e-8 USD to the party. The run of the row that it reverses, if any."""
    reverses = None if reversed_run is None else settlement_id(party_id, row.start, reversed_run)
    return {
        "seq": row.seq,
        "settlementId": settlement_id(party_id, row.start, run.name, reverses),
        "partyId": party_id,
        "interval": interval(from_quarter(row.start)),
        "run": run.name,
        "position": row.position,
        "metered": row.metered,
        "estimated": bool(row.estimated),
        "imbalancePrice": run.imbalance_price,
        "energyMoney": row.energy,
        "imbalanceMoney": row.imbalance,
        "uncontractedMoney": row.uncontracted,
        "feeMoney": row.fee,
        "reverses": reverses,
        "createdDateTime": iso(from_s(run.time)),
    }


def prices_out(start: datetime, posted: PostedPrices, call: Call | None) -> Json:
    """Published prices of an interval; the clearing price is that of its last call (null = none)."""
    return {
        "interval": interval(start),
        "price": posted.retail,
        "exportPrice": posted.export,
        "dayAheadPrice": posted.day_ahead,
        "imbalancePrice": posted.imbalance,
        "clearingPrice": None if call is None else call.price,
        "clearedQuantity": None if call is None else call.volume,
        "callTime": None if call is None else iso(from_s(call.time)),
    }


def duration(span: timedelta) -> str:
    return f"PT{int(span.total_seconds())}S"


def market_reference(terms: Terms) -> Json:
    """MarketReferenceDataType."""
    return {
        "marketId": terms.market_id,
        "marketName": "Charging network energy exchange",
        "marketPartyId": MARKET_PARTY,
        "currency": terms.currency,
        "currencyCodeSource": "ISO4217",
        "priceScale": 2,
        "tickSize": 1,
        "timeOffset": 0,
        "resourceDesignator": "ENERGY",
        "marketMechanismLevelTwo": "MMT_AUCTION",
        "segments": [terms.segment_id],
    }


def segment_reference(terms: Terms, most_wh: int, now: datetime) -> Json:
    """SegmentReferenceDataType; the last block (from callPeriod on) is our extension."""
    return {
        "marketId": terms.market_id,
        "segmentId": terms.segment_id,
        "segmentDesc": "load zone, one retailer",
        "segmentStatus": "ACTIVE",
        "marketMechanism": "MMT_AUCTION",
        "product": {"resourceDesignator": "ENERGY", "resourceUnit": "Wh", "duration": "PT15M"},
        "priceScale": 2,
        "quantityScale": 0,
        "roundLot": terms.lot_wh,
        "minTenderQuantity": terms.min_quantity_wh,
        "maxTenderQuantity": most_wh,
        "auctionAtOpen": False,
        "auctionAtClose": True,
        "executionInstructionsAccepted": [],
        "marketDepth": 0,
        "negotiationsPermitted": False,
        "streamTradingOk": "ST_PERMITTED",
        "tradeEndpoint": "/cts/createTender",
        "subscriptionEndpoint": "/cts/manageTickerSubscription",
        "messageTimeStamp": iso(now),
        "callPeriod": duration(terms.call_period),
        "firstCallLead": duration(terms.first_call),
        "gateClosureLead": duration(terms.gate),
        "cancelClosureLead": duration(terms.cancel_gate),
        "preOpenLead": duration(terms.preopen),
        "guard": duration(terms.guard),
        "pollSpread": duration(terms.poll_spread),
        "priceFloor": terms.floor,
        "priceCap": terms.cap,
        "deviationFee": terms.deviation_fee,
    }


def session_out(terms: Terms, start: datetime, status: str, now: datetime) -> Json:
    """SessionDataType of one instrument."""
    return {
        "marketId": terms.market_id,
        "segmentId": terms.segment_id,
        "sessionStatus": status,
        "sessionStart": iso(start - terms.preopen),
        "sessionOpen": iso(start - terms.first_call),
        "sessionPreClose": iso(start - terms.cancel_gate),
        "sessionClose": iso(start - terms.gate),
        "tradeableInstrumentRange": {"dtStart": iso(start), "duration": "PT15M"},
        "messageTimeStamp": iso(now),
    }


def session_row_out(terms: Terms, row: Session) -> Json:
    return session_out(terms, from_quarter(row.start), row.status, from_s(row.time))


def instrument_out(start: datetime) -> Json:
    """InstrumentType."""
    return {
        "resourceDesignator": "ENERGY",
        "resourceUnit": "Wh",
        "duration": "PT15M",
        "quantityScale": 0,
        "instrumentStart": iso(start),
    }


def dump(document: Json) -> bytes:
    return _WRITE(document)
