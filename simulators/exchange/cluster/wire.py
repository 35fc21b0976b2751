"""What the processes of a cluster say to each other, as MessagePack.

Through the log: `Message`. From a shard to the edge that asked: `Answers`. Between leader and shards in
a call: `Ask` and `Reply`.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from simulators.exchange.clearing import Curves, Ints
from simulators.exchange.cluster.clearing import Result, Rule, Sizes
from simulators.exchange.problems import Problem


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One request: ``body`` is the compact JWS where it is ``signed``, else the document."""

    operation: str
    key: str
    party: int
    party_id: str
    received_ms: int
    body: bytes
    signed: bool


class Requests(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """What one edge took in for one shard; it listens on ``reply`` for the answers to ``batch``."""

    reply: str
    batch: int
    entries: list[Entry]


class Step(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A call time (s since 1970): hold what rests in the quarter-hours ``starts``, until the leader
    has the results; then the gates up to ``gate`` are closed."""

    when: int
    starts: list[int]
    gate: int


class Halt(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Take no tenders, or with None take them again."""

    since: str | None


class Revoke(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Shut a party out; the number of its tenders that were taken back is told to ``reply``."""

    party_id: str
    reply: str


class Filler(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Nothing: it stands where the log has lost a message that was carried out."""


Message = Requests | Step | Halt | Revoke | Filler


class Done(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """What is stored of a request that was carried out, but for the document itself."""

    received_ms: int
    status: int
    result: Any
    replayed: bool


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A request that was not carried out."""

    kind: str
    status: int
    detail: str
    reject: int | None
    retry_after_s: int | None

    @classmethod
    def of(cls, problem: Problem) -> Refused:
        said = problem.kind, problem.status, problem.detail
        return cls(*said, problem.reject, problem.retry_after_s)

    def problem(self) -> Problem:
        said = self.kind, self.status, self.detail
        return Problem(*said, self.reject, self.retry_after_s)


class Answers(msgspec.Struct, frozen=True, array_like=True):
    """The outcomes of a batch, in its order."""

    batch: int
    outcomes: list[Done | Refused]


class AskOccupied(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The quarter-hours in whose calls the shard has an order."""

    when: int


class AskCurves(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The Wh at each price in the call of one quarter-hour."""

    when: int
    start: int


class AskSizes(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The sizes of the orders at the price."""

    when: int
    start: int
    price: int


class AskDraws(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The lowest draws at the edge of a rule."""

    when: int
    start: int
    price: int
    buy: bool
    lots: int
    total: int
    edge: int
    most: int


class Called(msgspec.Struct, frozen=True, array_like=True):
    """The result of one call and the number of its row."""

    start: int
    seq: int
    price: int | None
    volume: int
    bids: tuple[int, int, int | None, bytes | None]
    asks: tuple[int, int, int | None, bytes | None]

    @classmethod
    def of(cls, start: int, seq: int, result: Result) -> Called:
        sides = ((r.lots, r.total, r.edge, r.last) for r in (result.bids, result.asks))
        return cls(start, seq, result.price, result.volume, *sides)

    def result(self) -> Result:
        return Result(self.price, self.volume, Rule(*self.bids), Rule(*self.asks))


class Apply(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The results of all calls of one time: fill, close the gates, and go on."""

    when: int
    called: list[Called]


Ask = AskOccupied | AskCurves | AskSizes | AskDraws | Apply


class ToldCurves(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Columns of 64-bit integers."""

    prices: bytes
    bid: bytes
    ask: bytes

    @classmethod
    def of(cls, told: Curves) -> ToldCurves:
        return cls(told.prices.tobytes(), told.bid.tobytes(), told.ask.tobytes())

    def curves(self) -> Curves:
        return Curves(_column(self.prices), _column(self.bid), _column(self.ask))


def _column(data: bytes) -> Ints:
    return np.frombuffer(data, dtype=np.int64)


class ToldSizes(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Orders to buy and to sell, by size."""

    bids: Sizes
    asks: Sizes


class ToldDraws(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The lowest first."""

    draws: list[bytes]


class ToldOccupied(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Quarter-hours."""

    starts: list[int]


class Elsewhere(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The shard is not in that call: the last one that it has applied is ``step``."""

    step: int


Reply = ToldOccupied | ToldCurves | ToldSizes | ToldDraws | Elsewhere

_ENCODE = msgspec.msgpack.Encoder().encode
_MESSAGES: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_ANSWERS = msgspec.msgpack.Decoder(Answers)
_ASKS: msgspec.msgpack.Decoder[Ask] = msgspec.msgpack.Decoder(Ask)
_REPLIES: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)
_CALLED = msgspec.msgpack.Decoder(Called)


def encode(said: msgspec.Struct) -> bytes:
    return _ENCODE(said)


def message(data: bytes) -> Message:
    return _MESSAGES.decode(data)


def answers(data: bytes) -> Answers:
    return _ANSWERS.decode(data)


def ask(data: bytes) -> Ask:
    return _ASKS.decode(data)


def reply(data: bytes) -> Reply:
    return _REPLIES.decode(data)


def called(data: bytes) -> Called:
    return _CALLED.decode(data)
