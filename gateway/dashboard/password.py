"""The page's password: only its scrypt hash is stored, and guessing is slow."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

# RFC 7914 scrypt at about 0.1 s and 32 MB on a small computer.
_COST, _BLOCK, _LANES = 2**15, 8, 1
_MEMORY = 64 * 1024 * 1024
SHORTEST = 8


def hashed(password: str, cost: int = _COST) -> str:
    """A line for the password file; raises ValueError for one that is too short."""
    if len(password) < SHORTEST:
        raise ValueError(f"the password needs at least {SHORTEST} characters")
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, (cost, _BLOCK, _LANES))
    numbers = f"{cost}${_BLOCK}${_LANES}"
    return f"scrypt${numbers}${_text(salt)}${_text(digest)}"


def matches(password: str, line: str) -> bool:
    """Whether ``line`` was made of ``password``; raises ValueError for a line that is no hash."""
    kind, *parts = line.strip().split("$")
    if kind != "scrypt" or len(parts) != 5:
        raise ValueError("is no scrypt hash; make one with: energy-gateway password")
    numbers = (int(parts[0]), int(parts[1]), int(parts[2]))
    salt, digest = (base64.b64decode(part, validate=True) for part in parts[3:])
    return hmac.compare_digest(_scrypt(password, salt, numbers), digest)


def _scrypt(password: str, salt: bytes, numbers: tuple[int, int, int]) -> bytes:
    cost, block, lanes = numbers
    return hashlib.scrypt(
        password.encode(), salt=salt, n=cost, r=block, p=lanes, maxmem=_MEMORY, dklen=32
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
