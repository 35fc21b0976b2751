"""HTTP to one exchange: token, signature, and one kind of error for all that goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp

from gateway.bounded_http import BoundedHttp
from gateway.errors import ConfigError, MarketError
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.bounded import Json, loads, said, understood
from gateway.market.signing import Credential, read_credential

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_LONGEST_TOKEN = 4096


class Line:
    """Nothing is sent before the first question."""

    def __init__(self, access: ExchangeAccess) -> None:
        self._clock = access.clock
        self._url = access.url.rstrip("/")
        self._http = BoundedHttp(access.tls(), MarketError)
        self.credential: Credential | None = None
        self._token = f"insecure:{access.party_id}"  # believed on loopback, when asked for
        if access.credential_file is not None:
            self.credential = read_credential(access.credential_file)
            self._token = ""
        url = urlsplit(self._url)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise ConfigError(
                f"market.url = {access.url!r}: use https://, or http:// on loopback only"
            )

    async def ask(
        self,
        method: str,
        name: str,
        query: Mapping[str, str],
        body: bytes | None = None,
        key: str | None = None,
        signed: bytes | None = None,
    ) -> tuple[int, Json]:
        """Status and JSON of one request; 5xx, 401, 429 and everything lost are MarketErrors.

        A request with a key is signed, if it is not ``signed`` already.
        """
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        if body is not None and key is not None and self.credential is not None:
            headers["Content-Type"] = "application/jose"
            body = signed or self.credential.sign(body, self._clock.now())
        for fresh in (False, True):
            token = await self._bearer(fresh=fresh)
            headers["Authorization"] = f"Bearer {token}"
            status, answer = await self._send(method, f"/cts/{name}", query, body, headers)
            if status != 401 or self.credential is None:
                break
        if status >= 500 or status in (401, 408, 425, 429):
            raise MarketError(f"{self._url} {name}: {status} {said(answer.get('detail'))}")
        return status, answer

    async def close(self) -> None:
        await self._http.close()

    async def _bearer(self, *, fresh: bool) -> str:
        """The token; with a credential asked for at first, and again after the exchange refused it."""
        if self.credential is None or (self._token and not fresh):
            return self._token
        client_id, secret = self.credential.client_id, self.credential.client_secret
        headers = {
            "Authorization": aiohttp.encode_basic_auth(client_id, secret),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = b"grant_type=client_credentials"
        status, answer = await self._send("POST", "/oauth2/token", {}, body, headers)
        if status != 200:
            raise MarketError(f"{self._url}: no token: {status} {said(answer.get('detail'))}")
        with understood("a token"):
            self._token = _token(answer["access_token"])
        return self._token

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> tuple[int, Json]:
        status, raw = await self._http.ask(
            method, self._url + path, query=query, body=body, headers=headers
        )
        with understood(f"the answer of {path} ({status})"):
            return status, loads(raw)


def _token(value: object) -> str:
    """Opaque, but it must fit into a header."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TOKEN:
        raise TypeError("a token is missing or too long")
    if not all("!" <= letter <= "~" for letter in value):
        raise ValueError("a token with letters that no header takes")
    return value
