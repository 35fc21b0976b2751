"""Fills: fetched, checked against what was tendered, and stored once each.

A fill of a tender that our journal does not know may be ours all the same, after a restore of an older
copy: then the exchange can show the tender with our own signature, and it is adopted.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.clock import Clock
from gateway.domain.intervals import QUARTER, iso
from gateway.domain.trade import Tender, TenderAnswer, Transaction
from gateway.market.checks import fill_fault
from gateway.market.disputes import Disputes, Items
from gateway.market.exchanges import Exchange
from gateway.store.book import TENDERS_KEPT
from gateway.store.codec import answer_body, tender_body, transaction_body
from gateway.store.journal import Journal

log = logging.getLogger(__name__)

MOST_PAGES = 100
MOST_FILLS = 20_000  # of one round; a home has some dozens a day
MOST_ASKED = 50  # strange tenders that the exchange may show us in one round
MOST_ADOPTED = 200  # open tenders at one start; more are left to their gates


class Fills:
    """Raises MarketError when the exchange is lost; what is stored then stays."""

    def __init__(
        self, exchange: Exchange, journal: Journal, clock: Clock, disputes: Disputes
    ) -> None:
        self._exchange, self._journal, self._clock = exchange, journal, clock
        self._disputes = disputes
        self._strange: set[str] = set()  # tender ids that the exchange cannot prove to be ours

    async def catch_up(self) -> int:
        """Store every fill that the journal does not have yet; how many of them are believed.

        All in one transaction: whether a late fill may be believed depends on when we last asked.
        """
        new = [fill for fill in await self._fetched() if self._is_new(fill)]
        strange = {f.tender_id for f in new if self._may_be_ours(f)}
        for tender_id in sorted(strange)[:MOST_ASKED]:
            await self._adopted(tender_id)
        book, now = self._journal.book, self._clock.now()
        items: Items = []
        taken: dict[str, int] = {}  # Wh by tender, of this round
        for fill in new:
            fault = fill_fault(book, fill, now, taken.get(fill.tender_id, 0))
            if fault:
                items += self._disputes.fill(fill, fault)
            else:
                taken[fill.tender_id] = taken.get(fill.tender_id, 0) + fill.quantity_wh
                items += _accepted(fill, now)
        _say_late([str(body["text"]) for kind, body in items if kind == "note"])
        if items:
            self._journal.append_all(items, now)
        return sum(kind == "transaction" for kind, _ in items)

    async def _fetched(self) -> list[Transaction]:
        """All pages, each fill once."""
        after = self._journal.book.cursor()
        found: dict[str, Transaction] = {}
        for _ in range(MOST_PAGES):
            page = [f for f in await self._exchange.transactions(after) if f.sequence > after]
            fresh = {f.transaction_id: f for f in page if f.transaction_id not in found}
            if not fresh or len(found) > MOST_FILLS:
                break
            found |= fresh
            after = max(fill.sequence for fill in page)
        return list(found.values())

    def _is_new(self, fill: Transaction) -> bool:
        known = self._journal.book.transactions.get(fill.transaction_id) == fill
        return not (known or self._disputes.has_fill(fill))

    def _may_be_ours(self, fill: Transaction) -> bool:
        """Whether it is of a tender that we do not know, and not of one that we have forgotten."""
        recent = fill.interval.end > self._clock.now() - TENDERS_KEPT
        return recent and fill.tender_id not in self._journal.book.tenders

    async def adopt(self) -> None:
        """At a start: open tenders that we do not know are ours again, or taken back."""
        for tender_id in list(await self._exchange.open_tenders())[:MOST_ADOPTED]:
            if tender_id in self._journal.book.tenders:
                continue
            if await self._adopted(tender_id):
                continue
            log.warning("an open tender that we do not know is taken back: %s", tender_id)
            await self._exchange.cancel(tender_id)

    async def _adopted(self, tender_id: str) -> bool:
        """Whether the exchange could show our own signature under it: then it is in the account."""
        if tender_id in self._strange:
            return False
        tender = await self._exchange.signed_tender(tender_id)
        if tender is None or tender.tender_id != tender_id:
            if len(self._strange) > MOST_FILLS:
                self._strange.clear()
            self._strange.add(tender_id)
            return False
        found = await self._exchange.find_tender(tender_id)
        answer = found or TenderAnswer(tender_id, True, None, 201, "adopted")
        self._journal.append_all(_adopting(tender, answer), self._clock.now())
        log.warning("adopted a tender that an older journal does not know: %s", tender_id)
        return True


def _accepted(fill: Transaction, now: datetime) -> Items:
    items: Items = [("transaction", transaction_body(fill))]
    if text := _late(fill, now):
        items.append(("note", {"text": text, "start": iso(fill.interval.start)}))
    return items


def _say_late(texts: Sequence[str]) -> None:
    """Each has its note in the account; the log says it in one line."""
    if texts:
        log.warning("%s%s", texts[0], f" (and {len(texts) - 1} more)" if len(texts) > 1 else "")


def _adopting(tender: Tender, answer: TenderAnswer) -> Items:
    return [("tender", tender_body(tender)), ("answer", answer_body(answer))]


def _late(fill: Transaction, now: datetime) -> str | None:
    """What is odd about the time of a new fill, for the account."""
    late = now - fill.interval.start
    if late >= QUARTER:
        return f"a fill of {fill.net_wh} Wh was learned only after its delivery had ended"
    if late > timedelta(0):
        minutes = late // timedelta(minutes=1)
        return f"a fill of {fill.net_wh} Wh was learned {minutes} min into its delivery"
    return None
