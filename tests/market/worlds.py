"""A counterpart for each adapter: what it talks to, as a real HTTP server on a simulated clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from aiohttp import web

from gateway.clock import SimClock
from gateway.domain.intervals import floor_quarter, iso, parse_utc
from simulators.exchange import ExchangeHandle, start_exchange


class World(Protocol):
    """A running counterpart at ``url``; ``settled_after`` delivery there is a settlement."""

    url: str
    settled_after: timedelta

    async def close(self) -> None: ...


@dataclass(frozen=True)
class SteadyPrices:
    """Day-ahead 30 and real time 40 USD/MWh, always."""

    def at(self, interval_start: datetime) -> tuple[float, float]:
        return 30.0, 40.0

    def covers(self, interval_start: datetime) -> bool:
        return True


class CtsWorld:
    """The simulated exchange; its retailer buys whatever is offered at the export price."""

    settled_after = timedelta(minutes=31)

    def __init__(self, handle: ExchangeHandle) -> None:
        self.handle, self.url = handle, handle.url

    @classmethod
    async def start(cls, clock: SimClock, group: asyncio.TaskGroup, path: Path) -> CtsWorld:
        return cls(await start_exchange(clock, group, path, SteadyPrices()))

    async def close(self) -> None:
        await self.handle.close()


class PostedWorld:
    """A retailer's web server with hourly prices: 0.14 to buy, 0.027 to sell."""

    settled_after = timedelta(minutes=1)

    def __init__(self, runner: web.AppRunner) -> None:
        self.runner = runner
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/prices"

    @classmethod
    async def start(cls, clock: SimClock, group: asyncio.TaskGroup, path: Path) -> PostedWorld:
        async def prices(request: web.Request) -> web.Response:
            start = floor_quarter(parse_utc(request.query["start"]))
            start -= timedelta(minutes=start.minute)
            rows = []
            while start < parse_utc(request.query["end"]):
                end = start + timedelta(hours=1)
                rows.append(
                    {
                        "start": iso(start),
                        "end": iso(end),
                        "import_per_kwh": "0.14",
                        "export_per_kwh": 0.027,
                    }
                )
                start = end
            return web.json_response({"currency": "USD", "prices": rows})

        app = web.Application()
        app.router.add_get("/prices", prices)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return cls(runner)

    async def close(self) -> None:
        await self.runner.cleanup()


WORLDS: Mapping[str, Callable[[SimClock, asyncio.TaskGroup, Path], Awaitable[World]]] = {
    "cts": CtsWorld.start,
    "posted_price": PostedWorld.start,
}
