"""What a cluster's processes write that is more than rows: a shard's position in its log with what it
carried out, and the results of a call before anybody is told of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import StorageError
from simulators.exchange.cluster import wire
from simulators.exchange.postgres import insert
from simulators.exchange.postgres_ledger import PostgresLedger, amend
from simulators.exchange.rows import Batch, Row

NEWS = "market_news"  # a channel of NOTIFY
SHARDS = "shards"  # the mark that says how many a database has


class OvertakenError(StorageError):
    """Another process has carried out what this one was about to."""


@dataclass(frozen=True, slots=True)
class Position:
    """A shard's place in its log; ``step`` (s) and ``gate`` (quarter-hour) of the last call time."""

    seq: int
    step: int
    gate: int


@dataclass(slots=True)
class Effects:
    """What follows from a stretch of the log."""

    rows: list[Row] = field(default_factory=list)
    amended: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    news: bool = False


async def carry_out(
    ledger: PostgresLedger, shard: int, before: Position, after: Position, effects: Effects
) -> None:
    """Effects and position, both or none. OvertakenError where the position is not ``before``."""

    async def work(db: Any) -> None:
        moved = await db.execute(
            "UPDATE log_position SET seq = $1, step = $2, gate = $3"
            " WHERE shard = $4 AND seq = $5 AND step = $6",
            *(after.seq, after.step, after.gate, shard, before.seq, before.step),
        )
        if moved != "UPDATE 1":
            raise OvertakenError(f"shard {shard} is carried out by another process")
        await insert(db, effects.rows)
        await amend(db, effects.amended)
        if effects.news:
            await db.execute("SELECT pg_notify($1, '.')", NEWS)

    await ledger.db.ask(ledger.db.transaction(work))


async def results(ledger: PostgresLedger, when: int) -> list[wire.Called]:
    """The results of the calls of a time; all of them or none."""
    rows = await ledger.db.rows("SELECT body FROM result WHERE time = $1", when)
    return [wire.called(body) for (body,) in rows]


async def decide(
    ledger: PostgresLedger, when: int, batch: Batch, called: Iterable[wire.Called]
) -> None:
    """Store calls, the backstop's fills and what the shards need, before a shard is told."""
    found = [(one.start, when, one.seq, wire.encode(one)) for one in called]

    async def work(db: Any) -> None:
        await insert(db, batch.rows)
        await db.copy_records_to_table("result", records=found)

    await ledger.db.ask(ledger.db.transaction(work))


async def announce(ledger: PostgresLedger) -> None:
    """Tell the edges that there is something new."""
    await ledger.db.rows("SELECT pg_notify($1, '.')", NEWS)


async def have_shards(ledger: PostgresLedger, shards: int) -> None:
    """Begin the log of every shard; StorageError where the database has another number of them."""

    async def work(db: Any) -> None:
        await db.execute(
            "INSERT INTO mark VALUES ($1, $2) ON CONFLICT DO NOTHING", SHARDS, str(shards)
        )
        known = await db.fetchval("SELECT value FROM mark WHERE name = $1", SHARDS)
        if int(known) != shards:
            raise StorageError(
                f"the database has {known} shards, the configuration {shards}: see 'Another number"
                " of shards' in docs/cluster.md"
            )
        step, gate = [
            int(await db.fetchval("SELECT value FROM mark WHERE name = $1", name) or -1)
            for name in ("step", "gate")
        ]
        await db.executemany(
            "INSERT INTO log_position VALUES ($1, 0, $2, $3) ON CONFLICT DO NOTHING",
            [(shard, step, gate) for shard in range(shards)],
        )

    await ledger.db.ask(ledger.db.transaction(work))
