"""The grid-support functions of a 7xx device: enter service, curves, trips, droop (IEEE 1547-2018, category B).

They stand in the chain as they do in real devices, so that whoever walks it must get past them. Each
shows its default curve, disabled and read-only: the simulated home has no grid that needs them.
"""

from __future__ import annotations

from collections.abc import Iterable

from simulators.devices.registers import Block
from simulators.devices.sunspec import Model

_PERCENT, _HUNDREDTHS, _MILLI = -1 & 0xFFFF, -2 & 0xFFFF, -3 & 0xFFFF  # scale factors
_DISABLED, _COMPLETED, _READ_ONLY = 0, 1, 1


def grid_support() -> list[Model]:
    """Models 703, 705, 706 and 710-712."""
    return [
        _model(703, _enter_service()),
        _model(705, _volt_var()),
        _model(706, _volt_watt()),
        _model(710, _over_frequency_trip()),
        _model(711, _droop()),
        _model(712, _watt_var()),
    ]


def _model(number: int, words: list[int]) -> Model:
    def fill(block: Block) -> None:
        block.u16(2, *(word & 0xFFFF for word in words))

    return Model(number, len(words), fill)


def _long(*values: int) -> list[int]:
    return [word for value in values for word in (value >> 16, value & 0xFFFF)]


def _flat(points: Iterable[tuple[int, int]]) -> list[int]:
    return [word for point in points for word in point]


def _head(points: int, curves: int = 1) -> list[int]:
    """Enable, request and result of adoption, sizes, reversion timer, what remains of it, its curve."""
    return [_DISABLED, 0, _COMPLETED, points, curves, *_long(0, 0), 0]


def _enter_service() -> list[int]:
    """Volts 91.7-105 %, 59.5-60.1 Hz, 300 s delay and ramp."""
    limits = [1, 1050, 917, *_long(6010, 5950)]
    return [*limits, *_long(300, 0, 300, 0), _PERCENT, _HUNDREDTHS]


def _volt_var() -> list[int]:
    curve = ((920, 440), (980, 0), (1020, 0), (1080, -440))
    head = [4, 1, 1, 1000, 1000, 0, 300, *_long(5), _READ_ONLY]
    return [*_head(4), _PERCENT, _PERCENT, 0, *head, *_flat(curve)]


def _volt_watt() -> list[int]:
    curve = ((1060, 1000), (1100, 200))
    return [*_head(2), _PERCENT, _PERCENT, 0, 2, 0, *_long(10), _READ_ONLY, *_flat(curve)]


def _over_frequency_trip() -> list[int]:
    """Off at 62.0 Hz after 0.16 s, at 61.2 Hz after 300 s."""
    trip = [2, *_long(6200, 16, 6120, 30_000)]
    unused = [0, *_long(0, 0, 0, 0)]
    head = [_DISABLED, 0, _COMPLETED, 2, 1, _HUNDREDTHS, _HUNDREDTHS]
    return [*head, _READ_ONLY, *trip, *unused, *unused]


def _droop() -> list[int]:
    """36 mHz dead band, 5 % droop, 5 s."""
    control = [*_long(36, 36), 50, 50, *_long(5), 0, _READ_ONLY]
    head = [_DISABLED, 0, _COMPLETED, 1, *_long(0, 0), 0]
    return [*head, _MILLI, _MILLI, 0, *control]


def _watt_var() -> list[int]:
    curve = ((-1000, 440), (-500, 0), (-200, 0), (200, 0), (500, 0), (1000, -440))
    return [*_head(6), _PERCENT, _PERCENT, 6, 0, 0, _READ_ONLY, *_flat(curve)]
