"""Faults on demand: what a network, a gateway box or a device does wrong, by a seeded schedule.

A `Fault` says what happens to which requests; `Faults` decides for each request by its number and
the seed alone, so a schedule is the same in every run. `mangle` is pure: it turns a good reply into
the pieces that go on the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from gateway.errors import ConfigError
from simulators.physics.noise import uniform


class Kind(StrEnum):
    """What goes wrong."""

    # on the wire, after the device has done its work
    LATE = "late"  # the reply comes `seconds` later
    SHORT = "short"  # fewer registers than asked, in a well-formed frame
    TRUNCATED = "truncated"  # only the first bytes of the frame, the rest never
    DUPLICATE = "duplicate"  # the reply comes twice
    SPLIT = "split"  # in two pieces, `seconds` apart
    GARBAGE = "garbage"  # random bytes in place of the reply
    HUGE = "huge"  # a header that promises 65535 bytes
    WRONG_UNIT = "wrong-unit"
    WRONG_TRANSACTION = "wrong-transaction"
    LOW_TRANSACTION = "low-transaction"  # the high byte of the transaction id is zeroed
    WRONG_FUNCTION = "wrong-function"
    BYTE_COUNT = "byte-count"  # the byte count lies
    SLOW = "slow"  # one byte every `seconds`
    LOST = "lost"  # done, but the reply is lost
    CLOSE = "close"  # hangs up in mid-reply
    RESET = "reset"  # resets the connection in mid-reply
    # in place of the device's work
    EXCEPTION = "exception"  # refuses with exception `code`
    SILENT = "silent"  # neither does nor answers
    IGNORED_WRITE = "ignored-write"  # acknowledges a write and does nothing
    # of the device itself
    NAN = "nan"  # 'not implemented' in every measurement
    ZERO = "zero"  # counters read zero, as at wake-up
    SCALE = "scale"  # scale factors move with every request
    SIGN = "sign"  # battery and grid power with the other sign
    WRAP = "wrap"  # counters stand `wh` before they wrap
    REBOOT = "reboot"  # hangs up, loses its volatile setpoints, is away for `seconds`
    ONE_CLIENT = "one-client"  # a second connection is closed at once


OF_WRITES = frozenset({Kind.IGNORED_WRITE})
OF_READS = frozenset({Kind.SHORT, Kind.BYTE_COUNT, Kind.NAN, Kind.ZERO, Kind.SCALE, Kind.SIGN})
ONCE_FOR_ALL = frozenset({Kind.WRAP, Kind.ONE_CLIENT})
_EXCEPTIONS = (1, 2, 3, 4, 5, 6, 10, 11)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault and the requests that it meets.

    ``probability`` of each request from number ``first`` (0-based, per server) to before ``last``
    (None = for ever); ``unit`` None = any unit. ``seconds`` are real seconds; ``code`` is the
    exception's, ``wh`` the distance to the wrap.
    """

    kind: Kind
    probability: float = 1.0
    seconds: float = 1.0
    code: int = 6
    wh: float = 100.0
    first: int = 0
    last: int | None = None
    unit: int | None = None

    def meets(self, number: int, unit: int, function: int) -> bool:
        if number < self.first or (self.last is not None and number >= self.last):
            return False
        if self.unit is not None and unit != self.unit:
            return False
        if self.kind in OF_WRITES:
            return function in (6, 16)
        return self.kind not in OF_READS or function in (3, 4)


class Faults:
    """A seeded schedule of faults of one server."""

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 0) -> None:
        self.faults = tuple(faults)
        self.seed = seed
        self._schedule = tuple(
            (index, fault)
            for index, fault in enumerate(self.faults)
            if fault.kind not in ONCE_FOR_ALL
        )

    def has(self, kind: Kind) -> Fault | None:
        return next((fault for fault in self.faults if fault.kind is kind), None)

    def pick(self, number: int, unit: int, function: int) -> Fault | None:
        """The fault that meets request ``number``, the first listed wins; None = all is well."""
        for index, fault in self._schedule:
            if (
                fault.meets(number, unit, function)
                and uniform(self.seed, 70, index, number) < fault.probability
            ):
                return fault
        return None


@dataclass(frozen=True, slots=True)
class Reply:
    """A good reply before framing: MBAP transaction id (0 on RTU), unit and PDU."""

    transaction: int
    unit: int
    pdu: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """What goes on the wire: (delay in s after the piece before, bytes), and how it ends."""

    pieces: tuple[tuple[float, bytes], ...]
    hang_up: bool = False
    reset: bool = False


