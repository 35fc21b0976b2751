"""Meter readings and settlement runs: the statements of all parties, whose sum is exactly zero.

A run settles one interval of all parties as columns and stores it as one batch: what is stored of
an interval always sums to zero, whatever is killed when. Reading the rows is done beside the event
loop, so that a run of ten thousand parties holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from gateway.clock import pause
from gateway.domain.intervals import QUARTER, floor_to, iso
from simulators.exchange import problems
from simulators.exchange.ledger import Ledger, SettlementColumns
from simulators.exchange.order_entry import Receipt
from simulators.exchange.parties import Parties
from simulators.exchange.rows import (
    Batch,
    Delivery,
    Mark,
    Run,
    Statement,
    from_quarter,
    to_quarter,
    to_s,
)
from simulators.exchange.settlement import Rates, settle_columns
from simulators.exchange.terms import LSE_PARTY, Prices, Terms

RUNS = ("PRELIM", "FINAL", "TRUEUP")
QUALITIES = ("ESTIMATED", "MEASURED", "REVENUE")
_SLICE = 512  # statements that are made without a look at the other work
_NO_READING = -(2**62)
_AMOUNTS = ("position", "metered", "energy", "imbalance", "uncontracted", "fee")


@dataclass(frozen=True, slots=True)
class MeterReading:
    """A meter reading of one interval: Wh and the register's end values in Wh."""

    point: str
    start: datetime
    import_wh: int
    export_wh: int
    import_register: int
    export_register: int
    quality: str


_Taken = dict[tuple[int, int], list[MeterReading]]  # by number of the party and quarter-hour


class SettlementEngine:
    """Takes meter readings in and makes the statements."""

    def __init__(
        self,
        terms: Terms,
        prices: Prices,
        parties: Parties,
        marks: dict[str, str],
        number: Callable[[], int],
    ) -> None:
        self._terms = terms
        self._prices = prices
        self._parties = parties
        self._marks = marks
        self._number = number
        self._taken: _Taken = {}
        self._taken_before: _Taken = {}
        self._after = {
            "PRELIM": terms.prelim_after,
            "FINAL": terms.final_after,
            "TRUEUP": terms.trueup_after,
        }

    def deliver(
        self, receipt: Receipt, reading: MeterReading, older: Sequence[int], batch: Batch
    ) -> None:
        """Take a reading in; it must be better than the ``older`` ones (their qualities)."""
        start = self.deliverable(reading, receipt.now)
        quality = QUALITIES.index(reading.quality)
        if older and quality <= max(older):
            raise problems.conflict(
                f"{iso(reading.start)} was reported with other content; a correction needs"
                f" a better quality ({' < '.join(QUALITIES)})"
            )
        self._taken.setdefault((receipt.party.number, start), []).append(reading)
        wh = reading.import_wh, reading.export_wh
        batch.add(Delivery(start, receipt.party.number, receipt.document, *wh, quality))

    def taken(self, party: int, start: int) -> list[MeterReading]:
        """Readings of the interval that may not be stored yet: two that come at once are compared too."""
        key = party, start
        return self._taken_before.get(key, []) + self._taken.get(key, [])

    def stored(self) -> None:
        """What was taken in before this was called the last time is stored by now."""
        self._taken_before, self._taken = self._taken, {}

    def nothing_taken(self) -> None:
        """Only what is stored counts."""
        self._taken_before, self._taken = {}, {}

    def deliverable(self, reading: MeterReading, now: datetime) -> int:
        """The quarter-hour of a reading, or a Problem where it cannot be reported."""
        if not self._terms.is_instrument(reading.start):
            raise problems.unknown_instrument(f"{iso(reading.start)} is off the quarter-hour grid")
        if now < reading.start + QUARTER:
            raise problems.conflict(f"the interval {iso(reading.start)} is not over")
        return to_quarter(reading.start)

    def begin(self, now: datetime) -> Batch:
        """On the first start ever: everything before now needs no settlement."""
        batch = Batch()
        for run in RUNS:
            if run not in self._marks:
                self._mark(run, to_quarter(floor_to(now, QUARTER)) - 1, batch)
        return batch

    async def settle_due(self, when: datetime, ledger: Ledger) -> None:
        """Every run that is due at ``when``, in the order of the intervals."""
        for run in RUNS:
            await self.settle_through(run, self._due(run, when), when, ledger)

    def _due(self, run: str, when: datetime) -> int:
        """The last quarter-hour that is due then."""
        return to_quarter(floor_to(when - self._after[run], QUARTER))

    def behind(self, run: str, when: datetime) -> int:
        """How many quarter-hours are due and not settled."""
        due = self._due(run, when)
        return max(0, due - int(self._marks.get(run, due)))

    async def settle_through(self, run: str, last: int, when: datetime, ledger: Ledger) -> None:
        """Settle in ``run`` all quarter-hours that follow its mark, up to ``last``."""
        if run not in self._marks:
            return
        if run != "PRELIM":  # never ahead of the first run
            last = min(last, int(self._marks["PRELIM"]))
        for start in range(int(self._marks[run]) + 1, last + 1):
            if not self._prices.source.covers(from_quarter(start)):
                return
            await self.settle_one(start, run, when, ledger)

    async def settle_one(self, start: int, run: str, when: datetime, ledger: Ledger) -> None:
        """Settle one interval and store it with its mark."""
        found = await ledger.settlement_columns(start)
        batch = await self.settle(start, run, found, when)
        self._mark(run, start, batch)
        await ledger.append(batch)

    def rates(self, start: int, when: datetime) -> Rates:
        """The prices of one interval as they are known then."""
        moment = from_quarter(start)
        return Rates(
            imbalance=self._prices.imbalance(moment),
            export=self._prices.posted(moment, when).export or 0,
            fee=self._terms.deviation_fee,
        )

    async def settle(self, start: int, run: str, found: SettlementColumns, when: datetime) -> Batch:
        """The rows of one interval: only parties of which something differs from what stands."""
        rates = self.rates(start, when)
        lse = self._parties.get(LSE_PARTY)
        retailer = -1 if lse is None else lse.number
        rows, owed = await asyncio.to_thread(_settled, found, retailer, rates)
        standing = {row.party: row for row in found.standing}
        batch = Batch()
        made = Run(self._number(), start, run, rates.imbalance, to_s(when))
        stated = _Stated(made, self._number, batch)
        for done, (number, missing, *amounts) in enumerate(rows):
            stated.state(number, amounts, int(missing), standing.get(number))
            if done % _SLICE == _SLICE - 1:
                await pause(0)  # others may be served between
        own = [(net, energy) for party, net, energy in found.traded if party == retailer]
        position, energy = own[0] if own else (0, 0)
        if own or owed or retailer in standing:
            amounts = [position, position, energy, -owed, 0, 0]
            stated.state(retailer, amounts, 0, standing.get(retailer))
        if batch.rows:
            batch.add(made)
        return batch

    def _mark(self, name: str, start: int, batch: Batch) -> None:
        self._marks[name] = str(start)
        batch.add(Mark(name, str(start)))


