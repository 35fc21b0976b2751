"""What the running agent tells to commands on this machine: one JSON document a connection, over a socket file.

It stands in the state folder, which only the gateway's user and root may enter. Nothing is read from who connects.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gateway.errors import StorageError

log = logging.getLogger(__name__)

FILE = "agent.sock"
ANSWER_S = 10.0
_MOST_BYTES = 8 * 1024 * 1024


class LocalSocket:
    """Answers each connection with ``document()`` as JSON, and closes it."""

    def __init__(self, folder: Path, document: Callable[[], dict[str, Any] | None]) -> None:
        self._folder, self._document = folder, document
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a folder that cannot be written is said, and no more."""
        try:
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with _short(self._folder) as place:
                with suppress(FileNotFoundError):
                    os.unlink(place)
                listening.bind(place)
                os.chmod(place, 0o600)
            self._server = await asyncio.start_unix_server(self._tell, sock=listening)
        except OSError as error:
            log.info("`energy-gateway status` cannot ask: %s: %s", self._folder / FILE, error)

    async def stop(self) -> None:
        """Harmless when repeated, or never started."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        with suppress(OSError):
            (self._folder / FILE).unlink()

    async def _tell(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(json.dumps(self._document(), default=str).encode())
            async with asyncio.timeout(ANSWER_S):
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # whoever asked has gone
        finally:
            writer.close()


def ask_agent(folder: Path) -> dict[str, Any] | None:
    """The running agent's document; None before it has seen the home. Raises StorageError where none runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(ANSWER_S)
        try:
            with _short(folder) as place:
                caller.connect(place)
            told = b""
            while (part := caller.recv(65536)) and len(told) < _MOST_BYTES:
                told += part
            answer: dict[str, Any] | None = json.loads(told)
        except PermissionError as error:
            raise StorageError(
                f"{folder}: only root and the gateway's user may look: use sudo"
            ) from error
        except (OSError, ValueError) as error:
            raise StorageError(
                f"no gateway runs with the state folder {folder} ({error})"
            ) from error
    return answer


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """The socket's path, however long the folder's is: a socket's address has 107 bytes."""
    door = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{door}/{FILE}"
    finally:
        os.close(door)
