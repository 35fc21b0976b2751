"""The trader's way to the stub exchange: real HTTP, the same port as any adapter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import aiohttp

from gateway.clock import Clock
from gateway.domain.intervals import iso, parse_utc, quarter, quarters
from gateway.domain.trade import (
    CancelAnswer,
    MarketRules,
    Metered,
    Receipt,
    Run,
    Settlement,
    Tender,
    TenderAnswer,
    Transaction,
)
from gateway.errors import MarketError
from gateway.market.exchanges import PublishedPrices
from tests.market.stub_exchange import EXPORT, IMBALANCE, to_transaction
from tests.market.values import RULES
from tests.waiting import HANG_S


class StubExchange:
    tells_time = True

    def __init__(self, port: int, clock: Clock) -> None:
        self.base, self.clock = f"http://127.0.0.1:{port}", clock
        self.session: aiohttp.ClientSession | None = None

    async def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        if self.session is None:
            self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HANG_S))
        headers = {"X-Now": iso(self.clock.now())}
        try:
            async with self.session.request(
                method, self.base + path, json=body, params=query, headers=headers
            ) as answer:
                if answer.status >= 500:
                    raise MarketError(f"{path}: HTTP {answer.status}")
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise MarketError(f"{path}: {error}") from error

    async def rules(self) -> MarketRules:
        return RULES

    async def server_time(self) -> datetime:
        return parse_utc((await self.call("GET", "/time"))["now"])

    async def prices(self, start: datetime, end: datetime) -> Sequence[PublishedPrices]:
        return [
            PublishedPrices(interval, None, EXPORT, None, IMBALANCE)
            for interval in quarters(start, end)
        ]

    async def create_tenders(self, tenders: Sequence[Tender]) -> Sequence[TenderAnswer]:
        body = [
            {
                "tender_id": t.tender_id,
                "start": iso(t.interval.start),
                "side": t.side.value,
                "quantity_wh": t.quantity_wh,
                "price_ticks": t.price_ticks,
            }
            for t in tenders
        ]
        return [_answer(a) for a in await self.call("POST", "/tenders", body)]

    async def cancel(self, tender_id: str) -> CancelAnswer:
        a = await self.call("POST", "/cancel", {"tender_id": tender_id})
        if not isinstance(a, dict):
            raise MarketError("nonsense from the exchange")
        return CancelAnswer(tender_id, a["success"], a["remaining"], 200, "")

    async def find_tender(self, tender_id: str) -> TenderAnswer | None:
        found = await self.call("GET", f"/tenders/{tender_id}")
        return _answer(found) if found else None

    async def open_tenders(self) -> Sequence[str]:
        return [str(name) for name in await self.call("GET", "/open")]

    async def signed_tender(self, tender_id: str) -> Tender | None:
        return None

    async def transactions(self, after: int) -> Sequence[Transaction]:
        found = await self.call("GET", "/transactions", after=str(after))
        return [to_transaction(t) for t in found]

    async def deliver(self, metered: Metered) -> None:
        body = {"start": iso(metered.interval.start), "net_wh": metered.net_wh}
        await self.call("POST", "/deliver", body)

    async def settlements(self, start: datetime, end: datetime) -> Sequence[Settlement]:
        found = await self.call("GET", "/settlements", start=iso(start), end=iso(end))
        return [
            Settlement(
                s["settlement_id"],
                quarter(parse_utc(s["start"])),
                Run.PRELIM,
                s["position_wh"],
                s["metered_wh"],
                IMBALANCE,
                s["energy"],
                s["imbalance"],
                s["uncontracted"],
                s["fee"],
            )
            for s in found
        ]

    async def attest(self, sequence: int, head: str) -> Receipt | None:
        return None

    async def close(self) -> None:
        if self.session:
            await self.session.close()


def _answer(body: dict[str, Any]) -> TenderAnswer:
    try:
        return TenderAnswer(
            body["tender_id"], body["accepted"], body["order"], body["code"], "test"
        )
    except (KeyError, TypeError) as error:
        raise MarketError(f"nonsense from the exchange: {error}") from error
