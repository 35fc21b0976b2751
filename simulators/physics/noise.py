"""Seeded noise that is a pure function of its keys: the same for a moment, whoever asks and when.

A generator with state would make the weather depend on the order of questions. Here every value
comes from a hash of (seed, keys), so a simulated day is the same in every run and in every process.
"""

from __future__ import annotations

from functools import lru_cache

_MASK = (1 << 64) - 1


def _mix(x: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a good 64-bit mix in three steps."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


@lru_cache(maxsize=16_384)  # most keys are days and hours and come again every 10 s
def uniform(seed: int, *keys: int) -> float:
    """A number in [0, 1) that belongs to ``seed`` and ``keys``."""
    x = _mix(seed & _MASK)
    for key in keys:
        x = _mix(x ^ (key & _MASK))
    return (x >> 11) / (1 << 53)


def between(low: float, high: float, seed: int, *keys: int) -> float:
    """A number in [low, high) that belongs to ``seed`` and ``keys``."""
    return low + (high - low) * uniform(seed, *keys)


def smooth(position: float, seed: int, *keys: int) -> float:
    """Smooth noise in [0, 1) over ``position``: one free value at each whole number between."""
    cell = int(position // 1)
    part = position - cell
    part = part * part * (3 - 2 * part)
    first = uniform(seed, *keys, cell)
    return first + (uniform(seed, *keys, cell + 1) - first) * part
