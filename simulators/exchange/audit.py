"""What the evidence alone says: every tender that was accepted, read again from the documents.

The rows of tenders are an index for the running market; of those whose gate has closed for a while
only the document is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from simulators.exchange import documents
from simulators.exchange.evidence import Stored
from simulators.exchange.order_entry import TenderRequest
from simulators.exchange.rows import Tender, to_quarter
from simulators.exchange.terms import epoch_ms


class Accepted(NamedTuple):
    """A tender as its document says it."""

    tender_id: str
    tender: Tender


def accepted(seq: int, party: int, stored: Stored) -> Iterator[Accepted]:
    """The tenders of one document, in the order in which they were accepted."""
    if stored.status != 201:
        return
    requests: list[TenderRequest] = []
    if stored.operation == "createTender":
        requests = [documents.tender_request(documents.create_tender(stored.payload).tender)]
    elif stored.operation == "createStreamTender":
        tender = documents.create_stream_tender(stored.payload).tender
        refused: Mapping[str, object] = stored.result or {}
        count = len(tender.tender_detail.stream.stream_intervals)
        kept = [n for n in range(count) if str(n) not in refused]
        requests = [documents.stream_request(tender, n) for n in kept]
    for asked in requests:
        yield Accepted(
            asked.tender_id,
            Tender(
                document=seq,
                uid=asked.uid,
                party=party,
                start=to_quarter(asked.start),
                buy=int(asked.side == "BUY"),
                price=asked.price,
                quantity=asked.quantity,
                expires_ms=epoch_ms(asked.expires),
            ),
        )
