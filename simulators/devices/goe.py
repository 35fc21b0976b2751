"""A go-e charger (unit 1): input and holding registers, written by function 16 only, no fail-safe.

299 is the volatile current; 300 the one that is kept and comes back after a restart. 337 forces:
0 neutral, 1 off, 2 on. 332 switches the phases: 0 as it likes, 1 one, 2 three. Energies: total 0.1 kWh, session 10 Ws; power 0.01 W.
"""

from __future__ import annotations

from simulators.devices.protocol import INPUT
from simulators.devices.registers import Area, Block, Setting, VendorUnit, counted, whole
from simulators.devices.view import View
from simulators.physics.values import PHASES, VOLTAGE_V

_ALLOW, _VOLATILE, _KEPT, _PHASES, _FORCE, _MOST = 200, 299, 300, 332, 337, 211


class GoeCharger(VendorUnit):
    """The wall box of the simulated home as a go-e charger."""

    def __init__(self, view: View) -> None:
        settings = {
            _MOST: Setting(16, 6, 32),
            _VOLATILE: Setting(16, 6, 32),
            _KEPT: Setting(16, 6, 32),
            _PHASES: Setting(2, 0, 2),
            _FORCE: Setting(0, 0, 2),
        }
        areas = [
            area
            for table in (3, INPUT)  # the document allows both functions for all registers
            for area in (
                Area(100, 60, self._measured, table),
                Area(200, 20, self._allowed, table),
                Area(299, 20, self._identity, table),
                Area(332, 6, self._nothing, table),
            )
        ]
        super().__init__(view, areas, settings, functions=frozenset((16,)))

    def reboot(self) -> None:
        """The volatile current is lost, the kept one applies."""
        self.settings[_VOLATILE].value = self.settings[_KEPT].value
        self.settings[_FORCE].value = 0
        self._apply()

    def near_wrap(self, margin_wh: float) -> None:
        self.view.start_before("charger", (1 << 32) * 100 - margin_wh)

    def written(self, addresses: frozenset[int]) -> None:
        if _KEPT in addresses:
            self.settings[_VOLATILE].value = self.settings[_KEPT].value
        self._apply()

    def _apply(self) -> None:
        current = min(self.settings[_VOLATILE].value, self.settings[_MOST].value)
        self.view.home.command(
            charge_current_a=float(current),
            charger_enabled=self.settings[_FORCE].value != 1,
            charge_phases=1 if self.settings[_PHASES].value == 1 else PHASES,
        )

    def _measured(self, block: Block) -> None:
        view, state = self.view, self.view.home.state()
        charging = state.powers.ev > 0
        block.u16(100, 1 if not state.car_plugged else 2 if charging else 4)
        block.u16(101, 32 if state.car_plugged else 0)
        block.text(105, "0555", 2)
        watts = view.powers().ev
        volts = None if view.blind else round(VOLTAGE_V)
        current = whole(watts / PHASES / VOLTAGE_V, 10)
        block.u32(108, volts, volts, volts, current, current, current, whole(watts, 100))
        block.u32(128, counted(view.counter("charger"), 0.01))
        block.u32(132, counted(state.session_wh, 360))
        third = whole(watts / PHASES, 0.01)
        block.u32(144, 0, third, third, third)

    def _allowed(self, block: Block) -> None:
        block.u16(_ALLOW, self.settings[_FORCE].value != 1)
        block.u16(205, 0b00111111 if self.view.home.state().powers.ev > 0 else 0b00111000)

    def _identity(self, block: Block) -> None:
        block.text(304, "SIM000299", 6)

    def _nothing(self, block: Block) -> None:
        """Everything here is a setting."""
