"""The ledger in one SQLite file: what the market asks of its account, and what it starts from."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import StorageError
from simulators.exchange.ledger import (
    Executed,
    Loaded,
    Open,
    Registered,
    SettlementColumns,
    Traded,
)
from simulators.exchange.rows import Call, Run, Session, Statement, Tender, columns_of
from simulators.exchange.sqlite_documents import SqliteDocuments

_PARTY = "SELECT number, party_id, role, capacity_w, revoked, secret_hash, keys FROM party"


class SqliteLedger(SqliteDocuments):
    """Implements `simulators.exchange.ledger.Ledger`."""

    def marks(self) -> dict[str, str]:
        return dict(self.all("SELECT name, value FROM mark"))

    def load(self) -> Loaded:
        marks = self.marks()
        gate = int(marks.get("gate", "0"))
        tables = ("document", "cancel", "call", "session")
        highest = [self.all(f"SELECT MAX(seq) FROM {table}")[0][0] or 0 for table in tables]  # noqa: S608
        for table in ("fill", "statement"):
            newest = f"SELECT MAX(seq) FROM {table}"  # noqa: S608 - own names
            highest.append(self.all(newest)[0][0] or 0)
        tenders = self.all(
            "SELECT t.*, d.name, d.stream, COALESCE(c.quantity, 0),"
            " COALESCE((SELECT SUM(f.quantity) FROM fill f WHERE f.start = t.start"
            " AND f.party = t.party AND f.document = t.document AND f.uid = t.uid), 0)"
            " FROM tender t JOIN document d ON d.seq = t.document"
            " LEFT JOIN cancel c ON c.document = t.document AND c.uid = t.uid"
            " WHERE t.start > ? ORDER BY t.document, t.uid",
            gate,
        )
        return Loaded(
            marks=marks,
            last_seq=max(highest),
            parties=[Registered(*row) for row in self.all(_PARTY)],
            tenders=[Open(Tender(*row[:8]), *row[8:]) for row in tenders],
            positions=self.all(
                "SELECT start, party, SUM(CASE buy WHEN 0 THEN quantity ELSE -quantity END)"
                " FROM fill WHERE start > ? GROUP BY start, party",
                gate,
            ),
            last_calls=dict(
                self.all("SELECT start, MAX(time) FROM call WHERE start > ? GROUP BY start", gate)
            ),
        )

    def register(self, parties: Sequence[tuple[str, str, int]]) -> Sequence[Registered]:
        with self.transaction() as db:
            db.executemany(
                "INSERT INTO party (party_id, role, capacity_w) VALUES (?, ?, ?)"
                " ON CONFLICT (party_id)"
                " DO UPDATE SET role = excluded.role, capacity_w = excluded.capacity_w",
                parties,
            )
        return [self._party(party_id) for party_id, _, _ in parties]

    def amend(self, columns: Mapping[str, Mapping[str, Any]]) -> Sequence[Registered]:
        with self.transaction() as db:
            for party_id, changes in columns.items():
                for name, value in changes.items():
                    db.execute(
                        f"UPDATE party SET {name} = ? WHERE party_id = ?",  # noqa: S608 - own names
                        (value, party_id),
                    )
        return [self._party(party_id) for party_id in columns]

    def _party(self, party_id: str) -> Registered:
        return Registered(*self.all(f"{_PARTY} WHERE party_id = ?", party_id)[0])

    async def fills(self, party: int, after: int, limit: int) -> Sequence[Executed]:
        rows = self.all(
            "SELECT f.seq, f.start, f.buy, f.price, f.quantity, f.uid, c.time, d.name, d.stream"
            " FROM fill f JOIN call c ON c.seq = f.call LEFT JOIN document d ON d.seq = f.document"
            " WHERE f.party = ? AND f.seq > ? ORDER BY f.seq LIMIT ?",
            *(party, after, limit),
        )
        return [Executed(*row) for row in rows]

    async def calls(self, first: int, last: int) -> Sequence[Call]:
        rows = self.all(
            "SELECT * FROM call WHERE start >= ? AND start < ? ORDER BY seq", first, last
        )
        return [Call(*row) for row in rows]

    async def latest_calls(self, first: int, last: int) -> dict[int, Call]:
        rows = self.all(
            "SELECT seq, start, MAX(time), price, volume FROM call WHERE start >= ? AND start < ?"
            " GROUP BY start",
            *(first, last),
        )
        return {row[1]: Call(*row) for row in rows}

    async def calls_after(self, seq: int, limit: int) -> Sequence[Call]:
        rows = self.all("SELECT * FROM call WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
        return [Call(*row) for row in rows]

    async def sessions_after(self, seq: int, limit: int) -> Sequence[Session]:
        rows = self.all("SELECT * FROM session WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
        return [Session(*row) for row in rows]

    async def positions(self, party: int, first: int, last: int) -> Sequence[tuple[int, int]]:
        return self.all(
            _POSITIONS,
            *(first, last, party),
        )

    async def statements(
        self, party: int, first: int, last: int
    ) -> Sequence[tuple[Statement, Run]]:
        rows = self.all(
            _STATEMENTS,
            *(first, last, party),
        )
        width = len(columns_of(Statement))
        return [(Statement(*row[:width]), Run(*row[width:])) for row in rows]

    async def deliveries(self, party: int, start: int) -> Sequence[tuple[int, int]]:
        return self.all(
            "SELECT document, quality FROM delivery WHERE start = ? AND party = ?", start, party
        )

    async def settlement_columns(self, start: int) -> SettlementColumns:
        return await asyncio.to_thread(self._settlement_columns, start)

    def _settlement_columns(self, start: int) -> SettlementColumns:
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            traded = db.execute(_TRADED, (start,)).fetchall()
            metered = db.execute(_METERED, (start,)).fetchall()
            rows = db.execute("SELECT * FROM statement WHERE start = ?", (start,)).fetchall()
            waived = db.execute("SELECT 1 FROM waiver WHERE start = ?", (start,)).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"the exchange cannot read its store: {error}") from error
        finally:
            db.close()
        found = [Statement(*row) for row in rows]
        gone = {row.reverses for row in found}
        standing = [row for row in found if row.reverses is None and row.seq not in gone]
        return SettlementColumns(traded, metered, standing, bool(waived))

    async def traded(self, since: int) -> dict[int, Traded]:
        rows = await asyncio.to_thread(self._apart, _TRADED_SINCE, since)
        return {party: Traded(sold, bought) for party, sold, bought in rows}

    async def calls_of(self, since: int) -> Sequence[tuple[int, int, int | None, int]]:
        return self.all(
            "SELECT time, SUM(volume), SUM(volume * price) / NULLIF(SUM(volume), 0), COUNT(*)"
            " FROM call WHERE seq > (SELECT COALESCE(MAX(seq), 0) FROM call WHERE time < ?)"
            " GROUP BY time ORDER BY time",
            since * 900,
        )

    async def estimated(self, start: int) -> int:
        (found,) = self.all(
            "SELECT COUNT(DISTINCT party) FROM statement WHERE start = ? AND estimated", start
        )
        return int(found[0])

    async def totals(self) -> dict[str, int]:
        return dict(await asyncio.to_thread(self._apart, _TOTALS))

    def totals_now(self) -> dict[str, int]:
        return dict(self.all(_TOTALS))


_TOTALS = (
    "SELECT p.party_id, t.money FROM"
    " (SELECT party, SUM(energy + imbalance + uncontracted + fee) AS money FROM statement GROUP BY party) t"
    " JOIN party p ON p.number = t.party"
)
_SPAN = (
    "WITH RECURSIVE span(start) AS (SELECT ? UNION ALL SELECT start + 1 FROM span"
    " WHERE start + 1 < ?) "
)
_POSITIONS = (
    f"{_SPAN} SELECT f.start, SUM(CASE f.buy WHEN 0 THEN f.quantity ELSE -f.quantity END)"  # noqa: S608
    " FROM span JOIN fill f ON f.start = span.start AND f.party = ?"
    " GROUP BY f.start ORDER BY f.start"
)
_STATEMENTS = (
    f"{_SPAN} SELECT s.*, r.* FROM span JOIN statement s ON s.start = span.start AND s.party = ?"  # noqa: S608
    " JOIN run r ON r.seq = s.run ORDER BY s.seq"
)
_TRADED_SINCE = (
    "SELECT party, SUM(CASE buy WHEN 0 THEN quantity ELSE 0 END),"
    " SUM(CASE buy WHEN 0 THEN 0 ELSE quantity END) FROM fill WHERE start >= ? GROUP BY party"
)
_TRADED = (
    "SELECT party, SUM(CASE buy WHEN 0 THEN quantity ELSE -quantity END),"
    " SUM(CASE buy WHEN 0 THEN quantity ELSE -quantity END * price)"
    " FROM fill WHERE start = ? GROUP BY party"
)
# SQLite gives the other columns from the row of the maximum: the best, of these the latest reading.
_METERED = (
    "SELECT party, net FROM (SELECT party, export_wh - import_wh AS net,"
    " MAX(quality * (1 << 56) + document) FROM delivery WHERE start = ? GROUP BY party)"
)
