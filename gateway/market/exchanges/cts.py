"""The exchange of the charging network: CTS 1.0 messages in JSON over HTTP (docs/exchange.md).

Only this file speaks aiohttp to an exchange; what goes wrong there leaves as MarketError. A request
that changes something carries an idempotency key made of its content's own name, so sending it
again, now or after a restart, is carried out once.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import aiohttp

from gateway.domain.intervals import QUARTER, Interval, iso, parse_utc
from gateway.domain.trade import (
    CancelAnswer,
    MarketRules,
    Metered,
    MeterQuality,
    Run,
    Settlement,
    Side,
    Tender,
    TenderAnswer,
    Transaction,
)
from gateway.errors import ConfigError, MarketError
from gateway.market.exchanges import ExchangeAccess, PublishedPrices

_TIMEOUT_S = 15.0
_MARKET_PARTY = "exchange"
Json = dict[str, Any]


def connect(access: ExchangeAccess) -> CtsExchange:
    """Entry point: nothing is sent before the first question."""
    return CtsExchange(access)


class CtsExchange:
    """Implements the port `gateway.market.exchanges.Exchange`."""

    def __init__(self, access: ExchangeAccess) -> None:
        self._access = access
        self._url = access.url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._rules: MarketRules | None = None

    async def rules(self) -> MarketRules:
        market = await self._reference("manageMarketReferenceData", "market")
        segment = await self._reference("manageSegmentReferenceData", "segment")
        with _understood("reference data"):
            self._rules = _rules(market["marketReferenceData"], segment["segmentReferenceData"][0])
            return self._rules

    async def server_time(self) -> datetime:
        answer = await self._get("party", {})
        with _understood("the server time"):
            return parse_utc(answer["serverTime"])

    async def prices(self, start: datetime, end: datetime) -> Sequence[PublishedPrices]:
        answer = await self._get("prices", {"start": iso(start), "end": iso(end)})
        with _understood("prices"):
            return [_prices(row) for row in answer["prices"]]

    async def create_tenders(self, tenders: Sequence[Tender]) -> Sequence[TenderAnswer]:
        rules = self._rules or await self.rules()
        return [await self._create(rules, tender) for tender in tenders]

    async def _create(self, rules: MarketRules, tender: Tender) -> TenderAnswer:
        body = self._request(tender.tender_id) | {
            "marketId": rules.market_id,
            "segmentId": rules.segment_id,
            "tender": _tender(tender),
        }
        status, answer = await self._post("createTender", body, tender.tender_id)
        with _understood("the answer to a tender"):
            if status == 201:
                if answer["tenderId"] != tender.tender_id:
                    raise ValueError("it names another tender")
                return TenderAnswer(
                    tender.tender_id, True, _text(answer["marketOrderId"]), 201, "accepted"
                )
            return TenderAnswer(tender.tender_id, False, None, status, _text(answer["detail"]))

    async def cancel(self, tender_id: str) -> CancelAnswer:
        # A cancel that was refused for its time must not be remembered as the answer to a later
        # one, so the key carries the minute; within it a repetition gets the first answer.
        key = f"cancel:{tender_id}:{iso(self._access.clock.now())[:16]}"
        body = self._request(key) | {"tenderId": tender_id}
        status, answer = await self._post("cancelTender", body, key)
        with _understood("the answer to a cancel"):
            if status != 200:
                return CancelAnswer(tender_id, False, 0, status, _text(answer["detail"]))
            result = answer["eiCanceledResponse"]
            return CancelAnswer(
                tender_id,
                _flag(result["success"]),
                _whole(result["remainingQuantity"]),
                status,
                _text(answer["response"]["responseDescription"]),
            )

    async def find_tender(self, tender_id: str) -> TenderAnswer | None:
        answer = await self._get("tenders", {"tenderId": tender_id})
        with _understood("a tender"):
            for row in answer["tenders"]:
                if row["tenderId"] == tender_id:
                    order_id, state = _text(row["marketOrderId"]), _text(row["ordStatus"])
                    return TenderAnswer(tender_id, True, order_id, 201, state)
            return None

    async def transactions(self, after: int) -> Sequence[Transaction]:
        found: list[Transaction] = []
        while True:
            answer = await self._get("transactions", {"after": str(after)})
            with _understood("transactions"):
                page = [_transaction(row) for row in answer["transactions"]]
                sequences = [after, *(t.sequence for t in page)]
                if sequences != sorted(set(sequences)):
                    raise ValueError("their sequence does not rise")
            if not page:
                return found
            found += page
            after = page[-1].sequence

    async def deliver(self, metered: Metered) -> None:
        measured = metered.quality is MeterQuality.MEASURED
        # An estimate and the reading that replaces it are two documents about one interval.
        key = f"deliver:{iso(metered.interval.start)}:{metered.quality.value}"
        body = self._request(key) | {
            "measurementPointId": f"{self._access.party_id}-meter",
            "interval": _interval_out(metered.interval),
            "importQuantity": metered.import_wh,
            "exportQuantity": metered.export_wh,
            "importRegister": metered.import_register_wh,
            "exportRegister": metered.export_register_wh,
            "quality": "MEASURED" if measured else "ESTIMATED",
        }
        status, answer = await self._post("deliver", body, key)
        if status != 201:
            raise MarketError(f"the exchange refused a meter reading: {answer.get('detail')}")

    async def settlements(self, start: datetime, end: datetime) -> Sequence[Settlement]:
        answer = await self._get("settlements", {"start": iso(start), "end": iso(end)})
        with _understood("settlements"):
            return [_settlement(row) for row in answer["settlements"]]

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _request(self, request_id: str) -> Json:
        return {
            "requestId": request_id,
            "partyId": self._access.party_id,
            "counterPartyId": _MARKET_PARTY,
        }

    async def _reference(self, name: str, request_id: str) -> Json:
        status, answer = await self._post(name, self._request(request_id), None)
        if status != 200:
            raise MarketError(f"the exchange refused {name}: {answer.get('detail', status)}")
        return answer

    async def _get(self, name: str, query: Mapping[str, str]) -> Json:
        status, answer = await self._exchange("GET", name, query, None, None)
        if status != 200:
            raise MarketError(f"the exchange refused {name}: {answer.get('detail', status)}")
        return answer

    async def _post(self, name: str, body: Json, key: str | None) -> tuple[int, Json]:
        return await self._exchange("POST", name, {}, json.dumps(body).encode(), key)

    async def _exchange(
        self, method: str, name: str, query: Mapping[str, str], body: bytes | None, key: str | None
    ) -> tuple[int, Json]:
        """One request and its JSON answer; 5xx, 401, 429 and everything lost are MarketErrors."""
        headers = {"Authorization": f"Bearer insecure:{self._access.party_id}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        url = f"{self._url}/cts/{name}"
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                session = self._open()
                async with session.request(
                    method, url, params=query, data=body, headers=headers
                ) as reply:
                    text = await reply.text()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise MarketError(f"{url}: {type(error).__name__} {error}".rstrip()) from error
        with _understood(f"the answer of {name} ({reply.status})"):
            answer = json.loads(text)
            if not isinstance(answer, dict):
                raise TypeError("it is no JSON object")
        if reply.status >= 500 or reply.status in (401, 408, 425, 429):
            raise MarketError(f"{url}: {reply.status} {answer.get('detail', '')}")
        return reply.status, answer

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls())
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session

    def _tls(self) -> ssl.SSLContext | bool:
        if self._access.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=self._access.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"market.ca_file {self._access.ca_file}: {error}") from error


class _understood:  # noqa: N801 - reads as a word: with _understood("prices"): ...
    """Turns everything that a nonsense answer can cause into one MarketError that names it."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        nonsense = (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError)
        if isinstance(error, nonsense):
            raise MarketError(f"the exchange sent nonsense as {self._what}: {error!r}") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is no truth value")
    return value


