"""Where commands arrive, from the broker and from the page: checked, done once, answered.

An id is remembered for a day in its own SQLite file, before the command is carried out: the same
command sent twice (a broker may do that) is answered twice and applied once, even over a restart.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

from gateway.clock import Clock
from gateway.errors import StorageError
from gateway.publishing.commands import (
    Command,
    CommandResult,
    Steering,
    failed,
    parse_command,
)
from gateway.store.database import Database, replaceable

log = logging.getLogger(__name__)

_REMEMBER = timedelta(hours=24)
_APPLY_S = 30.0  # real seconds for a device to do it and be read back
_MIGRATIONS = (
    """
CREATE TABLE IF NOT EXISTS command (id TEXT PRIMARY KEY, time INTEGER NOT NULL, result TEXT)
  STRICT
""",
)


class SeenCommands:
    """Ids and answers of the last 24 hours. Raises StorageError when nothing can be stored."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = replaceable(path, lambda: Database(path, _MIGRATIONS, busy_s=0.2))
        self._db = self._file.db

    def begin(self, command_id: str, now: datetime) -> CommandResult | None:
        """Remember the id; the former answer when it is known already."""
        oldest = int((now - _REMEMBER).timestamp())
        try:
            self._db.execute("DELETE FROM command WHERE time < ?", (oldest,))
            row = self._db.execute(
                "SELECT result FROM command WHERE id = ?", (command_id,)
            ).fetchone()
            if row is None:
                self._db.execute(
                    "INSERT INTO command VALUES (?, ?, NULL)", (command_id, int(now.timestamp()))
                )
                return None
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: cannot store: {error}") from error
        if row[0] is None:
            why = "it was interrupted and may have been carried out; send it with a new id"
            return CommandResult(command_id, "error", "interrupted", why)
        return CommandResult(**json.loads(row[0]))

    def end(self, command_id: str, result: CommandResult) -> None:
        try:
            self._db.execute(
                "UPDATE command SET result = ? WHERE id = ?",
                (json.dumps(result.body(), default=str), command_id),
            )
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: cannot store: {error}") from error

    def close(self) -> None:
        self._file.close()


class CommandHandler:
    """Takes commands from anywhere, one after the other."""

    def __init__(self, steering: Steering, seen: SeenCommands, clock: Clock) -> None:
        self._steering, self._seen, self._clock = steering, seen, clock
        self._one = asyncio.Lock()

    async def handle(self, name: str, payload: bytes, retained: bool = False) -> CommandResult:
        """Check, apply once and answer; never raises for what a sender or a device does."""
        async with self._one:
            result = await self._handle(name, payload, retained)
        level = logging.INFO if result.status == "ok" else logging.WARNING
        log.log(level, "command %s %s: %s %s", name, result.id, result.status, result.message)
        return result

    async def _handle(self, name: str, payload: bytes, retained: bool) -> CommandResult:
        command = parse_command(name, payload, self._clock.now(), retained)
        if isinstance(command, CommandResult):
            return command
        try:
            known = self._seen.begin(command.id, self._clock.now())
            if known is not None:
                return known
            result = await self._apply(command)
            self._seen.end(command.id, result)
        except StorageError as error:
            return failed(command, "storage", str(error))
        return result

    async def _apply(self, command: Command) -> CommandResult:
        try:
            async with asyncio.timeout(_APPLY_S):
                return await self._steering.apply(command)
        except TimeoutError:
            why = f"no read-back within {_APPLY_S:.0f} s; look at the device"
            return failed(command, "timeout", why)
