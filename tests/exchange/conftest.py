"""A real exchange on a free port of loopback, on a simulated clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.clock import SimClock
from simulators.exchange import ExchangeHandle, Terms, start_exchange
from simulators.exchange.cluster.config import ClusterConfig
from simulators.exchange.cluster.start import Zone, start_cluster
from simulators.exchange.ledger import Store
from simulators.exchange.limits import Limits
from tests import loops
from tests.exchange import servers
from tests.waiting import HANG_S

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
T = START + timedelta(hours=1)  # the instrument most tests trade


@dataclass
class TestPrices:
    """Day-ahead 30 USD/MWh and real time 40, unless a test says otherwise."""

    __test__ = False
    day_ahead: float = 30.0
    real_time: float = 40.0
    by_start: dict[datetime, tuple[float, float]] = field(default_factory=dict)

    def at(self, interval_start: datetime) -> tuple[float, float]:
        return self.by_start.get(interval_start, (self.day_ahead, self.real_time))

    def covers(self, interval_start: datetime) -> bool:
        return True


@dataclass
class Wire:
    """Black-box access: one HTTP session, any party."""

    url: str
    session: aiohttp.ClientSession
    group: asyncio.TaskGroup

    async def post(
        self,
        name: str,
        body: dict[str, Any] | bytes,
        *,
        party: str = "home",
        key: str | None = "k",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, body and headers of a POST; ``key`` None leaves the header out."""
        sent = {"Authorization": f"Bearer insecure:{party}"}
        if key is not None:
            sent["Idempotency-Key"] = key
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        async with self.session.post(
            f"{self.url}/cts/{name}", headers=sent | (headers or {}), data=data
        ) as reply:
            return reply.status, await reply.json(content_type=None), reply.headers

    async def get(self, name: str, *, party: str = "home", **query: str) -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer insecure:{party}"}
        async with self.session.get(f"{self.url}/cts/{name}", headers=sent, params=query) as reply:
            return reply.status, await reply.json(content_type=None)

    async def tender(
        self,
        tender_id: str,
        side: str,
        quantity: int,
        price: float,
        *,
        party: str = "home",
        start: datetime = T,
        key: str | None = None,
    ) -> tuple[int, Any, Mapping[str, str]]:
        body = tender_body(tender_id, side, quantity, price, party=party, start=start)
        return await self.post("createTender", body, party=party, key=key or tender_id)


def tender_body(
    tender_id: str,
    side: str,
    quantity: int,
    price: float,
    *,
    party: str = "home",
    start: datetime = T,
) -> dict[str, Any]:
    return {
        "requestId": f"r-{tender_id}",
        "partyId": party,
        "marketId": "charging-network",
        "segmentId": "LZ_SOUTH",
        "tender": {
            "tenderId": tender_id,
            "side": side,
            "expirationTime": start.isoformat(),
            "tenderDetail": {
                "interval": {"dtStart": start.isoformat(), "duration": "PT15M"},
                "price": price,
                "quantity": quantity,
            },
        },
    }


class Stores:
    """What the exchange of a test keeps its rows in: SQLite, unless the test asks for another."""

    make: Callable[[], Store] | None = None
    cluster: ClusterConfig | None = None


@pytest.fixture(params=["sqlite", "postgres", "cluster"])
def each_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs once on each store; its name."""
    if request.param == "postgres":
        server = servers.postgres()
        monkeypatch.setattr(Stores, "make", staticmethod(server.ledger))
    if request.param == "cluster":
        monkeypatch.setattr(Stores, "cluster", servers.cluster_config())
    return str(request.param)


Story = Callable[[Wire, SimClock, ExchangeHandle], Awaitable[None]]


def play(
    tmp_path: Path,
    story: Story,
    *,
    prices: TestPrices | None = None,
    terms: Terms | None = None,
    start: datetime = START,
    insecure: bool = True,
    client_ca: Path | None = None,
    limits: Limits | None = None,
) -> None:
    """Run a story against a running exchange on a simulated clock."""
    how: dict[str, Any] = {"terms": terms or Terms(), "insecure": insecure, "client_ca": client_ca}
    how["limits"] = limits
    loops.run(_play(tmp_path, story, prices or TestPrices(), start, how))


async def _play(
    tmp_path: Path,
    story: Story,
    prices: TestPrices,
    start: datetime,
    how: dict[str, Any],
) -> None:
    clock = SimClock(start)
    if Stores.cluster is not None:
        zone = Zone(
            Stores.cluster, clock, prices, answer_s=HANG_S, **how
        )  # however slow the machine
        await _play_on_cluster(tmp_path, story, zone, clock)
        return
    ledger = None if Stores.make is None else Stores.make()
    if ledger is not None:
        loops.others()
    how |= {"power_safe": False, "ledger": ledger}
    async with asyncio.TaskGroup() as group:

        async def told() -> None:
            handle = await start_exchange(clock, group, tmp_path, prices, **how)
            async with aiohttp.ClientSession() as session:
                try:
                    await story(Wire(handle.url, session, group), clock, handle)
                finally:
                    await handle.close()

        clock.spawn(group, told(), "story")


async def _play_on_cluster(tmp_path: Path, story: Story, zone: Zone, clock: SimClock) -> None:
    """Leader, shards and edges in this process, around real servers."""
    loops.others()
    config = zone.config.model_copy(update={"state": tmp_path})
    async with asyncio.TaskGroup() as group:

        async def told() -> None:
            handle = await start_cluster(replace(zone, config=config, power_safe=False), group)
            async with aiohttp.ClientSession() as session:
                try:
                    await story(Wire(handle.url, session, group), clock, handle)
                finally:
                    await handle.close()

        clock.spawn(group, told(), "story")
