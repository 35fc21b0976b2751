"""A broker for demos and tests: mosquitto where it is installed, else amqtt inside this process."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import WallClock
from gateway.errors import BrokerError

_START_S = 10.0
_POLL_S = 0.02
# MQTT 3.1.1, sections 3.1 and 3.2: a clean session without a name that ends after 10 s; the answer's kind and length.
_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"
_CONNACK = b"\x20\x02"


@dataclass(frozen=True)
class BrokerHandle:
    """A broker that listens. ``kind``: mosquitto, amqtt, or existing (then `close` leaves it). ``pid``: of a process of its own."""

    host: str
    port: int
    kind: str
    _stop: Callable[[], Awaitable[None]]
    pid: int | None = None

    async def close(self) -> None:
        """Stop the broker if we started it."""
        await self._stop()


async def start_broker(
    port: int = 0,
    host: str = "127.0.0.1",
    config: Sequence[str] = (),
    prefer: str = "mosquitto",
) -> BrokerHandle:
    """A broker on ``port`` (0 = any free one); one that listens there already is used.

    ``config`` are further lines of mosquitto's configuration (TLS, passwords); the embedded broker
    has none of that. ``prefer`` = "amqtt" takes the embedded one even where mosquitto is.
    """
    if port and await _answers(host, port):
        if not await _speaks_mqtt(host, port):
            raise BrokerError(
                f"{host}:{port} is taken by a program that is no MQTT broker; choose another port"
            )
        return BrokerHandle(host, port, "existing", _nothing)
    port = port or free_port(host)
    program = find_mosquitto()
    if program and prefer == "mosquitto":
        return await _start_mosquitto(program, host, port, config)
    if config:
        raise BrokerError("mosquitto is not installed; the embedded broker takes no configuration")
    return await _start_amqtt(host, port)


def find_mosquitto() -> str | None:
    """Debian puts it into /usr/sbin, which is not on the PATH of everyone."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


async def _start_mosquitto(
    program: str, host: str, port: int, config: Sequence[str]
) -> BrokerHandle:
    folder = Path(tempfile.mkdtemp(prefix="energy-broker-"))
    lines = [f"listener {port} {host}", "persistence false", "set_tcp_nodelay true"]
    lines += [f"user {getpass.getuser()}", *config]  # started by root it would become another
    if not any(line.startswith("allow_anonymous") for line in config):
        lines.append("allow_anonymous true")
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, "-c", str(folder / "mosquitto.conf"), stdout=log, stderr=log
        )

    async def stop() -> None:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    try:
        await _wait_for(host, port, process)
    except BaseException as error:
        said = (folder / "log").read_text(encoding="utf-8", errors="replace").strip()
        await stop()
        if isinstance(error, BrokerError):
            raise BrokerError(
                f"{error}: {said.splitlines()[-1] if said else 'it said nothing'}"
            ) from error
        raise
    return BrokerHandle(host, port, "mosquitto", stop, process.pid)


async def _wait_for(host: str, port: int, process: asyncio.subprocess.Process) -> None:
    clock = WallClock()
    while not await _answers(host, port):
        if process.returncode is not None:
            raise BrokerError(f"mosquitto on port {port} ended with code {process.returncode}")
        if clock.monotonic() > _START_S:
            raise BrokerError(f"mosquitto on port {port} did not start within {_START_S:.0f} s")
        await clock.sleep(_POLL_S)


async def _start_amqtt(host: str, port: int) -> BrokerHandle:
    # Imported here: only who has no mosquitto needs it, and it costs a third of a second.
    from amqtt.broker import Broker  # noqa: PLC0415 - see above

    for chatty in (
        "amqtt",
        "transitions",
    ):  # a client that hangs up and its own end are errors to it
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    await broker.start()
    return BrokerHandle(host, port, "amqtt", broker.shutdown)


async def _answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def _speaks_mqtt(host: str, port: int) -> bool:
    """Whether what listens there answers a CONNECT of MQTT 3.1.1 by a CONNACK, whatever it says in it."""
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_START_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_CONNECT)
                return (await reader.readexactly(4))[:2] == _CONNACK
            finally:
                writer.close()
    return False


async def _nothing() -> None:
    """The broker is not ours to stop."""
