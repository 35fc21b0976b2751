"""The journal's file: one SQLite database, written by one process, durable before anyone hears of it.

An entry's hash is SHA-256 over the previous hash and the canonical JSON of the entry (keys sorted,
no blanks, UTF-8), so a changed, removed or inserted row breaks the chain. Entries that others must
hear of go to the outbox in the same transaction and leave it when the broker has acknowledged.
Every few thousand entries a checkpoint is chained in (`gateway.store.checkpoint`), so that a
start reads only what follows the last one.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.domain.intervals import iso, parse_utc
from gateway.domain.sentences import sentence
from gateway.errors import GatewayError, JournalBroken, StorageError
from gateway.store import checkpoint
from gateway.store.archive import Archive, Stored
from gateway.store.book import Book, Entry
from gateway.store.chain import GENESIS, Row, canonical, chained
from gateway.store.ledger_file import LedgerFile

log = logging.getLogger(__name__)

_DAY, _EPOCH = timedelta(days=1), datetime(1970, 1, 1, tzinfo=UTC)
# Asked again with nothing to add: a statement that is kept for the next time keeps what was bound to it, megabytes of text.
_ADD_STATE = "INSERT INTO checkpoint SELECT ?, ? WHERE ?"
ARCHIVED_AFTER = timedelta(days=60)  # every correction has come by then, and the book is past it


class Journal:
    """Opens (or makes) the journal in ``path``; raises JournalBroken if its chain is not whole.

    Every write is one transaction and raises StorageError when it cannot be stored; nothing is
    half-written then. It survives a power cut (WAL, synchronous FULL), but for what only forgets. One process writes; with ``read_only`` others
    may look at the same time. ``checkpoint_every`` counts entries between two checkpoints.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        checkpoint_every: int = checkpoint.EVERY,
    ) -> None:
        self._path, self._every = path, checkpoint_every
        self._file = LedgerFile(path, read_only=read_only)
        self._db = self._file.db
        if not read_only:
            self._file.shrink()
        self._archive = Archive(self._db)
        self.book, self._checkpoint_seq = Book(), 0
        self._tidied = _EPOCH
        self._last_seq, self._last_hash = 0, GENESIS
        try:
            self._replay()
        except GatewayError:
            self.close()
            raise

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def _replay(self) -> None:
        """Fold what is stored, from the newest checkpoint on."""
        with self._file.reading():
            self._resume()
            for row in self._rows(self._last_seq):
                self._check(row)
                entry = self._entry(row[:4])
                self.book.add(entry)
                if entry.kind == "checkpoint":
                    self._checkpoint_seq = entry.seq

    def _resume(self) -> None:
        """Begin at the newest checkpoint, if there is one of our format."""
        row = self._db.execute(
            "SELECT c.seq, e.time, e.kind, e.body, e.hash, c.state, p.hash FROM checkpoint c"
            " LEFT JOIN entry e USING (seq) LEFT JOIN entry p ON p.seq = c.seq - 1"
            " ORDER BY c.seq DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return
        broken = JournalBroken(f"{self._path}: the checkpoint at row {row[0]} does not verify")
        try:
            entry, stored, state = self._entry(row[:4]), row[4], row[5]
            if entry.body.get("format") != checkpoint.FORMAT:
                return
            if entry.body["state_sha256"] != checkpoint.digest(state):
                raise broken
            if chained(row[6] or GENESIS, row[:4]) != stored:
                raise broken
            self.book = checkpoint.load(state)
        except (KeyError, TypeError, ValueError) as error:
            raise broken from error
        self._checkpoint_seq, self._last_seq, self._last_hash = entry.seq, entry.seq, stored

    def append(self, kind: str, body: Mapping[str, Any], time: datetime) -> Entry:
        """Store one entry, chained and in the outbox; it is durable when this returns."""
        return self.append_all([(kind, body)], time)[0]

    def append_all(
        self, items: Iterable[tuple[str, Mapping[str, Any]]], time: datetime
    ) -> list[Entry]:
        """Store several entries in one transaction: all or none."""
        entries: list[Entry] = []
        seq, digest = self._last_seq, self._last_hash
        at = parse_utc(iso(time))  # as it will be read again
        with self._file.transaction():
            for kind, body in items:
                seq += 1
                entry = Entry(seq, at, kind, dict(body))
                digest = self._insert(digest, entry)
                self._db.execute("INSERT INTO outbox VALUES (?)", (seq,))
                entries.append(entry)
        self._last_seq, self._last_hash = seq, digest
        for entry in entries:
            self.book.add(entry)
        if abs(time - self._tidied) >= _DAY:  # between checkpoints too: tenders are many
            self.book.forget(time)
            self._tidied = time
        if self._last_seq - self._checkpoint_seq >= self._every:
            self._add_checkpoint(time)
        return entries

    def entries(self, after: int = 0, kind: str | None = None) -> Iterator[Entry]:
        """Stored entries in order, from the one that follows ``after``."""
        for row in self.rows(after):
            if kind in (None, row[2]):
                yield self._entry(row)

    def rows(self, after: int = 0) -> Iterator[Row]:
        """As `entries`, letter by letter as they are stored: what the chain was made of."""
        for row in self._rows(after):
            yield row[:4]

    def compact(self, now: datetime) -> int:
        """Pack the oldest thousand rows if all of them are older than `ARCHIVED_AFTER`; how many.

        One small transaction; nothing is left out (`gateway.store.archive`). Rows that the broker has
        not acknowledged in all that time are not sent any more. Raises JournalBroken where the chain
        through them is not whole: then they stay as they are.
        """
        rows = self._archive.oldest(self._checkpoint_seq - 1, iso(now - ARCHIVED_AFTER))
        if not rows:
            return 0
        last, digest = self._archive.last
        digest = digest or GENESIS
        for row in rows:
            digest = chained(digest, row[:4])
            if row[0] != last + 1 or digest != row[4]:
                raise _chain_breaks(self._path, row[0])
            last = row[0]
        with self._file.transaction():
            self._archive.replace(rows)
        return len(rows)

    def verify(self) -> int:
        """Recompute the whole chain and what the newest checkpoint says; the number of entries.

        Raises JournalBroken and names the first row that is not as it was written.
        """
        digest, expected, book = GENESIS, 0, Book()
        for row in self._rows(0):
            expected += 1
            digest = chained(digest, row[:4])
            if row[0] != expected or digest != (row[4] or digest):
                raise _chain_breaks(self._path, expected)
            entry = self._entry(row[:4])
            book.add(entry)
            if entry.seq == self._checkpoint_seq and not _vouched(entry, book):
                raise JournalBroken(
                    f"{self._path}: the checkpoint at row {expected} is not what its rows add to"
                )
        if expected < self._last_seq:
            raise JournalBroken(f"{self._path}: rows after {expected} are gone")
        return expected

    @property
    def head(self) -> tuple[int, str]:
        """The last sequence number and the hash that vouches for everything before it."""
        return self._last_seq, self._last_hash

    def unsent(self, limit: int = 100) -> list[Entry]:
        """The oldest entries that the broker has not acknowledged."""
        rows = self._ask(
            "SELECT e.seq, e.time, e.kind, e.body FROM outbox o JOIN entry e USING (seq)"
            " ORDER BY seq LIMIT ?",
            limit,
        )
        return [self._entry(row) for row in rows]

    def unsent_count(self) -> int:
        """How many entries wait for the broker."""
        return int(self._ask("SELECT COUNT(*) FROM outbox")[0][0])

    def mark_sent(self, *seqs: int) -> None:
        """The broker has acknowledged these entries. After a power cut some may go out once more."""
        with self._file.forgetting():
            self._db.executemany("DELETE FROM outbox WHERE seq = ?", [(seq,) for seq in seqs])

    def close(self) -> None:
        """Let go of the file; harmless when repeated."""
        self._file.close()

    # -- inside --

    def _ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a small table; a file that went bad while we run is StorageError, never a crash."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: cannot be read: {error}") from error

    def _rows(self, after: int) -> Iterator[Stored]:
        """With the stored hash; None inside a segment, whose last row has one."""
        try:
            yield from self._archive.rows(after)
        except ValueError as error:
            raise JournalBroken(f"{self._path}: {error}") from error

    def _entry(self, row: Row) -> Entry:
        try:
            return Entry(int(row[0]), parse_utc(row[1]), str(row[2]), json.loads(row[3]))
        except (TypeError, ValueError) as error:
            raise JournalBroken(f"{self._path}: row {row[0]} cannot be read: {error}") from error

    def _add_checkpoint(self, time: datetime) -> None:
        """Chain in the state after forgetting old intervals, and what is forgotten: who reads the rows again forgets the
        same, whatever the clock said on the way. It may wait: a failure is no loss."""
        self.book.forget(time)
        state = checkpoint.dump(self.book)
        body = {
            "format": checkpoint.FORMAT,
            "state_sha256": checkpoint.digest(state),
            "forgotten": [iso(moment) for moment in self.book.forgotten],
        }
        entry = Entry(self._last_seq + 1, time, "checkpoint", body)
        try:
            with self._file.transaction():
                digest = self._insert(self._last_hash, entry)
                self._db.execute("DELETE FROM checkpoint")
                self._db.execute(_ADD_STATE, (entry.seq, state, 1))
                self._db.execute(_ADD_STATE, (0, "", 0))
        except StorageError as error:
            log.warning("no checkpoint now: %s", error)
            self._checkpoint_seq += self._every // 10 + 1  # not again at the very next entry
            return
        self._last_seq, self._last_hash, self._checkpoint_seq = entry.seq, digest, entry.seq

    def _insert(self, previous: str, entry: Entry) -> str:
        """Chain an entry to the hash before it; its own."""
        row = (entry.seq, iso(entry.time), entry.kind, canonical(entry.body))
        digest = chained(previous, row)
        self._db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", (*row, digest))
        return digest

    def _check(self, row: Stored) -> None:
        seq, digest = row[0], chained(self._last_hash, row[:4])
        if seq != self._last_seq + 1 or digest != (row[4] or digest):
            raise _chain_breaks(self._path, seq)
        self._last_seq, self._last_hash = seq, digest


def _chain_breaks(path: Path, row: int) -> JournalBroken:
    return JournalBroken(sentence("journal_broken.chain", file=str(path), row=str(row)))


def _vouched(entry: Entry, book: Book) -> bool:
    """Whether a checkpoint of our format has the hash of the state that its rows add to."""
    if entry.kind != "checkpoint" or entry.body.get("format") != checkpoint.FORMAT:
        return True
    return bool(entry.body.get("state_sha256") == checkpoint.digest(checkpoint.dump(book)))
