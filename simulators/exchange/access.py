"""Who may do what: credentials, bearer tokens, and the signatures under business documents.

A party proves itself with its client secret (OAuth2 client credentials) and signs what it tenders,
cancels and delivers with one of its Ed25519 keys. Tokens are not stored: they carry party, end and a
code that only this exchange can make. `make_credentials` is the registration office of the
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
from typing import Any

import msgspec
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc.jwk import OKPKey

from simulators.exchange import problems
from simulators.exchange.jose import ALGORITHM, JOSE_TYPE, Header, from64, split
from simulators.exchange.ledger import Registered
from simulators.exchange.limits import Limits, TokenBuckets
from simulators.exchange.market import Market
from simulators.exchange.parties import Party
from simulators.exchange.rows import Batch
from simulators.exchange.terms import epoch_ms

PARTY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TOKEN_LIFE = timedelta(hours=1)
KEY_OVERLAP = timedelta(days=1)  # so long the former key is believed after a rotation
_MOST_TOKENS = 50_000
_TOKEN_KEY = "token_key"  # noqa: S105 - the name of a mark


def make_credentials(market: Market, folder: Path, parties: Sequence[Party]) -> None:
    """Give each of the parties that has none a secret and a key pair: ``<folder>/<partyId>.json``."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made: dict[str, dict[str, str]] = {}
    for party in parties:
        known = market.parties.get(party.party_id)
        if known is not None and known.secret_hash is None:
            secret = secrets.token_urlsafe(24)
            keys = json.dumps([_new_key(known, folder, secret)])
            made[party.party_id] = {"keys": keys, "secret_hash": _digest(secret)}
    if made:
        market.parties.amend(made)


def rotate_key(market: Market, folder: Path, party_id: str) -> str:
    """A new signing key for a party, written into its file; the former ones end after a day.

    Their public parts stay in the file, so that its owner still knows what it has signed.

    Gives the new ``kid``. Raises ValueError where the party or its file is unknown.
    """
    known, path = market.parties.get(party_id), folder / f"{party_id}.json"
    if known is None or not path.exists():
        raise ValueError(f"no credential of a party {party_id!r} in {folder}")
    found = json.loads(path.read_text(encoding="utf-8"))
    secret, former = (
        found["client_secret"],
        [*found.get("former", []), _without_secret(found["jwk"])],
    )
    now_ms, until_ms = epoch_ms(market.now()), epoch_ms(market.now() + KEY_OVERLAP)
    kept = [
        {"jwk": key["jwk"], "until_ms": min(key["until_ms"] or until_ms, until_ms)}
        for key in json.loads(known.keys)
        if key["until_ms"] is None or key["until_ms"] > now_ms
    ]
    key = _new_key(known, folder, secret, former)
    market.parties.amend({party_id: {"keys": json.dumps([*kept, key])}})
    return str(key["jwk"]["kid"])


def _without_secret(jwk: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name != "d"}


