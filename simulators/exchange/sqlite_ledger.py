"""The ledger in one SQLite file: one writer that commits many requests at once, one reader.

The event loop hands batches in; a thread stores all that have come since it was last free in one
transaction and waits for the disk. So a request is answered only after its commit, the loop never
waits for the disk, and the more is asked the fewer commits are made for each.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.errors import StorageError
from simulators.exchange import audit, evidence
from simulators.exchange.evidence import Stored
from simulators.exchange.ledger import (
    Executed,
    Loaded,
    Open,
    Registered,
    SettlementColumns,
    TenderState,
    Traded,
)
from simulators.exchange.names import name_hash
from simulators.exchange.rows import (
    TABLES,
    Batch,
    Call,
    Document,
    Mark,
    Row,
    Run,
    Session,
    Statement,
    Tender,
)
from simulators.exchange.seen import SeenFilter
from simulators.exchange.sqlite_schema import SCHEMA, VERSION

_FRESH, _PACK = 2_048, 1_024  # documents that are left as they are, and that make one pack
_Waiting = tuple[Batch, asyncio.Future[None]]
_INSERT = {
    kind: f"INSERT INTO {table} VALUES ({', '.join('?' * len(kind._fields))})"  # noqa: S608 - own names
    for kind, table in TABLES.items()
}
_PARTY = "SELECT number, party_id, role, capacity_w, revoked, secret_hash, keys FROM party"


class SqliteLedger:
    """Implements `simulators.exchange.ledger.Ledger`; raises StorageError where the file is unfit.

    ``power_safe`` False leaves the flushing to the system: what was answered survives a killed
    process, not a power cut. For simulations whose state nobody keeps.
    """

    def __init__(self, path: Path, *, power_safe: bool = True) -> None:
        self.path = path
        self.on_failure: Callable[[], None] = lambda: None
        self._waiting: list[_Waiting] = []
        self._storing = self._closed = False
        self._lock = threading.Lock()  # around the writer
        self._thread = ThreadPoolExecutor(1, "exchange-store")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect(power_safe)
            self._reader = self._connect(power_safe)
            self._reader.execute("PRAGMA query_only = ON")
            self._fill_filters()
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"{path}: the exchange cannot open its store: {error}") from error

    def _connect(self, power_safe: bool) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={'FULL' if power_safe else 'OFF'}")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        tables = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if tables and version != VERSION:
            raise StorageError(
                f"{self.path} was written by another version (schema {version or 1}, this one reads"
                f" {VERSION}); use another folder"
            )
        if not tables:
            db.executescript(f"{SCHEMA} PRAGMA user_version = {VERSION};")
        return db

    def _fill_filters(self) -> None:
        (count,) = self._reader.execute("SELECT COUNT(*) FROM document").fetchone()
        self._keys, self._names = SeenFilter((), count), SeenFilter((), count)
        for row in self._reader.execute("SELECT key_hash, name_hash FROM document"):
            self._note(*row)

    def _note(self, key_hash: int, named: int | None) -> None:
        self._keys.add(key_hash)
        if named is not None:
            self._names.add(named)

    # --- writing ------------------------------------------------------------------------------

    async def append(self, batch: Batch) -> None:
        """See the port."""
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        for row in batch:
            if type(row) is Document:
                self._note(row.key_hash, row.name_hash)
        self._waiting.append((batch, stored))
        if not self._storing:
            self._storing = True
            loop.call_soon(self._flush)  # after all that is ready now
        await stored

    def _flush(self) -> None:
        taken, self._waiting = self._waiting, []
        if not taken or self._closed:
            self._storing = False
            return
        loop = asyncio.get_running_loop()
        batches = [batch for batch, _ in taken]
        work = loop.run_in_executor(self._thread, self._store, batches)
        work.add_done_callback(lambda done: self._stored(taken, done))

    def _stored(self, taken: list[_Waiting], done: asyncio.Future[None]) -> None:
        if done.cancelled():  # the loop ends
            return
        error = done.exception()
        if error is None:
            for _, future in taken:
                if not future.done():
                    future.set_result(None)
            self._flush()
            return
        # What was decided since rests on rows that do not exist.
        taken, self._waiting, self._storing = taken + self._waiting, [], False
        self.on_failure()
        for _, future in taken:
            if not future.done():
                future.set_exception(StorageError(f"the exchange cannot store: {error}"))

    def _store(self, batches: Sequence[Batch]) -> None:
        """In the thread: all batches in one transaction."""
        with self.transaction() as db:
            insert(db, (row for batch in batches for row in batch))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The writer, alone; all or nothing, durable at the end."""
        with self._lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                if self._writer.in_transaction:  # a full disk may have ended it already
                    self._writer.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise StorageError(f"the exchange cannot store: {error}") from error
                raise

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

    # --- keeping it small ---------------------------------------------------------------------

    async def compact(self) -> None:
        """Pack all evidence but the freshest, a thousand documents at a time, beside the loop."""
        while await asyncio.to_thread(self._pack):
            pass

    def _pack(self) -> bool:
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            enough = "SELECT seq FROM evidence ORDER BY seq LIMIT 1 OFFSET ?"
            if not db.execute(enough, (_FRESH + _PACK - 1,)).fetchall():
                return False
            oldest = "SELECT seq, body FROM evidence ORDER BY seq LIMIT ?"
            seqs, bodies = zip(*db.execute(oldest, (_PACK,)), strict=True)
        finally:
            db.close()
        packed = seqs[-1], numbers_text(seqs), evidence.pack(bodies)
        with self.transaction() as db:
            db.execute("INSERT INTO pack VALUES (?, ?, ?)", packed)
            db.execute("DELETE FROM evidence WHERE seq <= ?", (seqs[-1],))
        return True

    async def prune(self, closed_before: int, since_s: int) -> None:
        await asyncio.to_thread(self._prune, closed_before, since_s)

    def _prune(self, closed_before: int, since_s: int) -> None:
        with self.transaction() as db:
            (since,) = db.execute(_SEQ_BEFORE, (since_s,)).fetchone()
            (until,) = db.execute(_SEQ_BEFORE, (closed_before * 900,)).fetchone()
            gone = "DELETE FROM tender WHERE document > ? AND start < ?"
            db.execute(gone, (since, closed_before))
            (fresh,) = db.execute("SELECT COALESCE(MIN(seq), 0) FROM evidence").fetchone()
            db.execute(
                "DELETE FROM document WHERE seq > ? AND seq < ? AND name IS NULL",
                (since, min(until, fresh)),
            )

    async def forget(self, before: int, account_before: int) -> None:
        await asyncio.to_thread(self._forget, before, account_before)

    def _forget(self, before: int, account_before: int) -> None:
        with self.transaction() as db:
            # Documents have no time of their own: the last call before that time divides them.
            (last,) = db.execute(_SEQ_BEFORE, (before * 900,)).fetchone()
            filled = "SELECT document FROM fill"
            for table, column in (("document", "seq"), ("tender", "document")):
                db.execute(
                    f"DELETE FROM {table} WHERE {column} <= ? AND {column} NOT IN ({filled})",  # noqa: S608
                    (last,),
                )
            db.execute("DELETE FROM cancel WHERE seq <= ?", (last,))
            db.execute("DELETE FROM pack WHERE last <= ?", (last,))
            db.execute("DELETE FROM session WHERE seq <= ?", (last,))
            for table in ("fill", "delivery", "statement", "run", "call", "waiver"):
                db.execute(f"DELETE FROM {table} WHERE start < ?", (account_before,))  # noqa: S608

    # --- reading ------------------------------------------------------------------------------

    def all(self, sql: str, *values: Any) -> list[Any]:
        try:
            return self._reader.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"the exchange cannot read its store: {error}") from error

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

    async def document(self, key_hash: int) -> tuple[Document, Stored] | None:
        if key_hash not in self._keys:
            return None
        found = self.all("SELECT * FROM document WHERE key_hash = ?", key_hash)
        if not found:
            return None
        document = Document(*found[0])
        stored = await self.evidence(document.seq)
        return None if stored is None else (document, stored)

    async def evidence(self, document: int) -> Stored | None:
        found = self.all("SELECT body FROM evidence WHERE seq = ?", document)
        if found:
            return evidence.decode(found[0][0])
        for seqs, body in self.all(
            "SELECT seqs, body FROM pack WHERE last >= ? ORDER BY last LIMIT 1", document
        ):
            numbers = text_numbers(seqs)
            if document in numbers:
                return evidence.unpack(body)[numbers.index(document)]
        return None

    async def known(self, party: int, name: str, stream: bool, uids: Sequence[int]) -> set[int]:
        names = {name: None} if not stream else {f"{name}.{uid}": uid for uid in uids}
        found: set[int] = set()
        for tender_id, uid in names.items():
            if await self._find(party, tender_id) is not None:
                found.add(0 if uid is None else uid)
        return found

    async def _find(self, party: int, tender_id: str) -> Tender | None:
        """A tender by its name: a single one, or an interval of a stream."""
        base, _, last = tender_id.rpartition(".")
        candidates = [(tender_id, 0)]
        if base and last.isascii() and last.isdigit():
            candidates.append((base, 1))
        for name, stream in candidates:
            if (hashed := name_hash(party, name)) not in self._names:
                continue
            documents = self.all(
                "SELECT seq FROM document WHERE name_hash = ? AND party = ? AND name = ?"
                " AND stream = ?",
                *(hashed, party, name, stream),
            )
            for (seq,) in documents:
                found = await self._tender_of(seq, party, int(last) if stream else 0, tender_id)
                if found is not None:
                    return found
        return None

    async def _tender_of(self, seq: int, party: int, uid: int, tender_id: str) -> Tender | None:
        """By its row, and where that is no longer kept, by its document."""
        rows = self.all("SELECT * FROM tender WHERE document = ? AND uid = ?", seq, uid)
        if rows:
            return Tender(*rows[0])
        stored = await self.evidence(seq)
        said = () if stored is None else audit.accepted(seq, party, stored)
        return next((found.tender for found in said if found.tender_id == tender_id), None)

    async def tender(self, party: int, tender_id: str) -> TenderState | None:
        tender = await self._find(party, tender_id)
        if tender is None:
            return None
        key = tender.document, tender.uid
        canceled = self.all(
            "SELECT quantity, supervisory FROM cancel WHERE document = ? AND uid = ?", *key
        )
        (filled,) = self.all(
            "SELECT COALESCE(SUM(quantity), 0) FROM fill WHERE start = ? AND party = ?"
            " AND document = ? AND uid = ?",
            *(tender.start, party, *key),
        )
        said = tender.start, tender.buy, tender.price, tender.quantity, tender.expires_ms
        return TenderState(tender_id, *said, filled[0], *(canceled[0] if canceled else (0, 0)))

    async def tenders(self) -> list[tuple[str, audit.Accepted]]:
        """For an auditor: every tender of every party, from the evidence alone, with its partyId."""
        found: list[tuple[str, audit.Accepted]] = []
        for seq, party, party_id in self.all(
            "SELECT d.seq, d.party, p.party_id FROM document d JOIN party p ON p.number = d.party"
            " WHERE d.name IS NOT NULL ORDER BY d.seq"
        ):
            stored = await self.evidence(seq)
            if stored is not None:
                found += [(party_id, one) for one in audit.accepted(seq, party, stored)]
        return found

    async def signed_tender(self, party: int, tender_id: str) -> bytes | None:
        tender = await self._find(party, tender_id)
        stored = None if tender is None else await self.evidence(tender.document)
        return None if stored is None else stored.signed

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
        width = len(Statement._fields)
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

    def _apart(self, sql: str, *values: int) -> list[Any]:
        """In another thread, on a connection of its own: a question that takes a while."""
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            return db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"the exchange cannot read its store: {error}") from error
        finally:
            db.close()

    async def totals(self) -> dict[str, int]:
        return self.totals_now()

    def totals_now(self) -> dict[str, int]:
        return dict(
            self.all(
                "SELECT p.party_id, SUM(energy + imbalance + uncontracted + fee)"
                " FROM statement s JOIN party p ON p.number = s.party GROUP BY p.party_id"
            )
        )

    def checkpoint(self) -> None:
        """Bring the log's pages into the file, so that its size is what is kept."""
        with self._lock:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Everything that was handed in is stored first."""
        self._closed = True
        self._thread.shutdown(wait=True)
        self._reader.close()
        self._writer.close()


_SPAN = (
    "WITH RECURSIVE span(start) AS (SELECT ? UNION ALL SELECT start + 1 FROM span"
    " WHERE start + 1 < ?) "
)
_SEQ_BEFORE = "SELECT COALESCE(MAX(seq), 0) FROM call WHERE time < ?"
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


def numbers_text(numbers: Sequence[int]) -> bytes:
    """Rising numbers as the steps between them, compressed."""
    steps = [b - a for a, b in itertools.pairwise((0, *numbers))]
    return zlib.compress(" ".join(map(str, steps)).encode(), 9)


def text_numbers(text: bytes) -> list[int]:
    return list(itertools.accumulate(map(int, zlib.decompress(text).split())))


def insert(db: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Rows of one table that follow each other go in together."""
    by_table: dict[type[Any], list[Row]] = {}
    for row in rows:
        by_table.setdefault(type(row), []).append(row)
    for kind, found in by_table.items():
        if kind is Mark:
            for mark in found:
                if isinstance(mark, Mark):
                    _set_mark(db, mark)
        else:
            db.executemany(_INSERT[kind], found)


def _set_mark(db: sqlite3.Connection, mark: Mark) -> None:
    if mark.value is None:
        db.execute("DELETE FROM mark WHERE name = ?", (mark.name,))
    else:
        db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", mark)