def _or_none(value: object) -> int | None:
    return None if value is None else _whole(value)


def _span(text: object) -> timedelta:
    """An ISO 8601 duration of hours, minutes and seconds."""
    found = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", _text(text))
    if found is None or text == "PT":
        raise ValueError(f"{text!r} is no duration")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _interval_out(interval: Interval) -> Json:
    return {"dtStart": iso(interval.start), "duration": "PT15M"}


def _interval(value: Any) -> Interval:
    start = parse_utc(_text(value["dtStart"]))
    if _span(value["duration"]) != QUARTER:
        raise ValueError("an interval of another length")
    return Interval(start, start + QUARTER)


def _tender(tender: Tender) -> Json:
    """EiTenderType."""
    return {
        "tenderId": tender.tender_id,
        "side": tender.side.value,
        "resourceDesignator": "ENERGY",
        "expirationTime": iso(tender.expires),
        "allOrNone": False,
        "tenderDetail": {
            "interval": _interval_out(tender.interval),
            "price": tender.price_ticks,
            "quantity": tender.quantity_wh,
        },
    }


def _rules(market: Any, segment: Any) -> MarketRules:
    return MarketRules(
        market_id=_text(market["marketId"]),
        segment_id=_text(segment["segmentId"]),
        currency=_text(market["currency"]),
        mechanism=_text(segment["marketMechanism"]),
        tick_per_mwh=Decimal(_whole(market["tickSize"])).scaleb(-_whole(market["priceScale"])),
        lot_wh=_whole(segment["roundLot"]),
        min_quantity_wh=_whole(segment["minTenderQuantity"]),
        max_quantity_wh=_whole(segment["maxTenderQuantity"]),
        floor_ticks=_whole(segment["priceFloor"]),
        cap_ticks=_whole(segment["priceCap"]),
        first_call_lead=_span(segment["firstCallLead"]),
        gate_closure_lead=_span(segment["gateClosureLead"]),
        cancel_closure_lead=_span(segment["cancelClosureLead"]),
        call_period=_span(segment["callPeriod"]),
        guard=_span(segment["guard"]),
    )


