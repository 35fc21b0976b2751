"""Starting the exchange inside a process: market, HTTP server, and the task that holds the calls."""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from aiohttp import web

from gateway.clock import Clock
from gateway.domain.intervals import iso
from gateway.errors import ConfigError
from simulators.exchange import receipts
from simulators.exchange.access import Access, make_credentials
from simulators.exchange.ledger import Store
from simulators.exchange.limits import Limits
from simulators.exchange.market import Market
from simulators.exchange.parties import Party
from simulators.exchange.rows import from_s
from simulators.exchange.server import make_runner
from simulators.exchange.sqlite_file import marks_of
from simulators.exchange.sqlite_ledger import SqliteLedger
from simulators.exchange.terms import LSE_PARTY, METER_DATA_PROVIDER, PriceSource, Terms
from simulators.exchange.tls import server_context

_CONNECTIONS = 2**20
_FAR = timedelta(hours=2)  # a clock may be wrong by so much; more is another time line

DEFAULT_PARTIES = (
    Party(LSE_PARTY, "retailer", 0),
    Party("metering", METER_DATA_PROVIDER, 0),
    Party("home", "home", 25_000),
    Party("charging-1", "charging-site", 5_000_000),
    Party("charging-2", "charging-site", 3_000_000),
    Party("fleet-depot", "fleet", 1_500_000),
    Party("data-centre", "data-centre", 200_000_000),
    Party("night-plan", "retailer", 1_000_000),
    Party("home-2", "home", 25_000),
    Party("home-3", "home", 25_000),
)


@dataclass
class ExchangeHandle:
    """A running exchange. ``url`` is its base address."""

    url: str
    market: Market
    store: Store
    state_dir: Path
    _runner: web.BaseRunner
    _task: asyncio.Task[None]

    def credential_file(self, party_id: str) -> Path:
        """The secret and signing key of a party that was registered at the start."""
        return self.state_dir / "credentials" / f"{party_id}.json"

    @property
    def ca_file(self) -> Path:
        """The development CA that clients trust (only without ``insecure``)."""
        return self.state_dir / "tls" / "ca.pem"

    def ledger(self) -> dict[str, int]:
        """Settled money by party, 1e-8 USD; the sum is zero."""
        return self.store.totals_now()

    @property
    def zero_sum_error(self) -> int:
        """The sum over all parties, the retailer included: 0 or the account is broken."""
        return sum(self.ledger().values())

    async def settle_all(self, until: datetime) -> None:
        """Settle now every interval that ended by ``until`` (for the end of a demo)."""
        await self.market.settle_all(until)

    async def close(self) -> None:
        """Stop calls and server; the store keeps everything."""
        try:
            await end_tasks(self._task)
            await self._runner.cleanup()
        finally:
            self.store.close()


async def end_tasks(*tasks: asyncio.Task[None]) -> None:
    """Cancel them and wait until they have ended, whatever they ended with."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def last_held(state_dir: Path) -> datetime | None:
    """The last call time of a store, from which it can go on; None for a new one."""
    if not (path := state_dir / "exchange.db").exists():
        return None
    if (marks := marks_of(path)) is None:  # of an earlier version: it is brought forward
        store = SqliteLedger(path)
        marks = store.marks()
        store.close()
    return from_s(int(marks["step"])) if "step" in marks else None


def settle_memory() -> None:
    """For a process that only serves an exchange: what is loaded by now stays, so the collector need
    not look through it again and again (40 ms each time)."""
    gc.collect()
    gc.freeze()


def let_many_connect() -> None:
    """For such a process: as many connections as the system allows, as every home keeps one; the usual 1,024 are
    a limit that any process may raise for itself."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _CONNECTIONS if most == resource.RLIM_INFINITY else min(most, _CONNECTIONS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))


async def start_exchange(  # noqa: PLR0913 - the composition of the whole exchange
    clock: Clock,
    group: asyncio.TaskGroup,
    state_dir: Path,
    prices: PriceSource,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    insecure: bool = True,
    terms: Terms | None = None,
    parties: Sequence[Party] = DEFAULT_PARTIES,
    power_safe: bool = True,
    client_ca: Path | None = None,
    limits: Limits | None = None,
    ledger: Store | None = None,
) -> ExchangeHandle:
    """Open the store in ``state_dir``, serve on ``port`` (0 = a free one), hold calls on ``clock``.

    ``power_safe`` False skips the waiting for the disk (a killed process still loses nothing): for
    simulations whose state nobody keeps. ``ledger`` takes the place of that store; it is closed with
    the exchange. ``client_ca``: clients prove themselves by TLS too. Raises ConfigError where the port is taken or plain HTTP is asked for beyond loopback.
    """
    if insecure and host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError(f"--insecure serves on loopback only, not on {host}")
    async with AsyncExitStack() as opened:  # closed again where the start fails
        store = ledger or SqliteLedger(state_dir / "exchange.db", power_safe=power_safe)
        opened.callback(store.close)
        market = Market(clock, store, prices, terms or Terms())
        _not_used_later(market.last_step, clock.now(), state_dir)
        market.parties.register(*parties)
        make_credentials(market, state_dir / "credentials", parties)
        tls = None if insecure else server_context(state_dir / "tls", host, client_ca=client_ca)
        access = Access(market, insecure=insecure, limits=limits)
        await access.open()
        await receipts.make_key(market)
        runner = make_runner(market, access)
        opened.push_async_callback(runner.cleanup)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
        except OSError as error:
            raise ConfigError(f"the exchange cannot listen on {host}:{port}: {error}") from error
        task = clock.spawn(group, market.run(), "exchange")
        opened.pop_all()
    url = f"{'http' if insecure else 'https'}://{host}:{runner.addresses[0][1]}"
    return ExchangeHandle(url, market, store, state_dir, runner, task)


def _not_used_later(held: datetime | None, now: datetime, state_dir: Path) -> None:
    if held is not None and held - now > _FAR:
        raise ConfigError(
            f"{state_dir} was already used up to {iso(held)}, it is {iso(now)} now;"
            " begin later or use another folder"
        )
