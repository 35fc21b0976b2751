"""One guard a bus: two on one machine would fight over the devices, whatever their state folders.

The lock is an abstract unix socket (it has no file, and goes with the process however it ends). Whoever
comes second asks the kernel who listens there, and can name it. A bus is locked by the name that the
configuration has for it and by what the name stands for, where that is known soon: two names of one
inverter are one bus. Two machines do not see each other so: there the devices' registers tell
(`gateway.devices.other_master`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from gateway.errors import AlreadyRuns, ConfigError
from gateway.escape import printable
from gateway.modbus.address import BusAddress

log = logging.getLogger(__name__)

_NAME = "\0energy-gateway/bus/"
_LONGEST = 100  # bytes of such a name on Linux, and a few to spare
_LOOK_UP_S = 2.0  # real seconds: name servers that are silent hold the start up no longer
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)


class BusLocks:
    """Held until `close`, or until the process ends."""

    def __init__(self, buses: Iterable[BusAddress]) -> None:
        """Take them by name, and serial lines as what a link stands for. Raises ConfigError where another guard has one."""
        self._buses = frozenset(buses)
        self._held: dict[str, socket.socket] = {}
        names = {str(bus) for bus in self._buses}
        self._take(names | {os.path.realpath(bus.serial) for bus in self._buses if bus.serial})

    async def take_resolved(self) -> None:
        """Take them by address too; a name that nobody knows at once stays locked as a name alone.

        An address that a name had at the start stays locked until the end. Raises ConfigError.
        """
        found = await asyncio.gather(*(_addresses(bus) for bus in self._buses))
        self._take(frozenset[str]().union(*found))

    def close(self) -> None:
        while self._held:
            self._held.popitem()[1].close()

    def _take(self, names: Iterable[str]) -> None:
        try:
            for name in sorted({name.lower() for name in names} - self._held.keys()):
                self._take_one(name)
        except ConfigError:
            self.close()
            raise

    def _take_one(self, name: str) -> None:
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind(_address(name))
            lock.listen(1)
        except OSError as error:
            lock.close()
            _refuse(name, error)
        else:
            self._held[name] = lock


async def _addresses(bus: BusAddress) -> frozenset[str]:
    """Every address of its host, as the system knows them now."""
    if bus.framing == "rtu":
        return frozenset()
    try:
        async with asyncio.timeout(_LOOK_UP_S):
            found = await asyncio.get_running_loop().getaddrinfo(
                bus.host, bus.port, type=socket.SOCK_STREAM
            )
    except (OSError, ValueError):  # a time-out is one, and a name that can be none is the other
        return frozenset()
    return frozenset(str(BusAddress(host=str(at[0]), port=bus.port)) for *_, at in found)


def _refuse(bus: str, error: OSError) -> None:
    """Another guard of ours is named and kept; what somebody else claims stops nobody."""
    pid, user = _holder(bus)
    if not pid:
        log.warning("%s: whether another gateway steers it is not known: %s", bus, error.strerror)
    elif user in (0, os.getuid()):
        raise AlreadyRuns(
            f"{bus}: another gateway on this machine steers it already ({_words_of(pid)}); "
            "end that one, or take the device out of one of the two configurations"
        )
    else:
        log.error(
            "%s: process %d of another user (%d) claims it; if that is a gateway, end one of the two",
            bus, pid, user,
        )  # fmt: skip


def steered_by(bus: str) -> str | None:
    """The other process of this machine that steers ``bus``, in words; None if there is none. Nothing is taken."""
    pid, _ = _holder(bus)
    return _words_of(pid) if pid not in (0, os.getpid()) else None


def _holder(bus: str) -> tuple[int, int]:
    """Process and user that listen there; (0, 0) if nobody does."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)
        caller.connect(_address(bus))
        told = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, user, _ = _CREDENTIALS.unpack(told)
        return pid, user
    return 0, 0


def _words_of(pid: int) -> str:
    """Which gateway that is: its process and its configuration, as far as we may look."""
    words: list[str] = []
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    config = next((b for a, b in pairwise(words) if a == "--config"), "")
    folder = ""
    with suppress(OSError):
        folder = os.readlink(f"/proc/{pid}/cwd")
    where = f", configuration {printable(os.path.join(folder, config), 300)}" if config else ""
    return f"process {pid}{where}"


def _address(name: str) -> str:
    if len(name) > _LONGEST - len(_NAME):
        name = hashlib.sha256(name.encode()).hexdigest()
    return _NAME + name
