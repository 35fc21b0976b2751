"""SunSpec: where a device's models are, and what each point of them is.

The only file that reads pysunspec2's model definitions (the official JSON). Its codec is not used:
it lets raw values through where a scale factor is not implemented, does not check the range of
scale factors and hides decode errors. Rules of the chain: a base of 40000, 0 or 50000; 'SunS'; then
models of id, length, data until id 0xFFFF, whose length word may be missing. Unknown models are
skipped by their length; ids need not rise; addresses shift with the device's settings, so the
chain is walked, never assumed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

from gateway.errors import DeviceError
from gateway.modbus.exceptions import STRANGE
from gateway.modbus.registers import Field, Kind, words_of
from gateway.modbus.unit import Unit

BASES = (40000, 0, 50000)
_SUNS = (0x5375, 0x6E53)
_END = 0xFFFF
_MOST_MODELS = 200

_KINDS: Mapping[str, Kind] = {
    "int16": "i16",
    "uint16": "u16",
    "raw16": "u16",
    "count": "u16",
    "enum16": "u16",
    "bitfield16": "u16",
    "acc16": "u16",
    "sunssf": "i16",
    "int32": "i32",
    "uint32": "u32",
    "enum32": "u32",
    "bitfield32": "u32",
    "acc32": "acc32",
    "int64": "i64",
    "uint64": "u64",
    "acc64": "acc64",
    "float32": "f32",
    "float64": "f64",
    "string": "str",
}
# Not implemented, by type. 0x8000 in an unsigned measurement is also taken for it: real devices
# (Fronius Verto, FIMER) fill unsigned points with the signed marker.
_ABSENT: Mapping[str, frozenset[int]] = {
    "int16": frozenset({-0x8000}),
    "sunssf": frozenset({-0x8000}),
    "uint16": frozenset({0xFFFF, 0x8000}),
    "enum16": frozenset({0xFFFF, 0x8000}),
    "count": frozenset({0xFFFF, 0x8000}),
    "bitfield16": frozenset({0xFFFF}),
    "int32": frozenset({-0x8000_0000}),
    "uint32": frozenset({0xFFFF_FFFF, 0x8000_0000}),
    "enum32": frozenset({0xFFFF_FFFF}),
    "bitfield32": frozenset({0xFFFF_FFFF}),
    "acc32": frozenset({0xFFFF_FFFF, 0x8000_0000}),
    "int64": frozenset({-(2**63)}),
    "uint64": frozenset({2**64 - 1, 2**63}),
    "acc64": frozenset({2**64 - 1, 2**63}),
}


@dataclass(frozen=True, slots=True)
class ModelAt:
    """A model of the chain: its id, the address of its id register and its stated length."""

    model: int
    address: int
    length: int

    @property
    def end(self) -> int:
        return self.address + 2 + self.length


@dataclass(frozen=True, slots=True)
class Chain:
    """All models of a unit."""

    base: int
    models: tuple[ModelAt, ...]

    def first(self, *ids: int) -> ModelAt | None:
        """The first model with the earliest of ``ids`` that the device has."""
        return next((m for i in ids for m in self.models if m.model == i), None)


@dataclass(frozen=True, slots=True)
class _Point:
    offset: int
    size: int
    type: str
    scale: str | int | None


@dataclass(frozen=True, slots=True)
class _Group:
    """The repeating part of a model."""

    offset: int
    size: int
    points: Mapping[str, _Point]


@dataclass(frozen=True, slots=True)
class _Definition:
    points: Mapping[str, _Point]
    group: _Group | None


async def discover(unit: Unit) -> Chain | None:
    """The unit's chain, or None when it answers but has no SunSpec marker at any known base."""
    for base in BASES:
        head = await unit.read_if_there("holding", base, 2, STRANGE)
        if head is not None and words_of(head) == _SUNS:
            return await _walk(unit, base)
    return None


