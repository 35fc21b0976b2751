"""The registered parties."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.exchange.store import Store


@dataclass(frozen=True, slots=True)
class Party:
    """A registered party: role of the market, largest power in W."""

    party_id: str
    role: str
    capacity_w: int
    revoked: bool = False


class Parties:
    """Who is registered; read from memory, as every request asks for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Party] = {}

    def get(self, party_id: str) -> Party | None:
        if party_id not in self._known:
            row = self._store.one("SELECT * FROM party WHERE party_id = ?", party_id)
            if row is None:
                return None
            self._known[party_id] = Party(
                party_id, row["role"], row["capacity_w"], bool(row["revoked"])
            )
        return self._known[party_id]

    def register(self, party: Party) -> None:
        """Add or change a party; a revoked one stays revoked."""
        with self._store.transaction():
            self._store.run(
                "INSERT INTO party (party_id, role, capacity_w) VALUES (?, ?, ?)"
                " ON CONFLICT (party_id)"
                " DO UPDATE SET role = excluded.role, capacity_w = excluded.capacity_w",
                party.party_id,
                party.role,
                party.capacity_w,
            )
        self._known.pop(party.party_id, None)

    def revoke(self, party_id: str) -> None:
        self._store.run("UPDATE party SET revoked = 1 WHERE party_id = ?", party_id)
        self._known.pop(party_id, None)

    def is_revoked(self, party_id: str) -> bool:
        known = self.get(party_id)
        return known is not None and known.revoked
