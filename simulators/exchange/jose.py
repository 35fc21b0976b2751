"""Compact JWS (RFC 7515) as the exchange reads it: three parts in base64url, and nothing else."""

from __future__ import annotations

import base64
import json
from typing import Any

ALGORITHM = "Ed25519"  # the name of RFC 9864 for EdDSA on that curve
JOSE_TYPE = "cts+jose"


def split(body: bytes) -> tuple[dict[str, Any], bytes, bytes, bytes]:
    """Header, payload, signature of a compact JWS, and what the signature is of; ValueError."""
    said, _, signature = body.rpartition(b".")
    header, dot, payload = said.partition(b".")
    if not dot or b"." in payload:
        raise ValueError("three parts")
    found = json.loads(from64(header))
    if not isinstance(found, dict):
        raise TypeError("a header is an object")
    return found, from64(payload), from64(signature), said


def from64(text: bytes) -> bytes:
    """Base64url without padding, and nothing else."""
    padded = text + b"=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)
