"""HTTP to somebody whom we do not trust: small answers, soon, from the host that we asked.

The body is read in pieces and refused where it grows beyond what any answer of ours can be. Compressed
answers are not asked for and not taken, so that no small one can grow. No redirects, no cookies.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import aiohttp

from gateway.errors import RetryableError
from gateway.escape import printable

MOST_BYTES = 4 * 1024 * 1024
TIMEOUT_S = 15.0  # real seconds for a whole request, however slowly it drips
_CHUNK = 64 * 1024


class BoundedHttp:
    """One client; `ask` raises ``error`` for everything that goes wrong.

    The address in its text has no query: a key may stand there.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        error: type[RetryableError],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._tls, self._error, self._most = tls, error, most_bytes
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of one request."""
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._open().request(
                    method, url, params=query, data=body, headers=headers, allow_redirects=False
                ) as reply,
            ):
                return reply.status, await self._read(reply, url)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            why = printable(f"{type(error).__name__} {error}".rstrip())
            raise self._error(f"{url}: {why}") from error

    async def close(self) -> None:
        """Let go of the connection; harmless when repeated."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _read(self, reply: aiohttp.ClientResponse, url: str) -> bytes:
        if 300 <= reply.status < 400:
            raise self._error(f"{url}: it sends us elsewhere ({reply.status}); not followed")
        if reply.headers.get("Content-Encoding", "identity") != "identity":
            raise self._error(f"{url}: its answer is compressed, which nobody asked for")
        if (reply.content_length or 0) > self._most:
            raise self._error(f"{url}: its answer is larger than {self._most} bytes")
        body = bytearray()
        async for chunk in reply.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self._most:
                raise self._error(f"{url}: its answer is larger than {self._most} bytes")
        return bytes(body)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls, limit=2),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
            )
        return self._session
