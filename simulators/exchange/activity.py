"""Who has asked what since the exchange was started: for the operator's eyes, not for the account."""

from __future__ import annotations

from datetime import datetime

import msgspec

_MOST_PARTIES = 100_000


class Seen(msgspec.Struct, gc=False):
    """One party: when it last asked, how often, and what it was refused, by problem title."""

    last: datetime
    requests: int = 0
    refused: dict[str, int] = msgspec.field(default_factory=dict)


class Activity:
    """Bounded by the number of parties that are registered or believed."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}

    def asked(self, party_id: str, now: datetime) -> None:
        seen = self._seen.get(party_id)
        if seen is None:
            if len(self._seen) >= _MOST_PARTIES:
                return
            seen = self._seen[party_id] = Seen(now)
        seen.last = now
        seen.requests += 1

    def refused(self, party_id: str, kind: str) -> None:
        if (seen := self._seen.get(party_id)) is not None:
            seen.refused[kind] = seen.refused.get(kind, 0) + 1

    def of(self, party_id: str) -> Seen | None:
        return self._seen.get(party_id)
