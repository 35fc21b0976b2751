"""The port behind which the market keeps its rows; `sqlite_ledger` is the store of one process.

Rows are appended in the order in which they were decided, and what `append` has confirmed is
durable. Nothing reads a row before its batch was confirmed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from simulators.exchange.evidence import Stored
from simulators.exchange.rows import Batch, Call, Document, Run, Session, Statement, Tender

if TYPE_CHECKING:
    from simulators.exchange.audit import Accepted


@dataclass(frozen=True, slots=True)
class Registered:
    """A party as it is kept: ``number`` in the rows, keys as JWK with an end of validity (ms)."""

    number: int
    party_id: str
    role: str
    capacity_w: int
    revoked: bool
    secret_hash: str | None
    keys: str  # JSON: [{"jwk": {...}, "until_ms": null}]


class Open(NamedTuple):
    """A tender whose gate has not closed, as it is loaded at the start."""

    tender: Tender
    name: str
    stream: int
    canceled: int
    filled: int


class TenderState(NamedTuple):
    """A tender and what has become of it, in the words of the wire."""

    tender_id: str
    start: int
    buy: int
    price: int
    quantity: int
    expires_ms: int
    filled: int
    canceled: int
    supervisory: int


class Executed(NamedTuple):
    """A fill as a party reads it; ``name`` and ``stream`` are None for the backstop."""

    seq: int
    start: int
    buy: int
    price: int
    quantity: int
    uid: int
    time: int
    name: str | None
    stream: int | None


class SettlementColumns(NamedTuple):
    """All that a settlement run reads of one interval, party by party (numbers, in no order).

    ``traded`` is party, net Wh (sell +), energy money; ``metered`` party, net Wh (export +);
    ``standing`` the statements that nothing has reversed.
    """

    traded: Sequence[tuple[int, int, int]]
    metered: Sequence[tuple[int, int]]
    standing: Sequence[Statement]
    waived: bool


class Traded(NamedTuple):
    """What a party sold and bought in a span, Wh."""

    sold_wh: int
    bought_wh: int


class Loaded(NamedTuple):
    """What a market needs to go on: ``last_calls`` is the latest call of each open instrument."""

    marks: dict[str, str]
    last_seq: int
    parties: Sequence[Registered]
    tenders: Sequence[Open]
    positions: Sequence[tuple[int, int, int]]  # start, party, net Wh
    last_calls: dict[int, int]


class Ledger(Protocol):
    """Everything the market asks of its store. Raises StorageError where it fails."""

    on_failure: Callable[[], None]

    def append(self, batch: Batch) -> Awaitable[None]:
        """Store all rows of the batch or none; returns when they are durable.

        After a failure no batch that was handed in meanwhile is stored either: they were decided
        on rows that do not exist. ``on_failure`` is called before anybody is told.
        """

    def load(self) -> Loaded: ...

    async def document(self, key_hash: int) -> tuple[Document, Stored] | None: ...

    async def known(self, party: int, name: str, stream: bool, uids: Sequence[int]) -> set[int]:
        """Of the uids of a tender of that name (a single one has uid 0) those that exist."""

    async def tender(self, party: int, tender_id: str) -> TenderState | None: ...

    async def signed_tender(self, party: int, tender_id: str) -> bytes | None:
        """The compact JWS that made the tender, to the byte; None where it was not signed."""

    async def fills(self, party: int, after: int, limit: int) -> Sequence[Executed]: ...

    async def calls(self, first: int, last: int) -> Sequence[Call]:
        """The calls of the intervals from the quarter-hour ``first`` to before ``last``."""

    async def calls_after(self, seq: int, limit: int) -> Sequence[Call]: ...

    async def sessions_after(self, seq: int, limit: int) -> Sequence[Session]: ...

    async def positions(self, party: int, first: int, last: int) -> Sequence[tuple[int, int]]: ...

    async def statements(
        self, party: int, first: int, last: int
    ) -> Sequence[tuple[Statement, Run]]: ...

    async def deliveries(self, party: int, start: int) -> Sequence[tuple[int, int]]:
        """Document and quality of what was reported for one interval."""

    async def evidence(self, document: int) -> Stored | None: ...

    async def settlement_columns(self, start: int) -> SettlementColumns: ...

    async def traded(self, since: int) -> dict[int, Traded]:
        """By party, of the intervals from that quarter-hour on."""

    async def calls_of(self, since: int) -> Sequence[tuple[int, int, int | None, int]]:
        """Call times from then on: time, Wh, mean price by Wh (None = no trade), instruments."""

    async def estimated(self, start: int) -> int:
        """Parties that were settled for that interval without a reading."""

    async def totals(self) -> dict[str, int]:
        """Settled money by party; the sum is zero."""

    async def latest_calls(self, first: int, last: int) -> dict[int, Call]:
        """The last call that was held for each interval of the span."""

    async def compact(self) -> None:
        """Pack the evidence that is no longer fresh."""

    async def prune(self, closed_before: int, since_s: int) -> None:
        """Keep only the documents of tenders that closed before that quarter-hour and were accepted
        since ``since_s``; forget keys whose answer the market knows without them."""

    async def forget(self, before: int, account_before: int) -> None:
        """Drop what nobody may ask for any more of intervals before those quarter-hours."""

    def register(self, parties: Sequence[tuple[str, str, int]]) -> Sequence[Registered]:
        """Add or change parties (id, role, W), all at once; a revoked one stays revoked."""

    def amend(self, columns: Mapping[str, Mapping[str, Any]]) -> Sequence[Registered]:
        """Change ``revoked``, ``secret_hash`` or ``keys`` of parties, by partyId, all at once."""

    def close(self) -> None: ...


class Store(Ledger, Protocol):
    """A ledger with what an auditor, a test or the end of a demo asks of it."""

    def all(self, sql: str, *values: Any) -> list[Any]:
        """Any question in SQL; ``?`` stands for the values. The asker waits."""

    def marks(self) -> dict[str, str]: ...

    def totals_now(self) -> dict[str, int]:
        """As `totals`; the asker waits."""

    async def tenders(self) -> list[tuple[str, Accepted]]:
        """Every tender of every party, from the evidence alone, with its partyId."""
