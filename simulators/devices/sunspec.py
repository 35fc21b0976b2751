"""The SunSpec frame: marker, chain of models, end; every model is built when it is read.

Layouts are those of the SunSpec model definitions; offsets count from the register of the model id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isnan

from simulators.devices.registers import Block, BlockUnit, Setting, Span, counted, whole
from simulators.devices.view import View

BASES = (40000, 0, 50000)  # where the standard lets a chain begin; the first is usual
ACC32 = 1 << 32


def scale_for(largest: float, full: int = 32767, finest: int = -2) -> int:
    """The finest scale factor (not below ``finest``) with which ``largest`` fits into ``full``.

    Real Fronius inverters move their scale factors with the magnitude in this way.
    """
    factor = finest
    if isnan(largest):
        return factor
    while abs(largest) * 10.0**-factor > full and factor < 10:
        factor += 1
    return factor


def scaled(value: float, factor: int) -> int | None:
    return whole(value, 10.0**-factor)


def acc32(energy_wh: float, factor: int) -> int | None:
    """A cumulative counter as an acc32 with a scale factor: it wraps."""
    return counted(energy_wh, 10.0**-factor)


@dataclass
class Model:
    """One model of the chain. ``fill`` packs its points into a block of ``length`` + 2 registers.

    ``settings`` are the writable registers by offset; after a write ``written`` hears the offsets.
    """

    number: int
    length: int
    fill: Callable[[Block], None]
    settings: Mapping[int, Setting] = field(default_factory=dict)
    written: Callable[[frozenset[int]], None] | None = None

    def build(self) -> bytes:
        block = Block(self.length + 2)
        block.u16(0, self.number, self.length)
        self.fill(block)
        for offset, setting in self.settings.items():
            block.u16(offset, setting.value & 0xFFFF)
        return bytes(block.data)


def constant(model: Model) -> Model:
    """The same model, packed once."""
    data = model.build()

    def fill(block: Block) -> None:
        block.data[:] = data

    return Model(model.number, model.length, fill)


def common(maker: str, name: str, version: str, serial: str, length: int = 65) -> Model:
    """Model 1."""

    def fill(block: Block) -> None:
        block.text(2, maker, 16)
        block.text(18, name, 16)
        block.text(42, version, 8)
        block.text(50, serial, 16)
        block.u16(66, 1)

    return constant(Model(1, length, fill))


class SunSpecUnit(BlockUnit):
    """A unit with a chain of models, ended by 0xFFFF."""

    def __init__(self, view: View, models: Sequence[Model]) -> None:
        super().__init__(view)
        spans, self.end = chain(self, models, view.sunspec_base)
        self.set_spans(spans)


def chain(unit: BlockUnit, models: Sequence[Model], base: int) -> tuple[list[Span], int]:
    """The spans of a chain of models, whose settings become writable; and the first free address."""
    spans = [Span(base, 2, lambda: b"SunS")]
    address = base + 2
    for model in models:
        spans.append(Span(address, model.length + 2, model.build))
        settings = {address + offset: setting for offset, setting in model.settings.items()}
        unit.set_writable(settings, partial(_heard, model, address))
        address += model.length + 2
    spans.append(Span(address, 2, lambda: b"\xff\xff\0\0"))
    return spans, address + 2


def _heard(model: Model, address: int, places: frozenset[int]) -> None:
    if model.written is not None:
        model.written(frozenset(place - address for place in places))
