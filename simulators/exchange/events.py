"""What the market tells by itself, in one durable sequence that a client can resume from."""

from __future__ import annotations

import asyncio
import sqlite3

from simulators.exchange import messages
from simulators.exchange.store import Store


class Events:
    """Rows of the ticker. ``party_id`` None is for everybody; seq rises without end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._news = asyncio.Event()

    def add(self, party_id: str | None, kind: str, payload: messages.Json) -> None:
        """Store one event in the current transaction; `announce` after its commit."""
        self._store.insert(
            "event",
            {
                "seq": self._store.next_seq("event"),
                "party_id": party_id,
                "type": kind,
                "payload": messages.dump(payload),
            },
        )

    def after(self, party_id: str, seq: int) -> list[sqlite3.Row]:
        """The next events that a party may hear."""
        return self._store.all(
            "SELECT * FROM event WHERE seq > ? AND (party_id IS NULL OR party_id = ?)"
            " ORDER BY seq LIMIT 500",
            seq,
            party_id,
        )

    def last_seq(self) -> int:
        return self._store.next_seq("event") - 1

    def announce(self) -> None:
        """Wake everybody who waits for news."""
        self._news.set()
        self._news = asyncio.Event()

    async def news(self) -> None:
        """Return after the next `announce`."""
        await self._news.wait()
