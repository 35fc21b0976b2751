"""What the exchange says and we do not believe: kept as evidence, said, and after a few trading pauses."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway.clock import Clock
from gateway.domain.intervals import iso
from gateway.domain.trade import Dispute, Settlement, Transaction
from gateway.market.checks import paused_until
from gateway.store.codec import dispute_body, settlement_body, transaction_body
from gateway.store.journal import Journal

log = logging.getLogger(__name__)

Items = list[tuple[str, dict[str, Any]]]

MOST_A_DAY = 20  # rows of evidence; an exchange that lies without end does not fill the disk
_DAY = timedelta(days=1)


class Disputes:
    """One for all that is checked. It says each of the first few, and when trading pauses and goes on."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self._said_pause = False

    def has(self, what: str, name: str) -> bool:
        """Whether this was disputed before: then it is no news."""
        return f"{what} {name}" in self._journal.book.disputes

    def fill(self, fill: Transaction, reason: str) -> Items:
        """The rows to store for a fill that is not believed."""
        return self._items(
            Dispute(
                "fill",
                fill.transaction_id,
                fill.interval,
                reason,
                fill.money,
                self._clock.now(),
            ),
            transaction_body(fill),
        )

    def settlement(self, row: Settlement, reason: str) -> Items:
        """The rows to store for a settlement that is not believed."""
        return self._items(
            Dispute(
                "settlement",
                row.settlement_id,
                row.interval,
                reason,
                row.total_money,
                self._clock.now(),
            ),
            settlement_body(row),
        )

    def paused_until(self) -> datetime | None:
        """Until when nothing is bid; None = trading goes on. Says a change once."""
        now = self._clock.now()
        until = paused_until((d.time for d in self._journal.book.disputes.values()), now)
        if until is not None and not self._said_pause:
            log.error("too much of the exchange is disputed: no trade until %s", iso(until))
        if until is None and self._said_pause:
            log.warning("trading goes on")
        self._said_pause = until is not None
        return until

    def _items(self, dispute: Dispute, claim: Mapping[str, Any]) -> Items:
        now, known = self._clock.now(), self._journal.book.disputes
        if self.has(dispute.what, dispute.id):
            return []
        today = sum(now - d.time < _DAY for d in known.values())
        if today >= MOST_A_DAY:
            return []
        if self.paused_until() is None:
            where = f"{dispute.what} {dispute.id} of {iso(dispute.interval.start)}"
            log.error("disputed, moves nothing: %s: %s", where, dispute.reason)
        return [("disputed", dispute_body(dispute, claim))]
