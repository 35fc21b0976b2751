"""An auditor's look at a ledger: every call is cleared again from what is stored.

The book of a call is all that was accepted before it, less what was taken back, filled or had
expired by then, and the retailer's backstop at the published prices.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from simulators.exchange.auction import backstop
from simulators.exchange.clearing import Order, clear
from simulators.exchange.ledger import Store
from simulators.exchange.names import call_id, market_order_id
from simulators.exchange.order_book import Resting
from simulators.exchange.rows import Call, from_quarter, from_s
from simulators.exchange.terms import Prices, epoch_ms


async def replay(ledger: Store, prices: Prices) -> int:
    """The number of calls that clear again to the same fills; ValueError at the first that differs."""
    tenders: dict[int, list[_Known]] = defaultdict(list)
    canceled = {(d, u): seq for d, u, seq in ledger.all("SELECT document, uid, seq FROM cancel")}
    for party_id, (tender_id, tender) in await ledger.tenders():
        known_as, key = market_order_id(party_id, tender_id), (tender.document, tender.uid)
        taken_back = canceled.get(key)
        tenders[tender.start].append(_Known(Resting.of(known_as, tender_id, tender), taken_back))
    calls = [Call(*row) for row in ledger.all("SELECT * FROM call ORDER BY seq")]
    for call in calls:
        book = _book(tenders[call.start], call, prices)
        orders = [Order(k.order_id, bool(k.buy), k.price, k.left) for k in book]
        name = call_id(from_quarter(call.start), from_s(call.time))
        cleared = clear(name, orders, prices.terms.lot_wh)
        fills = ledger.all(
            "SELECT document, uid, quantity FROM fill WHERE start = ? AND call = ?",
            *(call.start, call.seq),
        )
        stored = {(document, uid): quantity for document, uid, quantity in fills}
        known = {k.order_id: k for k in book}
        again = {(known[o].document, known[o].uid): wh for o, wh in cleared.fills}
        if (cleared.price, cleared.volume, again) != (call.price, call.volume, stored):
            raise ValueError(f"call {name} does not replay")
        for order_id, wh in cleared.fills:
            known[order_id].left -= wh
    return len(calls)


@dataclass(slots=True)
class _Known:
    """A tender, and the number under which the rest of it was taken back."""

    order: Resting
    canceled: int | None


def _book(tenders: list[_Known], call: Call, prices: Prices) -> list[Resting]:
    """What could trade in the call; ``left`` is what earlier calls left of it."""
    when = from_s(call.time)
    book = [
        known.order
        for known in tenders
        if known.order.left
        and known.order.document < call.seq
        and (known.canceled is None or known.canceled > call.seq)
        and known.order.expires_ms > epoch_ms(when)
    ]
    if book:
        book += backstop(prices, 0, from_quarter(call.start), when)
    return book
