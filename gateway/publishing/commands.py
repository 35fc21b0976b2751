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
from decimal import Decimal
from typing import Annotated, Any, Literal, Protocol

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

MAX_BYTES = 1024
MAX_TTL_S = 3600
MAX_SKEW = timedelta(seconds=60)  # a sender's clock may be ahead of ours by so much

CommandValue = float | int | bool | str | Decimal | None | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """A valid wish. ``value`` has the type that `COMMANDS` gives for ``name``."""

    id: str
    name: str
    value: CommandValue
    ts: datetime


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The answer. ``code`` is for programs, ``message`` for people, ``applied`` what now holds."""

    id: str | None
    status: Literal["ok", "rejected", "expired", "error"]
    code: str = ""
    message: str = ""
    applied: Any = None

    def body(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "id": self.id,
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "applied": self.applied,
        }


def done(command: Command, applied: Any, message: str = "") -> CommandResult:
    """The device was read back and does what was asked; ``applied`` is what it said."""
    return CommandResult(command.id, "ok", "", message, applied)


def failed(command: Command, code: str, message: str) -> CommandResult:
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


class Departure(BaseModel):
    """The car's wish; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    time: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None
    energy_wh: Annotated[float, Field(ge=0, le=200_000)] | None = None

    @model_validator(mode="after")
    def _something(self) -> Departure:
        if self.time is None and self.energy_wh is None:
            raise ValueError("give time, energy_wh or both")
        return self


def _switch(value: Any) -> Any:
    """``on`` and ``off`` are words for a switch; numbers are not."""
    if isinstance(value, str) and value.lower() in ("on", "off"):
        return value.lower() == "on"
    if not isinstance(value, bool):
        raise ValueError("should be true, false, 'on' or 'off'")
    return value


def _number(value: Any) -> Any:
    """A bool is a number in Python, but not in a command."""
    if isinstance(value, bool):
        raise ValueError("should be a number")
    return value


_Finite = ConfigDict(allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command: what it does, and what its value may be (in words, and to check it)."""

    about: str
    unit: str
    form: str  # switch | number | choice | departure: how a page shows it
    allowed: str
    check: TypeAdapter[Any]
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


def _number_spec(about: str, unit: str, least: float, most: float) -> CommandSpec:
    kind = Annotated[float, Field(ge=least, le=most), BeforeValidator(_number)]
    check: TypeAdapter[Any] = TypeAdapter(kind, config=_Finite)
    return CommandSpec(about, unit, "number", f"{least:g} .. {most:g}", check, least, most)


def _switch_spec(about: str) -> CommandSpec:
    check: TypeAdapter[Any] = TypeAdapter(Annotated[bool, BeforeValidator(_switch)])
    return CommandSpec(about, "", "switch", "true, false, 'on', 'off'", check)


COMMANDS: Mapping[str, CommandSpec] = {
    "backup_reserve_pct": _number_spec("state of charge that is kept for outages", "%", 0, 100),
    "battery": CommandSpec(
        "auto = planned and traded; hold = neither charged nor discharged by the gateway",
        "",
        "choice",
        "'auto' or 'hold'",
        TypeAdapter(Literal["auto", "hold"]),
        choices=("auto", "hold"),
    ),
    "export_limit_w": _number_spec(
        "most power that is fed into the grid (the configured limit still holds)", "W", 0, 100_000
    ),
    "charge_now": _switch_spec("charge the car at full power until it is full or this is off"),
    "departure": CommandSpec(
        "when the car leaves (local time of day) and how much energy it wants by then",
        "",
        "departure",
        '{"time": "HH:MM", "energy_wh": 0 .. 200000}, one or both',
        TypeAdapter(Departure),
    ),
    "trading": _switch_spec("offer surplus at the exchange; what is sold is delivered either way"),
    "price_floor": CommandSpec(
        "never sell below this price",
        "currency/kWh",
        "number",
        "0 .. 10",
        TypeAdapter(
            Annotated[
                Decimal,
                Field(ge=0, le=10, max_digits=8, decimal_places=5),
                BeforeValidator(_number),
            ]
        ),
        0,
        10,
    ),
}


class _Envelope(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
    ts: AwareDatetime
    ttl_s: Annotated[float, Field(gt=0, le=MAX_TTL_S)] = 60
    value: Any


def parse_command(
    name: str, payload: bytes, now: datetime, retained: bool = False
) -> Command | CommandResult:
    """The command, or the reason why it is refused."""
    if retained:
        why = "a retained message is never a command; publish it without retain"
        return CommandResult(None, "rejected", "retained", why)
    if len(payload) > MAX_BYTES:
        why = f"a command has at most {MAX_BYTES} bytes"
        return CommandResult(None, "rejected", "too_large", why)
    spec = COMMANDS.get(name)
    if spec is None:
        why = f"{name[:40]!r} is no command; there are {', '.join(COMMANDS)}"
        return CommandResult(_id_in(payload), "rejected", "unknown_command", why)
    try:
        envelope = _Envelope.model_validate_json(payload)
    except ValidationError as error:
        return CommandResult(_id_in(payload), "rejected", "malformed", _first_fault(error))
    late = _too_late(envelope, now)
    if late:
        return late
    try:
        value = spec.check.validate_python(envelope.value)
    except ValidationError as error:
        why = f"{_first_fault(error)}; {name} takes {spec.allowed} {spec.unit}".rstrip()
        return CommandResult(envelope.id, "rejected", "out_of_range", why)
    if isinstance(value, Departure):
        value = value.model_dump(exclude_none=True)
    return Command(envelope.id, name, value, envelope.ts)


def _too_late(envelope: _Envelope, now: datetime) -> CommandResult | None:
    age = now - envelope.ts
    if age > timedelta(seconds=envelope.ttl_s):
        why = f"it was valid for {envelope.ttl_s:g} s and is {age.total_seconds():.0f} s old"
        return CommandResult(envelope.id, "expired", "expired", why)
    if -age > MAX_SKEW:
        why = f"its time is {-age.total_seconds():.0f} s ahead of ours; set the sender's clock"
        return CommandResult(envelope.id, "rejected", "future", why)
    return None


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    said = str(fault["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


def _id_in(payload: bytes) -> str | None:
    """The sender's id even if the rest is wrong, so that it can match our refusal."""
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    name = found.get("id") if isinstance(found, dict) else None
    return name[:64] if isinstance(name, str) else None
