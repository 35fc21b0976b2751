"""What the quick reader reads, the thorough one reads to the same values; what that one refuses, it leaves."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.exchange import documents, problems, usual_documents

START = "2026-06-01T13:00:00Z"
TENDER = {
    "requestId": "r1",
    "partyId": "home",
    "counterPartyId": "exchange",
    "marketId": "charging-network",
    "segmentId": "LZ_SOUTH",
    "tender": {
        "tenderId": "t1",
        "side": "SELL",
        "resourceDesignator": "ENERGY",
        "expirationTime": "2026-06-01T12:55:00Z",
        "allOrNone": False,
        "tenderDetail": {
            "interval": {"dtStart": START, "duration": "PT15M"},
            "price": 6000,
            "quantity": 500,
        },
    },
}
STREAM = {
    "requestId": "r1",
    "partyId": "home",
    "marketId": "charging-network",
    "segmentId": "LZ_SOUTH",
    "tender": {
        "tenderId": "s1",
        "side": "BUY",
        "expirationTime": "2026-06-01T12:55:00Z",
        "tenderDetail": {
            "stream": {
                "streamIntervalDuration": "PT15M",
                "streamStart": START,
                "streamIntervals": [
                    {"streamUid": n, "streamIntervalPrice": n - 1, "streamIntervalQuantity": 0}
                    for n in range(2)
                ],
            }
        },
    },
}
READING = {
    "requestId": "deliver:1",
    "partyId": "home",
    "measurementPointId": "home-meter",
    "interval": {"dtStart": START, "duration": "PT15M"},
    "importQuantity": 0,
    "exportQuantity": 120,
    "importRegister": 10,
    "exportRegister": 2**53 - 1,
    "quality": "MEASURED",
}


def tender_values(found: Any) -> list[object]:
    return [
        found.request_id,
        found.party_id,
        found.market_id,
        found.segment_id,
        documents.tender_request(found.tender),
    ]


def stream_values(found: Any) -> list[object]:
    head: list[object] = [found.request_id, found.party_id, found.market_id, found.segment_id]
    count = len(documents.stream_parts(found.tender))
    return head + [documents.stream_request(found.tender, n) for n in range(count)]


def reading_values(found: Any) -> list[object]:
    head = [found.request_id, found.party_id, found.metered_party_id]
    return [*head, documents.meter_reading(found)]


KINDS = [
    (TENDER, usual_documents.CreateTender, documents.CreateTender, tender_values),
    (STREAM, usual_documents.CreateStreamTender, documents.CreateStreamTender, stream_values),
    (READING, usual_documents.Deliver, documents.Deliver, reading_values),
]
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, 0, -1, 1.0, 1.5, 2**31, 2**53, 2**63, 2**64, 10**30, "", "x", "a b", "ä", "x\n"),
        *("x" * 101, "x" * 129, "1", "BUY", "ESTIMATED", "PT15M", "PT900S", "PT1H", [], {}, START),
        *("2026-06-01T13:00:00+02:00", "2026-06-01T13:00:00.5Z", "2026-06-01 13:00:00Z", 1780315200),
        *("2026-06-01T13:00:00", "2026-06-31T13:00:00Z", "2026-06-01T24:00:00Z", "1999-12-31T23:59:59Z"),
        *("2200-01-01T00:00:00Z", "2026-06-01T13:00:60Z", "२०२६-06-01T13:00:00Z", "2026-06-01T13:00:00Z\n"),
    ]
)  # fmt: skip


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in a document, and one in each object where there is nothing."""
    found: list[tuple[Any, ...]] = []
    if isinstance(document, dict):
        found.append((*path, "other"))
        for name, value in document.items():
            found += [(*path, name), *places(value, (*path, name))]
    elif isinstance(document, list):
        for index, value in enumerate(document):
            found += [(*path, index), *places(value, (*path, index))]
    return found


def changed(document: Any, path: tuple[Any, ...], value: object) -> bytes:
    copy = at = json.loads(json.dumps(document))
    for name in path[:-1]:
        at = at[name]
    if isinstance(value, type(Ellipsis)):
        at.pop(path[-1], None) if isinstance(at, dict) else at.pop(path[-1])
    else:
        at[path[-1]] = value
    return json.dumps(copy).encode()


@pytest.mark.parametrize(("document", "usual", "thorough", "values"), KINDS)
def test_the_usual_form_is_read_quickly(
    document: object, usual: Any, thorough: Any, values: Callable[[Any], object]
) -> None:
    body = json.dumps(document, indent=1).encode()
    found = usual_documents.read(usual, body)
    assert found is not None
    assert values(found) == values(documents.parse(thorough, body))


@pytest.mark.parametrize(("document", "usual", "thorough", "values"), KINDS)
@given(data=st.data())
def test_it_reads_nothing_that_would_be_refused_and_nothing_otherwise(
    document: object,
    usual: Any,
    thorough: Any,
    values: Callable[[Any], object],
    data: st.DataObject,
) -> None:
    path = data.draw(st.sampled_from(places(document)))
    body = changed(document, path, data.draw(VALUES | st.just(...)))
    found = usual_documents.read(usual, body)
    if found is not None:
        assert values(found) == values(documents.parse(thorough, body))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 100_000, b"\xff", json.dumps(TENDER).encode() + b"x", b'{"a":' * 50_000],
)
def test_what_is_no_document_is_refused_in_words(body: bytes) -> None:
    for read in (documents.create_tender, documents.create_stream_tender, documents.deliver):
        with pytest.raises(problems.Problem) as refused:
            read(body)
        assert refused.value.status == 400


def test_a_liberty_of_the_thorough_reader_stays() -> None:
    detail = TENDER["tender"] | {"expirationTime": "2026-06-01T14:55:00+02:00"}  # type: ignore[operator]
    body = json.dumps(TENDER | {"tender": detail, "note": "of no concern"}).encode()
    found = documents.create_tender(body)
    assert documents.tender_request(found.tender) == documents.tender_request(
        documents.create_tender(json.dumps(TENDER).encode()).tender
    )
