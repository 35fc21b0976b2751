"""The documents that come in, binding CTS-JSON/1: checked for form here, for sense by the market."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Literal, TypeVar

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

from gateway.domain.intervals import QUARTER, parse_utc
from simulators.exchange import problems, usual_documents
from simulators.exchange.order_entry import TenderRequest
from simulators.exchange.settlement_engine import MeterReading
from simulators.exchange.usual_documents import FIRST, LAST, MOST_WH, moment

_QUARTER_S = int(QUARTER.total_seconds())
_UID = re.compile(r"[\x21-\x7e]{1,128}")
Uid = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]

# Within two centuries no sum of a time and a lead can leave the calendar.
Time = Annotated[AwareDatetime, Field(ge=FIRST, lt=LAST)]


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class IntervalType(_Document):
    """A start in UTC and an ISO 8601 duration."""

    dt_start: Time
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
    expiration_time: Time
    all_or_none: StrictBool = False
    tender_detail: TenderIntervalDetail


class CreateTender(_Request):
    """EiCreateTenderPayload."""

    market_id: Uid
    segment_id: Uid
    tender: TenderType


class StreamInterval(_Document):
    """One interval of a stream."""

    stream_uid: Annotated[StrictInt, Field(ge=0, lt=2**31)]
    stream_interval_price: int | float
    stream_interval_quantity: StrictInt


class StreamDetail(_Document):
    """CtsStreamType: equal intervals that follow each other from ``streamStart``."""

    stream_interval_duration: Literal["PT15M"] = "PT15M"
    stream_start: Time
    stream_intervals: Annotated[tuple[StreamInterval, ...], Field(min_length=1, max_length=192)]


class StreamTenderDetail(_Document):
    """TenderStreamDetail."""

    stream: StreamDetail


class StreamTenderType(_Document):
    """EiTenderType with a stream detail; interval n is the tender ``{tenderId}.{streamUid}``."""

    tender_id: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$")]
    side: Literal["BUY", "SELL"]
    resource_designator: Literal["ENERGY"] = "ENERGY"
    expiration_time: Time
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
    import_quantity: Annotated[StrictInt, Field(ge=0, lt=MOST_WH)]
    export_quantity: Annotated[StrictInt, Field(ge=0, lt=MOST_WH)]
    import_register: Annotated[StrictInt, Field(ge=0, lt=2**53)]
    export_register: Annotated[StrictInt, Field(ge=0, lt=2**53)]
    quality: Literal["ESTIMATED", "MEASURED", "REVENUE"] = "MEASURED"
    metered_party_id: Uid | None = None


class Attest(_Request):
    """The head of a party's account: a row number and the hash that vouches for all rows before it."""

    head_sequence: Annotated[StrictInt, Field(ge=1, lt=2**53)]
    head_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ManageReferenceData(_Request):
    """EiManage...ReferenceDataPayload; only SNAPSHOT is answered."""

    subscription_action_requested: Literal["SNAPSHOT"] = "SNAPSHOT"
    bounding_interval: IntervalType | None = None


class ManageTicker(_Request):
    """EiManageTickerSubscriptionPayload."""

    market_id: Uid
    segment_id: Uid
    ticker_type: Literal["TRANSACTIONS"] = "TRANSACTIONS"
    subscription_action_requested: Literal["SNAPSHOT_AND_UPDATES", "CANCEL"] = (
        "SNAPSHOT_AND_UPDATES"
    )


T = TypeVar("T", bound=BaseModel)


# Each is read when it is looked up, decided and answered; a batch has some hundred.
@lru_cache(maxsize=512)
def create_tender(body: bytes) -> CreateTender | usual_documents.CreateTender:
    """See `parse`; the usual form is read quickly."""
    return usual_documents.read(usual_documents.CreateTender, body) or parse(CreateTender, body)


