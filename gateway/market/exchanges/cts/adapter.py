"""The exchange of the charging network: CTS 1.0 messages in JSON over HTTP (docs/exchange.md).

What goes wrong leaves as MarketError; what is answered is bounded before it is believed. A request that changes something carries an idempotency key made of its content's own name, so sending it
again, now or after a restart, is carried out once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.domain.intervals import iso
from gateway.domain.trade import (
    CancelAnswer,
    MarketRules,
    Metered,
    MeterQuality,
    Receipt,
    Settlement,
    Tender,
    TenderAnswer,
    Transaction,
)
from gateway.errors import MarketError
from gateway.market.exchanges import ExchangeAccess, PublishedPrices
from gateway.market.exchanges.bounded import (
    Json,
    flag,
    loads,
    moment,
    rows,
    said,
    text,
    understood,
    whole,
)
from gateway.market.exchanges.cts.documents import (
    interval_out,
    prices_in,
    rules_in,
    settlement_in,
    tender_in,
    tender_out,
    transaction_in,
)
from gateway.market.exchanges.cts.line import Line
from gateway.market.signing import signed_payload

_PAGE_ROWS = 1000  # of one answer
_MOST_PAGES = 10
_ASKED_AT_ONCE = timedelta(days=8)  # 768 intervals with their corrections
_MARKET_PARTY = "exchange"
_LONGEST_RECEIPT = 4000


def connect(access: ExchangeAccess) -> CtsExchange:
    """Entry point: nothing is sent before the first question."""
    return CtsExchange(access)


class CtsExchange:
    """Implements the port `gateway.market.exchanges.Exchange`."""

    tells_time = True

    def __init__(self, access: ExchangeAccess) -> None:
        self._access = access
        self._line = Line(access)
        self._rules: MarketRules | None = None

    async def rules(self) -> MarketRules:
        market = await self._reference("manageMarketReferenceData", "market")
        segment = await self._reference("manageSegmentReferenceData", "segment")
        with understood("reference data"):
            self._rules = rules_in(
                market["marketReferenceData"], segment["segmentReferenceData"][0]
            )
            return self._rules

    async def server_time(self) -> datetime:
        answer = await self._get("party", {})
        with understood("the server time"):
            return moment(answer["serverTime"])

    async def prices(self, start: datetime, end: datetime) -> Sequence[PublishedPrices]:
        found: list[PublishedPrices] = []
        for first, last in _parts(start, end):
            answer = await self._get("prices", {"start": iso(first), "end": iso(last)})
            with understood("prices"):
                found += [prices_in(row) for row in rows(answer["prices"], _PAGE_ROWS)]
        return [row for row in found if start < row.interval.end and row.interval.start < end]

    async def create_tenders(self, tenders: Sequence[Tender]) -> Sequence[TenderAnswer]:
        rules = self._rules or await self.rules()
        return [await self._create(rules, tender) for tender in tenders]

    async def _create(self, rules: MarketRules, tender: Tender) -> TenderAnswer:
        body = self._request(tender.tender_id) | {
            "marketId": rules.market_id,
            "segmentId": rules.segment_id,
            "tender": tender_out(tender),
        }
        status, answer = await self._post("createTender", body, tender.tender_id)
        with understood("the answer to a tender"):
            if status == 201:
                if answer["tenderId"] != tender.tender_id:
                    raise ValueError("it names another tender")
                return TenderAnswer(
                    tender.tender_id, True, text(answer["marketOrderId"]), 201, "accepted"
                )
            return TenderAnswer(tender.tender_id, False, None, status, said(answer.get("detail")))

    async def cancel(self, tender_id: str) -> CancelAnswer:
        # A cancel that was refused for its time must not be remembered as the answer to a later
        # one, so the key carries the minute; within it a repetition gets the first answer.
        key = f"cancel:{tender_id}:{iso(self._access.clock.now())[:16]}"
        body = self._request(key) | {"tenderId": tender_id}
        status, answer = await self._post("cancelTender", body, key)
        with understood("the answer to a cancel"):
            if status != 200:
                return CancelAnswer(tender_id, False, 0, status, said(answer.get("detail")))
            result = answer["eiCanceledResponse"]
            return CancelAnswer(
                tender_id,
                flag(result["success"]),
                whole(result["remainingQuantity"], 0),
                status,
                said(answer["response"]["responseDescription"]),
            )

    async def find_tender(self, tender_id: str) -> TenderAnswer | None:
        answer = await self._get("tenders", {"tenderId": tender_id})
        with understood("a tender"):
            for row in rows(answer["tenders"], _PAGE_ROWS):
                if row["tenderId"] == tender_id:
                    order_id, state = text(row["marketOrderId"]), text(row["ordStatus"])
                    return TenderAnswer(tender_id, True, order_id, 201, state)
            return None

    async def open_tenders(self) -> Sequence[str]:
        answer = await self._get("tenders", {})
        with understood("the open tenders"):
            return [text(row["tenderId"]) for row in rows(answer["tenders"], _PAGE_ROWS)]

    async def signed_tender(self, tender_id: str) -> Tender | None:
        """Without a credential nothing proves that a tender is ours."""
        if self._line.credential is None:
            return None
        answer = await self._get("tenders", {"tenderId": tender_id})
        with understood("a signed tender"):
            for row in rows(answer["tenders"], _PAGE_ROWS):
                signed = row.get("signedDocument")
                if row["tenderId"] == tender_id and isinstance(signed, str):
                    document = self._line.credential.signed_by_us(signed.encode("ascii"))
                    return None if document is None else tender_in(loads(document)["tender"])
        return None

    async def transactions(self, after: int) -> Sequence[Transaction]:
        found: list[Transaction] = []
        for _ in range(_MOST_PAGES):
            answer = await self._get("transactions", {"after": str(after)})
            with understood("transactions"):
                page = [transaction_in(row) for row in rows(answer["transactions"], _PAGE_ROWS)]
                sequences = [after, *(t.sequence for t in page)]
                if sequences != sorted(set(sequences)):
                    raise ValueError("their sequence does not rise")
                more = flag(answer["more"])
                if more and not page:
                    raise ValueError("an empty page that is not the last")
            found += page
            after = sequences[-1]
            if not more:
                break
        return found  # what is beyond so many pages is asked for at the next round

    async def deliver(self, metered: Metered) -> None:
        measured = metered.quality is MeterQuality.MEASURED
        # An estimate and the reading that replaces it are two documents about one interval.
        key = f"deliver:{iso(metered.interval.start)}:{metered.quality.value}"
        body = self._request(key) | {
            "measurementPointId": f"{self._access.party_id}-meter",
            "interval": interval_out(metered.interval),
            "importQuantity": metered.import_wh,
            "exportQuantity": metered.export_wh,
            "importRegister": metered.import_register_wh,
            "exportRegister": metered.export_register_wh,
            "quality": "MEASURED" if measured else "ESTIMATED",
        }
        status, answer = await self._post("deliver", body, key)
        if status != 201:
            raise MarketError(f"the exchange refused a meter reading: {said(answer.get('detail'))}")

    async def settlements(self, start: datetime, end: datetime) -> Sequence[Settlement]:
        found: list[Settlement] = []
        for first, last in _parts(start, end):
            answer = await self._get("settlements", {"start": iso(first), "end": iso(last)})
            with understood("settlements"):
                page = [settlement_in(row) for row in rows(answer["settlements"], 10 * _PAGE_ROWS)]
                if not all(first <= s.interval.start < last for s in page):
                    raise ValueError("one of a time that nobody asked for")
            found += page
        return found

    async def attest(self, sequence: int, head: str) -> Receipt | None:
        """Only what we have signed is worth a receipt."""
        if self._line.credential is None:
            return None
        key = f"attest:{sequence}:{head}"
        body = json.dumps(self._request(key) | {"headSequence": sequence, "headHash": head})
        signed = self._line.credential.sign(body.encode(), self._access.clock.now())
        status, answer = await self._line.ask("POST", "attest", {}, body.encode(), key, signed)
        if status != 201:
            return None
        with understood("a receipt"):
            countersigned = answer["receipt"]
            if not isinstance(countersigned, str) or len(countersigned) > _LONGEST_RECEIPT:
                raise TypeError("no receipt of a sane length")
            given = {name: text(answer["exchangeKey"][name]) for name in ("kty", "crv", "x")}
            said = signed_payload(countersigned, given)
            if said is None:
                raise ValueError("its signature does not verify with the key beside it")
            told = loads(said)
            if (told["headSequence"], told["headHash"]) != (sequence, head):
                raise ValueError("it is for another head")
            return Receipt(sequence, head, signed.decode("ascii"), countersigned, given)

    async def close(self) -> None:
        await self._line.close()

    def _request(self, request_id: str) -> Json:
        return {
            "requestId": request_id,
            "partyId": self._access.party_id,
            "counterPartyId": _MARKET_PARTY,
        }

    async def _reference(self, name: str, request_id: str) -> Json:
        status, answer = await self._post(name, self._request(request_id), None)
        if status != 200:
            raise MarketError(f"the exchange refused {name}: {status} {said(answer.get('detail'))}")
        return answer

    async def _get(self, name: str, query: Mapping[str, str]) -> Json:
        status, answer = await self._line.ask("GET", name, query)
        if status != 200:
            raise MarketError(f"the exchange refused {name}: {status} {said(answer.get('detail'))}")
        return answer

    async def _post(self, name: str, body: Json, key: str | None) -> tuple[int, Json]:
        """With a key the request changes something and is signed."""
        return await self._line.ask("POST", name, {}, json.dumps(body).encode(), key)


def _parts(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """A span in pieces whose answers are of a bounded size."""
    while start < end:
        until = min(end, start + _ASKED_AT_ONCE)
        yield start, until
        start = until
