"""The two messages: reports go up from the guard, orders come down to it. JSON of frozen values.

Every frame carries the version; what is not exactly of a message's form is refused. JSON has no NaN and
no infinity, so a number that arrives is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

import msgspec

from gateway.domain.control import Setpoints
from gateway.domain.grid_operator import OperatorReport
from gateway.domain.order import Order, StandingSettings
from gateway.domain.readings import Poll, Snapshot
from gateway.domain.sentences import Sentence
from gateway.errors import GatewayError

VERSION = 2
MOST_BYTES = 512 * 1024  # of one message; a home of twenty devices needs a tenth
Body = TypeVar("Body")


class MessageError(GatewayError):
    """A message that is not of the form that was agreed; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class GuardReport:
    """What the guard saw and did in one control tick.

    ``snapshot`` is what was measured, ``setpoints`` what was decided from it, ``settings`` what holds
    of the user's and the grid operator's word, ``order_holds`` whether an order is in force,
    ``late_s`` how long after its time the tick began, ``monotonic_s`` the guard's monotonic time when it
    saw the snapshot: it tells a clock that was set from time that has passed.
    ``alarms`` are for people, empty when all is well; ``operator`` is what holds of the grid
    operator's limits.
    """

    tick: int
    snapshot: Snapshot
    setpoints: Setpoints
    settings: StandingSettings
    order_holds: bool
    late_s: float = 0.0
    polls: tuple[Poll, ...] = ()
    alarms: tuple[Sentence, ...] = ()
    operator: tuple[OperatorReport, ...] = ()
    monotonic_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Envelope(Generic[Body]):
    version: int
    body: Body


class Codec(Generic[Body]):
    """Bytes of one kind of message, and back."""

    def __init__(self, kind: type[Body]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(_Envelope[kind])  # type: ignore[valid-type]
        self._encoder = msgspec.json.Encoder(enc_hook=_plain)

    def encode(self, message: Body) -> bytes:
        """Raises MessageError for a message that is larger than the other side takes."""
        data = self._encoder.encode(_Envelope(VERSION, message))
        if len(data) > MOST_BYTES:
            raise MessageError(f"a {self._kind.__name__} of {len(data)} bytes is too large")
        return data

    def decode(self, data: bytes) -> Body:
        """Raises MessageError."""
        if len(data) > MOST_BYTES:
            raise MessageError(f"{len(data)} bytes; at most {MOST_BYTES} are taken")
        try:
            envelope: _Envelope[Body] = self._decoder.decode(data)
        except (ValueError, RecursionError, OverflowError) as error:
            raise MessageError(f"no {self._kind.__name__}: {error}") from error
        if envelope.version != VERSION:
            raise MessageError(f"version {envelope.version}; this side speaks {VERSION}")
        return envelope.body


def _plain(value: object) -> object:
    """What frozen values hold and JSON does not know: a mapping that nobody may change."""
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise NotImplementedError(f"a {type(value).__name__} has no form in a message")


REPORTS = Codec(GuardReport)
ORDERS = Codec(Order)
