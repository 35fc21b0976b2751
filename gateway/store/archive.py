"""Old rows of the journal, packed: a thousand at a time into one compressed segment of the same file.

Nothing is left out: times, kinds and bodies stand there letter by letter, so the chain is recomputed
through a segment as through rows, and its last hash is kept to compare with. Only the hashes between are
not stored twice. A segment takes the place of its rows in one transaction, after the chain through them
has been checked.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence

from gateway.store.chain import Row

ROWS = 1000  # in one segment: about 250 kB, some milliseconds of work
_MOST_BYTES = 64 * 2**20  # of one segment, unpacked
_LEVEL = 9

SCHEMA = """
CREATE TABLE IF NOT EXISTS segment (last INTEGER PRIMARY KEY, first INTEGER NOT NULL, hash TEXT
  NOT NULL, packed BLOB NOT NULL) STRICT
"""

Stored = tuple[int, str, str, str, str | None]  # a row and its hash, where that is stored


def pack(rows: Sequence[Row]) -> bytes:
    """Rows without their numbers; no time, kind or canonical body holds a line break."""
    lines = [text for _, *texts in rows for text in texts]
    return zlib.compress("\n".join(lines).encode(), _LEVEL)


def unpack(packed: bytes, first: int) -> list[Row]:
    """The inverse of `pack`; raises ValueError where it is no such segment."""
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(packed, _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"a damaged segment: {error}") from error
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise ValueError("a segment that is cut off or too large")
    lines = data.decode().split("\n")
    if len(lines) % 3:
        raise ValueError("a segment with half a row")
    parts = zip(lines[::3], lines[1::3], lines[2::3], strict=True)
    return [(first + n, time, kind, body) for n, (time, kind, body) in enumerate(parts)]


class Archive:
    """Reads rows wherever they are. A file of before segments has none."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        named = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'segment'"
        self._there = bool(db.execute(named).fetchall())

    @property
    def last(self) -> tuple[int, str | None]:
        """The last packed row and its hash; (0, None) where nothing is packed."""
        if not self._there:
            return 0, None
        sql = "SELECT last, hash FROM segment ORDER BY last DESC LIMIT 1"
        found = self._db.execute(sql).fetchone()
        return (0, None) if found is None else (int(found[0]), str(found[1]))

    def rows(self, after: int) -> Iterator[Stored]:
        """Rows in order from the one that follows ``after``; also while another process packs some.

        Raises ValueError for a segment that cannot be read.
        """
        while True:
            packed = list(self._segment(after))
            if packed:
                yield from packed
                after = packed[-1][0]
                continue
            sql = "SELECT seq, time, kind, body, hash FROM entry WHERE seq > ? ORDER BY seq"
            for row in self._db.execute(sql, (after,)):
                if row[0] != after + 1 and self._segment(after):
                    break  # packed since we looked
                yield row
                after = row[0]
            else:
                return

    def _segment(self, after: int) -> list[Stored]:
        if not self._there:
            return []
        sql = "SELECT first, last, hash, packed FROM segment WHERE last > ? ORDER BY last LIMIT 1"
        found = self._db.execute(sql, (after,)).fetchone()
        if found is None:
            return []
        first, last, digest, packed = found
        rows = unpack(packed, first)
        if not rows or rows[-1][0] != last:
            raise ValueError(f"the segment that ends at row {last} has other rows")
        return [(*row, digest if row[0] == last else None) for row in rows if row[0] > after]

    def oldest(self, before_seq: int, before: str) -> list[Stored]:
        """The rows to pack next: a whole segment of them, or none while they are too young.

        By the time of the middle one: a row of a wrong clock must not hold up the others.
        """
        sql = "SELECT seq, time, kind, body, hash FROM entry WHERE seq < ? ORDER BY seq LIMIT ?"
        rows = self._db.execute(sql, (before_seq, ROWS)).fetchall()
        old = len(rows) == ROWS and sorted(row[1] for row in rows)[ROWS // 2] < before
        return rows if old else []

    def replace(self, rows: Sequence[Stored]) -> None:
        """Put the segment of ``rows`` in their place; inside a transaction."""
        first, last, digest = rows[0][0], rows[-1][0], rows[-1][4]
        packed = pack([row[:4] for row in rows])
        self._db.execute("INSERT INTO segment VALUES (?, ?, ?, ?)", (last, first, digest, packed))
        self._db.execute("DELETE FROM outbox WHERE seq <= ?", (last,))
        self._db.execute("DELETE FROM entry WHERE seq <= ?", (last,))
