"""A SunSpec smart meter at the grid connection: models 1 and 203; power import +."""

from __future__ import annotations

from simulators.devices.hybrid import Lifetime, frequency_hz
from simulators.devices.registers import Block
from simulators.devices.sunspec import (
    NO_I16,
    Model,
    SunSpecUnit,
    acc32,
    common,
    scale_for,
    scaled,
)
from simulators.home import Home
from simulators.house import VOLTAGE_V


class GridMeter(SunSpecUnit):
    """The meter of the simulated home. ``energy_factor`` is the scale factor of its counters."""

    def __init__(
        self, home: Home, lifetime: Lifetime | None = None, energy_factor: int = 0
    ) -> None:
        self._home = home
        self._lifetime = lifetime or Lifetime()
        self._energy_factor = energy_factor
        super().__init__(
            [
                common("Fronius", "Smart Meter TS 65A-3", "1.3", "SIM0000200"),
                Model(203, 105, self._meter),
            ]
        )

    def _meter(self, block: Block) -> None:
        totals, watts = self._home.totals(), self._home.powers().grid
        current = watts / VOLTAGE_V
        factor = scale_for(current, 32767, -3)
        third = scaled(current / 3, factor)
        block.i16(2, scaled(current, factor), third, third, third, factor)
        phase, between_phases = round(VOLTAGE_V * 10), round(VOLTAGE_V * 3**0.5 * 10)
        block.i16(7, phase, phase, phase, phase)
        block.i16(11, between_phases, between_phases, between_phases, between_phases, -1)
        block.i16(16, round(frequency_hz(self._home) * 100), -2)
        factor = scale_for(watts, 32767, -1)
        third = scaled(watts / 3, factor)
        block.i16(18, scaled(watts, factor), third, third, third, factor)
        apparent = scaled(abs(watts), factor)
        block.i16(23, apparent, abs(third), abs(third), abs(third), factor)
        block.i16(28, 0, 0, 0, 0, factor)
        block.i16(33, 1000, 1000, 1000, 1000, -3)
        exported = acc32(self._lifetime.grid_export + totals.grid_export, self._energy_factor)
        imported = acc32(self._lifetime.grid_import + totals.grid_import, self._energy_factor)
        block.u32(38, exported, 0, 0, 0, imported, 0, 0, 0)
        block.i16(54, self._energy_factor)
        block.i16(71, NO_I16)  # TotVAh_SF: apparent energy is not counted
        block.i16(104, NO_I16)  # TotVArh_SF
