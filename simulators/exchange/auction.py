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
from simulators.exchange.order_book import Instrument, Resting, columns
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
from simulators.exchange.terms import LSE_PARTY, Prices, Terms, epoch_ms


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

    async def step(self, when: datetime, ledger: Ledger) -> None:
        """All calls of one moment: the instruments between the first call and the gate."""
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
            resting.sort(key=lambda order: order.order_id)
        price, volume, filled = clear_book(
            call_id(start, when), columns(resting), self._terms.lot_wh
        )
        call = Call(self._number(), instrument.start, to_s(when), price, volume)
        batch.add(call)
        if price is not None:
            for n in filled.nonzero()[0].tolist():
                batch.add(self._fill(instrument, call, resting[n], int(filled[n])))
        return batch

    def _fill(self, instrument: Instrument, call: Call, order: Resting, wh: int) -> Fill:
        tender = order.tender
        order.left -= wh
        net = instrument.net_wh.get(tender.party, 0)
        instrument.net_wh[tender.party] = net - wh if tender.buy else net + wh
        return Fill(
            start=tender.start,
            party=tender.party,
            seq=self._number(),
            call=call.seq,
            document=tender.document,
            uid=tender.uid,
            buy=tender.buy,
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
    """The retailer's two tenders of a call: buy at the export price, sell at the retail."""
    posted, terms = prices.posted(start, when), prices.terms
    made: list[Resting] = []
    for buy, price in ((1, posted.export), (0, posted.retail)):
        if price is None or not terms.backstop_wh:
            continue
        wh, number = terms.backstop_wh, to_quarter(start)
        tender = Tender(0, buy, party, number, buy, price, wh, epoch_ms(start))
        tender_id = backstop_id(start, when, buy)
        made.append(Resting(market_order_id(LSE_PARTY, tender_id), tender_id, tender, wh))
    return made


def missed_steps(last: datetime | None, now: datetime, terms: Terms) -> list[datetime]:
    """The call times after the stored mark that are due, at most one day back."""
    if last is None:
        return []
    steps: list[datetime] = []
    when = max(last, floor_to(now - timedelta(days=1), terms.call_period))
    while (when := when + terms.call_period) <= now:
        steps.append(when)
    return steps
