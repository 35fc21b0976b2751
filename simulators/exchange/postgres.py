"""A PostgreSQL database behind the exchange: connections, errors, and rows that go in by COPY.

The connections live on a thread with an event loop of its own, so that the market can also ask
where it may not wait (its start, a registration), and so that no row is coded on the market's loop.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncpg

from gateway.clock import pause
from gateway.errors import StorageError
from simulators.exchange.evidence import press
from simulators.exchange.postgres_schema import SCHEMA, VERSION
from simulators.exchange.rows import TABLES, Evidence, Mark, Row, columns_of, values_of

T = TypeVar("T")
_PREPARE_LOCK = 7_301_001  # advisory: one process at a time makes the tables
_COMMAND_S = 60.0
_AGAIN_S = 0.2  # between two tries to connect
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class Postgres:
    """``dsn`` is a libpq address; ``power_safe`` False does not wait for the disk at a commit."""

    def __init__(self, dsn: str, *, power_safe: bool = True, connections: int = 4) -> None:
        self._dsn = dsn
        self._settings = {} if power_safe else {"synchronous_commit": "off"}
        self._most = connections
        self._pool: Any = None
        self._storing: set[asyncio.Task[Any] | None] = set()
        self._hearing: set[asyncio.Task[None]] = set()
        self._held: dict[int, Any] = {}  # the connections that hold a lock
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="postgres", daemon=True)
        self._thread.start()
        try:
            self.wait(self._open())
        except BaseException:
            self.close()
            raise

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the database's thread; the caller waits."""
        return self._start(work).result()

    def ask(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """The same, awaited."""
        return asyncio.wrap_future(self._start(work))

    def _start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._closed:
            work.close()
            raise StorageError("the exchange's store is closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _open(self) -> None:
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=0,  # a pool that keeps some up complains while the server is away
                max_size=self._most,
                command_timeout=_COMMAND_S,
                server_settings=self._settings,
            )
            async with self._pool.acquire() as db, db.transaction():
                await db.execute("SELECT pg_advisory_xact_lock($1)", _PREPARE_LOCK)
                await self._prepare(db)
        except _FAILURES as error:
            raise StorageError(f"PostgreSQL cannot be reached: {error}") from error

    async def _prepare(self, db: Any) -> None:
        made = await db.fetchval("SELECT to_regclass('mark') IS NOT NULL")
        version = await db.fetchval("SELECT value FROM mark WHERE name = 'schema'") if made else "0"
        if int(version or 0) > VERSION:
            raise StorageError(
                f"the database was written by a newer version (schema {version}, this one knows up"
                f" to {VERSION}); start that one"
            )
        if version != str(VERSION):
            await db.execute(SCHEMA)
            await db.execute(
                "INSERT INTO mark VALUES ('schema', $1)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                str(VERSION),
            )

    async def transaction(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """On the database's thread: all of ``work`` or nothing, durable when it returns."""
        task = asyncio.current_task()
        self._storing.add(task)
        try:
            async with self._pool.acquire() as db, db.transaction():
                return await work(db)
        except _FAILURES as error:
            raise StorageError(f"the exchange cannot store: {error}") from error
        finally:
            self._storing.discard(task)

    async def fetch(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """On the database's thread: rows as tuples. A connection that has died is made anew."""
        for again in (True, False):
            try:
                async with self._pool.acquire() as db:
                    return [tuple(row) for row in await db.fetch(sql, *values)]
            except (asyncpg.InterfaceError, asyncpg.PostgresConnectionError, OSError) as error:
                if not again:
                    raise StorageError(f"the exchange cannot read its store: {error}") from error
            except _FAILURES as error:
                raise StorageError(f"the exchange cannot read its store: {error}") from error
        raise AssertionError("one of both tries ends")

    def rows(self, sql: str, *values: Any) -> asyncio.Future[list[tuple[Any, ...]]]:
        """A question, awaited."""
        return self.ask(self.fetch(sql, *values))

    def all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """A question whose asker waits; ``?`` stands for the values, as with the SQLite store."""
        parts = sql.split("?")
        numbered = "".join(
            part if n == 0 else f"${n}{part}" for n, part in zip(itertools.count(), parts)
        )
        return self.wait(self.fetch(numbered, *values))

    def listen(self, channels: Sequence[str], heard: Callable[[str, str], None]) -> None:
        """Call ``heard`` with channel and payload of what is notified, on the database's thread; with
        an empty payload after the connection was lost, when something may have been missed."""
        self.wait(self._spawn(self._hear(channels, heard)))

    async def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._hearing.add(self._loop.create_task(work))

    async def _hear(self, channels: Sequence[str], heard: Callable[[str, str], None]) -> None:
        while True:
            try:
                async with self._apart() as db:
                    lost = asyncio.Event()
                    db.add_termination_listener(lambda _db, lost=lost: lost.set())
                    for channel in channels:
                        await db.add_listener(channel, lambda _db, _pid, *said: heard(*said))
                        heard(channel, "")
                    await lost.wait()
            except _FAILURES:
                await pause(_AGAIN_S)

    @asynccontextmanager
    async def _apart(self) -> AsyncIterator[Any]:
        """A connection of its own, which ends with the block."""
        db = await asyncpg.connect(self._dsn)
        try:
            yield db
        finally:
            db.terminate()

    async def hold(self, key: int) -> bool:
        """Wait until this process alone holds the advisory lock ``key``; False where it did already.
        It is lost with its connection."""
        return await self.ask(self._hold(key))

    async def _hold(self, key: int) -> bool:
        if key in self._held and not self._held[key].is_closed():
            return False
        while True:
            try:
                db = await asyncpg.connect(self._dsn)
                try:
                    await db.execute("SELECT pg_advisory_lock($1)", key)
                except BaseException:
                    db.terminate()
                    raise
            except _FAILURES:
                await pause(_AGAIN_S)
                continue
            self._held[key] = db
            return True

    def close(self) -> None:
        """What was handed in to be stored is stored first; questions end unanswered. May be called twice."""
        if self._closed:
            return
        self._closed = True
        try:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _close(self) -> None:
        """Leave nothing behind on this loop: no task, no socket."""
        self._loop.set_exception_handler(lambda *_: None)  # what is cut off complains to nobody
        await _end(lambda: _others() - self._storing)
        if self._storing:
            await asyncio.wait({task for task in self._storing if task}, timeout=_COMMAND_S)
        await _end(_others)
        for db in self._held.values():
            db.terminate()
        if self._pool is not None:
            with suppress(*_FAILURES):
                async with asyncio.timeout(_COMMAND_S):
                    await self._pool.close()
        await _end(_others)  # a connection that was cut off may have told the server so
        await pause(0)  # the sockets' last callbacks


def _others() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def _end(which: Callable[[], set[asyncio.Task[Any]]]) -> None:
    while tasks := which():
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1)


async def insert(db: Any, rows: Iterable[Row]) -> None:
    """Rows of a batch by COPY, table by table."""
    by_table: dict[type[Any], list[Row]] = {}
    for row in rows:
        by_table.setdefault(type(row), []).append(row)
    for kind, found in by_table.items():
        if kind is Mark:
            for mark in found:
                if isinstance(mark, Mark):
                    await set_mark(db, mark)
        else:
            small = [
                Evidence(row.seq, press(row.body)) if isinstance(row, Evidence) else row
                for row in found
            ]
            await db.copy_records_to_table(
                TABLES[kind], records=map(values_of, small), columns=columns_of(kind)
            )


async def set_mark(db: Any, mark: Mark) -> None:
    if mark.value is None:
        await db.execute("DELETE FROM mark WHERE name = $1", mark.name)
    else:
        await db.execute(
            "INSERT INTO mark VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            *mark,
        )
