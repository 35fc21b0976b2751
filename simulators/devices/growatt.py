"""A Growatt SPH hybrid with the VPP registers of newer firmware. BE, powers in 0.1 W, no SunSpec.

Remote control (30407) follows 30409, percent of the battery's rated power with charge +, as long as
30100 gives it authority; authority alone suspends the battery. The minutes of 30408 end nothing here, as owners
measured: who forced the battery must free it. A restart forgets 30407-30409, not 30100 and 30410.
"""

from __future__ import annotations

from simulators.devices.protocol import INPUT
from simulators.devices.registers import Area, Block, Setting, VendorUnit, counted, whole
from simulators.devices.view import View

_AUTHORITY, _REMOTE, _MINUTES, _PERCENT, _GRID_CHARGE = 30100, 30407, 30408, 30409, 30410


class GrowattHybrid(VendorUnit):
    """The simulated home's inverter as an SPH 10000TL3 BH-UP."""

    def __init__(self, view: View) -> None:
        settings = {
            _AUTHORITY: Setting(0, 0, 1),
            _REMOTE: Setting(0, 0, 1),
            _MINUTES: Setting(0, 0, 1440),
            _PERCENT: Setting(0, -100, 100),
            _GRID_CHARGE: Setting(0, 0, 2),
        }
        areas = [
            Area(0, 125, self._numbers),
            Area(1000, 125, self._slots),
            Area(0, 125, self._panels, INPUT),
            Area(1000, 125, self._storage, INPUT),
            Area(30000, 40, self._identity),
            Area(30099, 2, self._version),
            Area(30404, 8, self._settings_only),
        ]
        super().__init__(view, areas, settings)
        self._apply()

    def reboot(self) -> None:
        """What is 'not storage' is lost."""
        for address in (_REMOTE, _MINUTES, _PERCENT):
            self.settings[address].value = 0
        self._apply()

    def near_wrap(self, margin_wh: float) -> None:
        for name in ("pv", "charge", "discharge", "grid_import", "grid_export"):
            self.view.start_before(name, (1 << 32) * 100 - margin_wh)

    def written(self, addresses: frozenset[int]) -> None:
        self._apply()

    def _apply(self) -> None:
        setting, battery = self.settings, self.view.home.house.battery
        charge: float | None = None
        discharge: float | None = None
        percent = setting[_PERCENT].value
        authority, remote = setting[_AUTHORITY].value == 1, setting[_REMOTE].value == 1
        if authority and not remote:
            charge = discharge = 0.0
        elif authority and percent:
            power = abs(percent) / 100 * battery.max_discharge_w
            charge, discharge = (power, -power) if percent > 0 else (-power, power)
        self.view.home.command(
            charge_limit_w=charge,
            discharge_limit_w=discharge,
            grid_charge=setting[_GRID_CHARGE].value > 0,
        )

    def _settings_only(self, block: Block) -> None:
        """Everything here is a setting."""

    def _version(self, block: Block) -> None:
        block.u16(30099, 203)

    def _identity(self, block: Block) -> None:
        house = self.view.home.house
        block.u16(30000, 3601)
        block.text(30001, "SIM0030409", 15)
        rated = round(10 * house.inverter.ac_rating_w)
        block.u32(30016, rated, rated)
        block.u32(30026, round(10 * house.battery.max_discharge_w))
        block.u16(30030, 1)

    def _numbers(self, block: Block) -> None:
        """Firmware and serial number."""
        block.text(9, "RA1.0", 3)
        block.text(12, "ZBDA", 3)
        block.text(23, "SIM0300230", 5)

    def _slots(self, block: Block) -> None:
        """How battery first and grid first are set up: as delivered, no slot is on."""
        block.u16(1070, 100, round(self.view.home.house.battery.min_soc_pct))
        block.u16(1090, 100, 100, 0)  # power and end of charging, none of it from the grid

    def _panels(self, block: Block) -> None:
        view, watts = self.view, self.view.powers().pv
        block.u16(0, 5)
        block.i32(35, whole(view.powers().inverter_ac, 10))
        block.u16(37, whole(view.frequency_hz(), 100))
        block.u32(55, counted(view.counter("inverter_out"), 0.01))
        block.u32(91, counted(view.counter("pv"), 0.01))
        block.u32(1, whole(watts, 10))
        block.u16(3, None if self.view.blind else 4120)
        block.u32(5, whole(watts * 0.58, 10))
        block.u32(9, whole(watts * 0.42, 10))

    def _storage(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        if view.blind:
            block.nothing(1009, 4)
            block.nothing(1021, 2)
            block.nothing(1029, 2)
        else:
            block.u32(
                1009, whole(max(0.0, powers.battery), 10), whole(max(0.0, -powers.battery), 10)
            )
            block.u32(1021, whole(max(0.0, powers.grid), 10))
            block.u32(1029, whole(max(0.0, -powers.grid), 10))
        block.u16(1000, 5)  # panels and battery on the grid
        block.u32(1046, counted(view.counter("grid_import"), 0.01))
        block.u32(1050, counted(view.counter("grid_export"), 0.01))
        block.u32(1054, counted(view.counter("discharge"), 0.01))
        block.u32(1058, counted(view.counter("charge"), 0.01))
        block.u16(1013, None if view.blind else 4100)
        block.u16(1014, whole(view.soc_pct()))
