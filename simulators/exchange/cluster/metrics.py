"""What an edge tells Prometheus: its own requests, and how the zone is, for the alarms of docs/cluster.md.

What cannot be asked now has no sample, and ``exchange_reachable`` says of what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from gateway.errors import StorageError
from simulators.exchange.cluster.edge import LoggedRequests
from simulators.exchange.cluster.log import Log
from simulators.exchange.cluster.market import EdgeMarket
from simulators.exchange.cluster.market_time import MarketTime
from simulators.exchange.routes import ROUTES
from simulators.exchange.server import Handler
from simulators.exchange.settlement_engine import RUNS

_ASK_S = 2.0
_NAMES = {f"/cts/{route.name}": route.name for route in ROUTES} | {"/oauth2/token": "token"}
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4)
_LAST_SETTLED = """
SELECT COALESCE(SUM(energy + imbalance + uncontracted + fee), 0)::bigint FROM statement
WHERE start IN (SELECT value::int FROM mark WHERE name = ANY($1))
"""


@dataclass(slots=True)
class _Zone:
    """What the engines say: None or missing where they cannot be asked."""

    call_age_s: float | None = None
    settlement: dict[str, int] = field(default_factory=dict)
    account_error: int | None = None
    log_behind: dict[int, int] = field(default_factory=dict)
    ledger: bool = False
    log: bool = False


class EdgeMetrics:
    """Counts by `measured`; `serve` answers a scrape."""

    def __init__(
        self, market: EdgeMarket, requests: LoggedRequests, log: Log, time: MarketTime
    ) -> None:
        self._market, self._requests, self._log, self._time = market, requests, log, time
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "exchange_requests",
            "answers of this edge",
            ["operation", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "exchange_request_seconds",
            "from a request to its answer",
            ["operation"],
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._zone = _Zone()
        self._registry.register(self)

    async def measured(self, request: web.BaseRequest, handler: Handler) -> web.StreamResponse:
        """Counts what the handler answers."""
        operation = _NAMES.get(request.path)
        if operation is None:  # a ticker lasts; and what strangers ask names no metric
            return await handler(request)
        now = asyncio.get_running_loop().time
        began = now()
        reply = await handler(request)
        self._seconds.labels(operation).observe(now() - began)
        self._answers.labels(operation, str(reply.status)).inc()
        return reply

    async def serve(self, _request: web.Request) -> web.Response:
        self._zone = _Zone()
        await asyncio.gather(self._ask_ledger(), self._ask_log())
        return web.Response(
            body=generate_latest(self._registry),
            headers={"Content-Type": "text/plain; version=0.0.4"},
        )

    async def _ask_ledger(self) -> None:
        market, zone = self._market, self._zone
        try:
            async with asyncio.timeout(_ASK_S):
                await market.refresh()
                ((zone.account_error,),) = await market.postgres.db.rows(_LAST_SETTLED, list(RUNS))
        except (StorageError, TimeoutError):
            return
        now, last = market.now(), market.last_step
        zone.call_age_s = None if last is None else (now - last).total_seconds()
        zone.settlement = {run: market.settlement.behind(run, now) for run in RUNS}
        zone.ledger = True

    async def _ask_log(self) -> None:
        try:
            async with asyncio.timeout(_ASK_S):
                rows = await self._market.postgres.db.rows("SELECT shard, seq FROM log_position")
                spans = await asyncio.gather(*(self._log.span(shard) for shard, _ in rows))
        except (StorageError, TimeoutError):
            return
        self._zone.log_behind = {
            shard: max(0, last - seq) for (shard, seq), (_, last) in zip(rows, spans, strict=True)
        }
        self._zone.log = True

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        zone = self._zone
        reachable = GaugeMetricFamily(
            "exchange_reachable", "1 where the engine answers", labels=["engine"]
        )
        reachable.add_metric(["postgresql"], zone.ledger)
        reachable.add_metric(["nats"], zone.log)
        yield reachable
        yield GaugeMetricFamily(
            "exchange_unanswered_requests",
            "taken in here and not answered by their shard",
            value=self._requests.unanswered,
        )
        if self._time.ahead_s is not None:
            about = "of this machine's clock before the leader's, by which it is corrected"
            yield GaugeMetricFamily("exchange_clock_ahead_seconds", about, value=self._time.ahead_s)
        if zone.call_age_s is not None:
            about = "since the last call time that is done"
            yield GaugeMetricFamily("exchange_call_age_seconds", about, value=zone.call_age_s)
        if zone.account_error is not None:
            about = "sum of the statements of the intervals that were settled last, 1e-8 USD; 0"
            yield GaugeMetricFamily("exchange_account_error", about, value=zone.account_error)
        settlement = GaugeMetricFamily(
            "exchange_settlement_behind", "intervals that are due and not settled", labels=["run"]
        )
        for run, behind in zone.settlement.items():
            settlement.add_metric([run], behind)
        yield settlement
        log = GaugeMetricFamily(
            "exchange_log_behind", "messages that a shard has not carried out", labels=["shard"]
        )
        for shard, behind in zone.log_behind.items():
            log.add_metric([str(shard)], behind)
        yield log
