"""What `energy-gateway verify` has proved: signed logs in the state folder, and which controls follow from them.

A log is signed (HMAC-SHA256) with a key of this state folder, so that one that was copied from another home, edited or
damaged does not count. Who can read the key, as the user whom the gateway runs as can, may sign anything: the signature is no wall
against him. The newest log of a device's control decides.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from gateway.devices.proof import Fingerprint, Gap
from gateway.domain.control import Control
from gateway.domain.sentences import sentence
from gateway.durable import replace_file
from gateway.errors import StorageError

log = logging.getLogger(__name__)

FOLDER, KEY = "verified", "guard.key"
VERSION = 1
MOST_BYTES, MOST_LOGS = 200_000, 500
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Proof:
    """One run of `verify`: which device, which control, how it went. ``problem`` empty: it obeys.

    ``own_word``: no meter saw it, and its owner let the device's own word be enough.
    """

    version: int
    device: str
    who: Fingerprint
    control: Control
    time: datetime
    program: str
    problem: str
    steps: tuple[dict[str, Any], ...] = ()
    own_word: bool = False


@dataclass(frozen=True, slots=True)
class _Signed:
    log: dict[str, Any]
    signature: str


class ProofFolder:
    """The logs below a state folder, read once. It implements `gateway.devices.proof.Proofs`."""

    def __init__(self, state_dir: Path) -> None:
        self._folder, self._key = state_dir / FOLDER, state_dir / KEY
        self._proofs = list(self._read())

    def missing(self, who: Fingerprint, control: Control) -> Gap | None:
        """See `gateway.devices.proof.Proofs`."""
        of_it = [p for p in self._proofs if p.control is control and p.who.same_device(who)]
        exact = max((p for p in of_it if p.who == who), key=lambda p: p.time, default=None)
        if exact is not None:
            if not exact.problem:
                return None
            when = f"{exact.time:%Y-%m-%d %H:%M} UTC"
            return Gap(sentence("not_proved.failed", time=when, why=exact.problem), True)
        last = max((p for p in of_it if not p.problem), key=lambda p: p.time, default=None)
        if last is not None:
            was, now = last.who.firmware or "unknown", who.firmware or "unknown"
            return Gap(sentence("not_proved.firmware", now=now, was=was), True)
        return Gap("not verified")

    def store(self, proof: Proof) -> Path:
        """Write a log and its signature; raises StorageError."""
        plain = msgspec.to_builtins(proof)
        signed = _Signed(plain, self._signature(plain, self._own_key()))
        path = self._folder / _file_name(proof)
        try:
            replace_file(path, json.dumps(msgspec.to_builtins(signed), indent=1).encode())
        except OSError as error:
            raise StorageError(f"{path}: cannot be written: {error.strerror}") from error
        self._proofs.append(proof)
        return path

    def _read(self) -> Sequence[Proof]:
        key = self._known_key()
        found = []
        for path in sorted(self._folder.glob("*.json"))[-MOST_LOGS:]:
            try:
                with path.open("rb") as file:
                    signed = msgspec.json.decode(file.read(MOST_BYTES), type=_Signed)
                if key is None or not hmac.compare_digest(
                    self._signature(signed.log, key), signed.signature
                ):
                    raise ValueError("it is not signed with this home's key")
                proof = msgspec.convert(signed.log, Proof)
                if proof.version != VERSION:
                    raise ValueError(f"it is of version {proof.version}")
                found.append(proof)
            except (OSError, ValueError, TypeError, RecursionError) as error:
                log.error("%s proves nothing: %s", path, error)
        return found

    def _signature(self, plain: dict[str, Any], key: bytes) -> str:
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def _known_key(self) -> bytes | None:
        with suppress(OSError):
            key = self._key.read_bytes()
            return key if len(key) == _KEY_BYTES else None
        return None

    def _own_key(self) -> bytes:
        """The folder's key; made at its first use."""
        known = self._known_key()
        if known is not None:
            return known
        fresh = secrets.token_bytes(_KEY_BYTES)
        try:
            replace_file(self._key, fresh)
        except OSError as error:
            raise StorageError(f"{self._key}: cannot be written: {error.strerror}") from error
        return fresh


def _file_name(proof: Proof) -> str:
    name = re.sub(r"[^a-z0-9-]+", "-", proof.device.lower())
    return f"{proof.time:%Y%m%dT%H%M%SZ}-{name}-{proof.control.value}.json"
