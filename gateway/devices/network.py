"""Who listens in a network: every address is knocked at for two seconds, and only who opens is asked for more.

A Modbus scan of a host that drops what comes takes its connection's timeout for each unit number; a knock takes
two seconds, many at once. Nothing is sent.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway.domain.sentences import sentence
from gateway.errors import ConfigError

PORTS = (502, 1502)  # Modbus TCP; SolarEdge and Kostal listen at the second
KNOCK_S = 2.0
_AT_ONCE = 128
_MOST = 1024  # addresses of a network: a /22


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody may listen."""

    host: str
    port: int


def places(targets: Iterable[str], ports: tuple[int, ...] = PORTS) -> list[Place]:
    """HOST, HOST:PORT, NETWORK/BITS or NETWORK/BITS:PORT as the places they mean, each once.

    A host without a port is at the first of ``ports``, a network is looked through for all of them. Raises ConfigError.
    """
    found: dict[Place, None] = {}
    for target in targets:
        found.update(dict.fromkeys(_places(target, ports)))
    return list(found)


def is_network(target: str) -> bool:
    """Whether it names many hosts."""
    return "/" in target


async def listening(
    knocked: Sequence[Place], progress: Callable[[int, int], None] = lambda _done, _all: None
) -> list[Place]:
    """Those that open, in order; ``progress`` is told how many of how many were knocked at."""
    gate, done = asyncio.Semaphore(_AT_ONCE), 0

    async def knock(place: Place) -> bool:
        nonlocal done
        async with gate:
            there = await opens(place)
        done += 1
        progress(done, len(knocked))
        return there

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(knock(place), name=f"knock {place}") for place in knocked]
    return [place for place, task in zip(knocked, tasks, strict=True) if task.result()]


async def opens(place: Place, for_s: float = KNOCK_S) -> bool:
    """Whether somebody takes a connection there within ``for_s``."""
    try:
        async with asyncio.timeout(for_s):
            _, writer = await asyncio.open_connection(place.host, place.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


def _places(target: str, ports: tuple[int, ...]) -> Iterator[Place]:
    host, _, given = target.rpartition(":") if target.count(":") == 1 else (target, "", "")
    if target.count(":") == 1 and not (given.isdigit() and 1 <= int(given) <= 65535):
        raise ConfigError(sentence("setup.no_host", target=repr(target)))
    if not host:
        raise ConfigError(f"{target!r} names no host, e.g. 192.168.1.20 or 192.168.1.0/24")
    if not is_network(host):
        yield Place(host, int(given) if given else ports[0])
        return
    try:
        network = ipaddress.ip_network(host, strict=False)
    except ValueError:
        raise ConfigError(sentence("setup.no_network", target=repr(target))) from None
    if network.num_addresses > _MOST:
        count, most = str(network.num_addresses), str(_MOST)
        raise ConfigError(sentence("setup.many", target=repr(target), count=count, most=most))
    for address in network.hosts():
        for port in (int(given),) if given else ports:
            yield Place(str(address), port)
