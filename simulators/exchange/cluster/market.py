"""The market as the processes of a cluster have it: one ledger, numbers from one counter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from gateway.clock import Clock
from simulators.exchange.ledger import Registered, TenderState
from simulators.exchange.market import Market
from simulators.exchange.names import market_order_id
from simulators.exchange.postgres_ledger import PostgresLedger
from simulators.exchange.rows import to_quarter
from simulators.exchange.terms import PriceSource, Terms

BLOCK = 10_000  # numbers that are taken from the counter at once


class ClusterMarket(Market):
    """Numbers rise with what happened one after the other: a block is dropped where another process
    has to number in between (`renumber`)."""

    def __init__(
        self, clock: Clock, ledger: PostgresLedger, source: PriceSource, terms: Terms
    ) -> None:
        self.postgres = ledger
        self._until = 0
        super().__init__(clock, ledger, source, terms)

    def load(self) -> None:
        """Begin from what the ledger has."""
        super().load()
        self.renumber()

    def number(self) -> int:
        """The next number of the one sequence in which everything happens."""
        if self._seq + 1 >= self._until:
            first = self.postgres.reserve_now(BLOCK)
            self._seq, self._until = first - 1, first + BLOCK
        self._seq += 1
        return self._seq

    def renumber(self) -> None:
        """The next number is higher than all that anybody has by now."""
        self._until = 0

    async def refresh(self) -> None:
        """See `Market.refresh`."""

    async def open_by_party(self) -> Counter[int]:
        """See `Market.open_by_party`: of all shards."""
        return await self.postgres.open_by_party(to_quarter(self.now() + self.terms.gate))

    async def renewed(self, party_id: str, known: Registered | None) -> Registered | None:
        """See `Market.renewed`."""
        now = await self.postgres.party(party_id)
        if now is None or now == known:
            return None
        self._note(now)
        return now

    async def renew(self, party_id: str) -> None:
        """A party has changed; without a name, any of them may have."""
        if not party_id:
            self._note(*await self.postgres.parties())
        elif (changed := await self.postgres.party(party_id)) is not None:
            self._note(changed)

    def _note(self, *parties: Registered) -> None:
        """Who is revoked stays so: a shard knows it before it has stored it, and another change of the
        party (a new key) must not take it back in between."""
        for party in parties:
            revoked = party.revoked or self.parties.is_revoked(party.party_id)
            self.parties.note(replace(party, revoked=revoked))


class EdgeMarket(ClusterMarket):
    """At an edge: no tender rests here, and what time it is in the market is asked of the ledger."""

    def __init__(
        self, clock: Clock, ledger: PostgresLedger, source: PriceSource, terms: Terms
    ) -> None:
        self._heard = 0
        super().__init__(clock, ledger, source, terms)

    async def refresh(self) -> None:
        """The marks as they are now: gates, calls, halts."""
        self._take(await self.postgres.current_marks())
        self._heard = max(self._heard, await self.postgres.last_seq())

    def _take(self, marks: Mapping[str, str]) -> None:
        self.marks.clear()
        self.marks |= marks
        self.entry.last_closed = int(self.marks.get("gate", "-1"))

    def last_seq(self) -> int:
        return self._heard

    async def resting(self, party: int) -> list[TenderState]:
        """See `Market.resting`."""
        closed = max(self.entry.last_closed, to_quarter(self.now()) - 1)
        found = await self.postgres.resting(party, closed)
        name = self.parties.name(party)
        found.sort(key=lambda state: (state.start, market_order_id(name, state.tender_id)))
        return found


def calls_of(when_s: int, terms: Terms) -> list[int]:
    """The quarter-hours that have a call at that time: from the gate to the first call."""
    quarter = 900
    gate, first = _s(terms.gate), _s(terms.first_call)
    start = -(-(when_s + gate) // quarter)
    return list(range(start, (when_s + first) // quarter + 1))


def gate_of(when_s: int, terms: Terms) -> int:
    """The last quarter-hour whose gate is closed at that time."""
    return (when_s + _s(terms.gate)) // 900


def _s(length: timedelta) -> int:
    return int(length.total_seconds())
