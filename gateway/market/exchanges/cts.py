"""The exchange of the charging network: CTS 1.0 messages in JSON over HTTP (docs/exchange.md).

Only this file speaks aiohttp to an exchange; what goes wrong there leaves as MarketError. A request
that changes something carries an idempotency key made of its content's own name, so sending it
again, now or after a restart, is carried out once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp

from gateway.domain.intervals import iso, parse_utc
from gateway.domain.trade import (
    CancelAnswer,
    MarketRules,
    Metered,
    MeterQuality,
    Settlement,
    Tender,
    TenderAnswer,
    Transaction,
)
from gateway.errors import ConfigError, MarketError
from gateway.market.cts_documents import (
    Json,
    flag,
    interval_out,
    prices_in,
    rules_in,
    settlement_in,
    tender_out,
    text,
    transaction_in,
    understood,
    whole,
)
from gateway.market.exchanges import ExchangeAccess, PublishedPrices
from gateway.market.signing import read_credential

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_TIMEOUT_S = 15.0
_MARKET_PARTY = "exchange"


def connect(access: ExchangeAccess) -> CtsExchange:
    """Entry point: nothing is sent before the first question."""
    return CtsExchange(access)


class CtsExchange:
    """Implements the port `gateway.market.exchanges.Exchange`."""

    def __init__(self, access: ExchangeAccess) -> None:
        self._access = access
        self._line = _Line(access)
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
            return parse_utc(answer["serverTime"])

    async def prices(self, start: datetime, end: datetime) -> Sequence[PublishedPrices]:
        answer = await self._get("prices", {"start": iso(start), "end": iso(end)})
        with understood("prices"):
            return [prices_in(row) for row in answer["prices"]]

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
            return TenderAnswer(tender.tender_id, False, None, status, text(answer["detail"]))

    async def cancel(self, tender_id: str) -> CancelAnswer:
        # A cancel that was refused for its time must not be remembered as the answer to a later
        # one, so the key carries the minute; within it a repetition gets the first answer.
        key = f"cancel:{tender_id}:{iso(self._access.clock.now())[:16]}"
        body = self._request(key) | {"tenderId": tender_id}
        status, answer = await self._post("cancelTender", body, key)
        with understood("the answer to a cancel"):
            if status != 200:
                return CancelAnswer(tender_id, False, 0, status, text(answer["detail"]))
            result = answer["eiCanceledResponse"]
            return CancelAnswer(
                tender_id,
                flag(result["success"]),
                whole(result["remainingQuantity"]),
                status,
                text(answer["response"]["responseDescription"]),
            )

    async def find_tender(self, tender_id: str) -> TenderAnswer | None:
        answer = await self._get("tenders", {"tenderId": tender_id})
        with understood("a tender"):
            for row in answer["tenders"]:
                if row["tenderId"] == tender_id:
                    order_id, state = text(row["marketOrderId"]), text(row["ordStatus"])
                    return TenderAnswer(tender_id, True, order_id, 201, state)
            return None

    async def transactions(self, after: int) -> Sequence[Transaction]:
        found: list[Transaction] = []
        more = True
        while more:
            answer = await self._get("transactions", {"after": str(after)})
            with understood("transactions"):
                page = [transaction_in(row) for row in answer["transactions"]]
                sequences = [after, *(t.sequence for t in page)]
                if sequences != sorted(set(sequences)):
                    raise ValueError("their sequence does not rise")
                more = flag(answer["more"])
                if more and not page:
                    raise ValueError("an empty page that is not the last")
            found += page
            after = sequences[-1]
        return found

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
            raise MarketError(f"the exchange refused a meter reading: {answer.get('detail')}")

    async def settlements(self, start: datetime, end: datetime) -> Sequence[Settlement]:
        answer = await self._get("settlements", {"start": iso(start), "end": iso(end)})
        with understood("settlements"):
            return [settlement_in(row) for row in answer["settlements"]]

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
            raise MarketError(f"the exchange refused {name}: {answer.get('detail', status)}")
        return answer

    async def _get(self, name: str, query: Mapping[str, str]) -> Json:
        status, answer = await self._line.ask("GET", name, query)
        if status != 200:
            raise MarketError(f"the exchange refused {name}: {answer.get('detail', status)}")
        return answer

    async def _post(self, name: str, body: Json, key: str | None) -> tuple[int, Json]:
        """With a key the request changes something and is signed."""
        return await self._line.ask("POST", name, {}, json.dumps(body).encode(), key)


class _Line:
    """HTTP to one exchange: token, signature, and one kind of error for all that goes wrong."""

    def __init__(self, access: ExchangeAccess) -> None:
        self._clock = access.clock
        self._url = access.url.rstrip("/")
        self._tls = access.tls()
        self._session: aiohttp.ClientSession | None = None
        self._credential = None
        self._token = f"insecure:{access.party_id}"  # believed on loopback, when asked for
        if access.credential_file is not None:
            self._credential = read_credential(access.credential_file)
            self._token = ""
        url = urlsplit(self._url)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise ConfigError(
                f"market.url = {access.url!r}: use https://, or http:// on loopback only"
            )

    async def ask(
        self,
        method: str,
        name: str,
        query: Mapping[str, str],
        body: bytes | None = None,
        key: str | None = None,
    ) -> tuple[int, Json]:
        """Status and JSON of one request; 5xx, 401, 429 and everything lost are MarketErrors."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        if body is not None and key is not None and self._credential is not None:
            headers["Content-Type"] = "application/jose"
            body = self._credential.sign(body, self._clock.now())
        for fresh in (False, True):
            token = await self._bearer(fresh=fresh)
            headers["Authorization"] = f"Bearer {token}"
            status, answer = await self._send(method, f"/cts/{name}", query, body, headers)
            if status != 401 or self._credential is None:
                break
        if status >= 500 or status in (401, 408, 425, 429):
            raise MarketError(f"{self._url} {name}: {status} {answer.get('detail', '')}".rstrip())
        return status, answer

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _bearer(self, *, fresh: bool) -> str:
        """The token; with a credential asked for at first, and again after the exchange refused it."""
        if self._credential is None or (self._token and not fresh):
            return self._token
        client_id, secret = self._credential.client_id, self._credential.client_secret
        headers = {
            "Authorization": aiohttp.encode_basic_auth(client_id, secret),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = b"grant_type=client_credentials"
        status, answer = await self._send("POST", "/oauth2/token", {}, body, headers)
        if status != 200:
            raise MarketError(f"{self._url}: no token: {status} {answer.get('detail', '')}")
        with understood("a token"):
            self._token = text(answer["access_token"])
        return self._token

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> tuple[int, Json]:
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                self._open().request(
                    method, self._url + path, params=query, data=body, headers=headers
                ) as reply,
            ):
                raw = await reply.text()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise MarketError(f"{self._url}: {type(error).__name__} {error}".rstrip()) from error
        with understood(f"the answer of {path} ({reply.status})"):
            answer = json.loads(raw)
            if not isinstance(answer, dict):
                raise TypeError("it is no JSON object")
        return reply.status, answer

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session
