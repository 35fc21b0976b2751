"""The exchange without its wire: order entry, auction and settlement over one ledger, and the task
that holds calls and settles at their times.

What is decided is in memory at once and answered when the ledger has it. Where the ledger fails,
the memory is thrown away and loaded again: it never runs ahead of what was answered.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from gateway.clock import Clock
from gateway.domain.intervals import QUARTER, floor_to, quarters
from gateway.errors import StorageError
from gateway.supervise import Availability
from simulators.exchange.activity import Activity
from simulators.exchange.auction import Auction, missed_steps, next_step
from simulators.exchange.events import News
from simulators.exchange.ledger import Ledger, Registered, TenderState
from simulators.exchange.order_book import OrderBook
from simulators.exchange.order_entry import OrderEntry
from simulators.exchange.parties import Parties, Party
from simulators.exchange.requests import Requests
from simulators.exchange.retention import Retention
from simulators.exchange.rows import Batch, Mark, Waiver, from_s, to_quarter, to_s
from simulators.exchange.settlement_engine import RUNS, SettlementEngine
from simulators.exchange.terms import LSE_PARTY, Prices, PriceSource, Terms

log = logging.getLogger(__name__)


@lru_cache(maxsize=4)
def _time_of(mark: str) -> datetime:
    return from_s(int(mark))


class Market:
    """One segment's market. What changes something is durable when it returns."""

    def __init__(self, clock: Clock, ledger: Ledger, source: PriceSource, terms: Terms) -> None:
        self.terms = terms
        self.prices = Prices(source, terms)
        self.ledger = ledger
        self.marks: dict[str, str] = {}
        self.parties = Parties(ledger)
        self.entry = OrderEntry(terms)
        self.news = News()
        self.activity = Activity()
        self.auction = Auction(terms, self.prices, self.entry, self.parties, self.number)
        self.settlement = SettlementEngine(
            terms, self.prices, self.parties, self.marks, self.number
        )
        self.requests = Requests(ledger, self.number)
        self._retention = Retention(terms)
        self._clock = clock
        self._seq = 0
        self._summed: tuple[tuple[str | None, ...], int] | None = None
        ledger.on_failure = self.load
        self.load()
        if self.parties.get(LSE_PARTY) is None:
            self.parties.register(Party(LSE_PARTY, "retailer", 0))

    def load(self) -> None:
        """Begin from what the ledger has."""
        loaded = self.ledger.load()
        self.marks.clear()
        self.marks |= loaded.marks
        self.parties.load(list(loaded.parties))
        self.entry.book = OrderBook.loaded(
            loaded, {party.number: party.party_id for party in loaded.parties}
        )
        self.entry.last_closed = int(self.marks.get("gate", "-1"))
        self.settlement.nothing_taken()
        self._seq = max(self._seq, loaded.last_seq)

    async def refresh(self) -> None:
        """Before a question is answered: here the memory is what is stored."""

    async def renewed(self, party_id: str, known: Registered | None) -> Registered | None:
        """A party as it is by now, where that is not as it was ``known``: never, in one process."""
        return None

    async def resting(self, party: int) -> list[TenderState]:
        """The open tenders of a party, by start and order id; what expired is among them."""
        found: list[TenderState] = []
        for order in self.entry.book.of(party):
            if order.left:
                done = order.quantity - order.left
                rest = (order.price, order.quantity, order.expires_ms, done, 0, 0)
                found.append(TenderState(order.tender_id, order.start, order.buy, *rest))
        return found

    async def open_by_party(self) -> Counter[int]:
        """The number of open tenders of each party, by its number, that has some."""
        return self.entry.book.open_by_party()

    def number(self) -> int:
        """The next number of the one sequence in which everything happens."""
        self._seq += 1
        return self._seq

    def last_seq(self) -> int:
        return self._seq

    def now(self) -> datetime:
        """Receive time. It never falls behind a call that was held: a gate stays closed."""
        last, now = self.last_step, self._clock.now()
        return now if last is None else max(now, last)

    def monotonic(self) -> float:
        """Seconds of the market's clock that only ever grow."""
        return self._clock.monotonic()

    @property
    def last_step(self) -> datetime | None:
        """The last call time that is done."""
        last = self.marks.get("step")
        return None if last is None else _time_of(last)

    @property
    def halted(self) -> bool:
        return "halted" in self.marks

    async def run(self) -> None:
        """Hold every call at its time, for ever; calls missed while down are held first."""
        await self._begin()
        storing = Availability("the exchange's store")
        while True:
            try:
                for when in missed_steps(self.last_step, self._clock.now(), self.terms):
                    await self.step(when)
                storing.back()
            except StorageError as error:
                storing.lost(error)  # the step is held again at the next call time
            await self._clock.sleep_until(next_step(self._clock.now(), self.terms))

    async def _begin(self) -> None:
        batch = self.settlement.begin(self._clock.now())
        if self.last_step is None:
            self.mark("step", str(to_s(floor_to(self._clock.now(), self.terms.call_period))), batch)
        await self.ledger.append(batch)

    async def step(self, when: datetime) -> None:
        """Calls, gate and settlements of one call time, and the mark that they are done."""
        await self.auction.step(when, self.ledger, trading=not self.halted)
        self.news.announce()
        await self.settlement.settle_due(when, self.ledger)
        await self._retention.tidy(self.ledger, when)
        batch = Batch()
        self.mark("step", str(to_s(when)), batch)
        await self.ledger.append(batch)
        self.settlement.stored()

    def mark(self, name: str, value: str | None, batch: Batch) -> None:
        """Set a mark, or with None remove it; the caller stores the batch."""
        self.marks.pop(name, None)
        if value is not None:
            self.marks[name] = value
        batch.add(Mark(name, value))

    async def halt(self) -> None:
        """Take no tenders and hold no calls until `resume`; gates close in their time."""
        await self._set("halted", str(to_s(self.now())))

    async def resume(self) -> None:
        await self._set("halted", None)

    async def _set(self, name: str, value: str | None) -> None:
        batch = Batch()
        self.mark(name, value, batch)
        await self.ledger.append(batch)

    async def revoke(self, party_id: str) -> int:
        """Shut a party out; the number of its resting tenders that were cancelled."""
        batch, party = Batch(), self.parties.get(party_id)
        if party is None:
            raise ValueError(f"no party {party_id!r}")
        # Before it is stored that the party is out nothing of it rests: a kill between leaves a command
        # that was not answered and is given again, never a revoked party that trades.
        self.parties.note(replace(party, revoked=True))
        canceled = self.entry.revoke(party, self.number(), batch)
        await self.ledger.append(batch)
        self.parties.revoke(party_id)
        self.news.announce()
        return canceled

    async def limit_exports(self, start: datetime, end: datetime) -> int:
        """Note an EXPORT_CAPACITY_LIMIT of the grid operator, published now, for a half-open span.

        Sellers of intervals whose gate has closed could not heed it: their shortfall bears no fee.
        Gives the number of such intervals; what was published before is published.
        """
        now, waived, batch = self.now(), 0, Batch()
        for instrument in quarters(floor_to(start, QUARTER), end):
            if now >= instrument.start - self.terms.gate:
                waived += 1
                number = to_quarter(instrument.start)
                if not (await self.ledger.settlement_columns(number)).waived:
                    batch.add(Waiver(number, to_s(now)))
        await self.ledger.append(batch)
        return waived

    async def settle_all(self, until: datetime) -> None:
        """Settle now every interval that ended by ``until``, without waiting for its time."""
        last = to_quarter(floor_to(until, QUARTER)) - 1
        await self.settlement.settle_through("PRELIM", last, max(self.now(), until), self.ledger)

    async def zero_sum_error(self) -> int:
        """The sum over all statements of all parties, which is 0; looked up after each settlement."""
        settled = tuple(self.marks.get(run) for run in RUNS)
        if self._summed is None or self._summed[0] != settled:
            self._summed = settled, sum((await self.ledger.totals()).values())
        return self._summed[1]

    def session_status(self, start: datetime) -> str:
        now, terms = self.now(), self.terms
        if self.halted:
            return "HALTED"
        if now >= start - terms.gate:
            return "CLOSED"
        if now >= start - terms.cancel_gate:
            return "PRECLOSE"
        if now >= start - terms.first_call:
            return "OPEN"
        return "PREOPEN" if now >= start - terms.preopen else "UNKNOWN"