async def _walk(unit: Unit, base: int) -> Chain:
    models: list[ModelAt] = []
    address = base + 2
    while len(models) < _MOST_MODELS and address < 0xFFFE:
        head = await _head(unit, address)
        if not head or len(head) == 1 or head[0] == _END:
            break
        found = ModelAt(head[0], address, head[1])
        if found.end > 0xFFFF:
            break
        models.append(found)
        address = found.end
    return Chain(base, tuple(models))


async def _head(unit: Unit, address: int) -> tuple[int, ...]:
    """Id and length; the id alone where the device ends behind it; nothing where it refuses both."""
    for count in (2, 1):
        head = await unit.read_if_there("holding", address, count)
        if head is not None:
            return words_of(head)
    return ()


def has(model: ModelAt, point: str) -> bool:
    """Whether the model's definition and its stated length reach that point."""
    definition = _definition(model.model)
    found = definition.points.get(point) if definition else None
    return found is not None and found.offset + found.size <= model.length + 2


def field(model: ModelAt, point: str, module: int | None = None) -> Field:
    """Where and how ``point`` is read, with its scale factor; in repetition ``module`` if given.

    Raises DeviceError when the model has no such point or ends before it.
    """
    definition = _definition(model.model)
    group = definition.group if definition else None
    start = 0
    found: _Point | None
    if module is None:
        found = definition.points.get(point) if definition else None
    else:
        found = group.points.get(point) if group else None
        start = group.offset + module * group.size if group else 0
    if found is None or definition is None:
        raise DeviceError(f"SunSpec model {model.model} has no point {point}")
    if start + found.offset + found.size > model.length + 2:
        raise DeviceError(
            f"SunSpec model {model.model} of length {model.length} ends before {point}"
        )
    scale_at = definition.points.get(found.scale) if isinstance(found.scale, str) else None
    return Field(
        address=model.address + start + found.offset,
        kind=_KINDS[found.type],
        absent=_ABSENT.get(found.type, frozenset()),
        scale=10.0**found.scale if isinstance(found.scale, int) else 1,
        scale_at=model.address + scale_at.offset if scale_at else None,
        count=found.size,
    )


def apart(found: Field) -> Field:
    """The raw field without its scale factor: to see whether it is implemented at all."""
    return replace(found, scale_at=None)


def fields(model: ModelAt, points: tuple[str, ...]) -> Iterator[tuple[str, Field]]:
    """The fields of those ``points`` that the model reaches."""
    for point in points:
        if has(model, point):
            yield point, field(model, point)


def modules(model: ModelAt) -> int:
    """How often the repeating part fits into the model's stated length."""
    definition = _definition(model.model)
    group = definition.group if definition else None
    return (model.length + 2 - group.offset) // group.size if group else 0


def at(model: ModelAt, point: str) -> int:
    """The address of a point of the fixed part, for writing."""
    return field(model, point).address


@lru_cache(maxsize=256)
def _definition(model: int) -> _Definition | None:
    path = files("sunspec2") / "models" / "json" / f"model_{model}.json"
    if not path.is_file():
        return None
    group = json.loads(path.read_text(encoding="utf-8"))["group"]
    points, size = _points(group)
    repeating: _Group | None = None
    for sub in group.get("groups", ()):
        sub_points, sub_size = _points(sub)
        if sub.get("count", 1) == 1:  # a fixed group: its points follow the head's
            points |= {f"{sub['name']}.{n}": _moved(p, size) for n, p in sub_points.items()}
            size += sub_size
        elif repeating is None and not sub.get("groups"):
            repeating = _Group(size, sub_size, sub_points)
    return _Definition(points, repeating)


def _points(group: Mapping[str, Any]) -> tuple[dict[str, _Point], int]:
    found: dict[str, _Point] = {}
    offset = 0
    for p in group.get("points", ()):
        if p["type"] in _KINDS:
            found[p["name"]] = _Point(offset, p["size"], p["type"], p.get("sf"))
        offset += p["size"]
    return found, offset


def _moved(point: _Point, by: int) -> _Point:
    return _Point(point.offset + by, point.size, point.type, point.scale)
