"""The roles of a cluster put together, each for a process of its own or all of them in one."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from gateway.clock import Clock
from gateway.errors import ConfigError, StorageError
from simulators.exchange import receipts
from simulators.exchange.access import Access, make_credentials
from simulators.exchange.cluster.config import ClusterConfig
from simulators.exchange.cluster.edge import LoggedRequests
from simulators.exchange.cluster.leader import Leader
from simulators.exchange.cluster.log import Log
from simulators.exchange.cluster.market import ClusterMarket, EdgeMarket
from simulators.exchange.cluster.market_time import MarketTime
from simulators.exchange.cluster.metrics import EdgeMetrics
from simulators.exchange.cluster.position import NEWS, have_shards
from simulators.exchange.cluster.shard import Shard
from simulators.exchange.limits import Limits
from simulators.exchange.parties import Party
from simulators.exchange.postgres import Postgres
from simulators.exchange.postgres_ledger import PARTY_CHANGED, PostgresLedger, Share
from simulators.exchange.server import make_runner
from simulators.exchange.start import DEFAULT_PARTIES, ExchangeHandle, end_tasks
from simulators.exchange.terms import PriceSource, Terms
from simulators.exchange.tls import server_context

log = logging.getLogger(__name__)
_PREPARE = 7_304_000  # advisory: one process makes what all need
_NONE = Share(0, 0)


@dataclass(frozen=True)
class Zone:
    """What all roles of a zone have in common. An edge answers within ``answer_s``, or says that it
    cannot: a shard that was killed is back in about that time."""

    config: ClusterConfig
    clock: Clock
    source: PriceSource
    terms: Terms
    insecure: bool = False
    power_safe: bool = True
    parties: Sequence[Party] = DEFAULT_PARTIES
    client_ca: Path | None = None
    limits: Limits | None = None
    answer_s: float = 4.0

    def ledger(self, share: Share = _NONE, connections: int = 4) -> PostgresLedger:
        """Raises StorageError where PostgreSQL cannot be reached."""
        db = Postgres(self.config.postgres, power_safe=self.power_safe, connections=connections)
        return PostgresLedger(db, share)

    async def log(self) -> Log:
        config = self.config
        made = Log(config.nats, config.prefix, config.shards, config.replicas, 0.75 * self.answer_s)
        try:
            await made.open()
            await made.prepare()
        except BaseException:
            await made.close()
            raise
        return made


@dataclass
class Running:
    """What a role has open."""

    ledgers: list[PostgresLedger] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    runners: list[web.BaseRunner] = field(default_factory=list)

    async def close(self) -> None:
        """Whatever one of them says at its end, the others end too."""
        async with AsyncExitStack() as rest:
            for ledger in self.ledgers:
                rest.callback(ledger.close)
            for opened in self.logs:
                rest.push_async_callback(opened.close)
            rest.push_async_callback(end_tasks, *self.tasks)
            for runner in self.runners:
                rest.push_async_callback(runner.cleanup)


async def prepare(zone: Zone) -> None:
    """Have tables, parties, credentials and keys; every role may do it, one at a time."""
    ledger = zone.ledger(connections=1)
    try:
        await ledger.db.hold(_PREPARE)
        await have_shards(ledger, zone.config.shards)
        market = ClusterMarket(zone.clock, ledger, zone.source, zone.terms)
        market.parties.register(*zone.parties)
        state = zone.config.state
        make_credentials(market, state / "credentials", zone.parties)
        await Access(market, insecure=zone.insecure).open()
        await receipts.make_key(market)
        if not zone.insecure:
            _tls(zone)
    finally:
        ledger.close()


async def start_leader(zone: Zone, group: asyncio.TaskGroup, running: Running) -> Leader:
    """Hold the calls on the zone's clock."""
    ledger = zone.ledger()
    running.ledgers.append(ledger)
    running.logs.append(opened := await zone.log())
    leader = Leader(zone.clock, ledger, zone.source, zone.terms, opened)
    _follow(leader, group, running)
    running.tasks.append(zone.clock.spawn(group, leader.run(), "leader"))
    return leader


