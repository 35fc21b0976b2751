"""Documents are found by key and name, whether they are in the index already or not, and after a start."""

from __future__ import annotations

from pathlib import Path

from simulators.exchange import sqlite_index
from simulators.exchange.evidence import Stored, encode
from simulators.exchange.names import hash63, name_hash
from simulators.exchange.rows import Batch, Document, Evidence, Tender
from simulators.exchange.sqlite_ledger import SqliteLedger

COUNT = sqlite_index.FRESH + 1_000
PARTY, START = 7, 1_978_128


def batch(first: int, last: int) -> Batch:
    found = Batch()
    for seq in range(first, last):
        name = f"t-{seq}" if seq % 2 else None
        hashed = None if name is None else name_hash(PARTY, name)
        found.add(Document(seq, PARTY, hash63(f"key-{seq}"), 0, hashed, name))
        stored = Stored("createTender", f"key-{seq}", 1_780_315_200_000, 201, None, b"{}", None)
        found.add(Evidence(seq, encode(stored)))
        if name is not None:
            found.add(Tender(seq, 0, PARTY, START, 0, 3_000, 100, 1_780_320_000_000))
    return found


async def keys_found(store: SqliteLedger) -> list[int]:
    found = []
    for seq in (1, 2, sqlite_index.FRESH, COUNT - 1, COUNT):
        answer = await store.document(hash63(f"key-{seq}"))
        if answer is not None:
            assert answer[1].key == f"key-{seq}"
            found.append(answer[0].seq)
    return found


async def test_the_index_is_written_for_many_and_finds_all(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    store = SqliteLedger(path)
    for first in range(1, COUNT + 1, 500):
        await store.append(batch(first, min(first + 500, COUNT + 1)))
    all_of_them = [1, 2, sqlite_index.FRESH, COUNT - 1, COUNT]
    assert await keys_found(store) == all_of_them
    (indexed,) = store.all("SELECT COUNT(*) FROM known_key")[0]
    assert 0 < indexed < COUNT, "some are in it, the freshest are not"
    store.close()
    store = SqliteLedger(path)
    assert await keys_found(store) == all_of_them
    for seq in (1, COUNT - 1 if COUNT % 2 == 0 else COUNT):
        assert await store.known(PARTY, f"t-{seq}", False, [0]) == {0}
        state = await store.tender(PARTY, f"t-{seq}")
        assert state is not None
        assert state.quantity == 100
    assert await store.known(PARTY + 1, "t-1", False, [0]) == set(), "names are a party's own"
    store.close()


async def test_what_is_dropped_leaves_the_index_too(tmp_path: Path) -> None:
    store = SqliteLedger(tmp_path / "exchange.db")
    await store.append(batch(1, COUNT + 1))
    with store.transaction() as db:
        sqlite_index.drop(db, "seq <= ? AND name IS NULL", 100)
    assert await store.document(hash63("key-2")) is None
    assert await store.document(hash63("key-1")) is not None
    left = store.all("SELECT COUNT(*) FROM known_key WHERE seq <= 100")[0][0]
    assert left == 50
    store.close()