def _prices(row: Any) -> PublishedPrices:
    return PublishedPrices(
        interval=_interval(row["interval"]),
        import_ticks=_or_none(row["price"]),
        export_ticks=_or_none(row["exportPrice"]),
        day_ahead_ticks=_or_none(row["dayAheadPrice"]),
        imbalance_ticks=_or_none(row["imbalancePrice"]),
    )


def _transaction(row: Any) -> Transaction:
    tender = row["tender"]
    detail = tender["tenderDetail"]
    quantity = _whole(detail["quantity"])
    if quantity <= 0:
        raise ValueError(f"a fill of {quantity} Wh")
    return Transaction(
        transaction_id=_text(row["marketTransactionId"]),
        sequence=_whole(row["seq"]),
        tender_id=_text(tender["tenderId"]),
        interval=_interval(detail["interval"]),
        side=Side(_text(tender["side"])),
        quantity_wh=quantity,
        price_ticks=_whole(detail["price"]),
    )


def _settlement(row: Any) -> Settlement:
    return Settlement(
        settlement_id=_text(row["settlementId"]),
        interval=_interval(row["interval"]),
        run=Run(_text(row["run"])),
        position_wh=_whole(row["position"]),
        metered_wh=_whole(row["metered"]),
        imbalance_price_ticks=_whole(row["imbalancePrice"]),
        energy_money=_whole(row["energyMoney"]),
        imbalance_money=_whole(row["imbalanceMoney"]),
        uncontracted_money=_whole(row["uncontractedMoney"]),
        fee_money=_whole(row["feeMoney"]),
        reverses=None if row["reverses"] is None else _text(row["reverses"]),
    )
