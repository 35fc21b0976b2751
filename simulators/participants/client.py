"""The small HTTP client that every simulated participant speaks to the exchange with."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from gateway.clock import Clock
from gateway.domain.intervals import iso, parse_utc
from gateway.errors import MarketError
from simulators.participants.credential import Credential
from simulators.participants.meter import Reading

_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Posted:
    """Published prices of an interval in ticks; None = not yet known."""

    retail: int | None
    export: int | None
    day_ahead: int | None
    imbalance: int | None


@dataclass(frozen=True, slots=True)
class Fill:
    """One of our fills: Wh bought + (sold -), ticks."""

    seq: int
    start: datetime
    bought_wh: int
    price: int


@dataclass(frozen=True, slots=True)
class Bid:
    """What to ask for in one interval of a stream tender: ticks, Wh."""

    price: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Venue:
    """Where the exchange is and, unless it believes a bare name, how to prove oneself there."""

    url: str
    clock: Clock
    credentials: Path | None = None  # folder with one file a party
    ca_file: Path | None = None


class Client:
    """One party's connection. Raises MarketError where the exchange does not answer well."""

    def __init__(self, venue: Venue, party_id: str) -> None:
        self.party_id = party_id
        self._url = venue.url.rstrip("/")
        self._clock = venue.clock
        self._ca_file = venue.ca_file
        self._credential: Credential | None = None
        self._token = f"insecure:{party_id}"
        if venue.credentials is not None:
            self._credential = Credential.read(venue.credentials / f"{party_id}.json")
            self._token = ""
        self._session: aiohttp.ClientSession | None = None
        self._market: tuple[str, str] | None = None

    async def prices(self, start: datetime, end: datetime) -> dict[datetime, Posted]:
        answer = await self._ask("GET", "prices", query={"start": iso(start), "end": iso(end)})
        return {
            parse_utc(row["interval"]["dtStart"]): Posted(
                row["price"], row["exportPrice"], row["dayAheadPrice"], row["imbalancePrice"]
            )
            for row in answer["prices"]
        }

    async def stream(
        self, tender_id: str, side: str, start: datetime, bids: Sequence[Bid], expires: datetime
    ) -> dict[str, Any]:
        """Tender for quarter-hours that follow each other; a bid of 0 Wh is left out by the market."""
        market_id, segment_id = await self._where()
        intervals = [
            {
                "streamUid": uid,
                "streamIntervalPrice": bid.price,
                "streamIntervalQuantity": bid.quantity,
            }
            for uid, bid in enumerate(bids)
        ]
        body = self._request(tender_id) | {
            "marketId": market_id,
            "segmentId": segment_id,
            "tender": {
                "tenderId": tender_id,
                "side": side,
                "expirationTime": iso(expires),
                "tenderDetail": {
                    "stream": {
                        "streamIntervalDuration": "PT15M",
                        "streamStart": iso(start),
                        "streamIntervals": intervals,
                    }
                },
            },
        }
        return await self._ask("POST", "createStreamTender", body=body, key=tender_id)

    async def fills(self, after: int) -> tuple[list[Fill], bool]:
        """Our fills after that sequence number, and whether there are more."""
        answer = await self._ask("GET", "transactions", query={"after": str(after)})
        found = []
        for row in answer["transactions"]:
            tender, detail = row["tender"], row["tender"]["tenderDetail"]
            sign = 1 if tender["side"] == "BUY" else -1
            start = parse_utc(detail["interval"]["dtStart"])
            found.append(Fill(row["seq"], start, sign * detail["quantity"], detail["price"]))
        return found, answer["more"]

    async def deliver(self, reading: Reading) -> None:
        request_id = f"deliver:{iso(reading.start)}"
        body = self._request(request_id) | {
            "measurementPointId": f"{self.party_id}-meter",
            "interval": {"dtStart": iso(reading.start), "duration": "PT15M"},
            "importQuantity": reading.import_wh,
            "exportQuantity": reading.export_wh,
            "importRegister": reading.import_register,
            "exportRegister": reading.export_register,
            "quality": "MEASURED",
        }
        await self._ask("POST", "deliver", body=body, key=request_id)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _where(self) -> tuple[str, str]:
        if self._market is None:
            answer = await self._ask(
                "POST", "manageSegmentReferenceData", body=self._request("segment")
            )
            segment = answer["segmentReferenceData"][0]
            self._market = segment["marketId"], segment["segmentId"]
        return self._market

    def _request(self, request_id: str) -> dict[str, Any]:
        return {"requestId": request_id, "partyId": self.party_id}

    async def _ask(
        self,
        method: str,
        name: str,
        *,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        headers = {"Idempotency-Key": key} if key is not None else {}
        data = None if body is None else json.dumps(body).encode()
        if data is not None and key is not None and self._credential is not None:
            headers["Content-Type"] = "application/jose"
            data = self._credential.sign(data, self._clock.now())
        status, answer = 401, dict[str, Any]()
        for fresh in (False, True):
            headers["Authorization"] = f"Bearer {await self._bearer(fresh=fresh)}"
            status, answer = await self._send(method, f"/cts/{name}", headers, data, query)
            if status != 401 or self._credential is None:
                break
        if status >= 400:
            raise MarketError(f"{name}: {status} {answer.get('detail')}")
        return answer

    async def _bearer(self, *, fresh: bool) -> str:
        if self._credential is not None and (fresh or not self._token):
            basic = aiohttp.encode_basic_auth(self._credential.client_id, self._credential.secret)
            headers = {
                "Authorization": basic,
                "Content-Type": "application/x-www-form-urlencoded",
            }
            body = b"grant_type=client_credentials"
            status, answer = await self._send("POST", "/oauth2/token", headers, body, None)
            if status != 200:
                raise MarketError(f"{self._url}: no token: {status}")
            self._token = answer["access_token"]
        return self._token

    async def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        data: bytes | None,
        query: dict[str, str] | None,
    ) -> tuple[int, dict[str, Any]]:
        if self._session is None:
            trusted: ssl.SSLContext | bool = True
            if self._ca_file is not None:
                trusted = ssl.create_default_context(cafile=self._ca_file)
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted))
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                self._session.request(
                    method, self._url + path, params=query, data=data, headers=headers
                ) as reply,
            ):
                answer: dict[str, Any] = await reply.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise MarketError(f"{self._url}: {type(error).__name__} {error}".rstrip()) from error
        return reply.status, answer
