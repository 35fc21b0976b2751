"""The exchange without its wire: order entry, auction and settlement over one store, and the task that runs calls and settlements."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from gateway.clock import Clock
from gateway.domain.intervals import QUARTER, floor_to, iso, parse_utc, quarters
from gateway.errors import StorageError
from gateway.supervise import Availability
from simulators.exchange.auction import Auction, missed_steps, next_step
from simulators.exchange.events import Events
from simulators.exchange.order_entry import OrderEntry
from simulators.exchange.parties import Parties
from simulators.exchange.settlement_engine import SettlementEngine
from simulators.exchange.store import Store
from simulators.exchange.terms import Prices, PriceSource, Terms

_DAY = timedelta(days=1)


class Market:
    """One segment's market. All methods are synchronous and durable when they return."""

    def __init__(
        self,
        clock: Clock,
        path: Path,
        source: PriceSource,
        terms: Terms,
        *,
        power_safe: bool = True,
    ) -> None:
        self.terms = terms
        self.prices = Prices(source, terms)
        self.store = Store(path, power_safe=power_safe)
        self.parties = Parties(self.store)
        self.order_entry = OrderEntry(self.store, terms, self.parties)
        self.events = Events(self.store)
        self.auction = Auction(self.store, terms, self.prices, self.events)
        self.settlement = SettlementEngine(self.store, terms, self.prices)
        self._clock = clock

    def now(self) -> datetime:
        """Receive time. It never falls behind a call that was held: a gate stays closed."""
        last = self.store.mark("step")
        now = self._clock.now()
        return now if last is None else max(now, parse_utc(last))

    async def run(self) -> None:
        """Hold every call at its time, for ever; calls missed while down are held first."""
        with self.store.transaction():
            self.settlement.begin(self._clock.now())
            if self.store.mark("step") is None:
                start = floor_to(self._clock.now(), self.terms.call_period)
                self.store.set_mark("step", iso(start))
        storing = Availability("the exchange's store")
        while True:
            try:
                for when in missed_steps(self.store.mark("step"), self._clock.now(), self.terms):
                    self.step(when)
                storing.back()
            except StorageError as error:
                storing.lost(error)  # the step is held again at the next call time
            await self._clock.sleep_until(next_step(self._clock.now(), self.terms))

    def step(self, when: datetime) -> None:
        """Calls, gate and settlements of one call time, and the mark that they are done."""
        with self.store.transaction():
            if self.store.mark("halted") is None:
                self.auction.step(when)
            else:
                self.auction.close_gate(when)
            self.settlement.settle_due(when)
            if floor_to(when, _DAY) == when:
                self._forget(when - self.terms.trueup_after - _DAY)
            self.store.set_mark("step", iso(when))
        self.events.announce()

    def _forget(self, before: datetime) -> None:
        """Answers to idempotency keys are kept until the last settlement run is over."""
        self.store.run("DELETE FROM idempotency WHERE time < ?", iso(before))

    def halt(self) -> None:
        """Take no tenders and hold no calls until `resume`; gates close in their time."""
        self.store.set_mark("halted", iso(self.now()))

    def resume(self) -> None:
        self.store.set_mark("halted", None)

    def revoke(self, party_id: str) -> int:
        """Shut a party out; the number of its resting tenders that were cancelled."""
        with self.store.transaction():
            canceled = self.order_entry.revoke(party_id)
        self.events.announce()
        return canceled

    def limit_exports(self, start: datetime, end: datetime) -> int:
        """Note an EXPORT_CAPACITY_LIMIT of the grid operator, published now, for a half-open span.

        Sellers of intervals whose gate has closed could not heed it: their shortfall bears no fee.
        Gives the number of such intervals.
        """
        now, waived = self.now(), 0
        with self.store.transaction():
            for instrument in quarters(floor_to(start, QUARTER), end):
                if now >= instrument.start - self.terms.gate:
                    waived += self.store.run(
                        "INSERT OR IGNORE INTO waiver VALUES (?, ?)",
                        iso(instrument.start),
                        iso(now),
                    )
        return waived

    def settle_all(self, until: datetime) -> None:
        """Settle now every interval that ended by ``until``, without waiting for its time."""
        last = floor_to(until, QUARTER) - QUARTER
        self.settlement.settle_through("PRELIM", last, max(self.now(), until))

    def ledger(self) -> dict[str, int]:
        return self.settlement.totals()

    def zero_sum_error(self) -> int:
        """The sum over all parties, the retailer included: 0 or the account is broken."""
        return sum(self.ledger().values())

    def session_status(self, start: datetime) -> str:
        now, terms = self.now(), self.terms
        if self.store.mark("halted") is not None:
            return "HALTED"
        if now >= start - terms.gate:
            return "CLOSED"
        if now >= start - terms.cancel_gate:
            return "PRECLOSE"
        if now >= start - terms.first_call:
            return "OPEN"
        return "PREOPEN" if now >= start - terms.preopen else "UNKNOWN"
