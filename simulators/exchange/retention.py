"""What is kept how long, by kind.

Evidence is packed as soon as it is no longer fresh. Answers to idempotency keys, and with them the
documents and the tenders that got nothing, are kept until the last settlement run is over; the
account (calls, fills, readings, statements) for `Terms.account_kept`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.domain.intervals import floor_to
from simulators.exchange.ledger import Ledger
from simulators.exchange.rows import to_quarter
from simulators.exchange.terms import Terms

_DAY = timedelta(days=1)


class Retention:
    """Called after every call time."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    async def tidy(self, ledger: Ledger, when: datetime) -> None:
        """Pack what can be packed; once a day forget what nobody may ask for any more."""
        await ledger.compact()
        if floor_to(when, _DAY) == when:
            documents = when - self._terms.trueup_after - _DAY
            account = when - self._terms.account_kept
            await ledger.forget(to_quarter(documents), to_quarter(account))
