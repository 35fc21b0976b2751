"""Rows of the account by their key: those that hardly anybody asks for any more are kept packed.

The account holds forty days of rows. As objects they take ten times the memory of a block of them as compressed text. What
is packed reads as it was; the order is that in which rows came.
"""

from __future__ import annotations

import json
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
BLOCK = 96  # rows that are packed together: a day of quarter-hours
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Rows(MutableMapping[K, V]):
    """``body`` gives a row as plain values by name (what JSON can say), ``row`` is its inverse.

    ``ended`` tells of a row when the time that it is about had ended. Who asks for packed rows one after the other
    unpacks each block once.
    """

    __slots__ = ("_blocks", "_body", "_ended", "_open", "_row", "_rows")

    def __init__(
        self,
        body: Callable[[V], Mapping[str, Any]],
        row: Callable[[Mapping[str, Any]], V],
        ended: Callable[[K, V], datetime],
    ) -> None:
        self._body, self._row, self._ended = body, row, ended
        self._blocks: list[_Block[K]] = []  # all of them came before the rows that are not packed
        self._rows: dict[K, V] = {}
        self._open: Mapping[K, Mapping[str, Any]] = {}  # of the block that was asked for last

    def __getitem__(self, key: K) -> V:
        return self._rows[key] if key in self._rows else self._row(self._packed(key))

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self._rows:
            self._unpack_from(key)
        self._rows[key] = value

    def __delitem__(self, key: K) -> None:
        self._unpack_from(key)
        del self._rows[key]

    def __iter__(self) -> Iterator[K]:
        return chain(chain.from_iterable(block.keys for block in self._blocks), self._rows)

    def __len__(self) -> int:
        return sum(block.count for block in self._blocks) + len(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows or key in self._open or self._place(key) is not None

    def fresh(self) -> Iterator[V]:
        """Those that are not packed."""
        return iter(self._rows.values())

    def body(self, key: K) -> Mapping[str, Any]:
        """The row's plain values by name; of a packed one without making the row."""
        return self._body(self._rows[key]) if key in self._rows else self._packed(key)

    def aged(self, old: datetime, settled: datetime) -> Rows[K, V]:
        """Another one, without the rows that had ended by ``old``, and with those packed that had by ``settled``.

        Rows are packed in the order in which they came, in whole blocks: a few of them wait for more.
        """
        other: Rows[K, V] = Rows(self._body, self._row, self._ended)
        dropped, packed = _stamp(old), _stamp(settled)
        for block in self._blocks:
            if block.first_end > dropped:
                other._blocks.append(block)
            elif block.last_end > dropped:
                rows = zip(block.keys, map(self._row, block.bodies()), strict=True)
                other._pack([(k, v) for k, v in rows if self._stamp_of(k, v) > dropped])
        waiting = [(k, v) for k, v in self._rows.items() if self._stamp_of(k, v) > dropped]
        while len(waiting) >= BLOCK and all(self._stamp_of(*r) <= packed for r in waiting[:BLOCK]):
            other._pack(waiting[:BLOCK])
            del waiting[:BLOCK]
        other._rows = dict(waiting)
        return other

    def _pack(self, rows: list[tuple[K, V]]) -> None:
        ends = [self._stamp_of(key, row) for key, row in rows]
        bodies = [self._body(row) for _, row in rows]
        self._blocks.append(_Block([key for key, _ in rows], bodies, min(ends), max(ends)))

    def _packed(self, key: K) -> Mapping[str, Any]:
        if key not in self._open:
            place = self._place(key)
            if place is None:
                raise KeyError(key)
            block = self._blocks[place]
            self._open = dict(zip(block.keys, block.bodies(), strict=True))
        return self._open[key]

    def _place(self, key: object) -> int | None:
        """Which block has it."""
        known = hash(key)
        return next((n for n, block in enumerate(self._blocks) if block.has(key, known)), None)

    def _unpack_from(self, key: K) -> None:
        """What has ``key``, and all that came later: as objects again, for something changes."""
        place = self._place(key)
        if place is None:
            return
        later, self._blocks = self._blocks[place:], self._blocks[:place]
        rows = (
            (k, self._row(b))
            for each in later
            for k, b in zip(each.keys, each.bodies(), strict=True)
        )
        self._rows, self._open = {**dict(rows), **self._rows}, {}

    def _stamp_of(self, key: K, row: V) -> int:
        return _stamp(self._ended(key, row))


class _Block(Generic[K]):
    """Rows that came one after the other. ``first_end`` and ``last_end`` are of the times that they are about, µs."""

    __slots__ = ("_hashes", "_keys", "_packed", "count", "first_end", "last_end")

    def __init__(
        self, keys: list[K], bodies: list[Mapping[str, Any]], first_end: int, last_end: int
    ) -> None:
        self.count, self.first_end, self.last_end = len(keys), first_end, last_end
        # Names are long and seldom asked for; times are looked through again and again.
        names = all(isinstance(key, str) for key in keys)
        self._keys: tuple[K, ...] | bytes = _packed(keys) if names else tuple(keys)
        self._hashes = array("q", sorted(map(hash, keys)))
        self._packed = _packed(bodies)

    @property
    def keys(self) -> Sequence[K]:
        """In the order in which they came."""
        return _opened(self._keys) if isinstance(self._keys, bytes) else self._keys

    def has(self, key: object, known: int) -> bool:
        """Whether a row has this key; ``known`` is its hash."""
        place = bisect_left(self._hashes, known)
        return place < len(self._hashes) and self._hashes[place] == known and key in self.keys

    def bodies(self) -> list[Mapping[str, Any]]:
        """Of each row, in their order."""
        return _opened(self._packed)


def _packed(values: Sequence[Any]) -> bytes:
    return zlib.compress(json.dumps(values, separators=(",", ":")).encode())


def _opened(packed: bytes) -> list[Any]:
    found: list[Any] = json.loads(zlib.decompress(packed))
    return found


def _stamp(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND
