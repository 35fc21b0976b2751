"""How much one may ask: requests of a party, and wrong secrets from one address. Pure but for time.

Retry-After is spread by the asker's own name, so that those who were refused together do not come
back together.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from simulators.exchange import problems

_MOST_NAMES = 100_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests a second that a party may send for long, and at once; wrong secrets likewise."""

    requests_per_s: float = 10.0
    requests_burst: int = 2_000
    wrong_secrets_per_s: float = 1 / 30
    wrong_secrets_burst: int = 5


class _Bucket(msgspec.Struct, gc=False):
    left: float
    at_s: float


class TokenBuckets:
    """One bucket a name, full at first; time in seconds from ``monotonic``."""

    def __init__(self, per_s: float, burst: int, monotonic: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._monotonic = monotonic
        self._buckets: dict[str, _Bucket] = {}

    def take(self, name: str) -> None:
        """Take one, or a Problem 429 that says when to come back."""
        bucket = self._filled(name)
        if bucket.left < 1:
            wait_s = (1 - bucket.left) / self._per_s
            raise problems.too_many(
                f"at most {self._burst} at once and {self._per_s:g} a second", spread(wait_s, name)
            )
        bucket.left -= 1

    def check(self, name: str) -> None:
        """Problem 429 where the bucket is empty; takes nothing."""
        bucket = self._filled(name)
        if bucket.left < 1:
            wait_s = (1 - bucket.left) / self._per_s
            raise problems.too_many("too many wrong secrets", spread(wait_s, name))

    def _filled(self, name: str) -> _Bucket:
        now = self._monotonic()
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= _MOST_NAMES:
                self._forget(now)
            bucket = self._buckets[name] = _Bucket(self._burst, now)
        bucket.left = min(self._burst, bucket.left + (now - bucket.at_s) * self._per_s)
        bucket.at_s = now
        return bucket

    def _forget(self, now: float) -> None:
        """Buckets that are full again are as good as none; if all are in use, start anew."""
        full_s = self._burst / self._per_s
        self._buckets = {n: b for n, b in self._buckets.items() if now - b.at_s < full_s}
        if len(self._buckets) >= _MOST_NAMES:
            self._buckets.clear()


def spread(wait_s: float, name: str) -> int:
    """Whole seconds, at least ``wait_s`` and up to half more, by the name."""
    share = zlib.crc32(name.encode("utf-8", "surrogateescape")) / 2**32
    return max(1, math.ceil(wait_s * (1 + share / 2)))
