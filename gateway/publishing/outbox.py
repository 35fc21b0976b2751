"""The ledger events that the broker has not yet acknowledged, as messages, oldest first."""

from __future__ import annotations

from gateway.errors import StorageError
from gateway.publishing import topics
from gateway.publishing.topics import Message
from gateway.store.journal import Journal
from gateway.supervise import Availability


class Outbox:
    """A window of events at a time: send what is `due`, then say `acknowledged`.

    While the journal cannot note an acknowledgement nothing more is due: it would be sent twice
    after the next start. What is sent again carries the same id.
    """

    def __init__(self, journal: Journal, base: str) -> None:
        self._journal, self._base = journal, base
        self._storage = Availability("the outbox of the journal")
        self._empty_to = -1  # journal sequence up to which nothing is left
        self._out: list[int] = []  # sequences that are on the way
        self._taken: list[int] = []  # acknowledged by the broker, not yet noted in the journal

    def begin(self) -> None:
        """A new connection: what was on the way in the old one is due again."""
        self._empty_to, self._out = -1, []

    def due(self, most: int) -> list[Message]:
        """The next events; none when all are sent or nothing can be noted."""
        head = self._journal.head[0]
        if self._empty_to >= head or not self._note():
            return []
        entries = self._journal.unsent(most)
        if not entries:
            self._empty_to = head
        self._out = [entry.seq for entry in entries]
        return [topics.ledger_message(self._base, entry) for entry in entries]

    def acknowledged(self) -> None:
        """The broker has all that was due."""
        self._taken, self._out = self._out, []
        self._note()

    def _note(self) -> bool:
        try:
            if self._taken:
                self._journal.mark_sent(*self._taken)
        except StorageError as error:
            self._storage.lost(error)
            return False
        self._storage.back()
        self._taken = []
        return True
