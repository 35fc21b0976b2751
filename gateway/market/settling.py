"""After delivery: tell the exchange what the meter counted, and fetch what it makes of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from gateway.clock import Clock
from gateway.domain.intervals import QUARTER, iso
from gateway.domain.trade import Metered, Run, Settlement
from gateway.errors import MarketError
from gateway.market.exchanges import Exchange
from gateway.market.settlement import excess_wh, expected
from gateway.store.book import Book
from gateway.store.codec import metered_body, settlement_body
from gateway.store.journal import Journal

log = logging.getLogger(__name__)

LATEST = timedelta(days=36)  # the last correction (TRUEUP) comes at most 35 days after delivery
_HOUR = timedelta(hours=1)
_REPEATED = timedelta(days=1)
_AGAIN = timedelta(minutes=10)  # after a report was not taken

Items = list[tuple[str, dict[str, Any]]]


class Settling:
    """Reports, and stores settlements once each. Raises MarketError when the exchange is lost."""

    def __init__(self, exchange: Exchange, journal: Journal, clock: Clock) -> None:
        self._exchange, self._journal, self._clock = exchange, journal, clock
        self._asked: datetime | None = None  # when settlements were last fetched
        self._repeated = False
        self._refused: dict[datetime, datetime] = {}  # interval -> when to report it again

    async def report(self, metered: Metered | None = None) -> None:
        """Tell the exchange what the meter counted, and everything that it has not confirmed yet.

        ``metered`` is stored first if the journal does not have it. A report that fails while the
        exchange is there does not hold up the others: it is noted once and tried again later.
        """
        book, now = self._journal.book, self._clock.now()
        if metered and book.metered.get(metered.interval.start) != metered:
            self._journal.append("metered", metered_body(metered), now)
        for waiting in book.undelivered() + self._once_more():
            start = waiting.interval.start
            if now < self._refused.get(start, now) or now - waiting.interval.end > LATEST:
                continue
            try:
                await self._exchange.deliver(waiting)
            except MarketError as error:
                await self._exchange.server_time()  # raises if the exchange is lost, not unwilling
                if start not in self._refused:
                    self._note(f"the meter reading of {iso(start)} was not taken: {error}", start)
                self._refused[start] = now + _AGAIN
                continue
            self._refused.pop(start, None)
            if start not in book.delivered:
                self._delivered(waiting)
        self._repeated = True

    def _delivered(self, metered: Metered) -> None:
        """Store that the exchange knows, and announce a deviation that will bear a fee."""
        interval, position = metered.interval, self._journal.book.position_wh(metered.interval)
        items: Items = [("delivered", {"start": iso(interval.start), "end": iso(interval.end)})]
        if position and excess_wh(position, metered.net_wh):
            text = f"position {position} Wh, metered {metered.net_wh} Wh: beyond the free deviation"
            log.info("%s: %s", iso(interval.start), text)
            items.append(("note", {"text": text, "start": iso(interval.start)}))
        self._journal.append_all(items, self._clock.now())

    def _once_more(self) -> list[Metered]:
        """Confirmed reports without a settlement: told again once a life, should they be forgotten."""
        if self._repeated:
            return []
        book = self._journal.book
        settled = {s.interval.start for s in book.settlements.values()}
        recent = self._clock.now() - _REPEATED
        return [
            book.metered[at]
            for at in sorted(book.delivered - settled)
            if at in book.metered and at > recent
        ]

    async def settle(self) -> list[Settlement]:
        """Fetch settlements and store the new ones with their prices; asking again adds nothing."""
        now, book = self._clock.now(), self._journal.book
        found = await self._exchange.settlements(self._from(now), now)
        new = {s.settlement_id: s for s in found if s.settlement_id not in book.settlements}
        items: Items = []
        for settlement in new.values():
            items.append(("settlement", settlement_body(settlement)))
            if text := self._doubt(settlement):
                log.warning("%s", text)
                items.append(("note", {"text": text, "start": iso(settlement.interval.start)}))
        if new:
            items += await self._prices({s.interval.start for s in new.values()})
            self._journal.append_all(items, now)
        self._asked = now
        return list(new.values())

    async def _prices(self, starts: Iterable[datetime]) -> Items:
        """The published prices of settled intervals: the account must be readable without network."""
        missing = {start for start in starts if start not in self._journal.book.prices}
        if not missing:
            return []
        rows = await self._exchange.prices(min(missing), max(missing) + QUARTER)
        return [
            (
                "price",
                {
                    "start": iso(row.interval.start),
                    "end": iso(row.interval.end),
                    "import_ticks": row.import_ticks,
                    "export_ticks": row.export_ticks,
                    "imbalance_ticks": row.imbalance_ticks,
                },
            )
            for row in rows
            if row.interval.start in missing
        ]

    def _from(self, now: datetime) -> datetime:
        """How far back to ask: all that may change at a start and once a day, less in between."""
        book, oldest = self._journal.book, now - LATEST
        if self._asked is None or now.date() != self._asked.date():
            return oldest
        back = now - (26 * _HOUR if now.hour != self._asked.hour else 2 * _HOUR)
        settled = {s.interval.start for s in book.settlements.values()}
        waiting = [start for start in book.delivered if start not in settled and start >= oldest]
        return min([back, *waiting])

    def _doubt(self, settlement: Settlement) -> str | None:
        """What in a settlement is not as our own account says."""
        if settlement.reverses is not None:
            return None
        book, interval = self._journal.book, settlement.interval
        name, position = f"settlement of {iso(interval.start)}", book.position_wh(interval)
        if settlement.position_wh != position and settlement.total_money != _ours(book, settlement):
            return f"{name} has position {settlement.position_wh} Wh, ours is {position} Wh"
        metered = book.metered.get(interval.start)
        if settlement.run is Run.PRELIM and metered and settlement.metered_wh != metered.net_wh:
            return f"{name} has {settlement.metered_wh} Wh, our meter counted {metered.net_wh} Wh"
        return None

    def _note(self, text: str, start: datetime) -> None:
        log.warning("%s", text)
        self._journal.append("note", {"text": text, "start": iso(start)}, self._clock.now())


def _ours(book: Book, settlement: Settlement) -> int:
    """What our fills come to at the settlement's own price. A retailer that pays what the meter
    counted at one price knows no positions, and still owes the same."""
    fills = [t for t in book.transactions.values() if t.interval == settlement.interval]
    price = settlement.imbalance_price_ticks
    return expected(fills, settlement.metered_wh, price, price, 0).total_money
