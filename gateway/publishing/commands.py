"""What other software may ask of the home, and when it is refused. Pure.

A command is JSON on ``<root>/<site>/cmd/<name>``: ``{"id", "ts", "ttl_s", "value"}``. It is never
taken from a retained message (it would be carried out again at every start), not after ``ts`` +
``ttl_s``, and not twice with one id. It is answered on ``<root>/<site>/cmd/<name>/result``, and with
``ok`` only after the device was read back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gateway.domain.command_specs import COMMANDS
from gateway.domain.operator_commands import OPERATOR_COMMANDS
from gateway.domain.sentences import Sentence, other, reason_of, sentence
from gateway.escape import printable

MAX_BYTES = 1024
MAX_TTL_S = 3600
MAX_SKEW = timedelta(seconds=60)  # a sender's clock may be ahead of ours by so much


@dataclass(frozen=True, slots=True)
class Command:
    """A valid command: ``changes`` are the new values of `UserSettings` by name, or what an
    `OPERATOR_COMMANDS` brings."""

    id: str
    name: str
    changes: Mapping[str, Any]
    ts: datetime


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The answer. ``code`` is for programs, ``message`` for people, ``applied`` what now holds."""

    id: str | None
    status: Literal["ok", "rejected", "expired", "error"]
    code: str = ""
    message: Sentence | None = None
    applied: Any = None

    def body(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "id": self.id,
            "status": self.status,
            "code": self.code,
            "message": self.message.text if self.message else "",
            "applied": self.applied,
        }


def done(command: Command, applied: Any) -> CommandResult:
    """The device was read back and does what was asked; ``applied`` is what it said."""
    return CommandResult(command.id, "ok", applied=applied)


def failed(command: Command, code: str, message: Sentence) -> CommandResult:
    """It was valid but could not be carried out."""
    return CommandResult(command.id, "error", code, message)


class Handler(Protocol):
    """Where commands arrive, whoever sent them: checked, done once, answered. The agent implements it."""

    async def handle(self, name: str, payload: bytes, retained: bool = False) -> CommandResult:
        """The answer to what came on ``cmd/<name>``. Never raises for what a sender or a device does."""


class Steering(Protocol):
    """Carries commands out; the agent implements it."""

    async def apply(self, command: Command) -> CommandResult:
        """Do it, read the device back, and say so with `done` or `failed`. Never raises."""


_EXAMPLE = '{"id": "a1", "ts": "2026-06-01T12:00:00Z", "value": 30}'


class _Envelope(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
    ts: AwareDatetime | None = None
    ttl_s: Annotated[float, Field(gt=0, le=MAX_TTL_S)] = 60
    value: Any


def parse_command(
    name: str, payload: bytes, now: datetime, retained: bool = False, *, untimed: bool = False
) -> Command | CommandResult:
    """The command, or the reason why it is refused.

    ``untimed``: ours is not the world's time, so a command may leave out its own and is of the moment it comes.
    """
    if retained:
        return CommandResult(None, "rejected", "retained", sentence("refused.retained"))
    if len(payload) > MAX_BYTES:
        why = sentence("refused.too_large", count=str(MAX_BYTES))
        return CommandResult(None, "rejected", "too_large", why)
    spec = COMMANDS.get(name) or OPERATOR_COMMANDS.get(name)
    if spec is None:
        known = ", ".join(COMMANDS)
        why = sentence("refused.unknown", name=repr(printable(name, 40)), what=known)
        return CommandResult(_id_in(payload), "rejected", "unknown_command", why)
    try:
        envelope = _Envelope.model_validate_json(payload)
    except ValidationError as error:
        is_object = _object_in(payload) is not None
        no_form = sentence("refused.form", example=_EXAMPLE)
        why = other(_first_fault(error)) if is_object else no_form
        return CommandResult(_id_in(payload), "rejected", "malformed", why)
    if envelope.ts is None and not untimed:
        return CommandResult(envelope.id, "rejected", "malformed", sentence("refused.no_time"))
    ts = envelope.ts or now
    late = _too_late(envelope, ts, now)
    if late:
        return late
    try:
        changes = spec.read(envelope.value)
    except ValueError as error:
        takes = f"{spec.allowed} {spec.unit}".rstrip()
        why = sentence("refused.value", why=reason_of(error), name=name, what=takes)
        return CommandResult(envelope.id, "rejected", "out_of_range", why)
    return Command(envelope.id, name, changes, ts)


def _too_late(envelope: _Envelope, ts: datetime, now: datetime) -> CommandResult | None:
    age = now - ts
    if age > timedelta(seconds=envelope.ttl_s):
        old = f"{age.total_seconds():.0f}"
        why = sentence("refused.late", seconds=f"{envelope.ttl_s:g}", age=old)
        return CommandResult(envelope.id, "expired", "expired", why)
    if -age > MAX_SKEW:
        why = sentence("refused.early", seconds=f"{-age.total_seconds():.0f}")
        return CommandResult(envelope.id, "rejected", "future", why)
    return None


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    said = str(fault["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


def _id_in(payload: bytes) -> str | None:
    """The sender's id even if the rest is wrong, so that it can match our refusal."""
    name = (_object_in(payload) or {}).get("id")
    return printable(name, 64) if isinstance(name, str) else None


def _object_in(payload: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
