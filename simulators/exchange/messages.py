"""The documents of the binding CTS-JSON/1: what comes in is checked here, what goes out is made here."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from gateway.domain.intervals import QUARTER, iso, parse_utc
from simulators.exchange import problems
from simulators.exchange.books import Delivery
from simulators.exchange.tenders import Asked
from simulators.exchange.terms import MARKET_PARTY, PostedPrices, Terms

Uid = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
Json = dict[str, Any]


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class IntervalType(_Document):
    """A start in UTC and an ISO 8601 duration."""

    dt_start: AwareDatetime
    duration: Annotated[str, Field(pattern=r"^PT(\d{1,6}[HMS]){1,3}$")] = "PT15M"


class _Request(_Document):
    request_id: Uid
    party_id: Uid


class TenderIntervalDetail(_Document):
    """Price in ticks, quantity in Wh. Their ranges are the market's to refuse, not the parser's."""

    interval: IntervalType
    price: int | float
    quantity: StrictInt


class TenderType(_Document):
    """EiTenderType with an interval detail."""

    tender_id: Uid
    side: Literal["BUY", "SELL"]
    resource_designator: Literal["ENERGY"] = "ENERGY"
    expiration_time: AwareDatetime
    all_or_none: StrictBool = False
    tender_detail: TenderIntervalDetail


class CreateTender(_Request):
    """EiCreateTenderPayload."""

    market_id: Uid
    segment_id: Uid
    tender: TenderType


class StreamInterval(_Document):
    """One interval of a stream."""

    stream_uid: StrictInt
    stream_interval_price: int | float
    stream_interval_quantity: StrictInt


class StreamDetail(_Document):
    """CtsStreamType: equal intervals that follow each other from ``streamStart``."""

    stream_interval_duration: Literal["PT15M"] = "PT15M"
    stream_start: AwareDatetime
    stream_intervals: Annotated[tuple[StreamInterval, ...], Field(min_length=1, max_length=192)]


class StreamTenderDetail(_Document):
    """TenderStreamDetail."""

    stream: StreamDetail


class StreamTenderType(_Document):
    """EiTenderType with a stream detail; interval n is the tender ``{tenderId}.{streamUid}``."""

    tender_id: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$")]
    side: Literal["BUY", "SELL"]
    resource_designator: Literal["ENERGY"] = "ENERGY"
    expiration_time: AwareDatetime
    all_or_none: StrictBool = False
    tender_detail: StreamTenderDetail


class CreateStreamTender(_Request):
    """EiCreateStreamTenderPayload."""

    market_id: Uid
    segment_id: Uid
    tender: StreamTenderType


class CancelTender(_Request):
    """EiCancelTenderPayload."""

    tender_id: Uid


class RequestPosition(_Document):
    """EiRequestPositionPayload."""

    request_id: Uid
    requestor: Uid
    position_party: Uid
    resource_designator: Literal["ENERGY"] = "ENERGY"
    bounding_interval: IntervalType


class Deliver(_Request):
    """Meter reading of one interval: Wh counted and the register's end values."""

    measurement_point_id: Uid
    interval: IntervalType
    import_quantity: Annotated[StrictInt, Field(ge=0, lt=2**53)]
    export_quantity: Annotated[StrictInt, Field(ge=0, lt=2**53)]
    import_register: Annotated[StrictInt, Field(ge=0, lt=2**53)]
    export_register: Annotated[StrictInt, Field(ge=0, lt=2**53)]
    quality: Literal["ESTIMATED", "MEASURED", "REVENUE"] = "MEASURED"


class ManageReferenceData(_Request):
    """EiManage...ReferenceDataPayload; only SNAPSHOT is answered."""

    subscription_action_requested: Literal["SNAPSHOT"] = "SNAPSHOT"
    bounding_interval: IntervalType | None = None


T = TypeVar("T", bound=BaseModel)


def parse(model: type[T], body: bytes) -> T:
    """The document, or a Problem 400 that names the first wrong field."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise problems.malformed(f"{where}: {first['msg']}") from None


def seconds(duration: str) -> int:
    """Seconds of an ISO 8601 duration of hours, minutes and seconds."""
    units = {"H": 3600, "M": 60, "S": 1}
    return sum(int(n) * units[u] for n, u in re.findall(r"(\d+)([HMS])", duration))


def whole_price(price: int | float) -> int:
    if not math.isfinite(price) or int(price) != price:
        raise problems.tick("price is a whole number of ticks of 0.01 USD/MWh")
    return int(price)


def asked(tender: TenderType) -> Asked:
    detail = tender.tender_detail
    if seconds(detail.interval.duration) != QUARTER.total_seconds():
        raise problems.unknown_instrument("the product is PT15M")
    return Asked(
        tender_id=tender.tender_id,
        start=detail.interval.dt_start.astimezone(UTC),
        side=tender.side,
        price=whole_price(detail.price),
        quantity=detail.quantity,
        expires=tender.expiration_time.astimezone(UTC),
        all_or_none=tender.all_or_none,
    )


def asked_stream(tender: StreamTenderType, index: int) -> Asked:
    """The tender of one interval of a stream."""
    stream = tender.tender_detail.stream
    part = stream.stream_intervals[index]
    return Asked(
        tender_id=f"{tender.tender_id}.{part.stream_uid}",
        start=stream.stream_start.astimezone(UTC) + index * QUARTER,
        side=tender.side,
        price=whole_price(part.stream_interval_price),
        quantity=part.stream_interval_quantity,
        expires=tender.expiration_time.astimezone(UTC),
        all_or_none=tender.all_or_none,
    )


def delivery(document: Deliver) -> Delivery:
    if seconds(document.interval.duration) != QUARTER.total_seconds():
        raise problems.unknown_instrument("the product is PT15M")
    return Delivery(
        point=document.measurement_point_id,
        start=document.interval.dt_start.astimezone(UTC),
        import_wh=document.import_quantity,
        export_wh=document.export_quantity,
        import_register=document.import_register,
        export_register=document.export_register,
        quality=document.quality,
    )


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
        "remainingQuantity": row["remaining"],
    }


def transaction_out(row: sqlite3.Row) -> Json:
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


def span(start: str, end: str) -> tuple[datetime, datetime]:
    """The half-open span of a query, or a Problem."""
    try:
        first, last = parse_utc(start), parse_utc(end)
    except (ValueError, OverflowError):
        raise problems.malformed("start and end are UTC times, 2026-06-01T06:00:00Z") from None
    if not timedelta(0) < last - first <= timedelta(days=40):
        raise problems.malformed("end lies after start, at most 40 days")
    return first, last
