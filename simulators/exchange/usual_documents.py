"""The documents that come by the thousand, in the form in which almost all of them come, read in a tenth of the time.

What is read here `simulators.exchange.documents` would read to the same values; whatever it would refuse, or read
by one of its liberties (a time with an offset, a price with a fraction, a field that nobody asked for), is
not read here but there. So there is one place that says what a document may look like, and what is wrong with it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MOST_WH = 2**40  # no meter counts a TWh in a quarter-hour; so every product of a price fits 63 bits

Uid = Annotated[
    str, Meta(min_length=1, max_length=128)
]  # `read` looks at the characters of all at once
StreamId = Annotated[str, Meta(min_length=1, max_length=100)]
Time = Annotated[str, Meta(max_length=20)]  # `moment` says whether it is one
Wh = Annotated[int, Meta(ge=0, lt=MOST_WH)]
Register = Annotated[int, Meta(ge=0, lt=2**53)]
_MARKET = "exchange"  # of no meaning, as there is but one
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class _Usual(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, gc=False):
    """Attributes have the names of `simulators.exchange.documents`; times are still text."""


class Interval(_Usual, frozen=True):
    """A quarter-hour."""

    dt_start: Time
    duration: Literal["PT15M"] = "PT15M"


class TenderDetail(_Usual, frozen=True):
    """TenderIntervalDetail."""

    interval: Interval
    price: int
    quantity: int


class Tender(_Usual, frozen=True):
    """EiTenderType with an interval detail."""

    tender_id: Uid
    side: Literal["BUY", "SELL"]
    expiration_time: Time
    tender_detail: TenderDetail
    resource_designator: Literal["ENERGY"] = "ENERGY"
    all_or_none: bool = False


class CreateTender(_Usual, frozen=True):
    """EiCreateTenderPayload."""

    request_id: Uid
    party_id: Uid
    market_id: Uid
    segment_id: Uid
    tender: Tender
    counter_party_id: Uid = _MARKET

    def names(self) -> tuple[str, ...]:
        market = self.market_id, self.segment_id, self.counter_party_id
        return self.request_id, self.party_id, *market, self.tender.tender_id

    def times(self) -> tuple[str, ...]:
        return self.tender.expiration_time, self.tender.tender_detail.interval.dt_start


class StreamInterval(_Usual, frozen=True):
    """One interval of a stream."""

    stream_uid: Annotated[int, Meta(ge=0, lt=2**31)]
    stream_interval_price: int
    stream_interval_quantity: int


class StreamDetail(_Usual, frozen=True):
    """CtsStreamType."""

    stream_start: Time
    stream_intervals: Annotated[tuple[StreamInterval, ...], Meta(min_length=1, max_length=192)]
    stream_interval_duration: Literal["PT15M"] = "PT15M"


class StreamTenderDetail(_Usual, frozen=True):
    """TenderStreamDetail."""

    stream: StreamDetail


class StreamTender(_Usual, frozen=True):
    """EiTenderType with a stream detail."""

    tender_id: StreamId
    side: Literal["BUY", "SELL"]
    expiration_time: Time
    tender_detail: StreamTenderDetail
    resource_designator: Literal["ENERGY"] = "ENERGY"
    all_or_none: bool = False


class CreateStreamTender(_Usual, frozen=True):
    """EiCreateStreamTenderPayload."""

    request_id: Uid
    party_id: Uid
    market_id: Uid
    segment_id: Uid
    tender: StreamTender
    counter_party_id: Uid = _MARKET

    def names(self) -> tuple[str, ...]:
        market = self.market_id, self.segment_id, self.counter_party_id
        return self.request_id, self.party_id, *market, self.tender.tender_id

    def times(self) -> tuple[str, ...]:
        return self.tender.expiration_time, self.tender.tender_detail.stream.stream_start


class Deliver(_Usual, frozen=True):
    """Meter reading of one interval."""

    request_id: Uid
    party_id: Uid
    measurement_point_id: Uid
    interval: Interval
    import_quantity: Wh
    export_quantity: Wh
    import_register: Register
    export_register: Register
    quality: Literal["ESTIMATED", "MEASURED", "REVENUE"] = "MEASURED"
    metered_party_id: Uid | None = None
    counter_party_id: Uid = _MARKET

    def names(self) -> tuple[str, ...]:
        parties = self.party_id, self.metered_party_id or self.party_id, self.counter_party_id
        return self.request_id, *parties, self.measurement_point_id

    def times(self) -> tuple[str, ...]:
        return (self.interval.dt_start,)


U = TypeVar("U", CreateTender, CreateStreamTender, Deliver)
_READERS: dict[type[Any], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (CreateTender, CreateStreamTender, Deliver)
}


def read(kind: type[U], body: bytes) -> U | None:
    """The document, if it is as usual."""
    try:
        found: U = _READERS[kind].decode(body)
        for time in found.times():
            moment(time)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return found if _are_names("".join(found.names())) else None


def _are_names(text: str) -> bool:
    """Whether all is of the signs from ``!`` to ``~``: of many names at once, a pattern for each takes ten times as long."""
    return text.isascii() and text.isprintable() and " " not in text


@lru_cache(maxsize=1024)  # a market has few moments that documents speak of
def moment(time: str) -> datetime:
    """A time in UTC to the second; ValueError where it is none, or beyond what a market has."""
    if _TIME.fullmatch(time) is None:
        raise ValueError(time)
    found = datetime.fromisoformat(time)
    if not FIRST <= found < LAST:
        raise ValueError(time)
    return found
