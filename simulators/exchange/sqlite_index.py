"""Where a document is found by its key or by its name: an index that is written for thousands at once.

Hashes fall anywhere in an index: kept at every commit, it would cost each request two pages of its
own in the log and in the file, half of all that is written for a tender. The freshest documents are not in it
yet; they are few, and looked through where the filter of names says 'perhaps'.
"""

from __future__ import annotations

import sqlite3

FRESH = 4_096  # so many documents may wait for their place in the index
_MARK = "indexed"  # the name of a mark: the last document that is in it
_COLUMNS = {"known_key": "key_hash", "known_name": "name_hash"}

BY_KEY = (
    "SELECT d.* FROM known_key k JOIN document d ON d.seq = k.seq WHERE k.hash = ?1"
    " UNION SELECT * FROM document WHERE seq > ?2 AND key_hash = ?1"
)
BY_NAME = (
    "SELECT d.seq, d.party, d.name, d.stream FROM known_name k JOIN document d ON d.seq = k.seq"
    " WHERE k.hash = ?1 UNION SELECT seq, party, name, stream FROM document"
    " WHERE seq > ?2 AND name_hash = ?1"
)


def indexed(db: sqlite3.Connection) -> int:
    """The number of the last document that is in the index."""
    found = db.execute("SELECT value FROM mark WHERE name = ?", (_MARK,)).fetchone()
    return 0 if found is None else int(found[0])


def waiting(db: sqlite3.Connection) -> int:
    """How many are not."""
    (count,) = db.execute("SELECT COUNT(*) FROM document WHERE seq > ?", (indexed(db),)).fetchone()
    return int(count)


def index(db: sqlite3.Connection) -> int:
    """Put all of them in, in the caller's transaction; the number of the last."""
    after = indexed(db)
    for table, column in _COLUMNS.items():
        db.execute(
            f"INSERT OR IGNORE INTO {table} SELECT {column}, seq FROM document"  # noqa: S608 - own names
            f" WHERE seq > ? AND {column} IS NOT NULL ORDER BY {column}",
            (after,),
        )
    (last,) = db.execute("SELECT COALESCE(MAX(seq), 0) FROM document").fetchone()
    last = max(last, after)
    db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", (_MARK, str(last)))
    return int(last)


def drop(db: sqlite3.Connection, which: str, *values: int) -> None:
    """Delete documents, and what the index has of them; ``which`` is a condition on `document`."""
    for table, column in _COLUMNS.items():
        db.execute(
            f"DELETE FROM {table} WHERE (hash, seq) IN (SELECT {column}, seq FROM document"  # noqa: S608
            f" WHERE {column} IS NOT NULL AND {which})",
            values,
        )
    db.execute(f"DELETE FROM document WHERE {which}", values)  # noqa: S608 - own names
