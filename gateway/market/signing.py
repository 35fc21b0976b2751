"""The home's credential at an exchange: its client secret and the key that signs its documents.

Only this file speaks joserfc. The file is JSON: ``{"client_id", "client_secret", "jwk"}``, the JWK
an Ed25519 private key with a ``kid``; and where the key was changed, ``former``: the public JWKs that
signed before. Nothing is signed with those; what they have signed is still known as ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.registry import HeaderParameter

from gateway.errors import ConfigError

_ALGORITHM = "Ed25519"  # RFC 9864: EdDSA on that curve; the plain name EdDSA is deprecated
_PUBLIC = ("kty", "crv", "x", "kid")
_REGISTRY = jws.JWSRegistry({"iat": HeaderParameter("Issued at", "int", True)}, [_ALGORITHM])


@dataclass(frozen=True)
class Credential:
    """Never printed: the secret and the key have no repr."""

    client_id: str
    client_secret: str
    _key: OKPKey
    _key_id: str
    former: tuple[Mapping[str, Any], ...] = ()  # public JWKs

    def __repr__(self) -> str:
        return f"Credential({self.client_id!r})"

    def sign(self, document: bytes, now: datetime) -> bytes:
        """The document as compact JWS; the same document at the same second gives the same bytes."""
        header = {
            "alg": _ALGORITHM,
            "kid": self._key_id,
            "typ": "cts+jose",
            "iat": int(now.timestamp()),
        }
        signed = jws.serialize_compact(
            header, document, self._key, algorithms=[_ALGORITHM], registry=_REGISTRY
        )
        return signed.encode("ascii")

    def signed_by_us(self, signed: bytes) -> bytes | None:
        """The document in a compact JWS that our key, or a former one, has signed; None if none has."""
        keys = (self._key, *(public_key(jwk) for jwk in self.former))
        return next((said for key in keys if (said := _payload(signed, key)) is not None), None)

    def public_jwk(self) -> dict[str, Any]:
        """The key that others check our signatures with."""
        return dict(self._key.as_dict(private=False))

    def public_jwks(self) -> list[dict[str, Any]]:
        """All keys that have signed for us, the present one first."""
        return [self.public_jwk(), *(dict(jwk) for jwk in self.former)]


def read_credential(path: Path) -> Credential:
    """Raises ConfigError that names the file and what is wrong, never what is in it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        client_id, secret, jwk = found["client_id"], found["client_secret"], found["jwk"]
        key = OKPKey.import_key(jwk)
        if jwk["crv"] != "Ed25519" or not key.is_private:
            raise ValueError("no private Ed25519 key")
        if not all(isinstance(text, str) and text for text in (client_id, secret, jwk["kid"])):
            raise ValueError("empty")
        former = tuple({name: k[name] for name in _PUBLIC} for k in found.get("former", []))
        for jwk_before in former:
            public_key(jwk_before)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, JoseError):
        raise ConfigError(
            f"{path}: is no exchange credential; it is JSON with client_id, client_secret and jwk"
            " (a private Ed25519 JWK with kid), and former (public JWKs) where the key was changed"
        ) from None
    return Credential(client_id, secret, key, jwk["kid"], former)


def public_key(jwk: Mapping[str, Any]) -> OKPKey:
    """Raises ValueError where it is no public Ed25519 key; a private one is refused."""
    try:
        key = OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x")})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ValueError("no public Ed25519 key (a JWK with kty, crv and x)") from error
    if jwk["crv"] != "Ed25519":
        raise ValueError("no Ed25519 key")
    return key


def signed_payload(signed: str, *jwks: Mapping[str, Any]) -> bytes | None:
    """What a compact JWS says, if one of the keys has signed it; else None."""
    data = signed.encode("ascii", "replace")
    said = (_payload(data, public_key(jwk)) for jwk in jwks)
    return next((payload for payload in said if payload is not None), None)


def _payload(signed: bytes, key: OKPKey) -> bytes | None:
    try:
        found = jws.deserialize_compact(signed, key, algorithms=[_ALGORITHM], registry=_REGISTRY)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return found.payload
