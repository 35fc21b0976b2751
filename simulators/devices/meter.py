"""A SunSpec smart meter at the grid connection: models 1 and 203 or 213."""

from __future__ import annotations

from simulators.devices.registers import Block, whole
from simulators.devices.sunspec import (
    ACC32,
    Model,
    SunSpecUnit,
    acc32,
    common,
    scale_for,
    scaled,
)
from simulators.devices.view import View
from simulators.physics.values import VOLTAGE_V

_BETWEEN_PHASES_V = VOLTAGE_V * 3**0.5


class MeterModel:
    """Model 203 (or 213 in floats). ``sign`` -1 shows export as +, as SolarEdge does.

    ``energy_factor`` is the scale factor of the counters; they wrap at 2^32 steps of it.
    """

    def __init__(self, view: View, floats: bool = False, sign: int = 1, energy_factor: int = 0):
        self._view, self._sign, self._energy_factor = view, sign, energy_factor
        self.model = Model(213, 124, self._floats) if floats else Model(203, 105, self._integers)

    def near_wrap(self, margin_wh: float) -> None:
        limit = ACC32 * 10.0**self._energy_factor - margin_wh
        self._view.start_before("grid_import", limit)
        self._view.start_before("grid_export", limit)

    def _integers(self, block: Block) -> None:
        view = self._view
        watts = view.powers().grid * self._sign
        current = watts / VOLTAGE_V
        largest = max((abs(w) for w in view.phases_w()), default=0.0) / VOLTAGE_V
        factor = scale_for(max(abs(current), largest), 32767, -3 + view.coarse)
        phases = [w * self._sign for w in view.phases_w()]
        amps = (scaled(w / VOLTAGE_V, factor) for w in phases)
        block.i16(2, scaled(current, factor), *amps, factor)
        phase, lines = whole(VOLTAGE_V, 10), whole(_BETWEEN_PHASES_V, 10)
        if view.blind:
            phase = lines = None
        block.i16(7, phase, phase, phase, phase, lines, lines, lines, lines, -1)
        block.i16(16, whole(view.frequency_hz(), 100), -2)
        factor = scale_for(max(abs(watts), largest * VOLTAGE_V), 32767, -1 + view.coarse)
        block.i16(18, scaled(watts, factor), *(scaled(w, factor) for w in phases), factor)
        apparent, part = scaled(abs(watts), factor), scaled(abs(watts / 3), factor)
        block.i16(23, apparent, part, part, part, factor)
        reactive = None if view.blind else 0
        block.i16(28, reactive, reactive, reactive, reactive, factor)
        cosine = None if view.blind else 1000
        block.i16(33, cosine, cosine, cosine, cosine, -3)
        exported = acc32(view.counter("grid_export"), self._energy_factor)
        imported = acc32(view.counter("grid_import"), self._energy_factor)
        block.acc32(38, exported, 0, 0, 0, imported, 0, 0, 0)
        block.i16(54, self._energy_factor)
        block.i16(71, None)  # TotVAh_SF: apparent energy is not counted
        block.i16(104, None)  # TotVArh_SF

    def _floats(self, block: Block) -> None:
        view, nan = self._view, float("nan")
        watts = view.powers().grid * self._sign
        current = watts / VOLTAGE_V
        phases = [w * self._sign for w in view.phases_w()]
        block.f32(2, current, *(w / VOLTAGE_V for w in phases))
        volts = (VOLTAGE_V,) * 4 + (_BETWEEN_PHASES_V,) * 4
        block.f32(10, *((nan,) * 8 if view.blind else volts))
        block.f32(26, view.frequency_hz(), watts, *phases)
        block.f32(36, abs(watts), *(nan,) * 11)
        block.f32(60, view.counter("grid_export"), nan, nan, nan)
        block.f32(68, view.counter("grid_import"), nan, nan, nan)
        block.f32(76, *(nan,) * 24)


class GridMeter(SunSpecUnit):
    """The meter of the simulated home as a unit of its own; power import +, as on Fronius."""

    def __init__(self, view: View, floats: bool = False, energy_factor: int = 0) -> None:
        self._meter = MeterModel(view, floats, energy_factor=energy_factor)
        name = common("Fronius", "Smart Meter TS 65A-3", "1.3", "SIM0000200")
        super().__init__(view, [name, self._meter.model])

    def reboot(self) -> None:
        """A meter has nothing volatile."""

    def near_wrap(self, margin_wh: float) -> None:
        self._meter.near_wrap(margin_wh)
