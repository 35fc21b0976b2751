"""The auction: at every call time the open tenders are cleared, and the fills are booked.

Each call is one batch of rows: after a kill, calls that are stored are not held again and the others
are held as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.clock import pause
from gateway.domain.intervals import QUARTER, floor_to
from simulators.exchange.clearing import clear_book
from simulators.exchange.ledger import Ledger
from simulators.exchange.names import backstop_id, call_id, market_order_id
from simulators.exchange.order_book import Instrument, Resting, by_order_id, columns
from simulators.exchange.order_entry import OrderEntry
from simulators.exchange.parties import Parties
from simulators.exchange.rows import (
    Batch,
    Call,
    Fill,
    Mark,
    Session,
    Tender,
    from_quarter,
    to_quarter,
    to_s,
)
from simulators.exchange.terms import LSE_PARTY, PostedPrices, Prices, Terms, epoch_ms


def next_step(now: datetime, terms: Terms) -> datetime:
    """The next call time after ``now``."""
    return floor_to(now, terms.call_period) + terms.call_period


class Auction:
    """Holds calls and closes gates."""

    def __init__(
        self,
        terms: Terms,
        prices: Prices,
        entry: OrderEntry,
        parties: Parties,
        number: Callable[[], int],
    ) -> None:
        self._terms = terms
        self._prices = prices
        self._entry = entry
        self._parties = parties
        self._number = number

    async def step(self, when: datetime, ledger: Ledger, *, trading: bool = True) -> None:
        """All of one moment: the calls, unless the market is halted, and the gate."""
        if trading:
            await self._calls(when, ledger)
        await ledger.append(self.close_gate(when))

    async def _calls(self, when: datetime, ledger: Ledger) -> None:
        """The instruments between the first call and the gate."""
        start = floor_to(when + self._terms.gate + QUARTER - timedelta(microseconds=1), QUARTER)
        while start <= when + self._terms.first_call:
            instrument = self._entry.book.at(to_quarter(start))
            if instrument.last_call_s < to_s(when):
                await ledger.append(self.call(instrument, when))
            start += QUARTER
            await pause(0)  # others may be served between

    def call(self, instrument: Instrument, when: datetime) -> Batch:
        """Clear one instrument."""
        batch, start = Batch(), from_quarter(instrument.start)
        if start == when + self._terms.first_call:
            batch.add(Session(self._number(), instrument.start, to_s(when), "OPEN"))
        instrument.last_call_s = to_s(when)
        resting = instrument.resting(epoch_ms(when))
        lse = self._parties.get(LSE_PARTY)
        if resting and lse is not None:
            resting += backstop(self._prices, lse.number, start, when)
        resting.sort(key=by_order_id)
        price, volume, filled = clear_book(
            call_id(start, when), columns(resting), self._terms.lot_wh
        )
        call = Call(self._number(), instrument.start, to_s(when), price, volume)
        batch.add(call)
        if price is not None:
            for n in filled.nonzero()[0].tolist():
                batch.add(self.fill(instrument, call, resting[n], int(filled[n])))
        return batch

    def fill(self, instrument: Instrument, call: Call, order: Resting, wh: int) -> Fill:
        """Book what a tender got."""
        order.left -= wh
        net = instrument.net_wh.get(order.party, 0)
        instrument.net_wh[order.party] = net - wh if order.buy else net + wh
        return Fill(
            start=order.start,
            party=order.party,
            seq=self._number(),
            call=call.seq,
            document=order.document,
            uid=order.uid,
            buy=order.buy,
            price=call.price or 0,
            quantity=wh,
        )

    def close_gate(self, when: datetime) -> Batch:
        """The instruments whose gate is reached are closed for ever."""
        batch, gate = Batch(), to_quarter(floor_to(when + self._terms.gate, QUARTER))
        if gate > self._entry.last_closed:
            batch.add(Session(self._number(), gate, to_s(when), "CLOSED"))
            batch.add(Mark("gate", str(gate)))
            self._entry.last_closed = gate
        self._entry.book.close_through(gate)
        return batch


def backstop(prices: Prices, party: int, start: datetime, when: datetime) -> list[Resting]:
    """The retailer's tenders of a call: buy at the export price, sell at the retail.

    With a supply curve he sells in steps that rise from day-ahead, so that the price answers to what
    is asked; the last step is as large as the backstop, so that nobody is left without.
    """
    posted, terms = prices.posted(start, when), prices.terms
    made: list[Resting] = []
    steps = [] if posted.export is None else [(1, posted.export, terms.backstop_wh)]
    for price, wh in _selling(posted, terms):
        steps.append((0, price, wh))
    for n, (buy, price, wh) in enumerate(steps):
        if not wh:
            continue
        tender = Tender(
            0, 2 * max(n - 1, 0) + buy, party, to_quarter(start), buy, price, wh, epoch_ms(start)
        )
        tender_id = backstop_id(start, when, buy)
        order = market_order_id(LSE_PARTY, tender_id if n < 2 else f"{tender_id}|{n - 1}")
        made.append(Resting.of(order, tender_id, tender))
    return made


def _selling(posted: PostedPrices, terms: Terms) -> list[tuple[int, int]]:
    """What the retailer sells in a call: ticks and Wh."""
    if posted.retail is None:
        return []
    if not terms.supply_curve or posted.day_ahead is None:
        return [(posted.retail, terms.backstop_wh)]
    return supply_steps(posted.day_ahead, posted.retail, terms)


# Percent of the way from day-ahead to the retail price that a step costs, and Wh of it in a quarter-hour.
# In all some 270 MW: the demo's data centre alone takes 170.
_SUPPLY = (
    (0, 2_000_000), (10, 5_000_000), (25, 10_000_000), (50, 15_000_000), (75, 15_000_000), (90, 20_000_000)
)  # fmt: skip


def supply_steps(day_ahead: int, retail: int, terms: Terms) -> list[tuple[int, int]]:
    """Rising prices from day-ahead towards the retail price, ticks and Wh; the last without end."""
    margin = retail - day_ahead
    steps = [(day_ahead + margin * part // 100, wh) for part, wh in _SUPPLY]
    return [*steps, (retail, terms.backstop_wh)]


def missed_steps(last: datetime | None, now: datetime, terms: Terms) -> list[datetime]:
    """The call times after the stored mark that are due, at most one day back."""
    if last is None:
        return []
    steps: list[datetime] = []
    when = max(last, floor_to(now - timedelta(days=1), terms.call_period))
    while (when := when + terms.call_period) <= now:
        steps.append(when)
    return steps
