"""How a participant proves itself: the file that the exchange's registration made for it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from joserfc import jws
from joserfc.jwk import OKPKey
from joserfc.registry import HeaderParameter

_REGISTRY = jws.JWSRegistry({"iat": HeaderParameter("Issued at", "int", True)}, ["Ed25519"])


@dataclass(frozen=True)
class Credential:
    """Client secret and signing key of one party."""

    client_id: str
    secret: str
    _key: OKPKey

    def __repr__(self) -> str:
        return f"Credential({self.client_id!r})"

    @classmethod
    def read(cls, path: Path) -> Credential:
        found = json.loads(path.read_text(encoding="utf-8"))
        key = OKPKey.import_key(found["jwk"])
        return cls(found["client_id"], found["client_secret"], key)

    def basic(self) -> str:
        """The Authorization header with which a token is asked for."""
        pair = f"{self.client_id}:{self.secret}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    def sign(self, document: bytes, now: datetime) -> bytes:
        header = {"alg": "Ed25519", "typ": "cts+jose", "iat": int(now.timestamp())}
        header["kid"] = self._key.kid or self.client_id
        signed = jws.serialize_compact(
            header, document, self._key, algorithms=["Ed25519"], registry=_REGISTRY
        )
        return signed.encode("ascii")
