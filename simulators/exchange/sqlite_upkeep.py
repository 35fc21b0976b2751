"""Keeping the SQLite store small: old evidence is packed, and what nobody may ask for any more goes."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import zlib
from collections.abc import Sequence

from simulators.exchange import evidence, sqlite_index
from simulators.exchange.sqlite_file import SqliteFile

_FRESH, _PACK = 2_048, 1_024  # documents that are left as they are, and that make one pack
SEQ_BEFORE = "SELECT COALESCE(MAX(seq), 0) FROM call WHERE time < ?"


class SqliteUpkeep(SqliteFile):
    """All of it runs beside the event loop."""

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
            (since,) = db.execute(SEQ_BEFORE, (since_s,)).fetchone()
            (until,) = db.execute(SEQ_BEFORE, (closed_before * 900,)).fetchone()
            gone = "DELETE FROM tender WHERE document > ? AND start < ?"
            db.execute(gone, (since, closed_before))
            (fresh,) = db.execute("SELECT COALESCE(MIN(seq), 0) FROM evidence").fetchone()
            few = "seq > ? AND seq < ? AND name IS NULL"
            sqlite_index.drop(db, few, since, min(until, fresh))

    async def forget(self, before: int, account_before: int) -> None:
        await asyncio.to_thread(self._forget, before, account_before)

    def _forget(self, before: int, account_before: int) -> None:
        with self.transaction() as db:
            # Documents have no time of their own: the last call before that time divides them.
            (last,) = db.execute(SEQ_BEFORE, (before * 900,)).fetchone()
            filled = "SELECT document FROM fill"
            sqlite_index.drop(db, f"seq <= ? AND seq NOT IN ({filled})", last)
            gone = f"DELETE FROM tender WHERE document <= ? AND document NOT IN ({filled})"  # noqa: S608
            db.execute(gone, (last,))
            db.execute("DELETE FROM cancel WHERE seq <= ?", (last,))
            db.execute("DELETE FROM pack WHERE last <= ?", (last,))
            db.execute("DELETE FROM session WHERE seq <= ?", (last,))
            for table in ("fill", "delivery", "statement", "run", "call", "waiver"):
                db.execute(f"DELETE FROM {table} WHERE start < ?", (account_before,))  # noqa: S608


def numbers_text(numbers: Sequence[int]) -> bytes:
    """Rising numbers as the steps between them, compressed."""
    steps = [b - a for a, b in itertools.pairwise((0, *numbers))]
    return zlib.compress(" ".join(map(str, steps)).encode(), 9)


def text_numbers(text: bytes) -> list[int]:
    return list(itertools.accumulate(map(int, zlib.decompress(text).split())))