def _new_key(
    party: Registered, folder: Path, secret: str, former: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Write a party's file with a new key; the public part, as it is registered."""
    used = [int(key["jwk"]["kid"].rpartition("-")[2]) for key in json.loads(party.keys)]
    kid = f"{party.party_id}-{max(used, default=0) + 1}"
    key = OKPKey.generate_key("Ed25519", {"kid": kid}, private=True)
    document: dict[str, Any] = {
        "client_id": party.party_id,
        "client_secret": secret,
        "jwk": key.as_dict(private=True),
    }
    document |= {"former": list(former)} if former else {}
    path = folder / f"{party.party_id}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=2) + "\n")
    return {"jwk": key.as_dict(private=False), "until_ms": None}


class _Good(msgspec.Struct, gc=False):
    """Whose token it is that was found good, and until when."""

    party: Registered
    until_ms: int


class Access:
    """Signs parties in and checks their documents. ``insecure`` also believes a bare party name."""

    def __init__(self, market: Market, *, insecure: bool, limits: Limits | None = None) -> None:
        limits, monotonic = limits or Limits(), market.monotonic
        self._market = market
        self._insecure = insecure
        self._requests = TokenBuckets(limits.requests_per_s, limits.requests_burst, monotonic)
        self._wrong = TokenBuckets(
            limits.wrong_secrets_per_s, limits.wrong_secrets_burst, monotonic
        )
        self._keys: dict[str, dict[str, tuple[Ed25519PublicKey, int | None]]] = {}
        self._read_from: dict[str, str] = {}
        self._token_key = b""
        self._good: dict[str, _Good] = {}  # by token: a party sends the same one for an hour

    async def open(self) -> None:
        """Have the key that tokens are made with; the first start makes it."""
        if _TOKEN_KEY not in self._market.marks:
            batch = Batch()
            self._market.mark(_TOKEN_KEY, secrets.token_hex(32), batch)
            await self._market.ledger.append(batch)
        self._token_key = bytes.fromhex(self._market.marks[_TOKEN_KEY])

    def sign_in(self, request: web.BaseRequest) -> Registered:
        """The party of the bearer token, or a Problem 401."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise problems.unauthorized("send Authorization: Bearer <token>")
        if self._insecure and token.startswith("insecure:"):
            party = self._believed(token.removeprefix("insecure:"))
        else:
            party = self._of_token(token)
        return party

    def admit(self, party: Registered) -> None:
        """Problem 429 where the party asks too much."""
        self._requests.take(party.party_id)

    def _of_token(self, token: str) -> Registered:
        now_ms = epoch_ms(self._market.now())
        known = self._good.get(token)
        # The very row that it was made for: a new secret makes another.
        if (
            known is not None
            and now_ms < known.until_ms
            and known.party is self._market.parties.get(known.party.party_id)
        ):
            return known.party
        party_id, _, rest = token.rpartition(".")[0].rpartition(".")
        party = self._market.parties.get(party_id)
        if party is not None and rest.isascii() and rest.isdigit() and len(rest) < 16:
            made = self._token(party, int(rest))
            good = hmac.compare_digest(made.encode(), token.encode("utf-8", "surrogateescape"))
            if good and int(rest) > now_ms:
                if len(self._good) >= _MOST_TOKENS:
                    self._good.clear()
                self._good[token] = _Good(party, int(rest))
                return party
        raise problems.unauthorized("the token is unknown or has expired")

    def _token(self, party: Registered, until_ms: int) -> str:
        """A new secret ends the tokens that were given for the former one."""
        said = f"{party.party_id}.{until_ms}"
        text = f"{said}|{party.secret_hash}".encode()
        return f"{said}.{hmac.new(self._token_key, text, hashlib.sha256).hexdigest()}"

    def issue_token(self, request: web.BaseRequest, grant_type: str) -> dict[str, object]:
        """OAuth2 client credentials (RFC 6749 section 4.4) by HTTP Basic."""
        if grant_type != "client_credentials":
            raise problems.Problem("unsupported-grant-type", 400, "use client_credentials")
        client_id, secret = _basic(request.headers.get("Authorization", ""))
        # By address too: who guesses from elsewhere must not shut the party out.
        guesser = f"{client_id[:64]}|{request.remote}"
        self._wrong.check(guesser)
        party = self._market.parties.get(client_id)
        known = "" if party is None else party.secret_hash or ""
        if party is None or not hmac.compare_digest(_digest(secret), known):
            self._wrong.take(guesser)
            raise problems.unauthorized("client_id or client_secret is wrong")
        token = self._token(party, epoch_ms(self._market.now() + TOKEN_LIFE))
        life_s = int(TOKEN_LIFE.total_seconds())
        return {"access_token": token, "token_type": "Bearer", "expires_in": life_s}

    def open_document(
        self, party: Registered, content_type: str, body: bytes
    ) -> tuple[bytes, bytes | None]:
        """The document inside a signed body, and the signed text as evidence of it."""
        if content_type != "application/jose":
            if self._insecure:
                return body, None
            raise problems.bad_signature("send the document as JWS, Content-Type application/jose")
        try:
            header, payload, signature, said = split(body)
        except (ValueError, RecursionError) as error:
            raise problems.bad_signature(
                f"no compact JWS with alg, typ, kid and iat: {error}"
            ) from None
        key = self._key(party, header)
        try:
            key.verify(
                signature, said
            )  # keeps the interpreter to itself: a thread would gain nothing
        except InvalidSignature:
            raise problems.bad_signature("the JWS does not verify with the party's key") from None
        return payload, body

    def _key(self, party: Registered, header: Header) -> Ed25519PublicKey:
        """The key that ``kid`` names among those of the party."""
        known = header.alg == ALGORITHM and header.typ == JOSE_TYPE
        if not known or header.crit is not msgspec.UNSET:
            raise problems.bad_signature(f"the JWS has alg {ALGORITHM!r} and typ {JOSE_TYPE!r}")
        if self._read_from.get(party.party_id) != party.keys:  # new, or rotated
            self._keys[party.party_id] = _public(party.keys)
            self._read_from[party.party_id] = party.keys
        key, until_ms = self._keys[party.party_id].get(header.kid, (None, None))
        if key is None:
            raise problems.bad_signature("kid names no key of this party")
        if until_ms is not None and until_ms <= epoch_ms(self._market.now()):
            raise problems.bad_signature("kid names a key that has been replaced")
        return key

    def _believed(self, party_id: str) -> Registered:
        """Loopback only: a new name registers itself as a home."""
        known = self._market.parties.get(party_id)
        if known is None:
            if PARTY_NAME.fullmatch(party_id) is None:
                raise problems.unauthorized(
                    "a partyId has letters, digits, '-', '_', '.', at most 64"
                )
            capacity_w = self._market.terms.default_capacity_w
            self._market.parties.register(Party(party_id, "home", capacity_w))
            known = self._market.parties.get(party_id)
            assert known is not None  # noqa: S101 - it was just registered
        return known


def _public(keys: str) -> dict[str, tuple[Ed25519PublicKey, int | None]]:
    return {
        key["jwk"]["kid"]: (
            Ed25519PublicKey.from_public_bytes(from64(key["jwk"]["x"].encode())),
            key["until_ms"],
        )
        for key in json.loads(keys)
    }


def client_of(request: web.BaseRequest) -> str:
    """Who says to be asking for a token, or a Problem 401."""
    return _basic(request.headers.get("Authorization", ""))[0]


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
