"""Who may do what: credentials, bearer tokens, and the signatures under business documents.

A party proves itself with its client secret (OAuth2 client credentials) and signs what it tenders,
cancels and delivers with its Ed25519 key. `make_credentials` is the registration office of the
simulation: it writes one file per party, readable by its owner only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.registry import HeaderParameter

from simulators.exchange import problems
from simulators.exchange.market import Market
from simulators.exchange.parties import Party
from simulators.exchange.terms import epoch_ms

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ALGORITHM = "Ed25519"  # the name of RFC 9864 for EdDSA on that curve
JOSE_TYPE = "cts+jose"
TOKEN_LIFE = timedelta(hours=1)
_REGISTRY = jws.JWSRegistry({"iat": HeaderParameter("Issued at", "int", True)}, [ALGORITHM])


def make_credentials(market: Market, folder: Path, parties: Sequence[Party]) -> None:
    """Give each of the parties that has none a secret and a key pair: ``<folder>/<partyId>.json``."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    rows = market.store.all("SELECT party_id FROM party WHERE secret_hash IS NULL")
    without = {row["party_id"] for row in rows}
    for party_id in (party.party_id for party in parties if party.party_id in without):
        secret = secrets.token_urlsafe(24)
        key = OKPKey.generate_key("Ed25519", {"kid": f"{party_id}-1"}, private=True)
        document = {
            "client_id": party_id,
            "client_secret": secret,
            "jwk": key.as_dict(private=True),
        }
        path = folder / f"{party_id}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(document, indent=2) + "\n")
        market.store.run(
            "UPDATE party SET secret_hash = ?, public_key = ? WHERE party_id = ?",
            _digest(secret),
            json.dumps(key.as_dict(private=False)),
            party_id,
        )


class Access:
    """Signs parties in and checks their documents. ``insecure`` also believes a bare party name."""

    def __init__(self, market: Market, *, insecure: bool) -> None:
        self._market = market
        self._insecure = insecure
        self._keys: dict[str, OKPKey] = {}

    def sign_in(self, request: web.Request) -> str:
        """The party of the bearer token, or a Problem 401."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise problems.unauthorized("send Authorization: Bearer <token>")
        if self._insecure and token.startswith("insecure:"):
            return self._believed(token.removeprefix("insecure:"))
        row = self._market.store.one("SELECT * FROM token WHERE hash = ?", _digest(token))
        if row is None or row["expires_ms"] <= epoch_ms(self._market.now()):
            raise problems.unauthorized("the token is unknown or has expired")
        return str(row["party_id"])

    def issue_token(self, request: web.Request, grant_type: str) -> dict[str, object]:
        """OAuth2 client credentials (RFC 6749 section 4.4) by HTTP Basic."""
        if grant_type != "client_credentials":
            raise problems.Problem("unsupported-grant-type", 400, "use client_credentials")
        client_id, secret = _basic(request.headers.get("Authorization", ""))
        row = self._market.store.one("SELECT * FROM party WHERE party_id = ?", client_id)
        known = "" if row is None else row["secret_hash"] or ""
        if not hmac.compare_digest(_digest(secret), known):
            raise problems.unauthorized("client_id or client_secret is wrong")
        token, now = secrets.token_urlsafe(32), self._market.now()
        with self._market.store.transaction():
            self._market.store.run("DELETE FROM token WHERE expires_ms <= ?", epoch_ms(now))
            self._market.store.insert(
                "token",
                {
                    "hash": _digest(token),
                    "party_id": client_id,
                    "expires_ms": epoch_ms(now + TOKEN_LIFE),
                },
            )
        life_s = int(TOKEN_LIFE.total_seconds())
        return {"access_token": token, "token_type": "Bearer", "expires_in": life_s}

    def open_document(
        self, party_id: str, content_type: str, body: bytes
    ) -> tuple[bytes, str | None]:
        """The document inside a signed body, and the signed text as evidence of it."""
        if content_type != "application/jose":
            if self._insecure:
                return body, None
            raise problems.bad_signature("send the document as JWS, Content-Type application/jose")
        try:
            found = jws.deserialize_compact(
                body, self._key(party_id), algorithms=[ALGORITHM], registry=_REGISTRY
            )
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            raise problems.bad_signature("the JWS does not verify with the party's key") from None
        if found.headers().get("typ") != JOSE_TYPE:
            raise problems.bad_signature(f"the JWS has typ {JOSE_TYPE!r}")
        return found.payload or b"", body.decode("ascii")

    def _key(self, party_id: str) -> OKPKey:
        if party_id not in self._keys:
            row = self._market.store.one("SELECT * FROM party WHERE party_id = ?", party_id)
            if row is None or row["public_key"] is None:
                raise problems.bad_signature("no key of this party is registered")
            self._keys[party_id] = OKPKey.import_key(json.loads(row["public_key"]))
        return self._keys[party_id]

    def _believed(self, party_id: str) -> str:
        """Loopback only: a new name registers itself as a home."""
        if _NAME.fullmatch(party_id) is None:
            raise problems.unauthorized("a partyId has letters, digits, '-', '_', '.', at most 64")
        if self._market.parties.get(party_id) is None:
            capacity_w = self._market.terms.default_capacity_w
            self._market.parties.register(Party(party_id, "home", capacity_w))
        return party_id


def _basic(header: str) -> tuple[str, str]:
    scheme, _, coded = header.partition(" ")
    try:
        name, colon, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        name, colon, secret = "", "", ""
    if scheme.lower() != "basic" or not colon:
        raise problems.unauthorized("send client_id and client_secret by HTTP Basic")
    return name, secret


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
