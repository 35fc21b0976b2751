"""A retailer's scripted prices over real HTTP, and the hours in which its server fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from gateway.domain.intervals import QUARTER, floor_quarter, iso, parse_utc
from simulators.lab.lab import Price

Posted = Callable[[datetime], tuple[Price, Price]]


@dataclass(frozen=True, slots=True)
class Prices:
    """What a kWh costs and earns in the quarter-hour from a moment, and when that is published.

    ``known_until`` says, at a moment, up to when the server knows prices; ``down`` are spans without an
    answer. A price of None is published as null. The document is that of docs/account.md.
    """

    posted: Posted
    known_until: Callable[[datetime], datetime] = lambda now: now + timedelta(hours=36)
    down: tuple[tuple[datetime, datetime], ...] = ()
    currency: str = "USD"

    def at(self, time: datetime) -> tuple[Price, Price]:
        """The truth, whether published or not."""
        return self.posted(floor_quarter(time))

    async def serve(self, now: Callable[[], datetime]) -> tuple[str, Callable[[], Awaitable[None]]]:
        """Start a server on loopback; its address, and what ends it."""
        app = web.Application()
        app.router.add_get("/prices", _Answers(self, now).answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/prices", runner.cleanup


@dataclass(frozen=True, slots=True)
class _Answers:
    prices: Prices
    now: Callable[[], datetime]

    async def answer(self, request: web.Request) -> web.Response:
        prices, now = self.prices, self.now()
        if any(begin <= now < end for begin, end in prices.down):
            return web.Response(status=503)
        start = floor_quarter(parse_utc(request.query["start"]))
        end = min(parse_utc(request.query["end"]), prices.known_until(now))
        rows = []
        while start < end:
            bought, sold = prices.posted(start)
            row = {"start": iso(start), "end": iso(start + QUARTER)}
            rows.append({**row, "import_per_kwh": _text(bought), "export_per_kwh": _text(sold)})
            start += QUARTER
        return web.json_response({"currency": prices.currency, "prices": rows})


def _text(price: Price) -> str | None:
    return None if price is None else f"{price:.5f}"
