"""The ledger in a PostgreSQL database: what the market asks of its account, and what it starts from.

One database holds one zone. Several processes may share it (`simulators.exchange.cluster`): each
loads the tenders of its own parties, numbers come from one counter, and what must happen once is
held by a key of its table or by comparing what is replaced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import StorageError
from simulators.exchange.group_commit import GroupCommit
from simulators.exchange.ledger import (
    Executed,
    Loaded,
    Open,
    Registered,
    SettlementColumns,
    Traded,
)
from simulators.exchange.postgres import Postgres, insert
from simulators.exchange.postgres_documents import PostgresDocuments
from simulators.exchange.rows import Batch, Call, Run, Session, Statement, Tender, columns_of

_PARTY = "SELECT number, party_id, role, capacity_w, revoked, secret_hash, keys FROM party"
PARTY_CHANGED = "party_changed"  # a channel of NOTIFY; the payload is the partyId


POSITION = "position"  # a mark in the memory of a shard: how far it has carried out its log


@dataclass(frozen=True, slots=True)
class Share:
    """The parties whose tenders are loaded: number modulo ``of`` is ``index``; of 0: none.

    ``logged``: what they asked came through the log of that index, so its marks (step, gate) are
    those of the shard, as far as it has read.
    """

    index: int = 0
    of: int = 1
    logged: bool = False


class PostgresLedger(PostgresDocuments):
    """Implements `simulators.exchange.ledger.Ledger`."""

    def __init__(self, db: Postgres, share: Share | None = None) -> None:
        super().__init__(db)
        self.share = share or Share()
        self.on_failure: Callable[[], None] = lambda: None
        self._commits = GroupCommit(self._store_apart, self._failed)

    async def append(self, batch: Batch) -> None:
        """See the port."""
        await self._commits.append(batch)

    def _failed(self) -> None:
        self.on_failure()

    def _store_apart(self, batches: Sequence[Batch]) -> asyncio.Future[None]:
        return self.db.ask(self._store(batches))

    async def _store(self, batches: Sequence[Batch]) -> None:
        async def work(db: Any) -> None:
            await insert(db, (row for batch in batches for row in batch))

        await self.db.transaction(work)

    def all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.db.all(sql, *values)

    def close(self) -> None:
        self._commits.close()
        self.db.close()

    async def reserve(self, count: int) -> int:
        """On the database's thread: the first of ``count`` numbers that nobody else gets; later ones
        are higher."""
        rows = await self.db.fetch(
            "UPDATE counter SET next = next + $1::bigint RETURNING next - $1::bigint", count
        )
        return int(rows[0][0])

    def reserve_now(self, count: int) -> int:
        """The same; the caller waits."""
        return self.db.wait(self.reserve(count))

    def marks(self) -> dict[str, str]:
        return self._known_marks(self.all("SELECT name, value FROM mark"))

    async def current_marks(self) -> dict[str, str]:
        return self._known_marks(await self.db.rows("SELECT name, value FROM mark"))

    @staticmethod
    def _known_marks(rows: Sequence[tuple[Any, ...]]) -> dict[str, str]:
        return {name: value for name, value in rows if name != "schema"}

    def load(self) -> Loaded:
        return self.db.wait(self._load())

    async def _load(self) -> Loaded:
        async def work(db: Any) -> Loaded:
            await db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            marks = self._known_marks([tuple(row) for row in await db.fetch("SELECT * FROM mark")])
            if self.share.logged:
                marks |= await _position(db, self.share.index)
            gate, share = int(marks.get("gate", "0")), (self.share.of, self.share.index)
            tenders: list[Any] = []
            positions: list[Any] = []
            if self.share.of:
                tenders = await db.fetch(_OPEN, gate, *share)
                positions = await db.fetch(_OPEN_POSITIONS, gate, *share)
            calls = await db.fetch(
                "SELECT start, MAX(time) FROM call WHERE start > $1 GROUP BY start", gate
            )
            return Loaded(
                marks=marks,
                last_seq=await db.fetchval(_LAST),
                parties=[Registered(*row) for row in await db.fetch(_PARTY)],
                tenders=[Open(Tender(*row[:8]), *row[8:]) for row in map(tuple, tenders)],
                positions=[tuple(row) for row in positions],
                last_calls=dict([tuple(row) for row in calls]),
            )

        return await self.db.transaction(work)

    def register(self, parties: Sequence[tuple[str, str, int]]) -> Sequence[Registered]:
        async def work(db: Any) -> list[Registered]:
            await db.executemany(
                "INSERT INTO party (party_id, role, capacity_w) VALUES ($1, $2, $3)"
                " ON CONFLICT (party_id)"
                " DO UPDATE SET role = excluded.role, capacity_w = excluded.capacity_w",
                parties,
            )
            party_ids = [party_id for party_id, _, _ in parties]
            for party_id in party_ids:
                await db.execute("SELECT pg_notify($1, $2)", PARTY_CHANGED, party_id)
            return await _parties(db, party_ids)

        return self.db.wait(self.db.transaction(work))

    def amend(self, columns: Mapping[str, Mapping[str, Any]]) -> Sequence[Registered]:
        async def work(db: Any) -> list[Registered]:
            await amend(db, columns)
            return await _parties(db, list(columns))

        return self.db.wait(self.db.transaction(work))

    async def parties(self) -> list[Registered]:
        """All of them, as they are stored now."""
        return [Registered(*row) for row in await self.db.rows(_PARTY)]

    async def party(self, party_id: str) -> Registered | None:
        """As it is stored now."""
        rows = await self.db.rows(f"{_PARTY} WHERE party_id = $1", party_id)
        return Registered(*rows[0]) if rows else None

    async def fills(self, party: int, after: int, limit: int) -> Sequence[Executed]:
        rows = await self.db.rows(
            "SELECT f.seq, f.start, f.buy, f.price, f.quantity, f.uid, c.time, d.name, d.stream"
            " FROM fill f JOIN call c ON c.seq = f.call LEFT JOIN document d ON d.seq = f.document"
            " WHERE f.party = $1 AND f.seq > $2 ORDER BY f.seq LIMIT $3",
            *(party, after, limit),
        )
        return [Executed(*row) for row in rows]

    async def calls(self, first: int, last: int) -> Sequence[Call]:
        rows = await self.db.rows(
            "SELECT * FROM call WHERE start >= $1 AND start < $2 ORDER BY seq", first, last
        )
        return [Call(*row) for row in rows]

    async def latest_calls(self, first: int, last: int) -> dict[int, Call]:
        rows = await self.db.rows(
            "SELECT DISTINCT ON (start) * FROM call WHERE start >= $1 AND start < $2"
            " ORDER BY start, time DESC",
            *(first, last),
        )
        return {row[1]: Call(*row) for row in rows}

    async def calls_after(self, seq: int, limit: int) -> Sequence[Call]:
        rows = await self.db.rows(
            "SELECT * FROM call WHERE seq > $1 ORDER BY seq LIMIT $2", seq, limit
        )
        return [Call(*row) for row in rows]

    async def sessions_after(self, seq: int, limit: int) -> Sequence[Session]:
        rows = await self.db.rows(
            "SELECT * FROM session WHERE seq > $1 ORDER BY seq LIMIT $2", seq, limit
        )
        return [Session(*row) for row in rows]

    async def last_seq(self) -> int:
        """The last call or session that everybody may know."""
        return int((await self.db.rows(_HEARD))[0][0])

    async def positions(self, party: int, first: int, last: int) -> Sequence[tuple[int, int]]:
        rows = await self.db.rows(_POSITIONS, first, last, party)
        return [(start, net) for start, net in rows]

    async def statements(
        self, party: int, first: int, last: int
    ) -> Sequence[tuple[Statement, Run]]:
        rows = await self.db.rows(_STATEMENTS, first, last, party)
        width = len(columns_of(Statement))
        return [(Statement(*row[:width]), Run(*row[width:])) for row in rows]

    async def deliveries(self, party: int, start: int) -> Sequence[tuple[int, int]]:
        rows = await self.db.rows(
            "SELECT document, quality FROM delivery WHERE start = $1 AND party = $2", start, party
        )
        return [(document, quality) for document, quality in rows]

    async def settlement_columns(self, start: int) -> SettlementColumns:
        traded = await self.db.rows(_TRADED, start)
        metered = await self.db.rows(_METERED, start)
        standing = await self.db.rows(_STANDING, start)
        waived = await self.db.rows("SELECT 1 FROM waiver WHERE start = $1", start)
        return SettlementColumns(
            [(party, net, energy) for party, net, energy in traded],
            [(party, net) for party, net in metered],
            [Statement(*row) for row in standing],
            bool(waived),
        )

    async def traded(self, since: int) -> dict[int, Traded]:
        rows = await self.db.rows(
            "SELECT party, COALESCE(SUM(quantity) FILTER (WHERE buy = 0), 0)::bigint,"
            " COALESCE(SUM(quantity) FILTER (WHERE buy != 0), 0)::bigint"
            " FROM fill WHERE start >= $1 GROUP BY party",
            since,
        )
        return {party: Traded(sold, bought) for party, sold, bought in rows}

    async def calls_of(self, since: int) -> Sequence[tuple[int, int, int | None, int]]:
        rows = await self.db.rows(
            "SELECT time, SUM(volume)::bigint,"
            " div(SUM(volume * price::numeric), NULLIF(SUM(volume), 0))::bigint, COUNT(*)"
            " FROM call WHERE time >= $1 GROUP BY time ORDER BY time",
            since * 900,
        )
        return [(time, volume, price, count) for time, volume, price, count in rows]

    async def estimated(self, start: int) -> int:
        (row,) = await self.db.rows(
            "SELECT COUNT(DISTINCT party) FROM statement WHERE start = $1 AND estimated != 0", start
        )
        return int(row[0])

    async def totals(self) -> dict[str, int]:
        return {party_id: int(total) for party_id, total in await self.db.rows(_TOTALS)}

    def totals_now(self) -> dict[str, int]:
        return {party_id: int(total) for party_id, total in self.all(_TOTALS)}

    async def compact(self) -> None:
        """Nothing to do: evidence is stored compressed, and `forget` takes it away by its number."""

    async def prune(self, closed_before: int, since_s: int) -> None:
        async def work(db: Any) -> None:
            since = await db.fetchval(_SEQ_BEFORE, since_s)
            until = await db.fetchval(_SEQ_BEFORE, closed_before * 900)
            await db.execute(
                "DELETE FROM tender WHERE document > $1 AND start < $2", since, closed_before
            )
            await db.execute(
                "DELETE FROM document WHERE seq > $1 AND seq < $2 AND name IS NULL", since, until
            )

        await self.db.ask(self.db.transaction(work))

    async def forget(self, before: int, account_before: int) -> None:
        async def work(db: Any) -> None:
            # Documents have no time of their own: the last call before that time divides them.
            last = await db.fetchval(_SEQ_BEFORE, before * 900)
            for table, column in (("document", "seq"), ("tender", "document")):
                await db.execute(
                    f"DELETE FROM {table} t WHERE t.{column} <= $1 AND NOT EXISTS"  # noqa: S608
                    f" (SELECT 1 FROM fill f WHERE f.document = t.{column})",
                    last,
                )
            await db.execute("DELETE FROM cancel WHERE seq <= $1", last)
            await db.execute("DELETE FROM evidence WHERE seq <= $1", last)
            await db.execute("DELETE FROM session WHERE seq <= $1", last)
            for table in ("fill", "delivery", "statement", "run", "call", "waiver", "result"):
                await db.execute(f"DELETE FROM {table} WHERE start < $1", account_before)  # noqa: S608

        await self.db.ask(self.db.transaction(work))


async def _position(db: Any, shard: int) -> dict[str, str]:
    row = await db.fetchrow("SELECT seq, step, gate FROM log_position WHERE shard = $1", shard)
    if row is None:
        raise StorageError(f"the database has no shard {shard}")
    return dict(zip((POSITION, "step", "gate"), map(str, row), strict=True))


async def amend(db: Any, columns: Mapping[str, Mapping[str, Any]]) -> None:
    """Change parties in a transaction; the processes that know them are told."""
    for party_id, changes in columns.items():
        for name, value in changes.items():
            await db.execute(
                f"UPDATE party SET {name} = $1 WHERE party_id = $2",  # noqa: S608 - own names
                *(value, party_id),
            )
        await db.execute("SELECT pg_notify($1, $2)", PARTY_CHANGED, party_id)


async def _parties(db: Any, party_ids: Sequence[str]) -> list[Registered]:
    rows = await db.fetch(f"{_PARTY} WHERE party_id = ANY($1)", party_ids)
    found = {row[1]: Registered(*row) for row in map(tuple, rows)}
    missing = [party_id for party_id in party_ids if party_id not in found]
    if missing:
        raise StorageError(f"no party {missing[0]!r} in the register")
    return [found[party_id] for party_id in party_ids]


_OPEN = (
    "SELECT t.*, d.name, d.stream, COALESCE(c.quantity, 0), COALESCE(f.wh, 0)"
    " FROM tender t JOIN document d ON d.seq = t.document"
    " LEFT JOIN cancel c ON c.document = t.document AND c.uid = t.uid"
    " LEFT JOIN (SELECT document, uid, SUM(quantity)::bigint AS wh FROM fill WHERE start > $1"
    " GROUP BY document, uid) f ON f.document = t.document AND f.uid = t.uid"
    " WHERE t.start > $1 AND t.party % $2::int = $3 ORDER BY t.document, t.uid"
)
_OPEN_POSITIONS = (
    "SELECT start, party, SUM(CASE buy WHEN 0 THEN quantity ELSE -quantity END)::bigint"
    " FROM fill WHERE start > $1 AND party % $2::int = $3 GROUP BY start, party"
)
_HEARD = (
    "SELECT GREATEST((SELECT COALESCE(MAX(seq), 0) FROM call),"
    " (SELECT COALESCE(MAX(seq), 0) FROM session))"
)
_LAST = (
    "SELECT GREATEST((SELECT next - 1 FROM counter), MAX(seq)) FROM ("
    "SELECT MAX(seq) AS seq FROM document UNION ALL SELECT MAX(seq) FROM cancel"
    " UNION ALL SELECT MAX(seq) FROM call UNION ALL SELECT MAX(seq) FROM session"
    " UNION ALL SELECT MAX(seq) FROM fill UNION ALL SELECT MAX(seq) FROM statement"
    " UNION ALL SELECT MAX(seq) FROM run) numbered"
)
_POSITIONS = (
    "SELECT s.start, SUM(CASE f.buy WHEN 0 THEN f.quantity ELSE -f.quantity END)::bigint"
    " FROM generate_series($1::int, $2::int - 1) AS s (start)"
    " CROSS JOIN LATERAL (SELECT * FROM fill WHERE start = s.start AND party = $3 OFFSET 0) f"
    " GROUP BY s.start ORDER BY s.start"
)
_STATEMENTS = (
    "SELECT s.*, r.* FROM generate_series($1::int, $2::int - 1) AS span (start)"
    " CROSS JOIN LATERAL (SELECT * FROM statement WHERE start = span.start AND party = $3 OFFSET 0) s"
    " JOIN run r ON r.seq = s.run ORDER BY s.seq"
)
_TRADED = (
    "SELECT party, SUM(CASE buy WHEN 0 THEN quantity ELSE -quantity END)::bigint,"
    " SUM(CASE buy WHEN 0 THEN quantity ELSE -quantity END * price)::bigint"
    " FROM fill WHERE start = $1 GROUP BY party"
)
_METERED = (
    "SELECT DISTINCT ON (party) party, export_wh - import_wh FROM delivery WHERE start = $1"
    " ORDER BY party, quality DESC, document DESC"
)
_STANDING = (
    "SELECT s.* FROM statement s WHERE s.start = $1 AND s.reverses IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM statement r WHERE r.start = $1 AND r.reverses = s.seq AND r.party = s.party)"
)
_TOTALS = (
    "SELECT p.party_id, SUM(energy + imbalance + uncontracted + fee)"
    " FROM statement s JOIN party p ON p.number = s.party GROUP BY p.party_id"
)
_SEQ_BEFORE = "SELECT COALESCE(MAX(seq), 0) FROM call WHERE time < $1"
