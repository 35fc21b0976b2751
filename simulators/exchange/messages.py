"""The documents that go out, binding CTS-JSON/1: plain functions from rows to JSON."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.domain.intervals import iso
from simulators.exchange.terms import MARKET_PARTY, PostedPrices, Terms

Json = dict[str, Any]


def interval(start: datetime | str) -> Json:
    return {"dtStart": start if isinstance(start, str) else iso(start), "duration": "PT15M"}


def envelope(party_id: str, request_id: str, code: int, text: str, now: datetime) -> Json:
    """What every reply carries, so that stored evidence stands alone."""
    return {
        "partyId": party_id,
        "counterPartyId": MARKET_PARTY,
        "inResponseTo": request_id,
        "refId": request_id,
        "response": response(code, text, request_id, now),
        "serverTime": iso(now),
    }


def response(code: int, text: str, ref_id: str, now: datetime) -> Json:
    """EiResponse."""
    return {
        "responseCode": code,
        "responseDescription": text,
        "refId": ref_id,
        "createdDateTime": iso(now),
    }


def tender_out(row: sqlite3.Row) -> Json:
    """EiTenderType with the market's state of it."""
    return {
        "marketOrderId": row["market_order_id"],
        "tenderId": row["tender_id"],
        "side": row["side"],
        "resourceDesignator": "ENERGY",
        "expirationTime": iso(datetime.fromtimestamp(row["expires_ms"] / 1000, UTC)),
        "allOrNone": False,
        "tenderDetail": {
            "interval": interval(row["start"]),
            "price": row["price"],
            "quantity": row["quantity"],
        },
        "ordStatus": row["status"],
        "cancelReason": row["cancel_reason"],
        "remainingQuantity": row["remaining"],
    }


def transaction_out(row: sqlite3.Row | Json) -> Json:
    """EiTransaction; ``seq`` is the party's cursor."""
    return {
        "seq": row["seq"],
        "transactionId": row["transaction_id"],
        "marketTransactionId": row["transaction_id"],
        "transactiveState": "TRANSACTION",
        "callTime": row["time"],
        "tender": {
            "tenderId": row["tender_id"],
            "marketOrderId": row["market_order_id"],
            "side": row["side"],
            "resourceDesignator": "ENERGY",
            "tenderDetail": {
                "interval": interval(row["start"]),
                "price": row["price"],
                "quantity": row["quantity"],
            },
        },
    }


def create_transaction_out(fill: Json) -> Json:
    """EiCreateTransactionPayload, as the market pushes it; to be acknowledged, not consented to."""
    return {
        "requestId": fill["transaction_id"],
        "partyId": MARKET_PARTY,
        "counterPartyId": fill["party_id"],
        "marketTransactionId": fill["transaction_id"],
        "transaction": transaction_out(fill),
    }


def ticker_out(start: str, when: datetime, ticker_id: str, price: int | None, volume: int) -> Json:
    """EiTransactionTickerType of a call: its uniform price (null = no cross) and volume."""
    return {
        "tickerId": ticker_id,
        "tickerType": "TRANSACTIONS",
        "interval": interval(start),
        "price": price,
        "quantity": volume,
        "resourceDesignator": "ENERGY",
        "saleTime": iso(when),
    }


def settlement_out(row: sqlite3.Row) -> Json:
    """A statement; money in 1e-8 USD to the party."""
    return {
        "seq": row["seq"],
        "settlementId": row["settlement_id"],
        "partyId": row["party_id"],
        "interval": interval(row["start"]),
        "run": row["run"],
        "position": row["position"],
        "metered": row["metered"],
        "estimated": bool(row["estimated"]),
        "imbalancePrice": row["imbalance_price"],
        "energyMoney": row["energy"],
        "imbalanceMoney": row["imbalance"],
        "uncontractedMoney": row["uncontracted"],
        "feeMoney": row["fee"],
        "reverses": row["reverses"],
        "createdDateTime": row["time"],
    }


def prices_out(start: datetime, posted: PostedPrices) -> Json:
    return {
        "interval": interval(start),
        "price": posted.retail,
        "exportPrice": posted.export,
        "dayAheadPrice": posted.day_ahead,
        "imbalancePrice": posted.imbalance,
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


def instrument_out(start: datetime) -> Json:
    """InstrumentType."""
    return {
        "resourceDesignator": "ENERGY",
        "resourceUnit": "Wh",
        "duration": "PT15M",
        "quantityScale": 0,
        "instrumentStart": iso(start),
    }


def dump(document: Json) -> str:
    return json.dumps(document, separators=(",", ":"))
