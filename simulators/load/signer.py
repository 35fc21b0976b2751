"""A home's credential, read and signed with at the least cost: a load signs a million documents.

The bytes are those of `simulators.participants.credential`, which asks joserfc and takes twice as long.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """Client secret and signing key of one party; neither is printed."""

    client_id: str
    _secret: str
    _kid: str
    _key: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"Signer({self.client_id!r})"

    @classmethod
    def read(cls, path: Path) -> Signer:
        """Raises OSError, ValueError or KeyError where the file is no credential."""
        found = json.loads(path.read_text(encoding="utf-8"))
        jwk = found["jwk"]
        private = base64.urlsafe_b64decode(jwk["d"] + "=" * (-len(jwk["d"]) % 4))
        key = Ed25519PrivateKey.from_private_bytes(private)
        return cls(found["client_id"], found["client_secret"], jwk["kid"], key)

    def basic(self) -> str:
        """The Authorization header with which a token is asked for."""
        pair = f"{self.client_id}:{self._secret}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    def sign(self, document: bytes, now: datetime) -> bytes:
        """The document as compact JWS."""
        header = {"alg": "Ed25519", "typ": "cts+jose", "iat": int(now.timestamp())}
        text = json.dumps(header | {"kid": self._kid}, separators=(",", ":")).encode()
        said = _b64(text) + b"." + _b64(document)
        return said + b"." + _b64(self._key.sign(said))


def _b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
