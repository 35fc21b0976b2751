"""Who may ask the page for what: host, origin, session; and what the browser may do with it.

The page steers a home, so it defends against three things: a web page elsewhere that posts here
(Origin), one that makes its own name point here (Host; DNS rebinding), and guessing (rate).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware
from aiohttp.web_protocol import RequestPayloadError

from gateway.clock import Clock
from gateway.dashboard import security_txt
from gateway.dashboard.attempts import Attempts
from gateway.dashboard.password import matches
from gateway.domain.sentences import filled
from gateway.escape import printable
from gateway.languages import translated, wanted
from gateway.log_budget import LogBudget
from gateway.store.audit import Audit, NoAudit

log = logging.getLogger(__name__)

COOKIE = "energy_gateway_session"
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers send Origin: null with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), usb=(), serial=()",
    "Cache-Control": "no-store",
}
_SESSION_S = 30 * 24 * 3600.0
_MOST_SESSIONS = 50
_BODY_S = 10.0  # for the bytes of a form or a command to come
_OPEN = frozenset({"/login", security_txt.PATH, "/static/style.css", "/static/icon.svg"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Access:
    """Checks every request. Without a ``password_hash`` there is no login (loopback only)."""

    clock: Clock
    password_hash: str | None = None
    names: frozenset[str] = frozenset()  # of this gateway, beside what every home network gives
    audit: Audit = field(default_factory=NoAudit)
    _sessions: dict[str, float] = field(default_factory=dict)
    _attempts: Attempts = field(init=False)
    _budget: LogBudget = field(init=False)
    _logins: LogBudget = field(init=False)  # apart: guesses do not hide who came in
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._attempts = Attempts(self.clock)
        self._budget = LogBudget(log, self.clock)
        self._logins = LogBudget(log, self.clock)

    def middleware(self) -> Middleware:
        """For aiohttp: refuse what is not allowed, add the headers to what is."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                response = await self._answer(request, handler)
            except web.HTTPException as error:
                response = error
            if not response.prepared:
                response.headers.update(HEADERS)
            if isinstance(response, web.HTTPException):
                raise response
            return response

        return check

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A refusal, or what the handler says of a body read in time; a bug is one line and no detail."""
        try:
            refusal = self._refusal(request) or await self._stranger(request)
            if refusal is not None:
                return refusal
            if request.method not in ("GET", "HEAD"):
                async with asyncio.timeout(_BODY_S):
                    await request.read()
            return await handler(request)
        except TimeoutError:
            raise web.HTTPRequestTimeout(text="the rest of the request did not come") from None
        except (web.HTTPException, ConnectionError):
            raise
        except RequestPayloadError as error:
            raise web.HTTPBadRequest(text="the body is broken") from error
        except Exception as error:
            self._budget.say(
                logging.ERROR, "page: %s %s: %r", request.method, printable(request.path), error
            )
            raise web.HTTPInternalServerError(text="something is wrong in the gateway") from error

    def wait_s(self, request: web.Request) -> float:
        """0 and a guess is counted, or the seconds until the next is allowed from this address."""
        return self._attempts.take(request.remote or "")

    async def login(self, request: web.Request, password: str) -> str | None:
        """A new session's token, or None for a wrong password. Ask `wait_s` before."""
        if self.password_hash is None:
            return None
        address = request.remote or ""
        async with self._one_at_a_time:  # scrypt takes memory; one guess at a time is enough
            right = await asyncio.to_thread(matches, password, self.password_hash)
        if not right:
            self._budget.say(logging.WARNING, "page: wrong password from %s", address)
            self.audit.note("page", address, "login", "wrong password", done=False)
            return None
        self._attempts.succeeded(address)
        self._logins.say(logging.INFO, "page: login from %s", address)
        self.audit.note("page", address, "login", "ok", done=True)
        return self._open_session(secrets.token_urlsafe(32))

    def logout(self, request: web.Request) -> None:
        if self._sessions.pop(request.cookies.get(COOKIE, ""), None) is not None:
            self.audit.note("page", request.remote or "", "logout", "ok", done=True)

    def _refusal(self, request: web.Request) -> web.Response | None:
        if not known_host(request.host, self.names):
            name = printable(_name(request.host), 80)
            why = filled(here(request, UNKNOWN_NAME), {"name": repr(name)})
            return web.Response(status=421, text=f'{why}\n\n[dashboard]\nnames = ["{name}"]\n')
        if request.method in ("GET", "HEAD"):
            return None
        if not same_origin(request.headers, request.host, self.names):
            return web.Response(status=403, text=f"{here(request, OTHER_PAGE)}\n")
        return None

    async def _stranger(self, request: web.Request) -> web.Response | None:
        if self.password_hash is None or request.path in _OPEN:
            return None
        if self._valid(request.cookies.get(COOKIE, "")) or await self._basic(request):
            return None
        if request.method == "GET" and request.path == "/":
            return web.Response(status=303, headers={"Location": "/login"})
        return web.Response(
            status=401, text="log in first", headers={"WWW-Authenticate": 'Basic realm="energy"'}
        )

    async def _basic(self, request: web.Request) -> bool:
        """Basic authentication, for Prometheus alone. A header that was right once is not hashed again."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or request.path != "/metrics":
            return False
        key = "basic-" + hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
        if self._valid(key):
            return True
        try:
            password = base64.b64decode(text, validate=True).decode().partition(":")[2]
        except ValueError:  # neither base64 nor text
            return False
        if self.wait_s(request) > 0:
            return False
        token = await self.login(request, password)
        if token is None:
            return False
        self._sessions.pop(token)
        self._open_session(key)
        return True

    def _open_session(self, token: str) -> str:
        while len(self._sessions) >= _MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        self._sessions[token] = self.clock.monotonic() + _SESSION_S
        return token

    def _valid(self, token: str) -> bool:
        return self._sessions.get(token, 0.0) > self.clock.monotonic()


UNKNOWN_NAME = "{name} is not a name of this gateway. If you reach it under that name on purpose (a reverse proxy, your own DNS), write into gateway.toml:"
OTHER_PAGE = "Requests from other pages are refused. Behind a reverse proxy: let it pass the Host header on, or write the name that the browser shows into dashboard.names of gateway.toml."


def here(request: web.Request, text: str) -> str:
    """``text`` in the language that the browser asks for."""
    return translated(wanted(request.headers.get("Accept-Language", "")), text)


def _name(host: str) -> str:
    """The name in a Host header or an origin, without port; empty where it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def known_host(host: str, names: frozenset[str] = frozenset()) -> bool:
    """An address, a name that only this network gives (no web site can make them its own), or ours."""
    name = _name(host)
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        own = socket.gethostname().lower()
        return name in {f"{own}{end}" for end in ("", ".local", ".lan", ".home.arpa")}
    return True


def same_origin(headers: Mapping[str, str], host: str, names: frozenset[str] = frozenset()) -> bool:
    """Whether a request that changes something comes from our own page, or from no page at all.

    A proxy may ask us under another name than the browser shows: ``names`` are ours, too.
    """
    if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("Origin")
    if origin is None:
        return True
    shown = origin.partition("://")[2]
    return bool(shown) and (shown == host or _name(shown) in names)
