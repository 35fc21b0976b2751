"""Compact JWS (RFC 7515) as the exchange reads it: three parts in base64url, and nothing else."""

from __future__ import annotations

import binascii
from typing import Any

import msgspec

ALGORITHM = "Ed25519"  # the name of RFC 9864 for EdDSA on that curve
JOSE_TYPE = "cts+jose"


class Header(msgspec.Struct, frozen=True):
    """What the exchange reads of a protected header; ``crit`` names what must be understood."""

    alg: str
    kid: str
    typ: str
    iat: int
    crit: Any = msgspec.UNSET


_URL_SAFE = bytes.maketrans(b"-_+/", b"+/!!")  # of base64; its own two signs are none of base64url
_read_header = msgspec.json.Decoder(Header).decode


def split(body: bytes) -> tuple[Header, bytes, bytes, bytes]:
    """Header, payload, signature of a compact JWS, and what the signature is of; ValueError."""
    said, _, signature = body.rpartition(b".")
    header, dot, payload = said.partition(b".")
    if not dot or b"." in payload:
        raise ValueError("three parts")
    try:
        found = _read_header(from64(header))
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    return found, from64(payload), from64(signature), said


def from64(text: bytes) -> bytes:
    """Base64url without padding, and nothing else."""
    padded = text.translate(_URL_SAFE) + b"=" * (-len(text) % 4)
    return binascii.a2b_base64(padded, strict_mode=True)
