"""The auction: at every call time the open books are cleared, and the fills are stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.intervals import QUARTER, floor_to, iso, parse_utc
from simulators.exchange import messages
from simulators.exchange.clearing import Cleared, Order, clear
from simulators.exchange.events import Events
from simulators.exchange.store import Store
from simulators.exchange.terms import LSE_PARTY, Prices, Terms, epoch_ms, market_order_id


def next_step(now: datetime, terms: Terms) -> datetime:
    """The next call time after ``now``."""
    return floor_to(now, terms.call_period) + terms.call_period


class Auction:
    """Runs calls and closes gates; a step is one store transaction, so a kill repeats it whole."""

    def __init__(self, store: Store, terms: Terms, prices: Prices, events: Events) -> None:
        self._store = store
        self._events = events
        self._terms = terms
        self._prices = prices

    def step(self, when: datetime) -> None:
        """All calls of one moment: the instruments between the first call and the gate."""
        opening = when + self._terms.first_call
        if self._terms.is_instrument(opening):
            self._session(opening, "OPEN", when)
        start = floor_to(when + self._terms.gate + QUARTER - timedelta(microseconds=1), QUARTER)
        while start <= when + self._terms.first_call:
            self._call(start, when)
            start += QUARTER
        self.close_gate(when)

    def close_gate(self, when: datetime) -> None:
        """The instruments whose gate is reached are closed for ever, and what is due expires."""
        gate = floor_to(when + self._terms.gate, QUARTER)
        if self._store.mark("gate") != iso(gate):
            self._store.set_mark("gate", iso(gate))
            self._session(gate, "CLOSED", when)
        self._expire(gate, when)

    def _call(self, start: datetime, when: datetime) -> None:
        rows = self._store.all(
            "SELECT * FROM tender WHERE start = ? AND status IN ('NEW', 'PARTIALLY_FILLED')"
            " AND expires_ms > ? ORDER BY market_order_id",
            iso(start),
            epoch_ms(when),
        )
        known = {row["market_order_id"]: dict(row) for row in rows}
        call_id = f"{iso(start)}|{iso(when)}"
        backstop = self._backstop(start, when) if known else {}
        known |= backstop
        orders = [_order(row) for row in known.values()]
        result = clear(call_id, orders, self._terms.lot_wh)
        self._store.insert(
            "call",
            {
                "call_id": call_id,
                "start": iso(start),
                "time": iso(when),
                "price": result.price,
                "volume": result.volume,
                "book": book_text(orders),
                "fills": fills_text(result),
            },
        )
        self._book_fills(call_id, result, known, when)
        ticker = messages.ticker_out(iso(start), when, call_id, result.price, result.volume)
        self._events.add(None, "TransactionTicker", ticker)

    def _session(self, start: datetime, status: str, when: datetime) -> None:
        session = messages.session_out(self._terms, start, status, when)
        self._events.add(None, "SessionData", session)

    def _book_fills(
        self, call_id: str, result: Cleared, known: dict[str, dict[str, Any]], when: datetime
    ) -> None:
        seq = self._store.next_seq("fill") if result.fills else 0
        for offset, (order_id, quantity) in enumerate(result.fills):
            row = known[order_id]
            fill = {
                "seq": seq + offset,
                "transaction_id": transaction_id(call_id, order_id),
                "call_id": call_id,
                "market_order_id": order_id,
                "party_id": row["party_id"],
                "tender_id": row["tender_id"],
                "start": row["start"],
                "side": row["side"],
                "price": result.price,
                "quantity": quantity,
                "time": iso(when),
            }
            self._store.insert("fill", fill)
            pushed = messages.create_transaction_out(fill)
            self._events.add(row["party_id"], "EiCreateTransaction", pushed)
            rest = row["remaining"] - quantity
            self._store.run(
                "UPDATE tender SET remaining = ?, status = ? WHERE market_order_id = ?",
                rest,
                "PARTIALLY_FILLED" if rest else "FILLED",
                order_id,
            )

    def _backstop(self, start: datetime, when: datetime) -> dict[str, dict[str, Any]]:
        """The retailer's two tenders of this call: buy at the export price, sell at the retail."""
        posted = self._prices.posted(start, when)
        made: dict[str, dict[str, Any]] = {}
        for side, price in (("BUY", posted.export), ("SELL", posted.retail)):
            if price is None or not self._terms.backstop_wh:
                continue
            tender_id = f"backstop|{iso(start)}|{iso(when)}|{side}"
            order_id = market_order_id(LSE_PARTY, tender_id)
            made[order_id] = {
                "market_order_id": order_id,
                "party_id": LSE_PARTY,
                "tender_id": tender_id,
                "start": iso(start),
                "side": side,
                "price": price,
                "remaining": self._terms.backstop_wh,
            }
        return made

    def _expire(self, gate: datetime, when: datetime) -> None:
        self._store.run(
            "UPDATE tender SET status = 'EXPIRED', remaining = 0"
            " WHERE status IN ('NEW', 'PARTIALLY_FILLED') AND (start <= ? OR expires_ms <= ?)",
            iso(gate),
            epoch_ms(when),
        )


def _order(row: dict[str, Any]) -> Order:
    return Order(row["market_order_id"], row["side"] == "BUY", row["price"], row["remaining"])


def transaction_id(call_id: str, order_id: str) -> str:
    return hashlib.sha256(f"{call_id}|{order_id}".encode()).hexdigest()[:32]


def book_text(orders: Sequence[Order]) -> str:
    """The call's input as it is logged, by order id: the same book gives the same bytes."""
    rows = sorted((o.market_order_id, o.buy, o.price, o.quantity) for o in orders)
    return json.dumps(rows, separators=(",", ":"))


def fills_text(result: Cleared) -> str:
    return json.dumps(result.fills, separators=(",", ":"))


def replay(store: Store, lot: int) -> int:
    """Clear every logged call again; the number of calls, or ValueError at the first difference."""
    rows = store.all("SELECT * FROM call ORDER BY time, start")
    for row in rows:
        orders = [Order(*entry) for entry in json.loads(row["book"])]
        result = clear(row["call_id"], orders, lot)
        again = (result.price, result.volume, fills_text(result))
        if again != (row["price"], row["volume"], row["fills"]):
            raise ValueError(f"call {row['call_id']} does not replay")
    return len(rows)


def missed_steps(last: str | None, now: datetime, terms: Terms) -> list[datetime]:
    """The call times after the stored mark that are due, at most one day back."""
    if last is None:
        return []
    steps: list[datetime] = []
    when = max(parse_utc(last), floor_to(now - timedelta(days=1), terms.call_period))
    while (when := when + terms.call_period) <= now:
        steps.append(when)
    return steps
