"""The simulated exchange beside a home, with some buyers, and the hours in which it is away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gateway.clock import SimClock
from gateway.domain.intervals import floor_quarter
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from gateway.market.reconcile import differences
from gateway.store.journal import Journal
from simulators.exchange import ExchangeHandle, start_exchange
from simulators.exchange.terms import Prices as Published
from simulators.participants import Participants, start_participants
from simulators.participants.charging_site import ChargingSite
from simulators.participants.data_centre import DataCentre
from simulators.physics.script import Span
from simulators.prices import SyntheticPrices

_SETTLED = timedelta(hours=1)  # an interval so old has been settled


@dataclass(frozen=True, slots=True)
class ExchangeDay:
    """Prices and buyers by ``seed``; nobody answers in the spans ``down``."""

    seed: int = 0
    down: tuple[Span, ...] = ()

    def at(self, time: datetime) -> tuple[float | None, float | None]:
        """What a kWh that was not traded costs and earns at the retailer behind it."""
        start = floor_quarter(time)
        posted = Published(SyntheticPrices(self.seed)).posted(start, start + timedelta(1))
        return _per_kwh(posted.retail), _per_kwh(posted.export)


@dataclass
class RunningExchange:
    """It and its buyers, from `start` to `close`."""

    day: ExchangeDay
    clock: SimClock
    group: asyncio.TaskGroup
    folder: Path
    port: int = 0
    handle: ExchangeHandle | None = None
    _buyers: Participants | None = None

    async def start(self) -> str:
        """Its address."""
        await self._open()
        assert self.handle is not None  # noqa: S101 - it has just been opened
        url = self.handle.url
        self.port = int(url.rpartition(":")[2])
        self._buyers = await start_participants(
            self.clock,
            self.group,
            url,
            self.day.seed,
            needs=[
                ChargingSite("charging-1", self.day.seed),
                DataCentre("data-centre", self.day.seed),
            ],
        )
        return url

    async def run(self) -> None:
        """Away and back again, as the day says."""
        for begin, end in self.day.down:
            await self.clock.sleep_until(begin)
            await self._shut()
            await self.clock.sleep_until(end)
            await self._open()

    async def differences(self, journal_file: Path, since: datetime) -> list[str]:
        """What is not the same in the home's account and the exchange's, and whether all parties' sums are 0."""
        assert self.handle is not None  # noqa: S101 - it is asked at the end of a day, when it is there
        journal = Journal(journal_file, read_only=True)
        credential = self.handle.credential_file("home")
        access = ExchangeAccess(self.handle.url, "home", self.clock, credential_file=credential)
        exchange = connect(access)
        try:
            journal.verify()
            now = self.clock.now()
            fills = await exchange.transactions(0)
            rows = await exchange.settlements(since, now)
            until = floor_quarter(now) - _SETTLED
            found = differences(journal.book, fills, rows, since, until)
            found += [f"disputed: {d.what} {d.reason}" for d in journal.book.disputes.values()]
        finally:
            await exchange.close()
            journal.close()
        if self.handle.zero_sum_error:
            found.append(f"the parties' sums differ by {self.handle.zero_sum_error}")
        return found

    async def close(self) -> None:
        if self._buyers is not None:
            await self._buyers.close()
        await self._shut()

    async def _open(self) -> None:
        self.handle = await start_exchange(
            self.clock,
            self.group,
            self.folder,
            SyntheticPrices(self.day.seed),
            port=self.port,
            power_safe=False,
        )

    async def _shut(self) -> None:
        if self.handle is not None:
            handle, self.handle = self.handle, None
            await handle.close()


def _per_kwh(ticks: int | None) -> float | None:
    """Ticks are 0.01 a MWh."""
    return None if ticks is None else ticks / 1e5
