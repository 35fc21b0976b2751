"""The registered parties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.exchange.ledger import Ledger, Registered


@dataclass(frozen=True, slots=True)
class Party:
    """A registered party: role of the market, largest power in W."""

    party_id: str
    role: str
    capacity_w: int
    revoked: bool = False


class Parties:
    """Who is registered; read from memory, as every request asks for it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[str, Registered] = {}
        self._names: dict[int, str] = {}

    def load(self, parties: list[Registered]) -> None:
        """Begin with what the ledger has."""
        self._known, self._names = {}, {}
        self.note(*parties)

    def get(self, party_id: str) -> Registered | None:
        return self._known.get(party_id)

    def name(self, number: int) -> str:
        return self._names[number]

    def all(self) -> list[Registered]:
        return list(self._known.values())

    def register(self, *parties: Party) -> None:
        """Add or change parties; a revoked one stays revoked."""
        changed = [
            (party.party_id, party.role, party.capacity_w)
            for party in parties
            if (known := self._known.get(party.party_id)) is None
            or (known.role, known.capacity_w) != (party.role, party.capacity_w)
        ]
        if changed:
            self.note(*self._ledger.register(changed))

    def revoke(self, party_id: str) -> None:
        self.amend({party_id: {"revoked": 1}})

    def amend(self, columns: Mapping[str, Mapping[str, Any]]) -> None:
        """Change ``revoked``, ``secret_hash`` or ``keys`` (JSON) of parties."""
        self.note(*self._ledger.amend(columns))

    def is_revoked(self, party_id: str) -> bool:
        known = self.get(party_id)
        return known is not None and bool(known.revoked)

    def note(self, *parties: Registered) -> None:
        """As they are in the ledger by now."""
        for party in parties:
            self._known[party.party_id] = party
            self._names[party.number] = party.party_id
