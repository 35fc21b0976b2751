"""What is kept how long, by kind.

Evidence is packed as soon as it is no longer fresh. Of a tender only the document and its fills are
kept once its gate has closed for two hours, and of a meter reading and of a refusal no key: a
reading that comes again is known by itself, and what was refused is refused again. The keys of
tenders and cancels, and all documents, are kept until the last settlement run is over; the account
(calls, fills, readings, statements) for `Terms.account_kept`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.domain.intervals import floor_to
from simulators.exchange.ledger import Ledger
from simulators.exchange.rows import to_quarter, to_s
from simulators.exchange.terms import Terms

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


class Retention:
    """Called after every call time."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    async def tidy(self, ledger: Ledger, when: datetime) -> None:
        """Pack what can be packed; once a day forget what nobody may ask for any more."""
        await ledger.compact()
        if floor_to(when, _HOUR) == when:
            closed = when - 2 * _HOUR
            await ledger.prune(to_quarter(closed), to_s(closed - self._terms.preopen - 2 * _HOUR))
        if floor_to(when, _DAY) == when:
            documents = when - self._terms.trueup_after - _DAY
            account = when - self._terms.account_kept
            await ledger.forget(to_quarter(documents), to_quarter(account))