def changed(fault: Fault, reply: Reply, number: int, seed: int) -> Reply:
    """``reply`` with wrong content in a well-formed frame, for the kinds that do this."""
    pdu = reply.pdu
    is_data = len(pdu) >= 4 and pdu[0] in (3, 4)
    match fault.kind:
        case Kind.WRONG_UNIT:
            return replace(reply, unit=(reply.unit + 1) % 248)
        case Kind.WRONG_TRANSACTION:
            return replace(reply, transaction=(reply.transaction + 1) & 0xFFFF)
        case Kind.LOW_TRANSACTION:
            return replace(reply, transaction=reply.transaction & 0xFF)
        case Kind.WRONG_FUNCTION:
            return replace(reply, pdu=bytes((pdu[0] ^ 7,)) + pdu[1:])
        case Kind.SHORT if is_data:
            count = pdu[1] // 2
            kept = 2 * int(uniform(seed, 71, number) * count)
            return replace(reply, pdu=bytes((pdu[0], kept)) + pdu[2 : 2 + kept])
        case Kind.BYTE_COUNT if is_data:
            lie = pdu[1] + (2 if uniform(seed, 72, number) < 0.5 and pdu[1] < 250 else -2)
            return replace(reply, pdu=bytes((pdu[0], lie)) + pdu[2:])
        case _:
            return reply


def _garbage(number: int, seed: int) -> bytes:
    size = 1 + int(uniform(seed, 74, number) * 64)
    return bytes(int(uniform(seed, 75, number, i) * 256) for i in range(size))


def mangle(fault: Fault, frame: bytes, number: int, seed: int) -> Delivery:
    """How ``frame`` goes on the wire under ``fault``; kinds not listed leave it whole."""
    cut = 1 + int(uniform(seed, 73, number) * (len(frame) - 1))
    wait = fault.seconds
    pieces: dict[Kind, tuple[tuple[float, bytes], ...]] = {
        Kind.LATE: ((wait, frame),),
        Kind.TRUNCATED: ((0.0, frame[:cut]),),
        Kind.DUPLICATE: ((0.0, frame + frame),),
        Kind.SPLIT: ((0.0, frame[:cut]), (wait, frame[cut:])),
        Kind.GARBAGE: ((0.0, _garbage(number, seed)),),
        Kind.HUGE: ((0.0, frame[:4] + b"\xff\xff" + frame[6:]),),
        Kind.SLOW: tuple((wait, frame[i : i + 1]) for i in range(len(frame))),
        Kind.LOST: (),
        Kind.SILENT: (),
        Kind.CLOSE: ((0.0, frame[:cut]),),
        Kind.RESET: ((0.0, frame[:cut]),),
    }
    return Delivery(
        pieces.get(fault.kind, ((0.0, frame),)),
        hang_up=fault.kind is Kind.CLOSE,
        reset=fault.kind is Kind.RESET,
    )


_VALUE_OF = {Kind.EXCEPTION: "code", Kind.WRAP: "wh"}  # for all others the value is `seconds`
_KEYS = {
    f.name: (float if f.name in ("probability", "seconds", "wh") else int) for f in fields(Fault)
}


def parse_fault(text: str) -> tuple[str, Fault]:
    """``DEVICE:KIND[=VALUE][,KEY=VALUE]...`` as typed by a person; ConfigError says what is wrong."""
    device, colon, rest = text.partition(":")
    first, *others = rest.split(",")
    name, _equals, value = first.partition("=")
    if not colon or not device or name not in [kind.value for kind in Kind]:
        raise ConfigError(
            f"--fault {text!r}: write DEVICE:KIND[=VALUE][,probability=P]; KIND is one of "
            + ", ".join(Kind)
        )
    fault = Fault(Kind(name))
    pairs = [(_VALUE_OF.get(fault.kind, "seconds"), value)] if value else []
    pairs += [(key, given) for key, _, given in (other.partition("=") for other in others)]
    for key, given in pairs:
        if key not in _KEYS or key == "kind":
            known = ", ".join(k for k in _KEYS if k != "kind")
            raise ConfigError(f"--fault {text!r}: {key!r} is not known; known are {known}")
        try:
            change: dict[str, Any] = {key: _KEYS[key](given)}
            fault = replace(fault, **change)
        except ValueError:
            raise ConfigError(
                f"--fault {text!r}: {key} is {given!r}; a number is expected"
            ) from None
    return device, _checked(text, fault)


def _checked(text: str, fault: Fault) -> Fault:
    if not 0 <= fault.probability <= 1:
        raise ConfigError(f"--fault {text!r}: probability is between 0 and 1")
    if fault.seconds < 0 or fault.wh < 0:
        raise ConfigError(f"--fault {text!r}: seconds and wh are not negative")
    if fault.code not in _EXCEPTIONS:
        raise ConfigError(f"--fault {text!r}: code is one of {', '.join(map(str, _EXCEPTIONS))}")
    return fault
