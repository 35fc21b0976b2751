"""After delivery: tell the exchange what the meter counted, and fetch what it makes of it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway.clock import Clock
from gateway.domain.intervals import QUARTER, Interval, iso
from gateway.domain.trade import MarketRules, Metered, Settlement
from gateway.errors import MarketError
from gateway.market.checks import SettlementChecks, by_interval
from gateway.market.disputes import Disputes, Items
from gateway.market.exchanges import Exchange, PublishedPrices
from gateway.market.settlement import excess_wh
from gateway.store.codec import metered_body, settlement_body
from gateway.store.journal import Journal

log = logging.getLogger(__name__)

LATEST = timedelta(days=36)  # the last correction (TRUEUP) comes at most 35 days after delivery
_HOUR = timedelta(hours=1)
_REPEATED = timedelta(days=1)
_KEPT = 4  # intervals within the free deviation, and it is over
_AGAIN = timedelta(minutes=10)  # after a report was not taken


class Settling:
    """Reports, and stores settlements once each. Raises MarketError when the exchange is lost."""

    def __init__(
        self, exchange: Exchange, journal: Journal, clock: Clock, disputes: Disputes
    ) -> None:
        self._exchange, self._journal, self._clock = exchange, journal, clock
        self._disputes = disputes
        self._asked: datetime | None = None  # when settlements were last fetched
        self._repeated = False
        self._apart, self._kept = (
            0,
            0,
        )  # deliveries beyond the free deviation, and since then within it
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
            over = timedelta(0) <= now - waiting.interval.end <= LATEST  # ahead: of a wrong clock
            if now < self._refused.get(start, now) or not over:
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
            self._say_deviation(interval, text)
            items.append(("note", {"text": text, "start": iso(interval.start)}))
        elif position:
            self._say_kept(interval)
        self._journal.append_all(items, self._clock.now())

    def _say_deviation(self, interval: Interval, text: str) -> None:
        """The first of many; the account has a note of each."""
        if not self._apart:
            log.info("%s: %s", iso(interval.start), text)
        self._apart, self._kept = self._apart + 1, 0

    def _say_kept(self, interval: Interval) -> None:
        """An hour without one is the end."""
        self._kept += 1
        if self._apart and self._kept >= _KEPT:
            if self._apart > 1:
                log.info(
                    "%s: within the free deviation again, after %d beyond it",
                    iso(interval.start),
                    self._apart,
                )
            self._apart = 0

    def _once_more(self) -> list[Metered]:
        """Confirmed reports without a settlement: told again once a life, should they be forgotten."""
        if self._repeated:
            return []
        book = self._journal.book
        recent = self._clock.now() - _REPEATED
        return [
            book.metered[at]
            for at in sorted(book.delivered - book.settled)
            if at in book.metered and at > recent
        ]

    async def settle(self, rules: MarketRules) -> list[Settlement]:
        """Fetch settlements, check them, and store the new ones with their prices; asking again adds
        nothing. What does not agree with our account is disputed; the believed ones are returned."""
        now, book = self._clock.now(), self._journal.book
        found = [s for s in await self._exchange.settlements(self._from(now), now) if self._new(s)]
        groups = by_interval(found)
        prices = await self._prices(groups)
        items: Items = []
        believed: list[Settlement] = []
        for start, rows in groups.items():
            withdrawn = [s for s in rows if self._takes_back_a_disputed(s)]
            rest = [s for s in rows if s not in withdrawn]
            items += [("withdrawn", _withdrawn(s)) for s in withdrawn]
            if not rest:
                continue
            fault = SettlementChecks(book, rules, prices.get(start)).fault(rest)
            if fault:
                items += [item for s in rest for item in self._disputes.settlement(s, fault)]
                continue
            items += [("settlement", settlement_body(s)) for s in rest]
            believed += rest
            if start not in book.prices and start in prices:
                items.append(("price", _price_body(prices[start])))
        if items:
            self._journal.append_all(items, now)
        self._asked = now
        return believed

    def _takes_back_a_disputed(self, row: Settlement) -> bool:
        known = row.reverses in self._journal.book.settlements
        return not known and self._disputes.is_disputed(row.reverses)

    def _new(self, settlement: Settlement) -> bool:
        book, name = self._journal.book, settlement.settlement_id
        known = book.settlements.get(name) == settlement or name in book.withdrawn
        return not (known or self._disputes.has_settlement(settlement))

    async def _prices(self, starts: Collection[datetime]) -> Mapping[datetime, PublishedPrices]:
        """The published prices of settled intervals: the account must be readable without network."""
        if not starts:
            return {}
        rows = await self._exchange.prices(min(starts), max(starts) + QUARTER)
        return {row.interval.start: row for row in rows if row.interval.start in starts}

    def _from(self, now: datetime) -> datetime:
        """How far back to ask: all that may change at a start and once a day, less in between."""
        book, oldest = self._journal.book, now - LATEST
        if self._asked is None or now.date() != self._asked.date():
            return oldest
        back = now - (26 * _HOUR if now.hour != self._asked.hour else 2 * _HOUR)
        return min([back, *(start for start in book.delivered - book.settled if start >= oldest)])

    def _note(self, text: str, start: datetime) -> None:
        log.warning("%s", text)
        self._journal.append("note", {"text": text, "start": iso(start)}, self._clock.now())


def _withdrawn(row: Settlement) -> dict[str, str]:
    start, end = iso(row.interval.start), iso(row.interval.end)
    return {"start": start, "end": end, "id": row.reverses or "", "by": row.settlement_id}


def _price_body(row: PublishedPrices) -> dict[str, Any]:
    return {
        "start": iso(row.interval.start),
        "end": iso(row.interval.end),
        "import_ticks": row.import_ticks,
        "export_ticks": row.export_ticks,
        "imbalance_ticks": row.imbalance_ticks,
    }
