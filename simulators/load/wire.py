"""HTTP/1.1 over a few kept connections, as small as it can be: the load must cost less than the server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gateway.errors import ConfigError, MarketError

_TIMEOUT_S = 120.0
_FAILURES = OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, msgspec.MsgspecError
Answer = tuple[int, dict[str, Any]]
_read = msgspec.json.Decoder(dict[str, Any]).decode


def check_address(url: str) -> None:
    """ConfigError where it is none."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none
        good = False
    if not good:
        raise ConfigError(f"--url {url}: write the address as http://127.0.0.1:8900")


class Wire:
    """Requests of all homes over ``connections`` sockets; raises MarketError where no answer comes."""

    def __init__(self, url: str, connections: int = 32, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._tls = parts.hostname or "127.0.0.1", tls
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._free: asyncio.LifoQueue[_Connection | None] = asyncio.LifoQueue()
        for _ in range(connections):
            self._free.put_nowait(None)

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Status and JSON of one request; a connection that was closed meanwhile is made anew."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        sent = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        connection = await self._free.get()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                for fresh in (connection is None, True):
                    if fresh or connection is None:
                        streams = asyncio.open_connection(self._host, self._port, ssl=self._tls)
                        connection = _Connection(*(await streams))
                    try:
                        return await connection.ask(sent)
                    except (ConnectionError, asyncio.IncompleteReadError):
                        connection.close()
                        if fresh:
                            raise
        except _FAILURES as error:
            connection = None
            raise MarketError(f"{method} {path}: {type(error).__name__} {error}") from error
        finally:
            self._free.put_nowait(connection)
        raise AssertionError("a fresh connection answers or raises")

    def close(self) -> None:
        while not self._free.empty():
            connection = self._free.get_nowait()
            if connection is not None:
                connection.close()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, sent: bytes) -> Answer:
        self._writer.write(sent)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        return int(head.split(b" ", 2)[1]), _read(body)

    def close(self) -> None:
        self._writer.close()
