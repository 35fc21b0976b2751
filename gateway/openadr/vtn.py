"""HTTP to one VTN: a token for the client's credentials, pages of objects, and one kind of error for all that goes wrong."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gateway.bounded_http import BoundedHttp
from gateway.bounded_json import mapping, parsed, rows, said, understood
from gateway.errors import MarketError

MOST_BYTES = 2 * 1024 * 1024  # of one page
PAGE = 50  # the standard's own most
MOST_PAGES = 10
_LONGEST_TOKEN = 8192
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach a VTN. ``token_url`` None: the VTN gives tokens itself."""

    url: str
    client_id: str = ""
    secret: str = ""
    token_url: str | None = None
    scope: str = ""

    @property
    def tokens(self) -> str:
        return self.token_url or f"{self.url.rstrip('/')}/auth/token"

    def form(self) -> bytes:
        """The request for a token (RFC 6749, 4.4)."""
        asked = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.secret,
        }
        return urlencode(asked | ({"scope": self.scope} if self.scope else {})).encode()


class VtnAway(MarketError):
    """It gave no answer, or said that it cannot just now: the same may be asked again later."""


class Vtn:
    """Nothing is sent before the first question. Every method raises MarketError, with no secret in its text."""

    def __init__(self, login: Login, tls: ssl.SSLContext) -> None:
        self._login, self._http = login, BoundedHttp(tls, VtnAway, MOST_BYTES)
        self._url = login.url.rstrip("/")
        self._token = ""

    async def everything(self, path: str) -> list[Any]:
        """All objects that we may see, page by page; each once.

        A server may give fewer than were asked for: there are no more where a page brings nothing new.
        """
        found: dict[str, Any] = {}
        while len(found) <= MOST_PAGES * PAGE:
            query = {"skip": str(len(found)), "limit": str(PAGE)}
            status, answer = await self._ask("GET", path, query)
            if status != 200:
                raise MarketError(f"{self._url}/{path}: {status} {_why(answer)}")
            with understood(path, MarketError, self._url):
                objects = rows(answer, PAGE)
                new = {str(mapping(each)["id"]): each for each in objects}
            if new.keys() <= found.keys():
                return list(found.values())
            found |= new
        raise MarketError(f"{self._url}/{path}: more than {MOST_PAGES * PAGE} of them")

    async def send(self, path: str, document: Mapping[str, Any]) -> None:
        """Create an object. Raises VtnAway where sending it again may help, MarketError where it is refused."""
        body = json.dumps(document).encode()
        status, answer = await self._ask("POST", path, {}, body)
        if status not in (200, 201, 409):  # it is there already
            raise MarketError(f"{self._url}/{path} is refused: {status} {_why(answer)}")

    async def close(self) -> None:
        await self._http.close()

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, Any]:
        """A token that has run out is replaced once."""
        for fresh in (False, True):
            headers = {"Authorization": f"Bearer {await self._bearer(fresh=fresh)}"}
            if body is not None:
                headers["Content-Type"] = "application/json"
            status, raw = await self._http.ask(
                method, f"{self._url}/{path}", query=query, body=body, headers=headers
            )
            if status != 401:
                break
        if _passing(status) or status in (401, 403):
            raise _error(status, f"{self._url}/{path}: {status} {_why(_read(raw))}")
        with understood(f"{path} ({status})", MarketError, self._url):
            return status, parsed(raw) if raw else None

    async def _bearer(self, *, fresh: bool) -> str:
        if not self._token or fresh:
            login = self._login
            status, raw = await self._http.ask(
                "POST", login.tokens, query={}, body=login.form(), headers=_FORM
            )
            if status != 200:
                raise _error(status, f"{login.tokens}: no token: {status} {_why(_read(raw))}")
            with understood("a token", MarketError, login.tokens):
                self._token = token_of(parsed(raw))
        return self._token


def _passing(status: int) -> bool:
    """A status that says 'not now' (RFC 9110, 8470, 6585)."""
    return status >= 500 or status in (408, 425, 429)


def _error(status: int, text: str) -> MarketError:
    return (VtnAway if _passing(status) else MarketError)(text)


def token_of(answer: Any) -> str:
    """Opaque, but it must fit into a header."""
    value = mapping(answer)["access_token"]
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TOKEN:
        raise TypeError("a token is missing or too long")
    if not all("!" <= letter <= "~" for letter in value):
        raise ValueError("a token with letters that no header takes")
    return value


def _read(raw: bytes) -> Any:
    """The document of an error, None where it is none."""
    try:
        return parsed(raw)
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        return None


def _why(answer: Any) -> str:
    """What a problem document (or an OAuth error) says, made safe."""
    if not isinstance(answer, dict):
        return "no reason given"
    named: Sequence[str] = ("detail", "title", "error_description", "error")
    return said(next((answer[n] for n in named if answer.get(n)), None))
