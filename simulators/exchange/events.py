"""What the market tells by itself: fills, calls and sessions, in one durable sequence."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from simulators.exchange import messages
from simulators.exchange.ledger import Ledger
from simulators.exchange.parties import Parties
from simulators.exchange.terms import Terms

_PAGE = 500
Frame = tuple[int, str, messages.Json]


_AT_ONCE = 8  # listeners that are told without a look at other work; each takes 0.1 ms


class News:
    """Wakes everybody who waits for news; ``turns`` is held while it is looked up and written, so that thousands who
    are woken at once do not hold up the loop."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self.turns = asyncio.Semaphore(_AT_ONCE)

    def announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def current(self) -> asyncio.Event:
        """Set by the next `announce`."""
        return self._news


async def frames_after(
    ledger: Ledger, parties: Parties, terms: Terms, party_id: str, seq: int
) -> Sequence[Frame]:
    """The next frames that a party may hear: its fills, and every call and session."""
    party = parties.get(party_id)
    fills: Sequence[Any] = ()
    if party is not None:
        fills = await ledger.fills(party.number, seq, _PAGE)
    calls = await ledger.calls_after(seq, _PAGE)
    sessions = await ledger.sessions_after(seq, _PAGE)
    frames: list[Frame] = [
        (f.seq, "EiCreateTransaction", messages.create_transaction_out(party_id, f)) for f in fills
    ]
    frames += [(c.seq, "TransactionTicker", messages.ticker_out(c)) for c in calls]
    frames += [(s.seq, "SessionData", messages.session_row_out(terms, s)) for s in sessions]
    # A full page of one kind may end before a page of another: beyond its end something is missing.
    full = [rows[-1].seq for rows in (fills, calls, sessions) if len(rows) == _PAGE]
    if full:
        frames = [frame for frame in frames if frame[0] <= min(full)]
    return sorted(frames, key=lambda frame: frame[0])