async def start_shard(zone: Zone, group: asyncio.TaskGroup, running: Running, number: int) -> None:
    """Carry out one shard's log."""
    share = Share(number, zone.config.shards, logged=True)
    running.logs.append(opened := await zone.log())
    time = await _market_time(zone, group, running, f"shard {number}", opened)
    known: list[ClusterMarket] = []

    def make() -> ClusterMarket:
        if known:
            known[0].load()
            return known[0]
        ledger = zone.ledger(share, connections=2)
        running.ledgers.append(ledger)
        market = ClusterMarket(time, ledger, zone.source, zone.terms)
        _follow(market, group, running)
        known.append(market)
        return market

    work = Shard(number, opened, make, time, zone.answer_s).run()
    running.tasks.append(group.create_task(work, name=f"shard {number}"))


async def start_edge(zone: Zone, group: asyncio.TaskGroup, running: Running, number: int) -> str:
    """Serve HTTP; the base address."""
    host, port = zone.config.edge(number)
    if zone.insecure and host not in ("127.0.0.1", "localhost"):
        raise ConfigError(f"--insecure serves on loopback only, not on {host}")
    ledger = zone.ledger(connections=8)
    running.ledgers.append(ledger)
    running.logs.append(opened := await zone.log())
    time = await _market_time(zone, group, running, f"edge {number}", opened)
    market = EdgeMarket(time, ledger, zone.source, zone.terms)
    requests = LoggedRequests(ledger, opened, zone.answer_s)
    market.requests = requests
    running.tasks.append(group.create_task(requests.run(), name=f"edge {number}"))
    _follow(market, group, running)
    access = Access(market, insecure=zone.insecure, limits=zone.limits)
    await access.open()
    metrics = EdgeMetrics(market, requests, opened, time)
    runner = make_runner(market, access, metrics.measured)
    tls = None if zone.insecure else _tls(zone)
    port = await _listen(runner, host, port, running, tls)
    if (where := zone.config.metrics_of(number)) is not None:
        scraped = web.Application()
        scraped.router.add_get("/metrics", metrics.serve)
        await _listen(web.AppRunner(scraped, access_log=None), *where, running)
    return f"{'http' if zone.insecure else 'https'}://{host}:{port}"


async def _listen(
    runner: web.BaseRunner,
    host: str,
    port: int,
    running: Running,
    tls: ssl.SSLContext | None = None,
) -> int:
    """The port; ConfigError where it is taken."""
    running.runners.append(runner)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls, reuse_port=False).start()
    except OSError as error:
        raise ConfigError(f"the edge cannot listen on {host}:{port}: {error}") from error
    return int(runner.addresses[0][1])


def _tls(zone: Zone) -> ssl.SSLContext:
    """One certificate for all edges that share the state folder."""
    hosts = [zone.config.edge(number)[0] for number in range(len(zone.config.edges))]
    return server_context(zone.config.state / "tls", *hosts, client_ca=zone.client_ca)


async def _market_time(
    zone: Zone, group: asyncio.TaskGroup, running: Running, name: str, opened: Log
) -> MarketTime:
    time = MarketTime(zone.clock, name)
    await time.look(opened)
    running.tasks.append(group.create_task(time.follow(opened), name=f"time of {name}"))
    return time


def _follow(market: ClusterMarket, group: asyncio.TaskGroup, running: Running) -> None:
    """Keep what the market knows of parties, and of calls where it asks, as the ledger has it."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def told(channel: str, said: str) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, (channel, said))

    async def follow() -> None:
        while True:
            channel, said = await heard.get()
            try:
                if channel == PARTY_CHANGED:
                    await market.renew(said)
                else:
                    await market.refresh()
            except StorageError as error:
                log.info("what has changed cannot be read: %s", error)
            market.news.announce()

    running.tasks.append(group.create_task(follow(), name="changes"))
    market.postgres.db.listen([PARTY_CHANGED, NEWS], told)


@dataclass
class ClusterHandle(ExchangeHandle):
    """A whole cluster in one process, for tests; ``market`` is the leader's."""

    running: Running = field(default_factory=Running)
    urls: Sequence[str] = ()

    async def close(self) -> None:
        """See `ExchangeHandle.close`."""
        await self.running.close()


async def start_cluster(zone: Zone, group: asyncio.TaskGroup) -> ClusterHandle:
    """Every role in this process, on the zone's clock."""
    running, edges = Running(), range(len(zone.config.edges))
    await prepare(zone)
    try:
        for number in range(zone.config.shards):
            await start_shard(zone, group, running, number)
        leader = await start_leader(zone, group, running)
        urls = [await start_edge(zone, group, running, number) for number in edges]
    except BaseException:
        await running.close()
        raise
    parts = urls[0], leader, leader.postgres, zone.config.state, running.runners[0]
    return ClusterHandle(*parts, running.tasks[-1], running, urls)