@lru_cache(maxsize=512)
def create_stream_tender(body: bytes) -> CreateStreamTender | usual_documents.CreateStreamTender:
    """See `parse`; the usual form is read quickly."""
    usual = usual_documents.read(usual_documents.CreateStreamTender, body)
    return usual or parse(CreateStreamTender, body)


@lru_cache(maxsize=512)
def deliver(body: bytes) -> Deliver | usual_documents.Deliver:
    """See `parse`; the usual form is read quickly."""
    return usual_documents.read(usual_documents.Deliver, body) or parse(Deliver, body)


def parse(model: type[T], body: bytes) -> T:
    """The document, or a Problem 400 that names the first wrong field."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise problems.malformed(f"{where}: {first['msg']}") from None


def is_uid(name: str) -> bool:
    """Whether a document may have that name."""
    return _UID.fullmatch(name) is not None


def as_utc(time: datetime | str) -> datetime:
    """A time of a document: as it is read, or still its text."""
    return moment(time) if isinstance(time, str) else time.astimezone(UTC)


@lru_cache(maxsize=256)
def seconds(duration: str) -> int:
    """Seconds of an ISO 8601 duration of hours, minutes and seconds."""
    units = {"H": 3600, "M": 60, "S": 1}
    return sum(int(n) * units[u] for n, u in re.findall(r"(\d+)([HMS])", duration))


def whole_price(price: int | float) -> int:
    if isinstance(price, int):
        return price
    if not math.isfinite(price) or int(price) != price:
        raise problems.tick("price is a whole number of ticks of 0.01 USD/MWh")
    return int(price)


def tender_request(tender: TenderType | usual_documents.Tender) -> TenderRequest:
    detail = tender.tender_detail
    if seconds(detail.interval.duration) != _QUARTER_S:
        raise problems.unknown_instrument("the product is PT15M")
    return TenderRequest(
        tender_id=tender.tender_id,
        start=as_utc(detail.interval.dt_start),
        side=tender.side,
        price=whole_price(detail.price),
        quantity=detail.quantity,
        expires=as_utc(tender.expiration_time),
        all_or_none=tender.all_or_none,
    )


def stream_parts(
    tender: StreamTenderType | usual_documents.StreamTender,
) -> Sequence[StreamInterval | usual_documents.StreamInterval]:
    """The intervals of a stream."""
    return tender.tender_detail.stream.stream_intervals


def stream_request(
    tender: StreamTenderType | usual_documents.StreamTender, index: int
) -> TenderRequest:
    """The tender of one interval of a stream."""
    stream = tender.tender_detail.stream
    part = stream.stream_intervals[index]
    return TenderRequest(
        tender_id=f"{tender.tender_id}.{part.stream_uid}",
        start=as_utc(stream.stream_start) + index * QUARTER,
        side=tender.side,
        price=whole_price(part.stream_interval_price),
        quantity=part.stream_interval_quantity,
        expires=as_utc(tender.expiration_time),
        all_or_none=tender.all_or_none,
        uid=part.stream_uid,
    )


def meter_reading(document: Deliver | usual_documents.Deliver) -> MeterReading:
    if seconds(document.interval.duration) != _QUARTER_S:
        raise problems.unknown_instrument("the product is PT15M")
    return MeterReading(
        point=document.measurement_point_id,
        start=as_utc(document.interval.dt_start),
        import_wh=document.import_quantity,
        export_wh=document.export_quantity,
        import_register=document.import_register,
        export_register=document.export_register,
        quality=document.quality,
    )


def span(start: str, end: str) -> tuple[datetime, datetime]:
    """The half-open span of a query, or a Problem."""
    try:
        first, last = parse_utc(start), parse_utc(end)
    except (ValueError, OverflowError):
        raise problems.malformed("start and end are UTC times, 2026-06-01T06:00:00Z") from None
    if not FIRST <= first < last < LAST or last - first > timedelta(days=40):
        raise problems.malformed("end lies after start, at most 40 days")
    return first, last
