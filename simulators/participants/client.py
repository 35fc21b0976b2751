"""The small HTTP client that every simulated participant speaks to the exchange with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from gateway.domain.intervals import iso, parse_utc
from gateway.errors import MarketError

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


class Client:
    """One party's connection. Raises MarketError where the exchange does not answer well."""

    def __init__(self, url: str, party_id: str) -> None:
        self.party_id = party_id
        self._url = url.rstrip("/")
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

    async def fills(self, after: int) -> list[Fill]:
        answer = await self._ask("GET", "transactions", query={"after": str(after)})
        found = []
        for row in answer["transactions"]:
            tender, detail = row["tender"], row["tender"]["tenderDetail"]
            sign = 1 if tender["side"] == "BUY" else -1
            start = parse_utc(detail["interval"]["dtStart"])
            found.append(Fill(row["seq"], start, sign * detail["quantity"], detail["price"]))
        return found

    async def deliver(
        self, start: datetime, import_wh: int, export_wh: int, registers: tuple[int, int]
    ) -> None:
        request_id = f"deliver:{iso(start)}"
        body = self._request(request_id) | {
            "measurementPointId": f"{self.party_id}-meter",
            "interval": {"dtStart": iso(start), "duration": "PT15M"},
            "importQuantity": import_wh,
            "exportQuantity": export_wh,
            "importRegister": registers[0],
            "exportRegister": registers[1],
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
        headers = {"Authorization": f"Bearer insecure:{self.party_id}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        if self._session is None:
            self._session = aiohttp.ClientSession()
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                self._session.request(
                    method, f"{self._url}/cts/{name}", params=query, data=data, headers=headers
                ) as reply,
            ):
                answer: dict[str, Any] = await reply.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise MarketError(f"{self._url}: {type(error).__name__} {error}".rstrip()) from error
        if reply.status >= 400:
            raise MarketError(f"{name}: {reply.status} {answer.get('detail')}")
        return answer
