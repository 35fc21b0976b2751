"""A FoxESS H3 (unit 247): holding registers, big word order; its texts have one character a register.

Remote control: 44000 on, 44001 seconds without a write after which it ends, 44002 / 44003 one signed
number of 32 bits: active power at the AC terminals, out of the inverter +, panels and battery together.
"""

from __future__ import annotations

from simulators.devices.protocol import ILLEGAL_VALUE, ModbusError
from simulators.devices.registers import (
    Area,
    Block,
    Setting,
    VendorUnit,
    counted,
    number,
    pair,
    whole,
)
from simulators.devices.view import View
from simulators.physics.house import VOLTAGE_V

_REMOTE, _TIMEOUT, _POWER = 44000, 44001, 44002


class FoxEssHybrid(VendorUnit):
    """The simulated home's inverter as an H3-10.0-E."""

    def __init__(self, view: View) -> None:
        settings = {_REMOTE: Setting(0, 0, 1), _TIMEOUT: Setting(600, 0, 3600), **pair(_POWER)}
        areas = [
            Area(30000, 48, self._identity),
            Area(31000, 60, self._measured),
            Area(32000, 30, self._counters),
            Area(_REMOTE, 4, self._settings_only),
        ]
        super().__init__(view, areas, settings)
        self._apply()

    def reboot(self) -> None:
        """Remote control is not kept."""
        self._end()

    def near_wrap(self, margin_wh: float) -> None:
        for name in ("grid_import", "grid_export"):
            self.view.start_before(name, (1 << 32) * 100 - margin_wh)

    def written(self, addresses: frozenset[int]) -> None:
        power = number(self.settings, _POWER, signed=True)
        if abs(power) > 2 * self.view.home.house.inverter.ac_rating_w:
            raise ModbusError(ILLEGAL_VALUE)
        on = self.settings[_REMOTE].value == 1
        seconds = self.settings[_TIMEOUT].value
        self.view.home.timer("foxess", seconds or None if on else None, self._end)
        self._apply()

    def _end(self) -> None:
        self.view.home.timer("foxess", None, self._end)
        self.settings[_REMOTE].value = 0
        self._apply()

    def _apply(self) -> None:
        on = self.settings[_REMOTE].value == 1
        power = float(number(self.settings, _POWER, signed=True))
        self.view.home.command(ac_power_w=power if on else None, grid_charge=on)

    def _settings_only(self, block: Block) -> None:
        """Everything here is a setting."""

    def _identity(self, block: Block) -> None:
        for start, text in ((30000, " H3-10.0-E"), (30016, "60H3SIM000001"), (30032, "109")):
            block.u16(start, *text.ljust(16).encode())

    def _measured(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        for at, share, volts in ((31000, 0.58, 412.0), (31003, 0.42, 366.0)):
            watts = powers.pv * share
            block.i16(at, None if view.blind else whole(volts, 10), whole(watts / volts, 10))
            block.i16(at + 2, whole(watts))
        line = None if view.blind else whole(VOLTAGE_V, 10)
        block.i16(31006, line, line, line)
        block.i16(31015, whole(view.frequency_hz(), 100))
        third = whole(-powers.grid / 3)
        block.i16(31026, third, third, third)
        block.i16(31036, whole(powers.battery))
        block.u16(31038, whole(view.soc_pct()))

    def _counters(self, block: Block) -> None:
        view = self.view
        block.u32(32009, counted(view.counter("grid_export"), 0.01))
        block.u32(32012, counted(view.counter("grid_import"), 0.01))
