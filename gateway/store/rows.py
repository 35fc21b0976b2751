"""Rows of the account by their key: those that hardly anybody asks for any more are kept packed.

A row as an object takes three to four times the memory of its values side by side, and the account holds forty days of
them. What is packed reads as it was; the order is that in which rows came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

import msgspec

K = TypeVar("K")
V = TypeVar("V")
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode


class Rows(MutableMapping[K, V]):
    """``body`` gives a row as plain values by name, in the same order for all of them; ``row`` is its inverse."""

    __slots__ = ("_body", "_names", "_row", "_rows")

    def __init__(
        self, body: Callable[[V], Mapping[str, Any]], row: Callable[[Mapping[str, Any]], V]
    ) -> None:
        self._body, self._row = body, row
        self._names: dict[tuple[str, ...], int] = {}  # of values -> their number
        self._rows: dict[K, V | _Packed] = {}

    def __getitem__(self, key: K) -> V:
        return self._unpacked(self._rows[key])

    def __setitem__(self, key: K, value: V) -> None:
        self._rows[key] = value

    def __delitem__(self, key: K) -> None:
        del self._rows[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def fresh(self) -> Iterator[V]:
        """Those that are not packed."""
        return (row for row in self._rows.values() if not isinstance(row, _Packed))

    def aged(self, keeps: Callable[[K, V], bool], packs: Callable[[K, V], bool]) -> Rows[K, V]:
        """Another one, with the rows that it ``keeps``, and those that it ``packs`` packed."""
        other: Rows[K, V] = Rows(self._body, self._row)
        other._names = self._names
        for key, held in self._rows.items():
            row = self._unpacked(held)
            if keeps(key, row):
                other._rows[key] = self._packed(row, held) if packs(key, row) else row
        return other

    def _packed(self, row: V, held: V | _Packed) -> V | _Packed:
        if isinstance(held, _Packed):
            return held
        body = self._body(row)
        number = self._names.setdefault(tuple(body), len(self._names))
        try:
            return _Packed(_encode((number, *body.values())))
        except (OverflowError, TypeError, ValueError):  # beyond 64 bits, no text: it stays as it is
            return row

    def _unpacked(self, held: V | _Packed) -> V:
        if not isinstance(held, _Packed):
            return held
        number, *values = _decode(held)
        return self._row(dict(zip(tuple(self._names)[number], values, strict=True)))


class _Packed(bytes):
    """Told from a row that is bytes itself."""

    __slots__ = ()
