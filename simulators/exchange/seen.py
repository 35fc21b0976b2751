"""A filter of what may have been seen: 'no' is certain, 'perhaps' is looked up in the ledger.

Almost every idempotency key and every tenderId is new, and asking the ledger for each of them costs
more than everything else about a tender. Two bits of a hash are set for each name; at sixteen bits
a name one new name in seventy is looked up in vain.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_BITS_PER_NAME = 16
_LEAST_BITS = 1 << 20


class SeenFilter:
    """Numbers of 63 bits that were added, and some others. ``count`` are awaited at first; there is room
    for as many again before it answers 'perhaps' often."""

    def __init__(self, count: int) -> None:
        bits = max(_LEAST_BITS, 1 << (2 * count * _BITS_PER_NAME).bit_length())
        self._mask = bits - 1
        self._bits = bytearray(bits // 8)

    def add_all(self, numbers: Iterable[int]) -> None:
        """Many at once, as at a start: some ten times faster than one by one."""
        added = np.fromiter(numbers, dtype=np.int64)
        bits = np.frombuffer(self._bits, dtype=np.uint8)  # a view
        for at in (added & self._mask, (added >> 31) & self._mask):
            np.bitwise_or.at(bits, at >> 3, np.left_shift(1, at & 7).astype(np.uint8))

    def add(self, number: int) -> None:
        first, second = number & self._mask, (number >> 31) & self._mask
        self._bits[first >> 3] |= 1 << (first & 7)
        self._bits[second >> 3] |= 1 << (second & 7)

    def __contains__(self, number: int) -> bool:
        first, second = number & self._mask, (number >> 31) & self._mask
        bits = self._bits
        return bool(bits[first >> 3] >> (first & 7) & bits[second >> 3] >> (second & 7) & 1)
