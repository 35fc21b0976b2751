"""What the exchange says and we do not believe: kept as evidence, said, and after a few trading pauses."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway.clock import Clock
from gateway.domain.intervals import iso
from gateway.domain.trade import Dispute, Settlement, Transaction
from gateway.market.checks import FEW, paused_until
from gateway.store.chain import canonical
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
        self._said = 0  # disputes since the last pause

    def has_fill(self, fill: Transaction) -> bool:
        """Whether just this was said and disputed before: then it is no news."""
        return _digest(transaction_body(fill)) in self._journal.book.disputes

    def has_settlement(self, row: Settlement) -> bool:
        """As `has_fill`."""
        return _digest(settlement_body(row)) in self._journal.book.disputes

    def is_disputed(self, settlement_id: str | None) -> bool:
        """Whether a settlement of this id was disputed, whatever it said."""
        disputes = self._journal.book.disputes.values()
        return any(d.what == "settlement" and d.id == settlement_id for d in disputes)

    def fill(self, fill: Transaction, reason: str) -> Items:
        """The rows to store for a fill that is not believed."""
        claim = transaction_body(fill)
        return self._items(
            Dispute(
                "fill",
                fill.transaction_id,
                fill.interval,
                reason,
                fill.money,
                self._clock.now(),
                _digest(claim),
            ),
            claim,
        )

    def settlement(self, row: Settlement, reason: str) -> Items:
        """The rows to store for a settlement that is not believed."""
        claim = settlement_body(row)
        return self._items(
            Dispute(
                "settlement",
                row.settlement_id,
                row.interval,
                reason,
                row.total_money,
                self._clock.now(),
                _digest(claim),
            ),
            claim,
        )

    def paused_until(self) -> datetime | None:
        """Until when nothing is bid; None = trading goes on. Says a change once."""
        now = self._clock.now()
        until = paused_until((d.time for d in self._journal.book.disputes.values()), now)
        if until is not None and not self._said_pause:
            text = "no trade until %s: too much of what the exchange says is disputed"
            log.error(text, iso(until))
        if until is None and self._said_pause:
            log.warning("trading goes on")
            self._said = 0
        self._said_pause = until is not None
        return until

    def _items(self, dispute: Dispute, claim: Mapping[str, Any]) -> Items:
        now, known = self._clock.now(), self._journal.book.disputes
        if dispute.claim_sha256 in known:
            return []
        today = sum(now - d.time < _DAY for d in known.values())
        if today >= MOST_A_DAY:
            return []
        if max(today, self._said) < FEW - 1:  # the next one pauses trading, which is said
            where = f"{dispute.what} {dispute.id} of {iso(dispute.interval.start)}"
            log.error("disputed, moves nothing: %s: %s", where, dispute.reason)
            self._said += 1
        return [("disputed", dispute_body(dispute, claim))]


def _digest(claim: Mapping[str, Any]) -> str:
    """Of all but a number that an exchange may count up for the same lie."""
    said = {name: value for name, value in claim.items() if name != "sequence"}
    return hashlib.sha256(canonical(said).encode()).hexdigest()
