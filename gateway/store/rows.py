"""Rows of the account by their key: those that hardly anybody asks for any more are kept packed.

A row as an object takes three to four times the memory of its values side by side, and the account holds forty days of
them. What is packed reads as it was; the order is that in which rows came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

K = TypeVar("K")
V = TypeVar("V")
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_STAMP = 8  # bytes before the values: when the row ended, so that it ages without being unpacked
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode


class Rows(MutableMapping[K, V]):
    """``body`` gives a row as plain values by name, in the same order for all of them; ``row`` is its inverse.

    ``ended`` tells of a row when the time that it is about had ended.
    """

    __slots__ = ("_body", "_ended", "_names", "_row", "_rows")

    def __init__(
        self,
        body: Callable[[V], Mapping[str, Any]],
        row: Callable[[Mapping[str, Any]], V],
        ended: Callable[[K, V], datetime],
    ) -> None:
        self._body, self._row, self._ended = body, row, ended
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

    def body(self, key: K) -> Mapping[str, Any]:
        """The row's plain values by name; of a packed one without making the row."""
        held = self._rows[key]
        return self._values(held) if isinstance(held, _Packed) else self._body(held)

    def aged(self, old: datetime, settled: datetime) -> Rows[K, V]:
        """Another one, without the rows that had ended by ``old``, and with those packed that had by ``settled``."""
        other: Rows[K, V] = Rows(self._body, self._row, self._ended)
        other._names = self._names
        dropped, packed = _stamp(old), _stamp(settled)
        for key, held in self._rows.items():
            if isinstance(held, _Packed):
                ended = int.from_bytes(held[:_STAMP], "big", signed=True)
                if ended > dropped:
                    other._rows[key] = held if ended <= packed else self._unpacked(held)
                continue
            ended = _stamp(self._ended(key, held))
            if ended > dropped:
                other._rows[key] = self._packed(held, ended) if ended <= packed else held
        return other

    def _packed(self, row: V, ended: int) -> V | _Packed:
        body = self._body(row)
        number = self._names.setdefault(tuple(body), len(self._names))
        try:
            values = _encode((number, *body.values()))
            return _Packed(ended.to_bytes(_STAMP, "big", signed=True) + values)
        except (OverflowError, TypeError, ValueError):  # beyond 64 bits, no text: it stays as it is
            return row

    def _unpacked(self, held: V | _Packed) -> V:
        return self._row(self._values(held)) if isinstance(held, _Packed) else held

    def _values(self, held: _Packed) -> Mapping[str, Any]:
        number, *values = _decode(memoryview(held)[_STAMP:])
        return dict(zip(tuple(self._names)[number], values, strict=True))


def _stamp(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


class _Packed(bytes):
    """Told from a row that is bytes itself."""

    __slots__ = ()
