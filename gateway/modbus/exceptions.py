"""The ways in which a device does not give what it is asked for, and what each of them means."""

from __future__ import annotations

from gateway.domain.sentences import Sentence
from gateway.errors import DeviceError

SURE = 6  # refusals in a row that mean 'not there'
STRANGE = (1, 2, 3, 4)  # exceptions that devices have for addresses that mean nothing to them
NOT_THERE = (1, 2, 3)  # exceptions by which a device says that it has no such registers
NO_PATH = (10, 11)  # said by a box in between of the device behind it
BUSY = (5, 6)  # accepted and not ready, or busy: the same question has an answer a moment later
EXCEPTIONS = {
    1: "function not supported",
    2: "no such address",
    3: "value not accepted",
    4: "device failure",
    5: "accepted, takes long",
    6: "busy",
    8: "memory parity error",
    10: "gateway has no path",
    11: "gateway got no answer from the unit",
}


class Refused(DeviceError):
    """The device answered with a Modbus exception; ``code`` is its number."""

    def __init__(self, text: Sentence, code: int) -> None:
        super().__init__(text)
        self.code = code


class Lost(DeviceError):
    """The answer did not come, or was none. ``again``: the device answered the request before this one."""

    def __init__(self, text: Sentence, again: bool) -> None:
        super().__init__(text)
        self.again = again


class Silent(Lost):
    """The device did not answer in time."""


class Unreachable(DeviceError):
    """Nobody takes the connection."""


class HungUp(DeviceError):
    """The connection was closed before the device answered anything on it."""
