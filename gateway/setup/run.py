"""The page of the first start: what `energy-gateway run` and `setup` do where there is no configuration yet."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from gateway.clock import WallClock
from gateway.errors import ConfigError
from gateway.setup.server import SetupServer
from gateway.setup.session import Session, writable
from gateway.systemd import end_now, notify

PORT = 8750  # that of the page later on: it comes back at the same address
_ALIVE_S, _LOOK_S = 10.0, 1.0


def set_up(
    config: Path, host: str = "127.0.0.1", port: int = PORT, came: Callable[[], bool] | None = None
) -> bool:
    """Serve until the file is written; False when a signal came first. Raises ConfigError.

    With ``came`` the gateway starts then, and its page stands at the same port. It says whether a configuration has come another
    way (`init` in a terminal, an editor), which ends the page too.
    """
    writable(config)
    session = Session(config, WallClock(), page_port=port if came and port != PORT else None)
    begins = (
        f"{config} is there and will be changed"
        if config.exists()
        else "There is no configuration yet"
    )
    try:
        return asyncio.run(_set_up(session, host, port, begins, came))
    except BaseExceptionGroup as group:
        stated = group.subgroup(ConfigError)
        if stated is None:
            raise
        raise stated.exceptions[0] from None  # there is no place to listen


async def _set_up(
    session: Session, host: str, port: int, begins: str, came: Callable[[], bool] | None
) -> bool:
    clock, ended = WallClock(), asyncio.Event()
    end_now(ended.set)
    server = SetupServer(session, clock, host, port, own_network())
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(
            server.serve(lambda address: _say(address, begins, host)), name="set-up"
        )
        alive = group.create_task(_alive(clock), name="alive")
        waiting = group.create_task(ended.wait(), name="signal")
        coming = group.create_task(_come(clock, came), name="another way")
        await asyncio.wait((serving, waiting, coming), return_when=asyncio.FIRST_COMPLETED)
        written = not ended.is_set()
        for task in (serving, alive, waiting, coming):
            task.cancel()
    return written


def _say(address: str, begins: str, host: str) -> None:
    port = urlsplit(address).port
    way = "the same with this machine's address in the place of 127.0.0.1"
    if host in ("127.0.0.1", "::1", "localhost"):
        way = f"ssh -L {port}:127.0.0.1:{port} USER@THIS-MACHINE, then the same address there"
    lines = (
        f"{begins}. Set the home up in a browser on this machine:",
        f"  {address}",
        f"From another machine: {way}.",
    )
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
    notify("READY=1")


async def _alive(clock: WallClock) -> None:
    while True:
        notify("WATCHDOG=1")
        await clock.sleep(_ALIVE_S)


async def _come(clock: WallClock, came: Callable[[], bool] | None) -> None:
    while came is None or not came():
        await clock.sleep(_LOOK_S)


def own_network() -> str:
    """The home network as this machine sees it: a /24 around its own address; empty without one.

    Nothing is sent: a datagram socket only chooses its way.
    """
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect(("192.0.2.1", 9))
        own = str(way.getsockname()[0])
        if not own.startswith("127."):
            return f"{own.rsplit('.', 1)[0]}.0/24"
    return ""
