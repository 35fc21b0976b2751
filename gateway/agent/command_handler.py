"""Where commands arrive, from the broker and from the page: checked, done once, answered.

An id is remembered for a day in its own SQLite file, before the command is carried out: the same
command sent twice (a broker may do that) is answered twice and applied once, even over a restart.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gateway.clock import Clock, runs_apart
from gateway.domain.command_specs import COMMANDS
from gateway.domain.operator_commands import HEARTBEAT, OPERATOR_COMMANDS
from gateway.domain.sentences import reason_of, sentence
from gateway.errors import StorageError
from gateway.escape import printable
from gateway.log_budget import LogBudget
from gateway.publishing.commands import (
    Command,
    CommandResult,
    Steering,
    failed,
    parse_command,
)
from gateway.store.audit import Audit, NoAudit
from gateway.store.database import replaceable
from gateway.store.sentences import packed, unpacked

log = logging.getLogger(__name__)

_REMEMBER = timedelta(hours=24)
_APPLY_S = 30.0  # real seconds for a device to do it and be read back
_MIGRATIONS = (
    """
CREATE TABLE IF NOT EXISTS command (id TEXT PRIMARY KEY, time INTEGER NOT NULL, result TEXT)
  STRICT
""",
    "CREATE INDEX IF NOT EXISTS command_time ON command (time)",
)


class SeenCommands:
    """Ids and answers of the last 24 hours. Raises StorageError when nothing can be stored."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = replaceable(path, _MIGRATIONS, busy_s=0.2)
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
            return CommandResult(command_id, "error", "interrupted", _INTERRUPTED)
        body = json.loads(row[0])
        said = unpacked(body["message"]) if body["message"] else None
        return CommandResult(**body | {"message": said})

    def end(self, command_id: str, result: CommandResult) -> None:
        said = packed(result.message) if result.message else ""
        body = json.dumps(result.body() | {"message": said}, default=str)
        try:
            self._db.execute("UPDATE command SET result = ? WHERE id = ?", (body, command_id))
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: cannot store: {error}") from error

    def close(self) -> None:
        self._file.close()


@dataclass
class Bucket:
    """How many commands one side may give: ``most`` at once, and one more each ``refill_s``.

    It bounds what waits for a read-back and what is written to the disk, whoever sends however much.
    """

    clock: Clock
    most: int = 30
    refill_s: float = 2.0
    _full_at: float = float("-inf")  # when nothing would be taken out any more

    def take(self) -> bool:
        """Take one out; False when it is empty."""
        now = self.clock.monotonic()
        full_at = max(self._full_at, now) + self.refill_s
        if full_at - now > self.most * self.refill_s:
            return False
        self._full_at = full_at
        return True


class CommandHandler:
    """Takes commands from anywhere. Each is applied at once; only its answer waits for the read-back."""

    def __init__(
        self, steering: Steering, seen: SeenCommands, clock: Clock, audit: Audit | None = None
    ) -> None:
        self._steering, self._seen, self._clock = steering, seen, clock
        self._audit = audit or NoAudit()
        # Apart, so that a flood of refused ones does not hide what was done.
        self._done, self._refused = LogBudget(log, clock, most=2), LogBudget(log, clock, most=2)
        self._buckets: dict[tuple[str, bool], Bucket] = {}
        self._pending: dict[str, asyncio.Future[CommandResult]] = {}

    async def handle(
        self, name: str, payload: bytes, retained: bool = False, source: str = "mqtt"
    ) -> CommandResult:
        """Check, apply once and answer; never raises for what a sender or a device does."""
        result = await self._handle(name, payload, retained, source)
        well = result.status == "ok"
        level = logging.INFO if well else logging.WARNING
        if well and name == HEARTBEAT:
            return result  # one a minute is no news
        if source == "mqtt":  # the page notes its own, with the address; a broker tells no sender
            said = f"ok {json.dumps(result.applied, default=str)}" if well else str(result.message)
            self._audit.note("mqtt", result.id or "", f"command {name}", said, done=well)
        (self._done if well else self._refused).say(
            level,
            "command %s %s: %s %s",
            printable(name, 40),
            result.id,
            result.status,
            printable(str(result.message or "")),
        )
        return result

    async def _handle(
        self, name: str, payload: bytes, retained: bool, source: str
    ) -> CommandResult:
        command = parse_command(
            name, payload, self._clock.now(), retained, untimed=runs_apart(self._clock)
        )
        if isinstance(command, CommandResult):
            return command
        running = self._pending.get(command.id)
        if running is not None:  # sent twice: one answer for both
            return await asyncio.shield(running)
        operator = OPERATOR_COMMANDS.get(command.name)
        if operator is not None and source != "mqtt":
            return CommandResult(command.id, "rejected", "unknown_command", _NOT_YOURS)
        urgent = operator is not None or COMMANDS[command.name].urgent
        bucket = self._buckets.setdefault((source, urgent), Bucket(self._clock))
        if not bucket.take():
            return CommandResult(command.id, "rejected", "busy", _BUSY)
        if operator is not None:  # to say the same twice changes nothing, and no disk stops it
            return await self._apply(command)
        try:
            known = self._seen.begin(command.id, self._clock.now())
            if known is not None:
                return known
            result = await self._apply(command)
            self._seen.end(command.id, result)
        except StorageError as error:
            return failed(command, "storage", reason_of(error))
        return result

    async def _apply(self, command: Command) -> CommandResult:
        done = self._pending[command.id] = asyncio.get_running_loop().create_future()
        result = failed(command, "interrupted", _INTERRUPTED)
        try:
            async with asyncio.timeout(_APPLY_S):
                result = await self._steering.apply(command)
        except TimeoutError:
            why = sentence("refused.timeout", seconds=f"{_APPLY_S:.0f}")
            result = failed(command, "timeout", why)
        finally:
            del self._pending[command.id]
            done.set_result(result)
        return result


_NOT_YOURS = sentence("refused.operator_only")
_BUSY = sentence("refused.busy")
_INTERRUPTED = sentence("refused.interrupted")