def _settled(
    found: SettlementColumns, retailer: int, rates: Rates
) -> tuple[list[tuple[int, ...]], int]:
    """Party number, whether its reading is missing, and its amounts, of all but the retailer; and
    what he owes them together. Pure; done beside the event loop."""
    traded = _columns([row for row in found.traded if row[0] != retailer], 3)
    metered = _columns([row for row in found.metered if row[0] != retailer], 2)
    numbers = np.union1d(traded[0], metered[0])
    position, energy = np.zeros_like(numbers), np.zeros_like(numbers)
    counted = np.full_like(numbers, _NO_READING)
    at = np.searchsorted(numbers, traded[0])
    position[at], energy[at] = traded[1], traded[2]
    counted[np.searchsorted(numbers, metered[0])] = metered[1]
    missing = counted == _NO_READING
    counted = np.where(missing, position, counted)  # as delivered, until a reading comes
    cash = settle_columns(position, energy, counted, rates, fee_waived=found.waived)
    columns = [numbers, missing, *(getattr(cash, name) for name in _AMOUNTS)]
    owed = sum(sum(column.tolist()) for column in (cash.imbalance, cash.uncontracted, cash.fee))
    return list(zip(*(column.tolist() for column in columns), strict=True)), owed


def _columns(rows: Sequence[Sequence[int]], width: int) -> np.ndarray:
    return np.array(rows, dtype=np.int64).reshape(-1, width).T


@dataclass
class _Stated:
    """Writes the statements of one interval and run."""

    run: Run
    number: Callable[[], int]
    batch: Batch

    def state(
        self, party: int, amounts: Sequence[int], estimated: int, standing: Statement | None
    ) -> None:
        """One that differs from what stands reverses that first."""
        position, metered, *money = amounts
        new = (position, metered, estimated, *money)
        if standing is not None:
            old = tuple(standing)[4:11]
            if new == old:
                return
            back = (-old[0], -old[1], old[2], *(-amount for amount in old[3:]))
            self._add(party, back, standing.seq)
        self._add(party, new, None)

    def _add(self, party: int, amounts: tuple[int, ...], reverses: int | None) -> None:
        seq = self.number()
        self.batch.add(
            Statement(self.run.start, party, seq, self.run.seq, *amounts, reverses)  # type: ignore[call-arg]
        )
